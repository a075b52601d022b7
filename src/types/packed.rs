//! Binary form of texts: decimal digits packed two to a byte, other texts unchanged.
//!
//! Order numbers and transactions usually consist of digits, and every stored order contains
//! several of them. A packed text begins with `0xff`, which no UTF-8 text contains:
//!
//! | text | stored bytes |
//! |---|---|
//! | `0123` | `ff 01 23` |
//! | `123` (odd number of digits) | `31 32 33` |
//! | `R-12` | `52 2d 31 32` |

use std::str;

use smallvec::SmallVec;

/// Buffer for one packed or unpacked text. It stays on the stack up to 64 bytes.
pub(super) type Room = SmallVec<[u8; 64]>;

/// First byte of a packed text. UTF-8 never contains it.
const PACKED: u8 = 0xff;

/// Minimum number of digits to pack. Packing two digits saves no byte.
const DIGITS_MIN: usize = 4;

/// Returns the binary form of a text. `room` holds the bytes if the text is packed.
pub(super) fn pack<'a>(text: &'a str, room: &'a mut Room) -> &'a [u8] {
    let bytes = text.as_bytes();
    let (pairs, rest) = bytes.as_chunks::<2>();
    let is_packed =
        bytes.len() >= DIGITS_MIN && rest.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    if !is_packed {
        return bytes;
    }
    // `resize` writes only new elements. Without `clear`, a reused buffer would keep its old
    // first byte instead of the `PACKED` mark.
    room.clear();
    room.resize(pairs.len().saturating_add(1), PACKED);
    let digit = |byte: u8| byte.wrapping_sub(b'0');
    for (packed, [high, low]) in room.iter_mut().skip(1).zip(pairs) {
        *packed = digit(*high) << 4 | digit(*low);
    }
    room
}

/// Returns the text of a binary form, or `None` if `pack` cannot have written these bytes.
pub(super) fn unpack<'a>(bytes: &'a [u8], room: &'a mut Room) -> Option<&'a str> {
    let Some((&PACKED, packed)) = bytes.split_first() else {
        return str::from_utf8(bytes).ok();
    };
    room.resize(packed.len().saturating_mul(2), 0);
    let (pairs, _) = room.as_chunks_mut::<2>();
    // The mark and two bytes are the shortest form that `pack` writes. A nibble above 9 is not
    // a digit. Without these checks, corrupt bytes would decode to a different text, and one
    // text would have several binary forms.
    let mut are_digits = bytes.len() > DIGITS_MIN / 2;
    for (pair, byte) in pairs.iter_mut().zip(packed) {
        let (high, low) = (byte >> 4, byte & 0xf);
        are_digits &= high <= 9 && low <= 9;
        *pair = [high, low].map(|digit| b'0'.wrapping_add(digit));
    }
    str::from_utf8(room).ok().filter(|_| are_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_text_round_trips_at_half_size() {
        for text in [
            "", "1", "12", "123", "12345", "123456", "12345a", "像", "00", "0000",
        ] {
            let (mut room, mut back) = (Room::new(), Room::new());
            assert_eq!(unpack(pack(text, &mut room), &mut back).unwrap(), text);
        }
        let mut room = Room::new();
        for _ in 0..2 {
            assert_eq!(pack("0123", &mut room), [PACKED, 0x01, 0x23]);
            room.fill(7); // simulates an earlier use of the buffer
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
    fn unpack_rejects_bytes_not_written_by_pack() {
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
