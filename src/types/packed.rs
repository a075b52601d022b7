//! The binary form of texts: digits two to a byte, everything else as it is.
//!
//! Order numbers and transactions are digits as a rule, and every order is stored with several
//! of them. A packed text begins with a byte that no text begins with.

use std::str;

use smallvec::SmallVec;

/// Room for a text of digits, on the stack as a rule.
pub(super) type Room = SmallVec<[u8; 64]>;

/// Not found in UTF-8.
const PACKED: u8 = 0xff;

/// Shorter ones gain nothing.
const DIGITS_MIN: usize = 4;

/// The binary form of a text.
pub(super) fn pack<'a>(text: &'a str, room: &'a mut Room) -> &'a [u8] {
    let bytes = text.as_bytes();
    let (pairs, rest) = bytes.as_chunks::<2>();
    let is_packed =
        bytes.len() >= DIGITS_MIN && rest.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    if !is_packed {
        return bytes;
    }
    room.clear();
    room.resize(pairs.len().saturating_add(1), PACKED);
    let digit = |byte: u8| byte.wrapping_sub(b'0');
    for (packed, [one, two]) in room.iter_mut().skip(1).zip(pairs) {
        *packed = digit(*one) << 4 | digit(*two);
    }
    room
}

/// The text of a binary form; `None` where it is none.
pub(super) fn unpack<'a>(bytes: &'a [u8], room: &'a mut Room) -> Option<&'a str> {
    let Some((&PACKED, packed)) = bytes.split_first() else {
        return str::from_utf8(bytes).ok();
    };
    room.resize(packed.len().saturating_mul(2), 0);
    let (pairs, _) = room.as_chunks_mut::<2>();
    let mut are_digits = bytes.len() > DIGITS_MIN / 2;
    for (pair, byte) in pairs.iter_mut().zip(packed) {
        let (one, two) = (byte >> 4, byte & 0xf);
        are_digits &= one <= 9 && two <= 9;
        *pair = [one, two].map(|digit| b'0'.wrapping_add(digit));
    }
    str::from_utf8(room).ok().filter(|_| are_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_digits_take_half() {
        for text in [
            "", "1", "12", "123", "12345", "123456", "12345a", "像", "00", "0000",
        ] {
            let (mut room, mut back) = (Room::new(), Room::new());
            assert_eq!(unpack(pack(text, &mut room), &mut back).unwrap(), text);
        }
        let mut room = Room::new();
        for _ in 0..2 {
            assert_eq!(pack("0123", &mut room), [PACKED, 0x01, 0x23]);
            room.fill(7); // whatever it was used for
        }
        for digits in [32, 126, 128, 1_000] {
            let text = "9".repeat(digits);
            let (mut room, mut back) = (Room::new(), Room::new());
            let packed = pack(&text, &mut room);
            assert_eq!(packed.len(), digits / 2 + 1);
            assert_eq!(unpack(packed, &mut back).unwrap(), text);
        }
    }

    #[test]
    fn what_pack_never_makes_is_no_text() {
        for bytes in [
            &[PACKED][..],
            &[PACKED, 0x12],
            &[PACKED, 0x12, 0x3a],
            &[0xfe, 1, 2],
        ] {
            assert_eq!(unpack(bytes, &mut Room::new()), None);
        }
    }
}
