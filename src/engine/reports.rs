//! Reports of backups, copies, restores and repairs.

use serde::{Deserialize, Serialize};

use crate::contract::FeedCursor;
use crate::types::{OrderNo, Timestamp};
use crate::verify::VerifyReport;

/// Report of a finished backup that was read back and verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BackupReport {
    /// Feed position at the end of the backup: the backup contains every event up to here, and no
    /// later one.
    pub place: FeedCursor,
    /// Sequence number of the last journal frame in the backup.
    pub lsn: u64,
    /// Number of records in the backup, including payments without an order.
    pub records: u64,
    /// Size of the backup in bytes.
    pub bytes: u64,
    /// Time of the last event in the backup, by the store's clock.
    pub last_event_at: Option<Timestamp>,
}

/// Report of a copy from one store into another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "check `verified`: it lists the violations found in the target"]
pub struct CopyReport {
    /// Position in the source's feed up to which the target has every event.
    pub before: FeedCursor,
    /// End of the target's feed when the copy was complete. A consumer that has processed the
    /// source's feed up to [`CopyReport::before`] continues here. The consumer then gets no event
    /// twice. It skips the events that other writers added to the target before this position.
    pub place: FeedCursor,
    /// Number of events that the target did not have before.
    pub events: u64,
    /// Number of records compared, including payments without an order.
    pub records: u64,
    /// Result of [`Store::verify`](crate::Store::verify) on the target.
    pub verified: VerifyReport,
}

/// Report of a store that was restored from a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "feed consumers continue at `place`; query the payment channel from `last_event_at`"]
pub struct RestoreReport {
    /// End of the backup in the old store's feed. Up to this position, the new feed has the same
    /// events with the same sequence numbers, but cursors have the new incarnation.
    pub before: FeedCursor,
    /// Feed position in the restored store that corresponds to `before`.
    pub place: FeedCursor,
    /// Number of records restored, including payments without an order.
    pub records: u64,
    /// Time of the last restored event, by the old store's clock. Query the payment channel for
    /// the payments and refunds after this time.
    pub last_event_at: Option<Timestamp>,
}

impl RestoreReport {
    /// Converts a consumer's old cursor to the restored feed. Returns `None` if the consumer
    /// has seen events that the restored store lacks, or if the cursor is from another store.
    ///
    /// ```
    /// # use orderstore::{FeedCursor, RestoreReport};
    /// fn go_on(restored: &RestoreReport, kept: FeedCursor) -> FeedCursor {
    ///     restored.translate(kept).unwrap_or_else(|| {
    ///         // The events after `restored.before` are lost: review what was done for them.
    ///         restored.place
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn translate(&self, cursor: FeedCursor) -> Option<FeedCursor> {
        translate(self.before, self.place, cursor)
    }
}

/// Report of a new store that a repair built from the readable data of a damaged one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "check the report: it lists the lost data"]
pub struct RepairReport {
    /// Position in the damaged store's feed up to which the new feed has the same events.
    pub before: FeedCursor,
    /// End of the repaired store's feed.
    pub place: FeedCursor,
    /// Number of records in the repaired store, including payments without an order.
    pub records: u64,
    /// Sizes of each list before the repair and after it was rebuilt from the records.
    pub lists: Vec<IndexCount>,
    /// Records that the repair changed or lost, sorted by order number.
    pub findings: Vec<(OrderNo, RepairFinding)>,
    /// Whether the repair could read the complete table of records. If false, more records may be
    /// lost than `findings` lists.
    pub is_every_record_read: bool,
    /// Whether the repair could read the counters. If false, new order numbers come from a
    /// separate range.
    pub is_state_read: bool,
    /// Number of events that are missing or unreadable.
    pub events_lost: u64,
    /// Number of readable events that the repair left out, because it could not keep the history
    /// of their record unchanged.
    pub events_left_out: u64,
    /// Number of journal frames and segments that were read, missing or unreadable.
    pub journal: JournalFindings,
    /// Result of [`Store::verify`](crate::Store::verify) on the repaired store. A violation of
    /// I6 means that two records own the same key. The repair keeps both, and a person must
    /// decide which one is right.
    pub verified: VerifyReport,
}

impl RepairReport {
    /// Returns whether nothing was lost: the repaired store has every record, event and journal
    /// frame unchanged. The repair rebuilt only lists, keys and counts.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_read = self.is_every_record_read && self.is_state_read;
        let is_kept = self.findings.is_empty() && self.events_lost == 0;
        is_read && is_kept && self.events_left_out == 0 && self.journal.is_whole()
    }

    /// Converts a consumer's old cursor to the repaired feed. Returns `None` if the repaired
    /// feed differs before that position, or if the cursor is from another store.
    #[must_use]
    pub fn translate(&self, cursor: FeedCursor) -> Option<FeedCursor> {
        translate(self.before, self.place, cursor)
    }
}

/// Number of entries in one list before and after a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexCount {
    /// Name of the list in the store's files.
    pub name: &'static str,
    /// Number of entries before the repair, or `None` if the list could not be read.
    pub before: Option<u64>,
    /// Number of entries after the repair.
    pub after: u64,
}

/// Effect of a repair on one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepairFinding {
    /// The record was lost and rebuilt completely from its history.
    Rebuilt,
    /// The record was lost and rebuilt from its history up to this version. Later changes may
    /// be lost: query the payment channel about this order and its refunds.
    Older {
        /// Version of the rebuilt record: the number of events found.
        version: u64,
    },
    /// The record differed from its history and was rebuilt from the history.
    Corrected,
    /// The record was read, but its history is lost. The new history starts at version 1. For an
    /// order, it is one import event. A feed consumer that ships no imported orders does not ship
    /// this order: compare the payments with the shipments.
    HistoryLost,
    /// The record and the first events of its history are lost. Only the payment channel still
    /// has data about the order.
    Lost,
}

/// Condition of a damaged store's journal, for the frames that the B-tree does not contain yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalFindings {
    /// Number of frames read.
    pub frames: u64,
    /// Number of frames that are missing or unreadable. The store may have acknowledged their
    /// commands.
    pub frames_lost: u64,
    /// Number of segments that are missing or completely unreadable.
    pub segments: u64,
    /// Number of segments that are shorter than when they were created. The store may have
    /// acknowledged commands in the missing part.
    pub cut_off: u64,
    /// Number of bytes at the end of the journal that form no complete frame: usually a torn write.
    pub torn_bytes: u64,
}

impl JournalFindings {
    /// Returns whether the journal shows no sign that an acknowledged command is lost.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.frames_lost == 0 && self.segments == 0 && self.cut_off == 0
    }
}

/// Converts a cursor of the old feed to the new feed. The feeds are equal up to `before` in the old
/// feed and `place` in the new one.
fn translate(before: FeedCursor, place: FeedCursor, cursor: FeedCursor) -> Option<FeedCursor> {
    let is_known = cursor.incarnation == before.incarnation && cursor.seq <= before.seq;
    let is_start = cursor == FeedCursor::START;
    (is_known || is_start).then_some(FeedCursor {
        incarnation: place.incarnation,
        seq: cursor.seq,
    })
}
