//! The merchant's own order number, under which everything about an order is kept.
//!
//! Invariants:
//! - Numbers are compared as bytes. Nothing is trimmed, and case counts.
//! - The bytes behind the length are zero. No allowed byte is zero, so comparing the
//!   whole array orders numbers like their text.

use std::str;

use thiserror::Error;

use super::charset::{first_bad, is_number_byte};
use super::text_traits::{shown_in_full, text_traits};

/// A merchant's order number, the `out_trade_no` of the payment channel.
///
/// 1 to 32 bytes of `[0-9A-Za-z_\-|*@]`. `WeChat` Pay's v3 takes new orders of 6 bytes or
/// more; v2, tills and overseas merchants have shorter numbers, so any length is read here.
/// The number is unique within a merchant, compared as bytes, and sorts by bytes.
/// Serialized it is a string; a JSON number is refused, since it could not hold 32 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderNo {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

/// A number as messages show it.
const EXAMPLE: &str = "1217752501201407033233368018";

/// Why a text is not an [`OrderNo`]. May grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OrderNoError {
    /// There is no text.
    #[error("order number is empty: write it like {EXAMPLE}")]
    Empty,
    /// More than 32 bytes.
    #[error(
        "order number has {len} characters, more than {}: write it like {EXAMPLE}",
        OrderNo::MAX_LEN
    )]
    TooLong {
        /// The length found, in bytes.
        len: usize,
    },
    /// A byte that is not in `[0-9A-Za-z_\-|*@]`.
    #[error(
        "order number has something else than letters, digits and _-|*@ at character {}: write it \
         like {EXAMPLE}",
        .at + 1
    )]
    BadByte {
        /// The position of the byte, from 0.
        at: usize,
        /// The byte itself.
        byte: u8,
    },
}

impl OrderNo {
    /// The longest number, in bytes.
    pub const MAX_LEN: usize = 32;

    /// Reads a number from text.
    ///
    /// # Errors
    /// [`OrderNoError::Empty`] and [`OrderNoError::TooLong`] for the length, then
    /// [`OrderNoError::BadByte`] for the first byte that is not allowed.
    pub fn parse(text: &str) -> Result<Self, OrderNoError> {
        Self::from_bytes(text.as_bytes())
    }

    /// Reads a number from the bytes of its text, as keys hold it.
    ///
    /// # Errors
    /// As [`OrderNo::parse`].
    pub fn from_bytes(text: &[u8]) -> Result<Self, OrderNoError> {
        let len = checked_len(text)?;
        if let Some((at, byte)) = first_bad(text, is_number_byte) {
            return Err(OrderNoError::BadByte { at, byte });
        }
        let mut bytes = [0; Self::MAX_LEN];
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
        }
        Ok(Self { bytes, len })
    }

    /// The number of these digits.
    #[inline]
    pub(crate) fn of_digits(digits: [[u8; 8]; 4]) -> Self {
        debug_assert!(digits.as_flattened().iter().all(u8::is_ascii_digit));
        let mut bytes = [0; Self::MAX_LEN];
        for (to, from) in bytes.chunks_exact_mut(8).zip(digits) {
            to.copy_from_slice(&from);
        }
        Self { bytes, len: 32 }
    }

    /// The number as text, exactly as it was parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Every allowed byte is ASCII, so the default is never taken.
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The bytes of the text, without padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

fn checked_len(text: &[u8]) -> Result<u8, OrderNoError> {
    let len = text.len();
    match u8::try_from(len) {
        Ok(0) => Err(OrderNoError::Empty),
        Ok(short) if len <= OrderNo::MAX_LEN => Ok(short),
        _ => Err(OrderNoError::TooLong { len }),
    }
}

shown_in_full!(OrderNo);
text_traits!(
    OrderNo,
    OrderNoError,
    "an order number: a string of 1 to 32 bytes of [0-9A-Za-z_-|*@]"
);

#[cfg(test)]
mod tests {
    use super::super::check::{binary_refuses, json_refuses, round_trip};
    use super::*;

    fn no(text: &str) -> OrderNo {
        OrderNo::parse(text).unwrap()
    }

    #[test]
    fn lengths_from_1_to_32_are_accepted_and_come_back_unchanged() {
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
    fn other_lengths_are_named() {
        let parse = |len: usize| OrderNo::parse(&"7".repeat(len));
        assert_eq!(parse(0), Err(OrderNoError::Empty));
        assert_eq!(parse(33), Err(OrderNoError::TooLong { len: 33 }));
        assert_eq!(parse(262), Err(OrderNoError::TooLong { len: 262 }));
    }

    #[test]
    fn all_the_special_bytes_are_allowed_and_no_others() {
        assert_eq!(no("_-|*@aZ09").as_str(), "_-|*@aZ09");
        for byte in [b' ', b'\0', b'+', b'/', b'.', b'\n', 0x80] {
            let error = OrderNo::from_bytes(&[b'1', b'2', b'3', byte, b'5', b'6']);
            assert_eq!(error, Err(OrderNoError::BadByte { at: 3, byte }));
        }
    }

    #[test]
    fn nothing_is_trimmed_and_case_counts() {
        assert!(OrderNo::parse(" 1234567").is_err());
        assert!(OrderNo::parse("1234567\n").is_err());
        assert_ne!(no("abcdef"), no("ABCDEF"));
    }

    #[test]
    fn numbers_sort_like_their_bytes() {
        let mut texts = ["aaaaaaa", "a", "|aaaaa", "*aaaaa", "-aaaaa", "aaaaaa*"];
        let mut numbers = texts.map(no);
        texts.sort_unstable();
        numbers.sort_unstable();
        assert_eq!(numbers.map(|number| number.to_string()), texts);
    }

    #[test]
    fn debug_shows_type_and_text() {
        assert_eq!(format!("{:?}", no("order-1")), "OrderNo(\"order-1\")");
    }

    #[test]
    fn errors_say_what_and_where() {
        let message = |text| OrderNo::parse(text).unwrap_err().to_string();
        assert!(message("").starts_with("order number is empty"));
        assert!(message("abc def").contains("at character 4"));
        assert!(message("abc def").ends_with(EXAMPLE));
    }

    #[test]
    fn serialized_it_is_a_checked_string() {
        round_trip(
            &no("1217752501201407033233368018"),
            r#""1217752501201407033233368018""#,
        );
        binary_refuses::<OrderNo>(&"");
        binary_refuses::<OrderNo>(&"7".repeat(33));
        binary_refuses::<OrderNo>(&"with space");
    }

    #[test]
    fn a_json_number_is_refused() {
        json_refuses::<OrderNo>("1217752501201407");
        json_refuses::<OrderNo>("121775250120140.7");
        json_refuses::<OrderNo>("null");
        assert!(json_refuses::<OrderNo>(r#""""#).contains("is empty"));
    }
}
