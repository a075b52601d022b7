//! Currency of an amount.
//!
//! The crate never adds or converts amounts of different currencies. This module has no list
//! of valid currencies. It lists only the currencies whose minor unit is not a hundredth.

use std::str;

use super::charset::first_bad;
use super::text_traits::{shown_in_full, text_traits};
use super::value_error::{ValueError, ValueProblem};

/// Currency code of three capital letters, as in ISO 4217. The default is `CNY`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Chinese yuan. Its minor unit is the fen.
    pub const CNY: Self = Self(*b"CNY");

    /// Parses a currency from its three capital letters.
    ///
    /// # Errors
    /// [`ValueError`] if the text is not three capital letters. `cny` is an error; parsing does
    /// not change the case.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let error =
            |problem| ValueError::new("currency", problem, "write three capital letters, like CNY");
        let Ok(letters) = <[u8; 3]>::try_from(text.as_bytes()) else {
            return Err(error(ValueProblem::WrongLength { len: text.len() }));
        };
        match first_bad(&letters, |byte| byte.is_ascii_uppercase()) {
            Some(at) => Err(error(ValueProblem::BadByte { at })),
            None => Ok(Self(letters)),
        }
    }

    /// Number of decimals of the currency's unit in ISO 4217: 2 for `CNY`, 0 for `JPY`, 3
    /// for `KWD`. A code that ISO 4217 does not list has 2.
    #[must_use]
    pub const fn exponent(self) -> u8 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG"
            | b"RWF" | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }

    /// Returns the three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Capital letters are ASCII, so the conversion never fails.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the bytes of the three letters.
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self::CNY
    }
}

shown_in_full!(Currency);
text_traits!(Currency, "a currency: a string of three capital letters");

#[cfg(test)]
mod tests {
    use super::super::check::{json_refuses, round_trip};
    use super::*;

    #[test]
    fn default_currency_is_cny() {
        assert_eq!(Currency::default(), Currency::CNY);
        assert_eq!(Currency::default().to_string(), "CNY");
        assert_eq!(Currency::parse("CNY"), Ok(Currency::CNY));
    }

    #[test]
    fn currency_of_three_capitals_is_accepted() {
        let usd: Currency = "USD".parse().unwrap();
        assert_eq!(usd.as_str(), "USD");
        assert_eq!(format!("{usd:?}"), "Currency(\"USD\")");
    }

    #[test]
    fn currency_exponent_follows_iso_4217() {
        for (code, exponent) in [
            ("CNY", 2),
            ("USD", 2),
            ("HKD", 2),
            ("JPY", 0),
            ("KRW", 0),
            ("VND", 0),
            ("KWD", 3),
            ("CLF", 4),
            ("XYZ", 2),
        ] {
            let currency = Currency::parse(code).unwrap();
            assert_eq!(currency.exponent(), exponent, "{code}");
        }
    }

    #[test]
    fn invalid_currency_is_rejected_with_reason() {
        let error = |text| Currency::parse(text).unwrap_err();
        for (text, len) in [("", 0), ("CN", 2), ("CNYY", 4)] {
            assert_eq!(error(text).problem, ValueProblem::WrongLength { len });
        }
        assert_eq!(error("CnY").problem, ValueProblem::BadByte { at: 1 });
        assert!(error("CnY").to_string().contains("like CNY"));
    }

    #[test]
    fn deserialize_rejects_invalid_currency() {
        round_trip(&Currency::CNY, r#""CNY""#);
        json_refuses::<Currency>(r#""yuan""#);
        json_refuses::<Currency>("156");
    }
}
