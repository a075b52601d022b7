//! The merchant's order number, the primary key of a record.
//!
//! Invariants:
//! - Numbers compare as bytes. Parsing does not trim, and case matters.
//! - The bytes after `len` are zero. No allowed byte is zero, so comparing the whole array
//!   sorts numbers like their text.

use std::hash::{Hash, Hasher};
use std::str;

use super::charset::{check_ascii, is_number_byte};
use super::text_traits::{shown_in_full, text_traits};
use super::value_error::ValueError;

/// The merchant's order number, the `out_trade_no` of the payment channel.
///
/// 1 to 32 bytes of `[0-9A-Za-z_\-|*@]`. `WeChat` Pay API v3 accepts new numbers of 6 bytes or
/// more. API v2, tills and overseas merchants use shorter numbers, so this type accepts any
/// length from 1. The number is unique within a merchant. It compares and sorts by bytes. It
/// serializes to a string. Deserializing rejects a JSON number, which cannot hold 32 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderNo {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl OrderNo {
    /// Maximum length of a number, in bytes.
    pub const MAX_LEN: usize = 32;

    /// Parses a number from text.
    ///
    /// # Errors
    /// [`ValueError`] for a wrong length, otherwise for the first byte that is not allowed.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        Self::from_bytes(text.as_bytes())
    }

    /// Parses a number from the bytes of its text, such as the bytes in a stored key.
    ///
    /// # Errors
    /// The same errors as [`OrderNo::parse`].
    pub fn from_bytes(text: &[u8]) -> Result<Self, ValueError> {
        let allowed = "write 1 to 32 letters, digits and _-|*@, like 1217752501201407033233368018";
        check_ascii("order number", text, Self::MAX_LEN, is_number_byte, allowed)?;
        // At most 32, so the conversion never fails.
        let len = u8::try_from(text.len()).unwrap_or(u8::MAX);
        let mut bytes = [0; Self::MAX_LEN];
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
        }
        Ok(Self { bytes, len })
    }

    /// Builds a number from 32 ASCII digits, in four groups of eight.
    #[inline]
    pub(crate) fn of_digits(digits: [[u8; 8]; 4]) -> Self {
        debug_assert!(digits.as_flattened().iter().all(u8::is_ascii_digit));
        let mut bytes = [0; Self::MAX_LEN];
        for (to, from) in bytes.chunks_exact_mut(8).zip(digits) {
            to.copy_from_slice(&from);
        }
        Self { bytes, len: 32 }
    }

    /// Returns the number as text, exactly as it was parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Every allowed byte is ASCII, so the conversion never fails.
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Returns the bytes of the text, without padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Hash for OrderNo {
    /// Hashes the number as four words, which is faster than a slice. The length adds nothing.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (words, _) = self.bytes.as_chunks();
        let words = words.iter().copied().map(u64::from_ne_bytes);
        words.for_each(|word| state.write_u64(word));
    }
}

shown_in_full!(OrderNo);
text_traits!(
    OrderNo,
    "an order number: a string of 1 to 32 bytes of [0-9A-Za-z_-|*@]"
);

#[cfg(test)]
mod tests {
    use super::super::check::{json_refuses, round_trip};
    use super::super::value_error::ValueProblem;
    use super::*;

    fn no(text: &str) -> OrderNo {
        OrderNo::parse(text).unwrap()
    }

    #[test]
    fn order_number_of_1_to_32_bytes_is_accepted() {
        for len in 1..=OrderNo::MAX_LEN {
            let text = "7".repeat(len);
            assert_eq!(no(&text).as_str(), text);
            assert_eq!(no(&text).as_bytes(), text.as_bytes());
            assert_eq!(no(&text).to_string(), text);
            assert_eq!(text.parse::<OrderNo>().unwrap(), no(&text));
            assert_eq!(OrderNo::try_from(text.as_str()).unwrap(), no(&text));
        }
    }

    #[test]
    fn empty_or_too_long_order_number_is_rejected() {
        let problem = |len: usize| OrderNo::parse(&"7".repeat(len)).unwrap_err().problem;
        assert_eq!(problem(0), ValueProblem::Empty);
        let (max, unit) = (32, "characters");
        for len in [33, 262] {
            assert_eq!(problem(len), ValueProblem::TooLong { len, max, unit });
        }
    }

    #[test]
    fn order_number_rejects_undocumented_bytes() {
        assert_eq!(no("_-|*@aZ09").as_str(), "_-|*@aZ09");
        for byte in [b' ', b'\0', b'+', b'/', b'.', b'\n', 0x80] {
            let error = OrderNo::from_bytes(&[b'1', b'2', b'3', byte, b'5', b'6']);
            let problem = error.unwrap_err().problem;
            assert_eq!(problem, ValueProblem::BadByte { at: 3 });
        }
    }

    #[test]
    fn order_number_parse_keeps_spaces_and_case() {
        assert!(OrderNo::parse(" 1234567").is_err());
        assert!(OrderNo::parse("1234567\n").is_err());
        assert_ne!(no("abcdef"), no("ABCDEF"));
    }

    #[test]
    fn order_numbers_sort_by_bytes() {
        let mut texts = ["aaaaaaa", "a", "|aaaaa", "*aaaaa", "-aaaaa", "aaaaaa*"];
        let mut numbers = texts.map(no);
        texts.sort_unstable();
        numbers.sort_unstable();
        assert_eq!(numbers.map(|number| number.to_string()), texts);
    }

    #[test]
    fn order_number_debug_shows_type_and_text() {
        assert_eq!(format!("{:?}", no("order-1")), "OrderNo(\"order-1\")");
    }

    #[test]
    fn order_number_error_has_position_and_example() {
        let message = |text| OrderNo::parse(text).unwrap_err().to_string();
        assert!(message("").starts_with("order number is empty"));
        assert!(message("abc def").contains("at character 4"));
        assert!(message("abc def").ends_with("like 1217752501201407033233368018"));
    }

    #[test]
    fn deserialize_rejects_invalid_order_number() {
        round_trip(
            &no("1217752501201407033233368018"),
            r#""1217752501201407033233368018""#,
        );
    }

    #[test]
    fn order_number_rejects_json_number() {
        json_refuses::<OrderNo>("1217752501201407");
        json_refuses::<OrderNo>("121775250120140.7");
        json_refuses::<OrderNo>("null");
        assert!(json_refuses::<OrderNo>(r#""""#).contains("is empty"));
    }
}
