//! Position of a record in the input.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Position at which a record begins.
///
/// Its text form is `record:line:byte`. A program can save it, parse it later, and resume an
/// import after this record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Position {
    /// Number of the record, from 1. Refused records have a number; the header of a CSV has none.
    pub record: u64,
    /// Line on which the record begins, from 1.
    pub line: u64,
    /// Number of bytes before the record.
    pub byte: u64,
}

/// Error for a text that is not a valid [`Position`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the position is invalid: write three decimal numbers `record:line:byte`, like 7:12:345")]
pub struct PositionError;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.record, self.line, self.byte)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let mut numbers = text.split(':').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| digits).ok_or(PositionError)
        });
        let mut next = || numbers.next().unwrap_or(Err(PositionError));
        let (record, line, byte) = (next()?, next()?, next()?);
        match numbers.next() {
            None => Ok(Self { record, line, byte }),
            Some(_) => Err(PositionError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_position_parses_back() {
        let place = Position {
            record: 7,
            line: 12,
            byte: u64::MAX,
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        for bad in [
            "", "1", "1:2", "1:2:3:4", "1:+2:3", "1::3", "1:2:x", " 1:2:3",
        ] {
            assert_eq!(bad.parse::<Position>(), Err(PositionError), "{bad}");
        }
    }
}
