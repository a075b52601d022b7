//! Reads the amounts of other systems from their decimal digits, without floating point.

use thiserror::Error;

use crate::types::{Currency, Fen, ValueError};

/// Unit in which another system stores its amounts.
///
/// The importer does not guess the unit: `100` can mean 100 yuan or 100 fen (1 yuan).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Amounts {
    /// Yuan, or the main unit of the order's currency ([`Currency::exponent`]).
    ///
    /// The numbers may be printed floats: `0.5700000000000001` is 57 fen, and `500` of `JPY` is
    /// 500 yen. The importer rounds an amount to the nearest fen if the difference is at most
    /// 0.001 fen. It refuses any other amount.
    Yuan,
    /// Fen, or the minor unit of the order's currency. The amounts are integers.
    Fen,
}

/// Reason why a text is not a valid amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AmountProblem {
    /// The text is not a decimal number.
    #[error("the amount is not a decimal number: write digits, like 1990 or 19.90")]
    NotNumber,
    /// The amount is negative.
    #[error("the amount is negative: an order cannot have a negative total")]
    Negative,
    /// The amount is not a whole number of fen. With [`Amounts::Yuan`], the nearest fen is more
    /// than 0.001 fen away.
    #[error("the amount is not a whole number of fen: check the unit of the amounts")]
    NotWhole,
    /// The amount is larger than the maximum, [`Fen::MAX`].
    #[error(transparent)]
    Value(#[from] ValueError),
}

/// Maximum number of digits before the decimal point, maximum number after it, and maximum absolute
/// exponent.
///
/// No real system writes longer numbers. The limit bounds the loop in `integer_part`.
const LONGEST: usize = 400;

impl Amounts {
    pub(super) fn read(self, text: &str, currency: Currency) -> Result<Fen, AmountProblem> {
        let digits = Digits::parse(text)?;
        match self {
            Self::Yuan => digits.shifted(currency.exponent().into()).nearest(),
            Self::Fen => digits.whole(),
        }
    }
}

/// Decimal number: its digits, and the position of the decimal point.
///
/// `point` counts the digits before the point. An exponent can make it negative, or larger than
/// the number of digits.
struct Digits<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
    point: i64,
}

impl<'a> Digits<'a> {
    fn parse(text: &'a str) -> Result<Self, AmountProblem> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let is_digits = |part: &str| {
            !part.is_empty() && part.len() <= LONGEST && part.bytes().all(|b| b.is_ascii_digit())
        };
        if !is_digits(whole) || !is_digits(fraction) {
            return Err(AmountProblem::NotNumber);
        }
        let point = i64::try_from(whole.len()).unwrap_or(i64::MAX);
        let number = Self {
            whole: whole.as_bytes(),
            fraction: fraction.as_bytes(),
            point: point.saturating_add(exponent),
        };
        if is_negative && number.digits().any(|digit| digit != 0) {
            return Err(AmountProblem::Negative);
        }
        Ok(number)
    }

    /// Multiplies the number by 10 to the power of `places`.
    const fn shifted(mut self, places: i64) -> Self {
        self.point = self.point.saturating_add(places);
        self
    }

    fn digits(&self) -> impl Iterator<Item = u64> {
        let both = self.whole.iter().chain(self.fraction);
        both.map(|digit| u64::from(digit.saturating_sub(b'0')))
    }

    /// Returns the decimal digit at an index, from 0. Positions without a written digit are zero.
    fn at(&self, place: i64) -> u64 {
        let place = usize::try_from(place).ok();
        place
            .and_then(|place| self.digits().nth(place))
            .unwrap_or_default()
    }

    /// Returns the digits before the decimal point, as an amount in minor units.
    fn integer_part(&self) -> Result<Fen, AmountProblem> {
        let mut sum: u64 = 0;
        for place in 0..self.point {
            let next = sum
                .checked_mul(10)
                .and_then(|sum| sum.checked_add(self.at(place)));
            sum = next
                .filter(|sum| *sum <= Fen::MAX.as_u64())
                .ok_or(Fen::TOO_LARGE)?;
        }
        Ok(Fen::new(sum)?)
    }

    /// Returns whether a digit at index `from` or later is not zero. A negative index counts as 0.
    fn has_more(&self, from: i64) -> bool {
        let from = usize::try_from(from).unwrap_or_default();
        self.digits().skip(from).any(|digit| digit != 0)
    }

    /// Returns the number as an amount. Fails if the number has a fraction.
    fn whole(&self) -> Result<Fen, AmountProblem> {
        if self.has_more(self.point) {
            return Err(AmountProblem::NotWhole);
        }
        self.integer_part()
    }

    /// Returns the nearest integer as an amount. Fails if it differs from the number by more than
    /// 0.001.
    fn nearest(&self) -> Result<Fen, AmountProblem> {
        // The fractions 0.000… and exactly 0.001 round down, and 0.999… rounds up. Rounding any
        // other fraction would invent an amount that the order never had.
        let below = self.integer_part()?;
        let thousandths = (0..3).fold(0, |sum, place| sum * 10 + self.at(self.point + place));
        let is_more = self.has_more(self.point + 3);
        match (thousandths, is_more) {
            (0, _) | (1, false) => Ok(below),
            (999, _) => Ok(below.checked_add(Fen::new(1)?).ok_or(Fen::TOO_LARGE)?),
            _ => Err(AmountProblem::NotWhole),
        }
    }
}

/// Parses the exponent of a number, such as `-1` in `5.7e-1`.
fn exponent_of(text: &str) -> Result<i64, AmountProblem> {
    let exponent: i64 = text.parse().map_err(|_| AmountProblem::NotNumber)?;
    let is_sane = exponent.unsigned_abs() <= LONGEST as u64;
    is_sane.then_some(exponent).ok_or(AmountProblem::NotNumber)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn yuan(text: &str) -> Result<u64, AmountProblem> {
        Amounts::Yuan.read(text, Currency::CNY).map(Fen::as_u64)
    }

    fn fen(text: &str) -> Result<u64, AmountProblem> {
        Amounts::Fen.read(text, Currency::CNY).map(Fen::as_u64)
    }

    #[test]
    fn amount_is_read_in_unit_of_currency() {
        let read = |amounts: Amounts, text, code| {
            let currency = Currency::parse(code).unwrap();
            amounts.read(text, currency).map(Fen::as_u64)
        };
        assert_eq!(read(Amounts::Yuan, "500", "JPY"), Ok(500));
        assert_eq!(read(Amounts::Yuan, "500.0000001", "KRW"), Ok(500));
        assert_eq!(
            read(Amounts::Yuan, "5.5", "VND"),
            Err(AmountProblem::NotWhole)
        );
        assert_eq!(read(Amounts::Yuan, "1.2340000000000002", "KWD"), Ok(1234));
        assert_eq!(read(Amounts::Yuan, "19.90", "USD"), Ok(1990));
        assert_eq!(read(Amounts::Fen, "500", "JPY"), Ok(500));
    }

    #[test]
    fn float_yuan_rounds_to_nearest_fen() {
        let cases = [
            ("0.5700000000000001", 57),
            ("19.900000000000002", 1990),
            ("0.02", 2),
            ("1159.89", 115_989),
            ("1159.8899999999999", 115_989),
            ("0.28999999999999998", 29),
            ("8.8", 880),
            ("100", 10_000),
            ("1e2", 10_000),
            ("5.7e-1", 57),
            ("1.0E+2", 10_000),
            ("0.00999999999999999999", 1),
            ("0", 0),
            ("-0.0", 0),
            ("1e-300", 0),
            ("0.57001", 57),
            ("0.56999", 57),
        ];
        for (text, expected) in cases {
            assert_eq!(yuan(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn amount_far_from_whole_fen_is_refused() {
        for text in ["0.575", "0.570011", "0.569989", "0.005", "1e-3", "19.9049"] {
            assert_eq!(yuan(text), Err(AmountProblem::NotWhole), "{text}");
        }
    }

    #[test]
    fn invalid_amount_is_refused_with_reason() {
        for text in [
            "", ".5", "5.", "1e", "1e+", "x", "+1", "1,000", "0x10", "1e401", "NaN", "--1",
        ] {
            assert_eq!(yuan(text), Err(AmountProblem::NotNumber), "{text}");
            assert_eq!(fen(text), Err(AmountProblem::NotNumber), "{text}");
        }
        assert_eq!(yuan("-0.01"), Err(AmountProblem::Negative));
        let too_large = Err(AmountProblem::Value(Fen::TOO_LARGE));
        assert_eq!(yuan("1e300"), too_large);
        assert_eq!(yuan("92233720368547758.08"), too_large);
        assert_eq!(yuan("92233720368547758.0799999"), too_large);
        assert_eq!(yuan("92233720368547758.07"), Ok(i64::MAX.unsigned_abs()));
        assert_eq!(
            yuan(&"1".repeat(LONGEST + 1)),
            Err(AmountProblem::NotNumber)
        );
    }

    #[test]
    fn fen_amount_must_be_integer() {
        assert_eq!(fen("57"), Ok(57));
        assert_eq!(fen("57.0"), Ok(57));
        assert_eq!(fen("1e2"), Ok(100));
        for text in ["0.57", "57.000000001", "1e-1"] {
            assert_eq!(fen(text), Err(AmountProblem::NotWhole), "{text}");
        }
    }

    proptest! {
        /// A JavaScript cloud function multiplies integer fen by 0.01 and prints the float. The
        /// importer must read it as the same number of fen.
        #[test]
        fn yuan_float_computed_from_fen_reads_back(fen in 0..10_000_000_000_u64) {
            #[expect(clippy::cast_precision_loss, reason = "as JavaScript does it")]
            let float = fen as f64 * 0.01;
            prop_assert_eq!(yuan(&float.to_string()), Ok(fen));
            prop_assert_eq!(yuan(&format!("{float:e}")), Ok(fen));
        }

        #[test]
        fn amount_parser_never_panics(text in "[-+0-9.eE]{0,12}") {
            let _ = (yuan(&text), fen(&text));
        }
    }
}
