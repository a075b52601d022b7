//! Identifiers from other systems: opaque, short, printable texts.
//!
//! Invariants:
//! - The crate only compares identifiers and passes them on. It never interprets them.
//! - Each kind of identifier is its own type, so a function for transactions does not accept a
//!   refund number.
//! - No error contains the rejected text. `OpenId` identifies a person, so its `Debug` output
//!   is shortened and it has no `Display`.

use std::fmt;

use thiserror::Error;

use super::charset::{first_bad, is_graphic, is_number_byte};
use super::text_traits::{short_text, shown_in_full};

/// Error for a text that is not a valid identifier. It never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} {kind}: {}", self.rule())]
#[non_exhaustive]
pub struct IdError {
    /// Name of the identifier type in lower case, such as `openid`.
    pub what: &'static str,
    /// Broken rule. For an invalid byte, it includes the position.
    pub kind: IdErrorKind,
}

/// Rule that the text of an identifier broke. Later versions may add variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdErrorKind {
    /// The text is empty. A missing identifier is `None`, never an empty text.
    Empty,
    /// The text is longer than the type allows.
    TooLong {
        /// Length of the text, in bytes.
        len: usize,
        /// Maximum length, in bytes.
        max: usize,
    },
    /// The text has a byte that the type does not allow.
    BadByte {
        /// Position of the first such byte, from 0.
        at: usize,
    },
}

impl IdError {
    pub(super) fn new(what: &'static str, kind: IdErrorKind) -> Self {
        Self { what, kind }
    }

    /// Describes the expected text, with an example.
    fn rule(&self) -> &'static str {
        match self.what {
            "openid" => "write it like oUpF8uMEb4qRXf22hE3X68TekukE, without spaces",
            "appid" => "write it like wxd678efh567hg6787, without spaces",
            "mch_id" => "write it like 1230000109, without spaces",
            "transaction_id" => "write it like 4200001234202203211234567890, without spaces",
            "refund_id" => "write it like 50000000382019052709732678859, without spaces",
            "channel" => "write it like wechat, in lower-case letters, digits and _",
            _ => "write it in letters, digits and _-|*@, like R-1217752501",
        }
    }
}

impl fmt::Display for IdErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::TooLong { len, max } => write!(f, "has {len} characters, more than {max}"),
            // Every byte before `at` is ASCII, so the byte position is a character position.
            Self::BadByte { at } => write!(f, "is invalid at character {}", at + 1),
        }
    }
}

/// Checks the common rule of all identifiers: 1 to `max` bytes of one byte set.
fn rule(
    what: &'static str,
    text: &str,
    max: usize,
    allowed: impl Fn(u8) -> bool,
) -> Result<(), IdError> {
    let len = text.len();
    let kind = if len == 0 {
        IdErrorKind::Empty
    } else if len > max {
        IdErrorKind::TooLong { len, max }
    } else if let Some((at, _)) = first_bad(text.as_bytes(), allowed) {
        IdErrorKind::BadByte { at }
    } else {
        return Ok(());
    };
    Err(IdError::new(what, kind))
}

short_text! {
    /// Identifier of a payer within one app or merchant: the channel's `openid`.
    ///
    /// 1 to 128 bytes of printable ASCII without spaces. 128 is the limit in the channel's
    /// documentation. It is personal data: the type has no `Display`, and `Debug` shows at most
    /// three characters. Serializing writes the full value, because serializing is always
    /// deliberate.
    OpenId, IdError, "an openid: a string of 1 to 128 printable ASCII bytes",
    |text| rule("openid", text, 128, is_graphic)
}

short_text! {
    /// Identifier of an app or mini program, the channel's `appid`: 1 to 32 bytes of printable
    /// ASCII without spaces.
    AppId, IdError, "an appid: a string of 1 to 32 printable ASCII bytes",
    |text| rule("appid", text, 32, is_graphic)
}

short_text! {
    /// Identifier of a merchant, the channel's `mch_id` or `mchid`: 1 to 32 bytes of printable
    /// ASCII without spaces.
    MchId, IdError, "a merchant id: a string of 1 to 32 printable ASCII bytes",
    |text| rule("mch_id", text, 32, is_graphic)
}

short_text! {
    /// The channel's number of a payment, `transaction_id`: 1 to 64 bytes of printable ASCII
    /// without spaces. Unique within a channel.
    TransactionId, IdError, "a transaction id: a string of 1 to 64 printable ASCII bytes",
    |text| rule("transaction_id", text, 64, is_graphic)
}

short_text! {
    /// The channel's number of a refund, `refund_id`: 1 to 64 bytes of printable ASCII without
    /// spaces.
    RefundId, IdError, "a refund id: a string of 1 to 64 printable ASCII bytes",
    |text| rule("refund_id", text, 64, is_graphic)
}

short_text! {
    /// The merchant's number of a refund, `out_refund_no`: 1 to 64 bytes of
    /// `[0-9A-Za-z_\-|*@]`. It makes refunds idempotent: repeated requests with one number
    /// refund the money once.
    RefundNo, IdError, "a refund number: a string of 1 to 64 bytes of [0-9A-Za-z_-|*@]",
    |text| rule("refund_no", text, 64, is_number_byte)
}

short_text! {
    /// The merchant's own id of the purchase: 1 to 64 bytes of `[0-9A-Za-z_\-|*@]`.
    ///
    /// Several orders may have the same reference, one after another. At most one of them can
    /// be payable or paid in time, so a double tap does not create two payable orders.
    Reference, IdError, "a reference: a string of 1 to 64 bytes of [0-9A-Za-z_-|*@]",
    |text| rule("reference", text, 64, is_number_byte)
}

shown_in_full!(AppId);
shown_in_full!(MchId);
shown_in_full!(TransactionId);
shown_in_full!(RefundId);
shown_in_full!(RefundNo);
shown_in_full!(Reference);

impl fmt::Debug for OpenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Show no characters of an openid shorter than 12 bytes: three would reveal too much of it.
        let shown = match self.as_str().get(..3) {
            Some(start) if self.as_str().len() >= 12 => start,
            _ => "",
        };
        write!(f, "OpenId({shown}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{json_refuses, round_trip};
    use super::*;

    /// Openid with a realistic length.
    const PAYER: &str = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o";

    /// Checks one identifier type: length limits, byte set and JSON.
    macro_rules! check {
        ($name:ident, $max:literal, $bad:literal) => {{
            let longest = "A".repeat($max);
            let kind = |text: &str| $name::parse(text).unwrap_err().kind;
            assert_eq!($name::parse(&longest).unwrap().as_str(), longest);
            assert_eq!($name::parse("A").unwrap(), "A".parse().unwrap());
            assert_eq!($name::try_from("A"), $name::parse("A"));
            assert_eq!(kind(""), IdErrorKind::Empty);
            let too_long = IdErrorKind::TooLong {
                len: $max + 1,
                max: $max,
            };
            assert_eq!(kind(&"A".repeat($max + 1)), too_long);
            for bad in [" ", "\0", "\u{7f}", "é", $bad] {
                assert_eq!(kind(&format!("A{bad}B")), IdErrorKind::BadByte { at: 1 });
            }
            round_trip(&$name::parse(&longest).unwrap(), &format!("{longest:?}"));
            json_refuses::<$name>("7");
            json_refuses::<$name>("\"\"");
        }};
    }

    #[test]
    fn each_identifier_enforces_length_and_byte_set() {
        check!(OpenId, 128, "\n");
        check!(AppId, 32, "\n");
        check!(MchId, 32, "\n");
        check!(TransactionId, 64, "\n");
        check!(RefundId, 64, "\n");
        check!(RefundNo, 64, "/");
        check!(Reference, 64, "+");
    }

    #[test]
    fn identifier_display_omits_type_name() {
        let transaction = TransactionId::parse("4200001234202203211234567890").unwrap();
        assert_eq!(transaction.to_string(), "4200001234202203211234567890");
        assert_eq!(
            format!("{transaction:?}"),
            "TransactionId(\"4200001234202203211234567890\")"
        );
    }

    #[test]
    fn openid_debug_is_shortened() {
        let debug = |text| format!("{:?}", OpenId::parse(text).unwrap());
        assert_eq!(debug(PAYER), "OpenId(oUp…)");
        assert_eq!(debug("a"), "OpenId(…)");
        assert_eq!(debug("abcdefg"), "OpenId(…)");
        assert_eq!(
            format!("{:#?}", OpenId::parse(PAYER).unwrap()),
            "OpenId(oUp…)"
        );
    }

    #[test]
    fn identifier_error_omits_rejected_text() {
        let spoiled = format!("{PAYER} ");
        let json = serde_json::to_string(&spoiled).unwrap();
        let errors = [
            OpenId::parse(&spoiled).unwrap_err(),
            AppId::parse(&spoiled).unwrap_err(),
            TransactionId::parse(&spoiled).unwrap_err(),
            Reference::parse(&spoiled).unwrap_err(),
            OpenId::parse(&PAYER.repeat(9)).unwrap_err(),
        ];
        for error in errors {
            assert!(!format!("{error:?}{error}").contains(PAYER));
        }
        assert!(!json_refuses::<OpenId>(&json).contains(PAYER));
        assert!(!json_refuses::<RefundNo>(&json).contains(PAYER));
    }

    #[test]
    fn identifier_error_has_type_rule_and_position() {
        let message = |text: &str| OpenId::parse(text).unwrap_err().to_string();
        assert!(message("").starts_with("openid is empty: write it like "));
        let long = message(&"a".repeat(129));
        assert!(
            long.starts_with("openid has 129 characters, more than 128: "),
            "{long}"
        );
        let spaced = message("ab c");
        assert!(
            spaced.starts_with("openid is invalid at character 3: "),
            "{spaced}"
        );
    }

    #[test]
    fn example_in_identifier_error_is_valid() {
        fn example(error: &IdError) -> &'static str {
            let rule = error.rule();
            let (_, example) = rule.split_once("like ").unwrap();
            example.split(',').next().unwrap()
        }
        let of = |error: IdError| example(&error);
        assert!(OpenId::parse(of(OpenId::parse("").unwrap_err())).is_ok());
        assert!(AppId::parse(of(AppId::parse("").unwrap_err())).is_ok());
        assert!(MchId::parse(of(MchId::parse("").unwrap_err())).is_ok());
        assert!(TransactionId::parse(of(TransactionId::parse("").unwrap_err())).is_ok());
        assert!(RefundId::parse(of(RefundId::parse("").unwrap_err())).is_ok());
        assert!(RefundNo::parse(of(RefundNo::parse("").unwrap_err())).is_ok());
        assert!(Reference::parse(of(Reference::parse("").unwrap_err())).is_ok());
        let channel = crate::types::Channel::parse("").unwrap_err();
        assert!(crate::types::Channel::parse(of(channel)).is_ok());
    }

    #[test]
    fn identifiers_are_send_and_sync() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<OpenId>();
        crosses::<Reference>();
        crosses::<IdError>();
    }
}
