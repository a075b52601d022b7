//! Identifiers from other systems: opaque, short, printable texts.
//!
//! Invariants:
//! - The crate only compares identifiers and passes them on. It never interprets them.
//! - Each kind of identifier is its own type, so a function for transactions does not accept a
//!   refund number.
//! - No error contains the rejected text. `OpenId` identifies a person, so its `Debug` output
//!   is shortened and it has no `Display`.

use std::fmt;

use super::charset::{check_ascii, is_graphic, is_number_byte};
use super::text_traits::{short_text, shown_in_full};

short_text! {
    /// Identifier of a payer within one app or merchant: the channel's `openid`.
    ///
    /// 1 to 128 bytes of printable ASCII without spaces. 128 is the limit in the channel's
    /// documentation. It is personal data: the type has no `Display`, and `Debug` shows at most
    /// three characters. Serializing writes the full value, because serializing is always
    /// deliberate.
    OpenId, "an openid: a string of 1 to 128 printable ASCII bytes",
    |text| check_ascii(
        "openid", text.as_bytes(), 128, is_graphic,
        "write 1 to 128 ASCII characters without spaces, like oUpF8uMEb4qRXf22hE3X68TekukE",
    )
}

short_text! {
    /// Identifier of an app or mini program, the channel's `appid`: 1 to 32 bytes of printable
    /// ASCII without spaces.
    AppId, "an appid: a string of 1 to 32 printable ASCII bytes",
    |text| check_ascii(
        "appid", text.as_bytes(), 32, is_graphic,
        "write 1 to 32 ASCII characters without spaces, like wxd678efh567hg6787",
    )
}

short_text! {
    /// Identifier of a merchant, the channel's `mch_id` or `mchid`: 1 to 32 bytes of printable
    /// ASCII without spaces.
    MchId, "a merchant id: a string of 1 to 32 printable ASCII bytes",
    |text| check_ascii(
        "mch_id", text.as_bytes(), 32, is_graphic,
        "write 1 to 32 ASCII characters without spaces, like 1230000109",
    )
}

short_text! {
    /// The channel's number of a payment, `transaction_id`: 1 to 64 bytes of printable ASCII
    /// without spaces. Unique within a channel.
    TransactionId, "a transaction id: a string of 1 to 64 printable ASCII bytes",
    |text| check_ascii(
        "transaction_id", text.as_bytes(), 64, is_graphic,
        "write 1 to 64 ASCII characters without spaces, like 4200001234202203211234567890",
    )
}

short_text! {
    /// The channel's number of a refund, `refund_id`: 1 to 64 bytes of printable ASCII without
    /// spaces.
    RefundId, "a refund id: a string of 1 to 64 printable ASCII bytes",
    |text| check_ascii(
        "refund_id", text.as_bytes(), 64, is_graphic,
        "write 1 to 64 ASCII characters without spaces, like 50000000382019052709732678859",
    )
}

short_text! {
    /// The merchant's number of a refund, `out_refund_no`: 1 to 64 bytes of
    /// `[0-9A-Za-z_\-|*@]`. It makes refunds idempotent: repeated requests with one number
    /// refund the money once.
    RefundNo, "a refund number: a string of 1 to 64 bytes of [0-9A-Za-z_-|*@]",
    |text| check_ascii(
        "refund_no", text.as_bytes(), 64, is_number_byte,
        "write 1 to 64 letters, digits and _-|*@, like R-1217752501",
    )
}

short_text! {
    /// The merchant's own id of the purchase: 1 to 64 bytes of `[0-9A-Za-z_\-|*@]`.
    ///
    /// Several orders may have the same reference, one after another. At most one of them can
    /// be payable or paid in time, so a double tap does not create two payable orders.
    Reference, "a reference: a string of 1 to 64 bytes of [0-9A-Za-z_-|*@]",
    |text| check_ascii(
        "reference", text.as_bytes(), 64, is_number_byte,
        "write 1 to 64 letters, digits and _-|*@, like R-1217752501",
    )
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
    use super::super::value_error::ValueProblem;
    use super::*;
    use crate::ValueError;

    /// Openid with a realistic length.
    const PAYER: &str = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o";

    /// Checks one identifier type: length limits, byte set and JSON.
    macro_rules! check {
        ($name:ident, $max:literal, $bad:literal) => {{
            let longest = "A".repeat($max);
            let kind = |text: &str| $name::parse(text).unwrap_err().problem;
            assert_eq!($name::parse(&longest).unwrap().as_str(), longest);
            assert_eq!($name::parse("A").unwrap(), "A".parse().unwrap());
            assert_eq!($name::try_from("A"), $name::parse("A"));
            assert_eq!(kind(""), ValueProblem::Empty);
            let too_long = ValueProblem::TooLong {
                len: $max + 1,
                max: $max,
                unit: "characters",
            };
            assert_eq!(kind(&"A".repeat($max + 1)), too_long);
            for bad in [" ", "\0", "\u{7f}", "é", $bad] {
                assert_eq!(kind(&format!("A{bad}B")), ValueProblem::BadByte { at: 1 });
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
        assert!(message("").starts_with("openid is empty: write 1 to 128 "));
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
        let of = |error: ValueError| error.allowed.split_once("like ").unwrap().1;
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
        crosses::<ValueError>();
    }
}
