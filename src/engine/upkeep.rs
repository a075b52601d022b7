//! What is told of backups, restores and repairs.

use super::FeedCursor;
use crate::value::Timestamp;

/// A backup that was made, read back and found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Backup {
    /// The place in the feed up to which it holds everything, and behind which nothing.
    pub place: FeedCursor,
    /// The last frame of the journal that it holds.
    pub lsn: u64,
    /// The records in it, those that only wait for their order included.
    pub records: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// When its last event happened, by the store's clock.
    pub last_event_at: Option<Timestamp>,
}

/// A store that was made of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it says where the feed goes on, and from when on the channel must be asked"]
pub struct Restored {
    /// The place in the old store's feed at which the backup ends. Of its cursors, those up
    /// to here mean the same event in the new feed, with the new incarnation.
    pub before: FeedCursor,
    /// The same place in the feed of the restored store.
    pub place: FeedCursor,
    /// The records in it, those that only wait for their order included.
    pub records: u64,
    /// When the last event happened that it knows of, by the old store's clock. Whatever
    /// the channel did since is to be asked for.
    pub last_event_at: Option<Timestamp>,
}

impl Restored {
    /// Where a consumer of the old feed goes on that had come to `cursor`; `None` where it
    /// has seen events that the restored store does not know, or comes from another store.
    ///
    /// ```
    /// # use orderstore::{FeedCursor, Restored};
    /// fn go_on(restored: &Restored, kept: FeedCursor) -> FeedCursor {
    ///     restored.translate(kept).unwrap_or_else(|| {
    ///         // What was done for the events behind `restored.before` wants a look.
    ///         restored.place
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn translate(&self, cursor: FeedCursor) -> Option<FeedCursor> {
        translate(self.before, self.place, cursor)
    }
}

/// The place of the new feed that a cursor of the old one stands for.
pub(super) fn translate(
    before: FeedCursor,
    place: FeedCursor,
    cursor: FeedCursor,
) -> Option<FeedCursor> {
    let is_known = cursor.incarnation == before.incarnation && cursor.seq <= before.seq;
    let is_start = cursor == FeedCursor::START;
    (is_known || is_start).then_some(FeedCursor {
        incarnation: place.incarnation,
        seq: cursor.seq,
    })
}
