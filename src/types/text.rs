//! Texts of limited length that travel with an order and decide nothing.
//!
//! Invariants:
//! - The limit is checked before the text is copied.
//! - Texts people write into show only their length in `Debug`.

use thiserror::Error;

use super::charset::{first_bad, is_graphic, is_graphic_or_space};
use super::text_traits::{empty_by_default, short_text, shown_by_length, shown_in_full};

/// Why a text or some bytes do not fit their type. It never holds the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} {}", self.explanation())]
#[non_exhaustive]
pub struct TextError {
    /// The type, in small letters, such as `description`.
    pub what: &'static str,
    /// The longest length allowed: characters for a description, else bytes.
    pub limit: usize,
    /// The length found, in the unit of `limit`.
    pub found: usize,
    /// Which part of the rule was broken.
    pub reason: TextErrorReason,
}

/// Which rule a text broke. May grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextErrorReason {
    /// There is no text, and the type asks for some.
    Empty,
    /// `found` is above `limit`.
    TooLong,
    /// A character is not of the type's set.
    BadChar {
        /// The position of its first byte, from 0.
        at: usize,
    },
    /// The bytes were given in hexadecimal, which is broken here: no such digit, or
    /// the second digit of a pair is missing.
    BadHex {
        /// The position of the digit, from 0.
        at: usize,
    },
}

impl TextError {
    /// What the type takes, with an example where one helps.
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
                // A description is counted in characters.
                let unit = if self.what == "description" {
                    "characters"
                } else {
                    "bytes of UTF-8"
                };
                format!("has {found} {unit}, more than {limit}: shorten it")
            }
            TextErrorReason::BadChar { .. } => {
                format!("has a character that is not allowed: {}", self.rule())
            }
            TextErrorReason::BadHex { .. } => {
                "is not in hexadecimal: write two digits for each byte, like ff00".to_owned()
            }
        }
    }
}

/// What a text was measured to be, next to what it may be.
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

/// Up to `limit` bytes of any text.
fn any(what: &'static str, text: &str, limit: usize) -> Result<(), TextError> {
    let found = text.len();
    Measure { what, limit, found }.within_limit()
}

/// 1 to `limit` bytes of one set.
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

/// Up to 127 characters, none of them a control character.
fn description(text: &str) -> Result<(), TextError> {
    const LIMIT: usize = 127;
    let measure = || Measure {
        what: "description",
        limit: LIMIT,
        found: text.chars().count(),
    };
    // No text has more characters than bytes.
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

/// Whether a byte is there that a control character has: it is one, or begins those from
/// U+0080 on. Others have that byte, too.
fn may_hold_control(text: &[u8]) -> bool {
    let begins_one = |byte: u8| byte.is_ascii_control() || byte == 0xc2;
    text.iter().fold(false, |any, &byte| any | begins_one(byte))
}

short_text! {
    /// What is being paid for, as the payer reads it: the channel's `body` or
    /// `description`.
    ///
    /// At most 127 characters (Unicode scalar values), the channel's limit, and no
    /// control characters; it may be empty. It is no place for names, telephone
    /// numbers or addresses; since people put them there all the same, `Debug` shows
    /// only the length in bytes.
    Description, TextError, "a description: a string of at most 127 characters",
    description
}

short_text! {
    /// The merchant's text that the channel hands back with every notification, its
    /// `attach`.
    ///
    /// At most 128 bytes of UTF-8; it may be empty. It is no place for names or
    /// telephone numbers: the channel stores it and prints it into bills. `Debug`
    /// shows only the length in bytes.
    Attach, TextError, "an attach: a string of at most 128 bytes",
    |text| any("attach", text, 128)
}

short_text! {
    /// Why an operator decided as they did: at most 512 bytes of UTF-8, which may be
    /// empty. `Debug` shows only the length in bytes.
    Note, TextError, "a note: a string of at most 512 bytes",
    |text| any("note", text, 512)
}

short_text! {
    /// A short word of the channel's own, such as a trade type, a bank type or the id of
    /// a notification: 1 to 64 bytes of printable ASCII without spaces.
    Label, TextError, "a label: a string of 1 to 64 printable ASCII bytes",
    |text| some_of("label", text, 64, is_graphic)
}

short_text! {
    /// What the channel answered to a prepay request and the payer's app needs: a
    /// `prepay_id`, a `code_url` or an `h5_url`.
    ///
    /// 1 to 512 bytes of printable ASCII, spaces allowed. Whoever holds it can open the
    /// payment, so `Debug` shows only the length in bytes.
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
    /// The label, or `None` where the text is no label.
    ///
    /// For optional fields of a payment: a bank type of an unforeseen form may be lost,
    /// but it may never make the payment itself refused.
    #[must_use]
    pub fn lossy(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{binary_refuses, json_refuses, round_trip};
    use super::*;

    #[test]
    fn a_description_is_counted_in_characters() {
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
    fn a_description_has_no_control_characters() {
        for (text, at) in [("a\nb", 1), ("茶\0", 3), ("\u{85}", 0), ("ab\u{7f}", 2)] {
            let reason = Description::parse(text).unwrap_err().reason;
            assert_eq!(reason, TextErrorReason::BadChar { at });
        }
    }

    #[test]
    fn attach_and_note_are_counted_in_bytes_and_hold_any_text() {
        assert!(Attach::parse(&"茶".repeat(42)).is_ok());
        let error = Attach::parse(&"茶".repeat(43)).unwrap_err();
        assert_eq!((error.what, error.limit, error.found), ("attach", 128, 129));
        assert!(Attach::parse("a\nb").is_ok());
        assert!(Note::parse(&"n".repeat(512)).is_ok());
        assert!(Note::parse(&"n".repeat(513)).is_err());
    }

    #[test]
    fn a_label_is_one_printable_word() {
        assert!(Label::parse(&"J".repeat(64)).is_ok());
        assert_eq!(Label::parse("JSAPI").unwrap().to_string(), "JSAPI");
        let reason = |text: &str| Label::parse(text).unwrap_err().reason;
        assert_eq!(reason(""), TextErrorReason::Empty);
        assert_eq!(reason(&"J".repeat(65)), TextErrorReason::TooLong);
        assert_eq!(reason("a b"), TextErrorReason::BadChar { at: 1 });
    }

    #[test]
    fn a_lossy_label_is_none_where_it_does_not_fit() {
        assert_eq!(Label::lossy("CMB_DEBIT"), Label::parse("CMB_DEBIT").ok());
        for text in ["", "招商银行", "a b", &"J".repeat(65)] {
            assert_eq!(Label::lossy(text), None);
        }
    }

    #[test]
    fn a_prepay_value_may_hold_spaces() {
        assert!(PrepayValue::parse("weixin://wxpay/bizpayurl?pr=p4lpSuKzz a").is_ok());
        assert!(PrepayValue::parse(&"p".repeat(512)).is_ok());
        assert!(PrepayValue::parse(&"p".repeat(513)).is_err());
        assert!(PrepayValue::parse("").is_err());
        assert!(PrepayValue::parse("a\tb").is_err());
    }

    #[test]
    fn debug_shows_only_the_length_of_what_people_write() {
        let phone = "13800138000";
        let description = format!("{:?}", Description::parse(phone).unwrap());
        let attach = format!("{:?}", Attach::parse(phone).unwrap());
        assert_eq!(description, "Description(11 bytes)");
        assert_eq!(attach, "Attach(11 bytes)");
        let error = Description::parse(&format!("{phone}\n")).unwrap_err();
        assert!(!format!("{error:?}{error}").contains(phone));
    }

    #[test]
    fn serialized_they_are_checked_strings() {
        round_trip(&Description::parse("茶 \"1\"").unwrap(), r#""茶 \"1\"""#);
        round_trip(&Attach::parse("a\nb").unwrap(), r#""a\nb""#);
        round_trip(&Note::parse("").unwrap(), r#""""#);
        round_trip(&Label::parse("JSAPI").unwrap(), r#""JSAPI""#);
        round_trip(&PrepayValue::parse("wx2016").unwrap(), r#""wx2016""#);
    }

    #[test]
    fn serialized_texts_out_of_bounds_are_refused() {
        binary_refuses::<Description>(&"\0");
        binary_refuses::<Attach>(&"a".repeat(130));
        binary_refuses::<Note>(&"a".repeat(514));
        binary_refuses::<Label>(&"");
        binary_refuses::<PrepayValue>(&"茶");
        json_refuses::<Description>("1");
        json_refuses::<Attach>("[97]");
    }
}
