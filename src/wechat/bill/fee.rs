//! What the channel keeps for its service: signed, and finer than a fen.

use std::fmt;

use thiserror::Error;

/// A service fee, 手续费: an exact number of hundred-thousandths of a yuan. A refund gives
/// some of it back, so it may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ServiceFee(i64);

/// Why a text is not a service fee. May grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServiceFeeError {
    /// It is not decimal digits with perhaps a minus before and a point among them.
    #[error("service fee is not a decimal number")]
    NotDecimal,
    /// A sixth or later decimal is not zero.
    #[error("service fee is finer than 0.00001 yuan")]
    TooFine,
    /// It does not fit 64 bits.
    #[error("service fee is too large")]
    TooLarge,
}

/// How many decimals of a yuan there are.
const DECIMALS: usize = 5;

impl ServiceFee {
    /// A fee of that many hundred-thousandths of a yuan.
    #[must_use]
    pub const fn new(hundred_thousandths: i64) -> Self {
        Self(hundred_thousandths)
    }

    /// How many hundred-thousandths of a yuan.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// Reads yuan as decimal text, exactly: `-0.00010` is minus ten hundred-thousandths.
    ///
    /// # Errors
    /// Each [`ServiceFeeError`] says what was wrong.
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
        fine_units(decimals)?;
        units.map(Self).ok_or(ServiceFeeError::TooLarge)
    }
}

fn whole_units(digits: &str) -> Option<i64> {
    digits.parse::<i64>().ok()?.checked_mul(100_000)
}

/// The units of decimals, which are digits.
fn fine_units(decimals: &str) -> Result<i64, ServiceFeeError> {
    if decimals.bytes().skip(DECIMALS).any(|byte| byte != b'0') {
        return Err(ServiceFeeError::TooFine);
    }
    let five = decimals.bytes().chain([b'0'; DECIMALS]).take(DECIMALS);
    Ok(five.fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0')))
}

impl fmt::Display for ServiceFee {
    /// In yuan, with five decimals.
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

    #[track_caller]
    fn check(text: &str, expected: Result<i64, ServiceFeeError>) {
        assert_eq!(
            ServiceFee::parse(text).map(ServiceFee::as_i64),
            expected,
            "{text}"
        );
    }

    #[test]
    fn fees_are_read_exactly_with_their_sign() {
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
    fn other_texts_are_refused_with_the_reason() {
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
        fn what_is_printed_reads_back(units in -i64::MAX..=i64::MAX) {
            let fee = ServiceFee::new(units);
            prop_assert_eq!(ServiceFee::parse(&fee.to_string()), Ok(fee));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "-?[0-9.]{0,24}|.*") {
            let _ = ServiceFee::parse(&text);
        }
    }
}
