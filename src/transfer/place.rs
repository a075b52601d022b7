//! Where in its input a record begins.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Where a record begins. It can be printed, kept, and parsed again to go on behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Place {
    /// Which record it is, from 1; refused ones count, the header of a CSV does not.
    pub record: u64,
    /// The line on which it begins, from 1.
    pub line: u64,
    /// How many bytes stand before it.
    pub byte: u64,
}

/// Why a text names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a place is three decimal numbers, joined by colons: record, line, byte")]
pub struct PlaceError;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.record, self.line, self.byte)
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let mut numbers = text.split(':').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| digits).ok_or(PlaceError)
        });
        let mut next = || numbers.next().unwrap_or(Err(PlaceError));
        let (record, line, byte) = (next()?, next()?, next()?);
        match numbers.next() {
            None => Ok(Self { record, line, byte }),
            Some(_) => Err(PlaceError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_print_and_parse_and_nothing_else_parses() {
        let place = Place {
            record: 7,
            line: 12,
            byte: u64::MAX,
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        for bad in [
            "", "1", "1:2", "1:2:3:4", "1:+2:3", "1::3", "1:2:x", " 1:2:3",
        ] {
            assert_eq!(bad.parse::<Place>(), Err(PlaceError), "{bad}");
        }
    }
}
