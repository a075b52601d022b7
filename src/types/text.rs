//! Texts of limited length that belong to an order but do not influence the rules.
//!
//! Invariants:
//! - Parsing checks the length limit before it copies the text.
//! - `Debug` shows only the length of free texts and of prepay values.

use thiserror::Error;

use super::charset::{first_bad, is_graphic, is_graphic_or_space};
use super::text_traits::{empty_by_default, short_text, shown_by_length, shown_in_full};

/// Error for a text or bytes that break the rule of their type. It never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} {}", self.explanation())]
#[non_exhaustive]
pub struct TextError {
    /// Name of the type in lower case, such as `description`.
    pub what: &'static str,
    /// Maximum length: in characters for a description, in bytes for other types.
    pub limit: usize,
    /// Actual length, in the unit of `limit`.
    pub found: usize,
    /// Broken part of the rule.
    pub reason: TextErrorReason,
}

/// Rule that a text broke. Later versions may add variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextErrorReason {
    /// The text is empty, but the type needs at least one byte.
    Empty,
    /// `found` is above `limit`.
    TooLong,
    /// The text has a character that the type does not allow.
    BadChar {
        /// Position of the first byte of that character, from 0.
        at: usize,
    },
    /// The hexadecimal text is invalid: a character is not a hexadecimal digit, or the second
    /// digit of a pair is missing.
    BadHex {
        /// Position of the digit, from 0.
        at: usize,
    },
}

impl TextError {
    /// Describes the expected text, with an example where that helps.
    fn rule(&self) -> &'static str {
        match self.what {
            "description" => "write it on one line, without control characters",
            "label" => "write one word, like NOTENOUGH",
            _ => "write printable ASCII characters, like wx201410272009395522657a690389285100",
        }
    }

    fn explanation(&self) -> String {
        match self.reason {
            TextErrorReason::Empty => format!("is empty: {}", self.rule()),
            TextErrorReason::TooLong => {
                let Self { found, limit, .. } = self;
                // The limit of a description is in characters, see `TextError::limit`.
                let unit = if self.what == "description" {
                    "characters"
                } else {
                    "bytes"
                };
                format!("has {found} {unit}, more than {limit}: shorten it")
            }
            TextErrorReason::BadChar { .. } => {
                format!("has a character that is not allowed: {}", self.rule())
            }
            TextErrorReason::BadHex { .. } => {
                "is not valid hexadecimal: write two digits for each byte, like ff00".to_owned()
            }
        }
    }
}

/// Actual and maximum length of a text.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    pub(super) what: &'static str,
    pub(super) limit: usize,
    pub(super) found: usize,
}

impl Measure {
    pub(super) fn error(self, reason: TextErrorReason) -> TextError {
        let Self { what, limit, found } = self;
        TextError {
            what,
            limit,
            found,
            reason,
        }
    }

    pub(super) fn within_limit(self) -> Result<(), TextError> {
        if self.found > self.limit {
            return Err(self.error(TextErrorReason::TooLong));
        }
        Ok(())
    }
}

/// Checks that the text has at most `limit` bytes. All characters are allowed.
fn any(what: &'static str, text: &str, limit: usize) -> Result<(), TextError> {
    let found = text.len();
    Measure { what, limit, found }.within_limit()
}

/// Checks that the text has 1 to `limit` bytes, all of one byte set.
fn some_of(
    what: &'static str,
    text: &str,
    limit: usize,
    allowed: impl Fn(u8) -> bool,
) -> Result<(), TextError> {
    let found = text.len();
    let measure = Measure { what, limit, found };
    if found == 0 {
        return Err(measure.error(TextErrorReason::Empty));
    }
    measure.within_limit()?;
    match first_bad(text.as_bytes(), allowed) {
        Some((at, _)) => Err(measure.error(TextErrorReason::BadChar { at })),
        None => Ok(()),
    }
}

/// Checks that the text has at most 127 characters, and no control character.
fn description(text: &str) -> Result<(), TextError> {
    const LIMIT: usize = 127;
    let measure = || Measure {
        what: "description",
        limit: LIMIT,
        found: text.chars().count(),
    };
    // No text has more characters than bytes, so short texts need no character count.
    if text.len() > LIMIT {
        measure().within_limit()?;
    }
    if !may_hold_control(text.as_bytes()) {
        return Ok(());
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(measure().error(TextErrorReason::BadChar { at })),
        None => Ok(()),
    }
}

/// Returns whether the text may contain a control character.
///
/// Control characters are the ASCII ones and U+0080 to U+009F, which begin with the byte
/// `0xc2`. U+00A0 to U+00BF begin with that byte as well, so `true` may be a false alarm and
/// the caller must look at each character. `false` is certain.
fn may_hold_control(text: &[u8]) -> bool {
    let may_begin = |byte: u8| byte.is_ascii_control() || byte == 0xc2;
    text.iter().fold(false, |any, &byte| any | may_begin(byte))
}

short_text! {
    /// Description of the goods that the payer reads: the channel's `body` or `description`.
    ///
    /// At most 127 characters (Unicode scalar values), which is the channel's limit, and no
    /// control characters. It may be empty. Do not put names, telephone numbers or addresses
    /// into it. `Debug` shows only the length in bytes, in case it contains some.
    Description, TextError, "a description: a string of at most 127 characters",
    description
}

short_text! {
    /// The merchant's text that the channel returns in every notification, its `attach`.
    ///
    /// At most 128 bytes of UTF-8; it may be empty. Do not put names or telephone numbers
    /// into it: the channel stores it and prints it in bills. `Debug` shows only the length in
    /// bytes.
    Attach, TextError, "an attach: a string of at most 128 bytes",
    |text| any("attach", text, 128)
}

short_text! {
    /// Reason for an operator's decision: at most 512 bytes of UTF-8. It may be empty. `Debug`
    /// shows only the length in bytes.
    Note, TextError, "a note: a string of at most 512 bytes",
    |text| any("note", text, 512)
}

short_text! {
    /// Short identifier that the channel defines, such as a trade type, a bank type, an error
    /// code or a notification id: 1 to 64 bytes of printable ASCII without spaces.
    Label, TextError, "a label: a string of 1 to 64 printable ASCII bytes",
    |text| some_of("label", text, 64, is_graphic)
}

short_text! {
    /// The channel's response to a prepay request, which the payer's app needs: a `prepay_id`,
    /// a `code_url` or an `h5_url`.
    ///
    /// 1 to 512 bytes of printable ASCII, spaces allowed. Anyone who knows the value can open
    /// the payment, so `Debug` shows only the length in bytes.
    PrepayValue, TextError, "a prepay value: a string of 1 to 512 printable ASCII bytes",
    |text| some_of("prepay value", text, 512, is_graphic_or_space)
}

shown_by_length!(Description);
shown_by_length!(Attach);
shown_by_length!(Note);
shown_by_length!(PrepayValue);

empty_by_default!(Description, Attach, Note);
shown_in_full!(Label);

impl Label {
    /// Returns the label, or `None` if the text is not a valid label.
    ///
    /// Use it for optional fields of a payment. The store may lose a bank type of an unexpected
    /// format, but must not reject the payment because of it.
    #[must_use]
    pub fn lossy(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{json_refuses, round_trip};
    use super::*;

    #[test]
    fn description_limit_counts_characters() {
        let longest = "茶".repeat(127);
        assert_eq!(Description::parse(&longest).unwrap().as_str(), longest);
        let error = Description::parse(&"茶".repeat(128)).unwrap_err();
        assert_eq!((error.limit, error.found), (127, 128));
        assert_eq!(error.reason, TextErrorReason::TooLong);
        assert_eq!(
            error.to_string(),
            "description has 128 characters, more than 127: shorten it"
        );
        assert!(Description::parse("").is_ok());
    }

    #[test]
    fn description_rejects_control_characters() {
        for (text, at) in [("a\nb", 1), ("茶\0", 3), ("\u{85}", 0), ("ab\u{7f}", 2)] {
            let reason = Description::parse(text).unwrap_err().reason;
            assert_eq!(reason, TextErrorReason::BadChar { at });
        }
    }

    #[test]
    fn attach_and_note_limit_counts_bytes() {
        assert!(Attach::parse(&"茶".repeat(42)).is_ok());
        let error = Attach::parse(&"茶".repeat(43)).unwrap_err();
        assert_eq!((error.what, error.limit, error.found), ("attach", 128, 129));
        assert!(Attach::parse("a\nb").is_ok());
        assert!(Note::parse(&"n".repeat(512)).is_ok());
        assert!(Note::parse(&"n".repeat(513)).is_err());
    }

    #[test]
    fn label_rejects_spaces_and_long_text() {
        assert!(Label::parse(&"J".repeat(64)).is_ok());
        assert_eq!(Label::parse("JSAPI").unwrap().to_string(), "JSAPI");
        let reason = |text: &str| Label::parse(text).unwrap_err().reason;
        assert_eq!(reason(""), TextErrorReason::Empty);
        assert_eq!(reason(&"J".repeat(65)), TextErrorReason::TooLong);
        assert_eq!(reason("a b"), TextErrorReason::BadChar { at: 1 });
    }

    #[test]
    fn lossy_label_of_invalid_text_is_none() {
        assert_eq!(Label::lossy("CMB_DEBIT"), Label::parse("CMB_DEBIT").ok());
        for text in ["", "招商银行", "a b", &"J".repeat(65)] {
            assert_eq!(Label::lossy(text), None);
        }
    }

    #[test]
    fn prepay_value_may_contain_spaces() {
        assert!(PrepayValue::parse("weixin://wxpay/bizpayurl?pr=p4lpSuKzz a").is_ok());
        assert!(PrepayValue::parse(&"p".repeat(512)).is_ok());
        assert!(PrepayValue::parse(&"p".repeat(513)).is_err());
        assert!(PrepayValue::parse("").is_err());
        assert!(PrepayValue::parse("a\tb").is_err());
    }

    #[test]
    fn free_text_debug_shows_only_length() {
        let phone = "13800138000";
        let description = format!("{:?}", Description::parse(phone).unwrap());
        let attach = format!("{:?}", Attach::parse(phone).unwrap());
        assert_eq!(description, "Description(11 bytes)");
        assert_eq!(attach, "Attach(11 bytes)");
        let error = Description::parse(&format!("{phone}\n")).unwrap_err();
        assert!(!format!("{error:?}{error}").contains(phone));
    }

    #[test]
    fn text_types_round_trip_as_json_strings() {
        round_trip(&Description::parse("茶 \"1\"").unwrap(), r#""茶 \"1\"""#);
        round_trip(&Attach::parse("a\nb").unwrap(), r#""a\nb""#);
        round_trip(&Note::parse("").unwrap(), r#""""#);
        round_trip(&Label::parse("JSAPI").unwrap(), r#""JSAPI""#);
        round_trip(&PrepayValue::parse("wx2016").unwrap(), r#""wx2016""#);
    }

    #[test]
    fn deserialize_rejects_text_that_parse_rejects() {
        json_refuses::<Description>("1");
        json_refuses::<Attach>("[97]");
    }
}
