//! Payment channel of an order.
//!
//! The channel is part of the unique keys, because two channels may issue the same
//! transaction number.

use std::str;

use super::charset::check_ascii;
use super::text_traits::{shown_in_full, text_traits};
use super::value_error::ValueError;

/// Name of a payment channel: 1 to 16 bytes of `[a-z0-9_]`, chosen by the caller.
///
/// The default is `wechat`. Never change the name of a channel in use: stored keys contain
/// it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    // The bytes after `len` are zero. No allowed byte is zero, so the derived comparison of
    // the whole array orders channels like their text.
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl Channel {
    /// Maximum length of a name, in bytes.
    pub const MAX_LEN: usize = 16;
    /// `WeChat` Pay, named `wechat`.
    pub const WECHAT: Self = Self {
        bytes: *b"wechat\0\0\0\0\0\0\0\0\0\0",
        len: 6,
    };

    /// Parses the name of a channel.
    ///
    /// # Errors
    /// [`ValueError`] if the name is empty, is too long, or has a byte outside `[a-z0-9_]`. The
    /// error contains the position of that byte.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let allowed = "write 1 to 16 lower-case letters, digits and _, like wechat";
        let bytes = text.as_bytes();
        check_ascii("channel", bytes, Self::MAX_LEN, is_channel_byte, allowed)?;
        // At most 16, so the conversion never fails.
        let len = u8::try_from(text.len()).unwrap_or(u8::MAX);
        let mut bytes = [0; Self::MAX_LEN];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Ok(Self { bytes, len })
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Every allowed byte is ASCII, so the conversion never fails.
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Returns the bytes of the name, without padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Default for Channel {
    fn default() -> Self {
        Self::WECHAT
    }
}

fn is_channel_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

shown_in_full!(Channel);
text_traits!(Channel, "a channel: a string of 1 to 16 bytes of [a-z0-9_]");

#[cfg(test)]
mod tests {
    use super::super::check::{json_refuses, round_trip};
    use super::super::value_error::ValueProblem;
    use super::*;

    #[test]
    fn default_channel_is_wechat() {
        assert_eq!(Channel::default(), Channel::WECHAT);
        assert_eq!(Channel::parse("wechat"), Ok(Channel::WECHAT));
        assert_eq!(Channel::WECHAT.to_string(), "wechat");
        assert_eq!(format!("{:?}", Channel::WECHAT), "Channel(\"wechat\")");
    }

    #[test]
    fn channel_of_1_to_16_bytes_is_accepted() {
        for len in 1..=16 {
            let text = "a".repeat(len);
            let channel: Channel = text.parse().unwrap();
            assert_eq!(channel.as_str(), text);
            assert_eq!(channel.as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn invalid_channel_name_is_rejected_with_reason() {
        let kind = |text: &str| Channel::parse(text).unwrap_err().problem;
        assert_eq!(kind(""), ValueProblem::Empty);
        let too_long = |len| ValueProblem::TooLong {
            len,
            max: 16,
            unit: "characters",
        };
        assert_eq!(kind(&"a".repeat(17)), too_long(17));
        assert_eq!(kind(&"a".repeat(300)), too_long(300));
        assert_eq!(kind("weChat"), ValueProblem::BadByte { at: 2 });
        assert_eq!(kind("we chat"), ValueProblem::BadByte { at: 2 });
        assert_eq!(kind("a\0"), ValueProblem::BadByte { at: 1 });
    }

    #[test]
    fn deserialize_rejects_invalid_channel_name() {
        round_trip(&Channel::WECHAT, r#""wechat""#);
        json_refuses::<Channel>(r#""""#);
        json_refuses::<Channel>("1");
    }

    #[test]
    fn payment_channels_sort_by_name() {
        let parse = |text| Channel::parse(text).unwrap();
        assert!(parse("a") < parse("a0") && parse("a0") < parse("ab") && parse("ab") < parse("b"));
    }
}
