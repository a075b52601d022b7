//! The binary form of texts: digits two to a byte, everything else as it is.
//!
//! Order numbers and transactions are digits as a rule, and every order is stored with several
//! of them. A packed text begins with a byte that no text begins with.

use std::borrow::Cow;
use std::str;

/// Not found in UTF-8.
const PACKED: u8 = 0xff;

/// Shorter ones gain nothing.
const DIGITS_MIN: usize = 4;

/// The binary form of a text.
pub(super) fn pack(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    let (pairs, rest) = bytes.as_chunks::<2>();
    let is_packed =
        bytes.len() >= DIGITS_MIN && rest.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    if !is_packed {
        return Cow::Borrowed(bytes);
    }
    let digit = |byte: u8| byte.wrapping_sub(b'0');
    let pairs = pairs
        .iter()
        .map(|[one, two]| digit(*one) << 4 | digit(*two));
    std::iter::once(PACKED).chain(pairs).collect()
}

/// The text of a binary form; `None` where it is none.
pub(super) fn unpack(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let Some((&PACKED, pairs)) = bytes.split_first() else {
        return str::from_utf8(bytes).ok().map(Cow::Borrowed);
    };
    let mut digits = Vec::with_capacity(pairs.len().saturating_mul(2));
    let mut are_digits = true;
    for pair in pairs {
        let (one, two) = (pair >> 4, pair & 0xf);
        are_digits &= one <= 9 && two <= 9;
        digits.extend([b'0'.wrapping_add(one), b'0'.wrapping_add(two)]);
    }
    let text = String::from_utf8(digits).ok();
    text.filter(|text| are_digits && text.len() >= DIGITS_MIN)
        .map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_digits_take_half() {
        for text in [
            "", "1", "12", "123", "12345", "123456", "12345a", "像", "00", "0000",
        ] {
            let packed = pack(text);
            assert_eq!(unpack(&packed).unwrap(), text);
        }
        assert_eq!(&*pack("0123"), [PACKED, 0x01, 0x23]);
        assert_eq!(pack(&"9".repeat(32)).len(), 17);
    }

    #[test]
    fn what_pack_never_makes_is_no_text() {
        for bytes in [
            &[PACKED][..],
            &[PACKED, 0x12],
            &[PACKED, 0x12, 0x3a],
            &[0xfe, 1, 2],
        ] {
            assert_eq!(unpack(bytes), None);
        }
    }
}
