//! Service fee of the channel: a signed amount with a finer unit than a fen.

use std::fmt;

use thiserror::Error;

/// Service fee of the channel (手续费), in units of 0.00001 yuan.
///
/// The fee of a refund is negative, because the channel returns part of the fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ServiceFee(i64);

/// Reason why a text is not a service fee. Later versions may add variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServiceFeeError {
    /// The text is not decimal digits with an optional minus sign and an optional point.
    #[error("service fee is not a decimal number")]
    NotDecimal,
    /// The text has a non-zero digit after the fifth decimal.
    #[error("service fee has a non-zero digit after the fifth decimal")]
    TooFine,
    /// The fee does not fit in 64 bits.
    #[error("service fee is too large")]
    TooLarge,
}

/// Number of decimals of a service fee in yuan.
const DECIMALS: usize = 5;

impl ServiceFee {
    /// Creates a fee from a number of units of 0.00001 yuan.
    #[must_use]
    pub const fn new(hundred_thousandths: i64) -> Self {
        Self(hundred_thousandths)
    }

    /// Returns the fee as a number of units of 0.00001 yuan.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// Parses decimal text in yuan, without rounding: `-0.00010` is -10 units of 0.00001 yuan.
    ///
    /// # Errors
    /// [`ServiceFeeError`] if the text is not a decimal number, is too fine or is too large.
    pub fn parse(text: &str) -> Result<Self, ServiceFeeError> {
        let (sign, bare) = match text.strip_prefix('-') {
            Some(bare) => (-1, bare),
            None => (1, text),
        };
        let (whole, decimals) = match bare.split_once('.') {
            Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
            Some(_) => return Err(ServiceFeeError::NotDecimal),
            None => (bare, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(decimals) {
            return Err(ServiceFeeError::NotDecimal);
        }
        let units = whole_units(whole)
            .and_then(|units| units.checked_add(fine_units(decimals).ok()?))
            .and_then(|units| units.checked_mul(sign));
        // Check the decimals first, so that the error is `TooFine` if the fee is also too large.
        fine_units(decimals)?;
        units.map(Self).ok_or(ServiceFeeError::TooLarge)
    }
}

/// Converts whole yuan to units of 0.00001 yuan; `None` on overflow.
fn whole_units(digits: &str) -> Option<i64> {
    digits.parse::<i64>().ok()?.checked_mul(100_000)
}

/// Converts the decimals of a fee to units of 0.00001 yuan. The caller must ensure that all are
/// digits.
fn fine_units(decimals: &str) -> Result<i64, ServiceFeeError> {
    if decimals.bytes().skip(DECIMALS).any(|byte| byte != b'0') {
        return Err(ServiceFeeError::TooFine);
    }
    let five = decimals.bytes().chain([b'0'; DECIMALS]).take(DECIMALS);
    Ok(five.fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0')))
}

impl fmt::Display for ServiceFee {
    /// Prints the fee in yuan, with five decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let units = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:05}", units / 100_000, units % 100_000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Checks the result of parsing a fee, in units of 0.00001 yuan.
    #[track_caller]
    fn check(text: &str, expected: Result<i64, ServiceFeeError>) {
        assert_eq!(
            ServiceFee::parse(text).map(ServiceFee::as_i64),
            expected,
            "{text}"
        );
    }

    #[test]
    fn service_fee_is_parsed_exactly() {
        check("0.00000", Ok(0));
        check("-0.00010", Ok(-10));
        check("0.0001", Ok(10));
        check("12.34567", Ok(1_234_567));
        check("0", Ok(0));
        check("-0", Ok(0));
        check("1.2000000", Ok(120_000));
        check("92233720368547.75807", Ok(i64::MAX));
        check("-92233720368547.75807", Ok(-i64::MAX));
    }

    #[test]
    fn invalid_service_fee_is_refused_with_reason() {
        for text in [
            "", "-", "+1", "1.", ".5", "--1", "1e5", "1,000", " 1", "1.2.3", "1.-2", "一",
        ] {
            check(text, Err(ServiceFeeError::NotDecimal));
        }
        check("0.000001", Err(ServiceFeeError::TooFine));
        check("99999999999999999999.000001", Err(ServiceFeeError::TooFine));
        check("92233720368547.75808", Err(ServiceFeeError::TooLarge));
        check("99999999999999999999", Err(ServiceFeeError::TooLarge));
    }

    proptest! {
        #[test]
        fn printed_service_fee_parses_back(units in -i64::MAX..=i64::MAX) {
            let fee = ServiceFee::new(units);
            prop_assert_eq!(ServiceFee::parse(&fee.to_string()), Ok(fee));
        }

        #[test]
        fn service_fee_parser_never_panics(text in "-?[0-9.]{0,24}|.*") {
            let _ = ServiceFee::parse(&text);
        }
    }
}
