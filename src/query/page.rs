//! Pages of lists, and cursors from one page to the next.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::contract::{Direction, Position};
use crate::error::Error;
use crate::types::Timestamp;
#[cfg(feature = "openapi")]
use crate::types::schema::{schemas, text};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Page<R> {
    /// Rows in the order of the list. A filter can leave fewer rows than requested, or none. Only
    /// `next` shows whether the list ends here.
    pub rows: Vec<R>,
    /// Start of the next page, or `None` at the end of the list.
    pub next: Option<Cursor>,
}

/// Requested page: number of rows, start and direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct PageRequest {
    pub(crate) limit: usize,
    pub(crate) after: Option<Cursor>,
    pub(crate) reversed: bool,
}

impl PageRequest {
    /// Maximum number of rows in a page.
    pub const MAX: usize = 1000;

    /// Requests the first page, with at most `limit` rows. Range: 1 to [`PageRequest::MAX`].
    pub const fn of(limit: usize) -> Self {
        Self {
            limit,
            after: None,
            reversed: false,
        }
    }

    /// Requests the page after `cursor`.
    pub const fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Reverses the order: oldest first for a list that is newest first.
    pub const fn reversed(mut self) -> Self {
        self.reversed = true;
        self
    }

    pub(crate) const fn direction(self, usual: Direction) -> Direction {
        match (usual, self.reversed) {
            (direction, false) => direction,
            (Direction::Forward, true) => Direction::Backward,
            (Direction::Backward, true) => Direction::Forward,
        }
    }

    pub(crate) fn checked_limit(self) -> Result<usize, Error> {
        if (1..=Self::MAX).contains(&self.limit) {
            return Ok(self.limit);
        }
        Err(Error::Invalid {
            what: "page limit",
            why: format!("{} is not within 1 to {}", self.limit, Self::MAX),
        })
    }
}

/// Position after a page: the full key of the page's last row.
///
/// A cursor is valid only for the same query, direction and store. Its text form, for example for a
/// web API, can be parsed again. It contains no personal data.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub(super) query: u64,
    pub(super) position: Position,
}

/// Length of an encoded cursor, as the sum of its fields in bytes: version 1, fingerprint of the
/// query 8, time 8, row number 8, entry number 4.
const LENGTH: usize = 1 + 8 + 8 + 8 + 4;
const VERSION: u8 = 1;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { time, row, sub } = self.position;
        let (query, time) = (self.query, time.as_u64());
        write!(f, "{VERSION:02x}{query:016x}{time:016x}{row:016x}{sub:08x}")
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({self})")
    }
}

/// Error for a text that is not a valid cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The text does not have the form of a cursor.
    #[error("invalid cursor: a cursor has {} hexadecimal digits", LENGTH * 2)]
    Malformed,
    /// Another version of this crate wrote the cursor.
    #[error("unknown cursor version {0}: start again with the first page")]
    Version(u8),
}

impl From<CursorError> for Error {
    fn from(error: CursorError) -> Self {
        let why = match error {
            CursorError::Malformed => "the text does not have the form of a cursor",
            CursorError::Version(_) => "another version of this crate wrote the cursor",
        };
        Self::InvalidCursor { why: why.into() }
    }
}

impl Serialize for Cursor {
    /// Serializes the cursor as its text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "openapi")]
schemas! { Cursor: text("A cursor: a string of 58 hexadecimal digits."); }

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.len() != LENGTH * 2 || !is_hex {
            return Err(CursorError::Malformed);
        }
        let field = |from, to| {
            let digits = text.get(from..to).unwrap_or_default();
            u64::from_str_radix(digits, 16).map_err(|_| CursorError::Malformed)
        };
        let version = u8::try_from(field(0, 2)?).map_err(|_| CursorError::Malformed)?;
        if version != VERSION {
            return Err(CursorError::Version(version));
        }
        let millis = i64::try_from(field(18, 34)?).map_err(|_| CursorError::Malformed)?;
        Ok(Self {
            query: field(2, 18)?,
            position: Position {
                time: Timestamp::from_millis(millis).map_err(|_| CursorError::Malformed)?,
                row: field(34, 50)?,
                sub: u32::try_from(field(50, 58)?).map_err(|_| CursorError::Malformed)?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_text_round_trips_and_invalid_text_fails() {
        let position = Position {
            time: Timestamp::MAX,
            row: u64::MAX,
            sub: 7,
        };
        let cursor = Cursor {
            query: 42,
            position,
        };
        let text = cursor.to_string();
        assert_eq!(text.parse(), Ok(cursor));
        assert_eq!(
            text.replacen("01", "02", 1).parse::<Cursor>(),
            Err(CursorError::Version(2))
        );
        for bad in [
            "",
            "01",
            &text[1..],
            &format!("{text}0"),
            &text.replace('f', "g"),
            "+1",
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError::Malformed));
        }
    }
}
