//! What is told of backups, copies, restores and repairs.

use crate::contract::FeedCursor;
use crate::types::{OrderNo, Timestamp};
use crate::verify::VerifyReport;

/// A backup that was made, read back and found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
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

/// A store that another one was copied into.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it says whether the target is sound"]
pub struct CopyReport {
    /// The place in the source's feed up to which everything is in the target.
    pub before: FeedCursor,
    /// The end of the target's feed when everything was there. A consumer that has worked off
    /// the source's feed up to [`CopyReport::before`] goes on here: what it has acted on does not
    /// come again, nor does what others wrote to the target before.
    pub place: FeedCursor,
    /// The events that the target did not have.
    pub events: u64,
    /// The records that were compared, those that only wait for their order included.
    pub records: u64,
    /// The target, looked at as [`Store::verify`](crate::Store::verify) does.
    pub verified: VerifyReport,
}

/// A store that was made of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it says where the feed goes on, and from when on the channel must be asked"]
pub struct RestoreReport {
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

impl RestoreReport {
    /// Where a consumer of the old feed goes on that had come to `cursor`; `None` where it
    /// has seen events that the restored store does not know, or comes from another store.
    ///
    /// ```
    /// # use orderstore::{FeedCursor, RestoreReport};
    /// fn go_on(restored: &RestoreReport, kept: FeedCursor) -> FeedCursor {
    ///     restored.translate(kept).unwrap_or_else(|| {
    ///         // EventKind was done for the events behind `restored.before` wants a look.
    ///         restored.place
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn translate(&self, cursor: FeedCursor) -> Option<FeedCursor> {
        translate(self.before, self.place, cursor)
    }
}

/// A sound store that was made of a damaged one, and what became of each thing in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it says what is lost"]
pub struct RepairReport {
    /// The place in the damaged store's feed up to which the new feed is the same.
    pub before: FeedCursor,
    /// The end of the new feed.
    pub place: FeedCursor,
    /// The records in the repaired store, those that only wait for their order included.
    pub records: u64,
    /// What each list held, and what it holds now that it was made anew from the records.
    pub lists: Vec<IndexCount>,
    /// The records that are not as they were, in the order of their numbers.
    pub findings: Vec<(OrderNo, RepairFinding)>,
    /// The table of records could be read from end to end. If not, there may be lost records
    /// whose numbers nobody knows.
    pub is_every_record_read: bool,
    /// The counters could be read. If not, order numbers go on in a region of their own.
    pub is_state_read: bool,
    /// Events that are missing or cannot be read.
    pub events_lost: u64,
    /// Events that can be read and belong to nothing that was kept as it was.
    pub events_left_out: u64,
    /// What was found of the journal.
    pub journal: JournalFindings,
    /// The repaired store, looked at as [`Store::verify`](crate::Store::verify) does. A
    /// breach of I6 is a key that two records own: a repair keeps both, and which of them is
    /// right is for a person to say.
    pub verified: VerifyReport,
}

impl RepairReport {
    /// Every record, every event and every frame of the journal could be read, and is in the
    /// repaired store as it was: nothing but lists, keys and counts was made anew.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_read = self.is_every_record_read && self.is_state_read;
        let is_kept = self.findings.is_empty() && self.events_lost == 0;
        is_read && is_kept && self.events_left_out == 0 && self.journal.is_whole()
    }

    /// Where a consumer of the old feed goes on that had come to `cursor`; `None` where what
    /// stands there now is something else, or the cursor is of another store.
    #[must_use]
    pub fn translate(&self, cursor: FeedCursor) -> Option<FeedCursor> {
        translate(self.before, self.place, cursor)
    }
}

/// A list of records: how many entries it had, and has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexCount {
    /// Its name in the store's files.
    pub name: &'static str,
    /// What it had; `None` where that could not be read.
    pub before: Option<u64>,
    /// What it has.
    pub after: u64,
}

/// What a repair made of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepairFinding {
    /// It was lost, and its history told it whole.
    Rebuilt,
    /// It was lost, and is there as its history had it at this version. What came later may
    /// be lost: ask the channel about this order and its refunds.
    Older {
        /// How many of its events there are.
        version: u64,
    },
    /// It was not what its history says, and is now.
    Refolded,
    /// Its history is lost, and it is not: it begins anew, in version 1, as if it had been
    /// taken over from other books. A consumer of the feed that ships no imported orders does
    /// not ship it: compare what was paid with what was shipped.
    HistoryLost,
    /// It is lost, and so is where its history begins. Only the channel knows of it.
    Lost,
}

/// What was found of a damaged store's journal, behind what the base holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalFindings {
    /// Groups that were read.
    pub frames: u64,
    /// Groups that are missing or cannot be read. Whatever they told may have been told to
    /// somebody.
    pub frames_lost: u64,
    /// Segments that are missing or cannot be read at all.
    pub segments: u64,
    /// Segments that are shorter than they were made. What stood in the part that is missing
    /// may have been told to somebody.
    pub cut_off: u64,
    /// Bytes at the end that are no group: a last one that a crash cut off, as a rule.
    pub torn_bytes: u64,
}

impl JournalFindings {
    /// Nothing that was acknowledged is missing, as far as a journal can tell.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.frames_lost == 0 && self.segments == 0 && self.cut_off == 0
    }
}

/// The place of the new feed that a cursor of the old one stands for.
fn translate(before: FeedCursor, place: FeedCursor, cursor: FeedCursor) -> Option<FeedCursor> {
    let is_known = cursor.incarnation == before.incarnation && cursor.seq <= before.seq;
    let is_start = cursor == FeedCursor::START;
    (is_known || is_start).then_some(FeedCursor {
        incarnation: place.incarnation,
        seq: cursor.seq,
    })
}
