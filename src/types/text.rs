//! Texts of limited length that belong to an order but do not influence the rules.
//!
//! Invariants:
//! - Parsing checks the length limit before it copies the text.
//! - `Debug` shows only the length of free texts and of prepay values.

use super::charset::{check_ascii, is_graphic, is_graphic_or_space};
use super::text_traits::{empty_by_default, short_text, shown_by_length, shown_in_full};
use super::value_error::{ValueError, ValueProblem};

/// Actual and maximum length of a text.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    pub(super) what: &'static str,
    pub(super) allowed: &'static str,
    pub(super) unit: &'static str,
    pub(super) max: usize,
    pub(super) len: usize,
}

impl Measure {
    pub(super) const fn error(self, problem: ValueProblem) -> ValueError {
        ValueError::new(self.what, problem, self.allowed)
    }

    pub(super) fn within_limit(self) -> Result<(), ValueError> {
        let Self { len, max, unit, .. } = self;
        if len > max {
            return Err(self.error(ValueProblem::TooLong { len, max, unit }));
        }
        Ok(())
    }
}

/// Checks that the text has at most `max` bytes. All characters are allowed.
fn any(what: &'static str, text: &str, max: usize) -> Result<(), ValueError> {
    let measure = Measure {
        what,
        allowed: "shorten it",
        unit: "bytes",
        max,
        len: text.len(),
    };
    measure.within_limit()
}

/// Checks that the text has at most 127 characters, and no control character.
fn description(text: &str) -> Result<(), ValueError> {
    const LIMIT: usize = 127;
    let measure = || Measure {
        what: "description",
        allowed: "write at most 127 characters on one line, without control characters",
        unit: "characters",
        max: LIMIT,
        len: text.chars().count(),
    };
    // No text has more characters than bytes, so short texts need no character count.
    if text.len() > LIMIT {
        measure().within_limit()?;
    }
    if !may_hold_control(text.as_bytes()) {
        return Ok(());
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(measure().error(ValueProblem::BadChar { at })),
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
    Description, "a description: a string of at most 127 characters",
    description
}

short_text! {
    /// The merchant's text that the channel returns in every notification, its `attach`.
    ///
    /// At most 128 bytes of UTF-8; it may be empty. Do not put names or telephone numbers
    /// into it: the channel stores it and prints it in bills. `Debug` shows only the length in
    /// bytes.
    Attach, "an attach: a string of at most 128 bytes",
    |text| any("attach", text, 128)
}

short_text! {
    /// Reason for an operator's decision: at most 512 bytes of UTF-8. It may be empty. `Debug`
    /// shows only the length in bytes.
    Note, "a note: a string of at most 512 bytes",
    |text| any("note", text, 512)
}

short_text! {
    /// Short identifier that the channel defines, such as a trade type, a bank type, an error
    /// code or a notification id: 1 to 64 bytes of printable ASCII without spaces.
    Label, "a label: a string of 1 to 64 printable ASCII bytes",
    |text| check_ascii(
        "label", text.as_bytes(), 64, is_graphic,
        "write 1 to 64 ASCII characters without spaces, like NOTENOUGH",
    )
}

short_text! {
    /// The channel's response to a prepay request, which the payer's app needs: a `prepay_id`,
    /// a `code_url` or an `h5_url`.
    ///
    /// 1 to 512 bytes of printable ASCII, spaces allowed. Anyone who knows the value can open
    /// the payment, so `Debug` shows only the length in bytes.
    PrepayValue, "a prepay value: a string of 1 to 512 printable ASCII bytes",
    |text| check_ascii(
        "prepay value", text.as_bytes(), 512, is_graphic_or_space,
        "write 1 to 512 ASCII characters, like wx201410272009395522657a690389285100",
    )
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
        let (max, unit) = (127, "characters");
        let too_long = ValueProblem::TooLong {
            len: 128,
            max,
            unit,
        };
        assert_eq!(error.problem, too_long);
        assert!(Description::parse("").is_ok());
    }

    #[test]
    fn description_rejects_control_characters() {
        for (text, at) in [("a\nb", 1), ("茶\0", 3), ("\u{85}", 0), ("ab\u{7f}", 2)] {
            let reason = Description::parse(text).unwrap_err().problem;
            assert_eq!(reason, ValueProblem::BadChar { at });
        }
    }

    #[test]
    fn attach_and_note_limit_counts_bytes() {
        assert!(Attach::parse(&"茶".repeat(42)).is_ok());
        let error = Attach::parse(&"茶".repeat(43)).unwrap_err();
        let text = "attach has 129 bytes, more than 128: shorten it";
        assert_eq!(error.to_string(), text);
        assert!(Attach::parse("a\nb").is_ok());
        assert!(Note::parse(&"n".repeat(512)).is_ok());
        assert!(Note::parse(&"n".repeat(513)).is_err());
    }

    #[test]
    fn label_rejects_spaces_and_long_text() {
        assert!(Label::parse(&"J".repeat(64)).is_ok());
        assert_eq!(Label::parse("JSAPI").unwrap().to_string(), "JSAPI");
        let reason = |text: &str| Label::parse(text).unwrap_err().problem;
        assert_eq!(reason(""), ValueProblem::Empty);
        assert!(matches!(
            reason(&"J".repeat(65)),
            ValueProblem::TooLong { .. }
        ));
        assert_eq!(reason("a b"), ValueProblem::BadByte { at: 1 });
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
