//! Amounts of money in the minor unit of their currency.
//!
//! Invariants:
//! - An amount is an integer from zero to `i64::MAX`, so it fits signed integer columns and
//!   fields of other systems.
//! - Arithmetic is checked. A result out of range is `None`.
//! - No function converts a floating-point number to an amount. `19.90` has no exact `f64`,
//!   and `19.90 * 100.0` may truncate to 1989.

use std::fmt;
use std::iter;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::currency::Currency;
use super::value_error::{ValueError, ValueProblem};

/// Amount in minor units of a currency, for example fen (hundredths of a yuan).
///
/// The range is `0..=i64::MAX`. Zero is valid, for sums and for the amount refunded so far. The
/// constructors of orders, payments and refunds require at least 1 fen. The type is named after the
/// fen, because the channel's `total_fee` and `amount.total` are in fen. In another currency it
/// counts that currency's minor units. It serializes to an integer. Deserializing rejects `1.0` and
/// `"100"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fen(u64);

/// Returns the error for an input that is not an amount.
fn invalid(problem: ValueProblem) -> ValueError {
    let allowed = "write digits with one decimal point and no more decimals than the currency has, \
                   like 19.90";
    ValueError::new("amount", problem, allowed)
}

impl Fen {
    /// Amount of zero.
    pub const ZERO: Self = Self(0);
    /// Maximum amount, `i64::MAX` minor units.
    pub const MAX: Self = Self(i64::MAX.unsigned_abs());

    /// Error for an amount above the maximum.
    pub(crate) const TOO_LARGE: ValueError = ValueError::new(
        "amount",
        ValueProblem::TooLarge,
        "the maximum is 9223372036854775807 minor units",
    );

    /// Creates an amount of `fen` minor units.
    ///
    /// # Errors
    /// [`ValueProblem::TooLarge`] above [`Fen::MAX`].
    pub const fn new(fen: u64) -> Result<Self, ValueError> {
        if fen > Self::MAX.0 {
            return Err(Self::TOO_LARGE);
        }
        Ok(Self(fen))
    }

    /// Returns the number of minor units.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Returns whether the amount is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns the sum, or `None` above [`Fen::MAX`].
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) if sum <= Self::MAX.0 => Some(Self(sum)),
            _ => None,
        }
    }

    /// Returns the difference, or `None` below zero.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// Parses a decimal text in yuan: `19.90` and `19.9` are both exactly 1990 fen.
    ///
    /// The text has digits, optionally followed by a point and more digits. Decimals after the
    /// second must be zero. Parsing skips one leading backtick, because the channel's trade
    /// bills put one before every field. Signs, exponents, spaces and thousands separators are
    /// errors.
    ///
    /// # Errors
    /// [`ValueError`] with the broken rule and its position.
    pub fn parse_yuan(text: &str) -> Result<Self, ValueError> {
        Self::parse_decimal(text, Currency::CNY)
    }

    /// Parses a decimal text in the unit of a currency, like [`Fen::parse_yuan`] for yuan. The
    /// number of decimals is the [`exponent`](Currency::exponent) of the currency: `500` in
    /// `JPY` are 500 minor units, in `CNY` 50,000, and in `KWD` 500,000.
    ///
    /// # Errors
    /// The same errors as [`Fen::parse_yuan`].
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, ValueError> {
        Self::parse_with(text, currency.exponent())
    }

    /// Parses a decimal text in a unit that has `decimals` decimals.
    pub(crate) fn parse_with(text: &str, decimals: u8) -> Result<Self, ValueError> {
        let bare = text.strip_prefix('`').unwrap_or(text);
        if bare.is_empty() {
            return Err(invalid(ValueProblem::Empty));
        }
        let start = text.len().saturating_sub(bare.len());
        let Some((whole, fraction)) = bare.split_once('.') else {
            return in_minor(digits(bare, start)?, 0, decimals);
        };
        let whole_digits = digits(whole, start)?;
        let minor = minor(fraction, start + whole.len() + 1, decimals)?;
        in_minor(whole_digits, minor, decimals)
    }

    /// Formats the amount in yuan with two decimals: 1990 fen as `19.90`.
    #[must_use]
    pub fn yuan(self) -> impl fmt::Display {
        self.decimal(Currency::CNY)
    }

    /// Formats the amount in the unit of a currency, with all decimals: 1990 minor units of
    /// `CNY` as `19.90`, of `JPY` as `1990`.
    #[must_use]
    pub fn decimal(self, currency: Currency) -> impl fmt::Display {
        Decimal(self, usize::from(currency.exponent()))
    }
}

/// Checks that `part` consists of one or more digits. `start` is its position in the input.
fn digits(part: &str, start: usize) -> Result<&str, ValueError> {
    if part.is_empty() {
        return Err(invalid(ValueProblem::NoDigit { at: start }));
    }
    let mut bytes = (start..).zip(part.bytes());
    match bytes.find(|(_, byte)| !byte.is_ascii_digit()) {
        Some((at, _)) => Err(invalid(ValueProblem::BadByte { at })),
        None => Ok(part),
    }
}

/// Returns the minor units of a decimal fraction. `start` is its position in the input.
fn minor(fraction: &str, start: usize, decimals: u8) -> Result<u64, ValueError> {
    let found = digits(fraction, start)?;
    let decimals = usize::from(decimals);
    let mut finer = (start..).zip(found.bytes()).skip(decimals);
    if let Some((at, _)) = finer.find(|(_, byte)| *byte != b'0') {
        return Err(invalid(ValueProblem::TooFine { at }));
    }
    // Pad a short fraction with zeros, and drop surplus decimals, which are all zero: with two
    // decimals, `9` and `9000` both give 90.
    let padded = found.bytes().chain(iter::repeat(b'0')).take(decimals);
    Ok(padded.fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0')))
}

fn in_minor(whole: &str, minor: u64, decimals: u8) -> Result<Fen, ValueError> {
    // `whole` contains only digits, so parsing fails only on overflow.
    let units: u64 = whole.parse().map_err(|_| Fen::TOO_LARGE)?;
    let scale = 10_u64.checked_pow(u32::from(decimals));
    let fen = scale
        .and_then(|scale| units.checked_mul(scale))
        .and_then(|fen| fen.checked_add(minor));
    Fen::new(fen.ok_or(Fen::TOO_LARGE)?)
}

/// Amount and the number of decimals of its unit, for display.
struct Decimal(Fen, usize);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(fen, decimals) = self;
        // The padding leaves at least one digit before the point: 5 fen print as `0.05`.
        let digits = format!("{:0width$}", fen.as_u64(), width = decimals + 1);
        let point = digits.len().saturating_sub(decimals);
        match digits.split_at_checked(point) {
            Some((whole, fraction)) if decimals > 0 => write!(f, "{whole}.{fraction}"),
            _ => f.write_str(&digits),
        }
    }
}

impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fen", self.0)
    }
}

impl TryFrom<u64> for Fen {
    type Error = ValueError;

    fn try_from(fen: u64) -> Result<Self, ValueError> {
        Self::new(fen)
    }
}

impl Serialize for Fen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Fen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Deserializes an amount that must not be zero.
pub(crate) fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fen, D::Error> {
    let amount = Fen::deserialize(deserializer)?;
    match amount.is_zero() {
        true => Err(D::Error::custom("the amount is zero: the minimum is 1 fen")),
        false => Ok(amount),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::check::{json_refuses, round_trip};
    use super::*;

    fn fen(value: u64) -> Fen {
        Fen::new(value).unwrap()
    }

    /// Checks the result of parsing a text in yuan: the number of fen, or the error.
    #[track_caller]
    fn check_yuan(text: &str, expected: Result<u64, ValueProblem>) {
        let read = Fen::parse_yuan(text).map_err(|error| error.problem);
        assert_eq!(read.map(Fen::as_u64), expected, "{text}");
    }

    #[test]
    fn parse_yuan_returns_exact_fen() {
        check_yuan("8.8", Ok(880));
        check_yuan("9.8", Ok(980));
        check_yuan("19.90", Ok(1990));
        check_yuan("1159.89", Ok(115_989));
        check_yuan("0", Ok(0));
        check_yuan("0.01", Ok(1));
        check_yuan("100", Ok(10_000));
        check_yuan("19.9000", Ok(1990));
        check_yuan("`19.90", Ok(1990));
        check_yuan("92233720368547758.07", Ok(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn invalid_yuan_is_rejected_with_position() {
        let bad = |at| Err(ValueProblem::BadByte { at });
        check_yuan("", Err(ValueProblem::Empty));
        check_yuan("`", Err(ValueProblem::Empty));
        check_yuan(".5", Err(ValueProblem::NoDigit { at: 0 }));
        check_yuan("`.5", Err(ValueProblem::NoDigit { at: 1 }));
        check_yuan("5.", Err(ValueProblem::NoDigit { at: 2 }));
        check_yuan(".", Err(ValueProblem::NoDigit { at: 0 }));
        check_yuan("-1", bad(0));
        check_yuan("+1", bad(0));
        check_yuan(" 1", bad(0));
        check_yuan("1 ", bad(1));
        check_yuan("1.+5", bad(2));
        check_yuan("1e2", bad(1));
        check_yuan("1,159.89", bad(1));
        check_yuan("1.2.3", bad(3));
        check_yuan("``1", bad(1));
        check_yuan("一", bad(0));
        check_yuan("19.901", Err(ValueProblem::TooFine { at: 5 }));
        check_yuan("19.9001", Err(ValueProblem::TooFine { at: 6 }));
    }

    #[test]
    fn amount_above_maximum_is_rejected() {
        check_yuan("92233720368547758.08", Err(ValueProblem::TooLarge));
        check_yuan("184467440737095516.16", Err(ValueProblem::TooLarge));
        check_yuan("99999999999999999999999", Err(ValueProblem::TooLarge));
        assert_eq!(Fen::new(1 << 63), Err(Fen::TOO_LARGE));
        assert_eq!(Fen::try_from(u64::MAX), Err(Fen::TOO_LARGE));
    }

    #[test]
    fn amount_arithmetic_out_of_range_is_none() {
        assert_eq!(fen(60).checked_add(fen(40)), Some(fen(100)));
        assert_eq!(fen(60).checked_sub(fen(60)), Some(Fen::ZERO));
        assert_eq!(Fen::MAX.checked_add(fen(1)), None);
        assert_eq!(Fen::ZERO.checked_sub(fen(1)), None);
        assert!(Fen::ZERO.is_zero() && !fen(1).is_zero());
    }

    #[test]
    fn amount_prints_in_fen_or_yuan() {
        assert_eq!(fen(1990).to_string(), "1990 fen");
        assert_eq!(fen(1990).yuan().to_string(), "19.90");
        assert_eq!(fen(5).yuan().to_string(), "0.05");
    }

    #[test]
    fn decimal_amount_uses_exponent_of_currency() {
        let read = |text, code| Fen::parse_decimal(text, Currency::parse(code).unwrap());
        assert_eq!(read("500", "JPY"), Fen::new(500));
        assert_eq!(read("500.00", "JPY"), Fen::new(500));
        assert_eq!(
            read("5.50", "KRW"),
            Err(invalid(ValueProblem::TooFine { at: 2 }))
        );
        assert_eq!(read("1.5", "KWD"), Fen::new(1500));
        assert_eq!(read("1.5", "USD"), Fen::new(150));
        assert_eq!(read("9223372036854775807", "VND"), Ok(Fen::MAX));
        assert_eq!(read("9223372036854775807", "USD"), Err(Fen::TOO_LARGE));
        let show = |value, code| {
            let currency = Currency::parse(code).unwrap();
            fen(value).decimal(currency).to_string()
        };
        assert_eq!(show(500, "JPY"), "500");
        assert_eq!(show(0, "JPY"), "0");
        assert_eq!(show(5, "KWD"), "0.005");
        assert_eq!(show(1990, "USD"), "19.90");
    }

    #[test]
    fn amount_serializes_to_integer() {
        round_trip(&fen(1990), "1990");
        round_trip(&Fen::MAX, "9223372036854775807");
    }

    #[test]
    fn amount_rejects_non_integer_json() {
        for json in [
            "-1",
            "1.0",
            "1e2",
            "\"100\"",
            "9223372036854775808",
            "null",
            "true",
        ] {
            json_refuses::<Fen>(json);
        }
        assert!(json_refuses::<Fen>("9223372036854775808").contains("amount is too large"));
    }

    proptest! {
        #[test]
        fn printed_amount_parses_back(value in 0..=Fen::MAX.as_u64()) {
            let text = fen(value).yuan().to_string();
            prop_assert_eq!(Fen::parse_yuan(&text), Ok(fen(value)));
            for code in ["JPY", "KWD", "CLF"] {
                let currency = Currency::parse(code).unwrap();
                let text = fen(value).decimal(currency).to_string();
                prop_assert_eq!(Fen::parse_decimal(&text, currency), Ok(fen(value)));
            }
        }

        #[test]
        fn parse_yuan_never_panics(text in "`?[0-9.`+-]{0,24}|.*") {
            let _ = Fen::parse_yuan(&text);
        }
    }
}
