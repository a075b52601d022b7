//! Events in commit order, and positions between them.

use std::str::FromStr;

use crate::order::Event;

/// A place in the store's feed of events: behind the event of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeedCursor {
    /// Drawn when the store was made, and anew when a backup is restored.
    pub incarnation: u64,
    /// The events before it: 0 at the beginning.
    pub seq: u64,
}

impl FeedCursor {
    /// Before the first event, of any store.
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

/// Why a text is no feed cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a feed cursor is 16 hexadecimal digits, a hyphen and a decimal number")]
pub struct FeedCursorError;

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

/// An event and the place behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedEvent {
    /// Hand it to `events` to go on behind this event.
    pub cursor: FeedCursor,
    /// What happened.
    pub event: Event,
}

impl FeedEvent {
    /// An event and the place behind it.
    #[must_use]
    pub const fn new(cursor: FeedCursor, event: Event) -> Self {
        Self { cursor, event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_cursor_is_read_as_it_is_printed_and_in_no_other_form() {
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
