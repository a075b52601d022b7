//! Change feed: events in commit order, and cursors into them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::str::FromStr;

use crate::order::Event;
#[cfg(feature = "openapi")]
use crate::types::schema::{schemas, text};

/// Cursor in the change feed of a store: the position after one of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeedCursor {
    /// Incarnation of the store: a random number that is new for each created store and for each
    /// restored backup.
    pub incarnation: u64,
    /// Number of events before the cursor; 0 at the start of the feed.
    pub seq: u64,
}

impl FeedCursor {
    /// Start of the feed, valid for every store.
    pub const START: Self = Self {
        incarnation: 0,
        seq: 0,
    };
}

impl std::fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{}", self.incarnation, self.seq)
    }
}

/// Error for a text that is not a valid feed cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid feed cursor: expected 16 hexadecimal digits, a hyphen and a decimal number without \
     leading zeros"
)]
pub struct FeedCursorError;

impl Serialize for FeedCursor {
    /// Serializes the cursor as its text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "openapi")]
schemas! { FeedCursor: text("A feed cursor: 16 hexadecimal digits, a hyphen and a number."); }

impl<'de> Deserialize<'de> for FeedCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl FromStr for FeedCursor {
    type Err = FeedCursorError;

    fn from_str(text: &str) -> Result<Self, FeedCursorError> {
        let (incarnation, seq) = text.split_once('-').ok_or(FeedCursorError)?;
        let is_hex = incarnation.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_number = seq.bytes().all(|byte| byte.is_ascii_digit());
        let is_padded = seq.len() > 1 && seq.starts_with('0');
        if incarnation.len() != 16 || !is_hex || !is_number || is_padded {
            return Err(FeedCursorError);
        }
        Ok(Self {
            incarnation: u64::from_str_radix(incarnation, 16).map_err(|_| FeedCursorError)?,
            seq: seq.parse().map_err(|_| FeedCursorError)?,
        })
    }
}

/// Event of the change feed and the cursor after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FeedEvent {
    /// Cursor after this event. Pass it to `events` to continue.
    pub cursor: FeedCursor,
    /// Event directly before the cursor.
    pub event: Event,
}

impl FeedEvent {
    /// Creates an entry of the feed from an event and the cursor after it.
    #[must_use]
    pub const fn new(cursor: FeedCursor, event: Event) -> Self {
        Self { cursor, event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feed_cursor_parse_accepts_only_display_form() {
        let cursor = FeedCursor {
            incarnation: 0xff,
            seq: 20,
        };
        let text = cursor.to_string();
        assert_eq!(text.parse(), Ok(cursor));
        let zero = FeedCursor { seq: 0, ..cursor };
        assert_eq!(zero.to_string().parse(), Ok(zero));
        for other in [
            "+0000000000000ff-20",
            "00000000000000ff-+20",
            "00000000000000ff-020",
            "00000000000000ff-",
            "00000000000000ff",
            "ff-20",
        ] {
            assert_eq!(other.parse::<FeedCursor>(), Err(FeedCursorError), "{other}");
        }
    }
}
