//! Error for a value that its type does not allow.

use std::fmt;

use thiserror::Error;

/// Error for a value that its type does not allow. It never contains the value, which may be
/// personal data.
///
/// ```
/// use orderstore::{OrderNo, ValueProblem};
///
/// let error = OrderNo::parse("order 7").unwrap_err();
/// assert_eq!(error.problem, ValueProblem::BadByte { at: 5 });
/// let text = "order number is invalid at character 6: write 1 to 32 letters, digits and _-|*@, \
///             like 1217752501201407033233368018";
/// assert_eq!(error.to_string(), text);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} {problem}: {allowed}")]
#[non_exhaustive]
pub struct ValueError {
    /// Name of the type in lower case, such as `openid`.
    pub what: &'static str,
    /// Reason why the value is invalid.
    pub problem: ValueProblem,
    /// Description of the allowed values, with an example where that helps.
    pub allowed: &'static str,
}

/// Reason why a value is invalid. Positions count the bytes of the input, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueProblem {
    /// The text is empty. A missing value is `None`, never an empty text.
    Empty,
    /// The text is longer than the type allows.
    TooLong {
        /// Length of the text, in `unit`.
        len: usize,
        /// Maximum length, in `unit`.
        max: usize,
        /// Unit of `len` and `max`: `"characters"` or `"bytes"`.
        unit: &'static str,
    },
    /// The text does not have the length of its format.
    WrongLength {
        /// Length of the text, in bytes.
        len: usize,
    },
    /// The type does not allow the byte at this position of an ASCII text.
    BadByte {
        /// Position of the first such byte.
        at: usize,
    },
    /// The type does not allow a character of a free text.
    BadChar {
        /// Position of the first byte of that character.
        at: usize,
    },
    /// A character is not a hexadecimal digit, or the second digit of a pair is missing.
    BadHex {
        /// Position of the wrong character, or the length of the text if a digit is missing.
        at: usize,
    },
    /// The amount is zero.
    Zero,
    /// The amount is larger than the maximum.
    TooLarge,
    /// A digit is missing before or after the decimal point, as in `.5` or `5.`.
    NoDigit {
        /// Position where a digit was expected: 0 for `.5`, 2 for `5.`.
        at: usize,
    },
    /// The amount has a fraction of a minor unit.
    TooFine {
        /// Position of the first non-zero decimal that is finer than a minor unit.
        at: usize,
    },
    /// The time is before 1970 or after 9999, in UTC.
    OutOfRange,
    /// The date does not exist.
    NoSuchDate,
    /// The time of day does not exist. This includes leap seconds, written as second 60.
    NoSuchTime,
    /// The text after the seconds is not a valid RFC 3339 fraction and offset.
    BadOffset {
        /// Position where the fraction or the offset begins.
        at: usize,
    },
}

impl fmt::Display for ValueProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::TooLong { len, max, unit } => {
                return write!(f, "has {len} {unit}, more than {max}");
            }
            Self::WrongLength { .. } => "is too short or too long",
            // Every byte before `at` is ASCII, so the byte position is a character position.
            Self::BadByte { at } => {
                return write!(f, "is invalid at character {}", at.saturating_add(1));
            }
            Self::BadChar { .. } => "has a character that is not allowed",
            Self::BadHex { .. } => "is not valid hexadecimal",
            Self::Zero => "is 0 fen",
            Self::TooLarge => "is too large",
            Self::NoDigit { .. } => "has no digit before or after the decimal point",
            Self::TooFine { .. } => "has a fraction of a minor unit",
            Self::OutOfRange => "is out of range",
            Self::NoSuchDate => "has a date that does not exist",
            Self::NoSuchTime => "has a time of day that does not exist",
            Self::BadOffset { .. } => "has no valid UTC offset after the seconds",
        })
    }
}

impl ValueError {
    /// Returns the error for an amount of zero.
    pub(crate) const fn zero(what: &'static str, allowed: &'static str) -> Self {
        Self::new(what, ValueProblem::Zero, allowed)
    }

    pub(crate) const fn new(
        what: &'static str,
        problem: ValueProblem,
        allowed: &'static str,
    ) -> Self {
        Self {
            what,
            problem,
            allowed,
        }
    }
}
