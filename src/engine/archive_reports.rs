//! Reports about the archive of a store.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reports::RestoreReport;
use crate::types::Timestamp;

/// Moment up to which a store is restored from an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "callers choose one of them")]
pub enum RestorePoint {
    /// Everything that the archive holds.
    Newest,
    /// Up to the last group of commands whose events are all at or before this time, by the clock of
    /// the store. The restore ends before the first group with a later event.
    Time(Timestamp),
    /// Up to the last group whose events have at most this sequence number.
    Seq(u64),
}

/// Report of a store that was restored from an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "query the payment channel from `restored.last_event_at`"]
pub struct ArchiveRestoreReport {
    /// What was restored. Ask the payment channel about everything from `restored.last_event_at`
    /// until the old store stopped.
    pub restored: RestoreReport,
    /// Last journal frame that was restored.
    pub lsn: u64,
    /// Journal frame of the snapshot from which the restore began.
    pub snapshot_lsn: u64,
    /// Number of frames with writes that were replayed after the snapshot.
    pub frames: u64,
    /// Size of the objects that were read, in bytes.
    pub bytes: u64,
    /// Time at which the last restored frame was shipped at the latest, by the clock of the old machine.
    /// `None` if no frame was restored.
    pub shipped_at: Option<Timestamp>,
    /// Whether the archive also holds later frames, after a gap, which need a later snapshot. Such
    /// frames are not restored.
    pub has_later: bool,
    /// Number of snapshots that could not be used, because an object of them is corrupt. The frames
    /// after an older one lead to the same state, unless `has_later` is true.
    pub corrupt_snapshots: u64,
}

/// State of the archive of an open store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ArchiveStatus {
    /// The store has no archive.
    #[default]
    Off,
    /// The last shipment succeeded.
    Complete,
    /// The store has not reached the archive yet, or the last attempt failed. It tries again.
    Behind,
    /// Another store has taken over the archive. This store refuses commands.
    Fenced,
}

impl ArchiveStatus {
    /// Returns the name of the status: `off`, `complete`, `behind` or `fenced`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Complete => "complete",
            Self::Behind => "behind",
            Self::Fenced => "fenced",
        }
    }
}

/// Figures of the archive of an open store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ArchiveStats {
    /// State of the archive.
    pub status: ArchiveStatus,
    /// Last journal frame that the archive holds.
    pub archived_lsn: u64,
    /// Time since everything could be restored; zero if it can be restored now.
    pub lag: Duration,
    /// Approximate size of the journal that the archive lacks, in bytes.
    pub lag_bytes: u64,
    /// Journal frame of the newest snapshot.
    pub snapshot_lsn: Option<u64>,
    /// Number of failed attempts since the store was opened.
    pub failures: u64,
}

/// Figures of a standby.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StandbyStats {
    /// Last journal frame of the other store that the standby shows.
    pub lsn: u64,
    /// Time since the standby showed everything that the archive held. Add the archive's own
    /// [`lag`](ArchiveStats::lag): the other store ships once at each
    /// [`interval`](crate::Archive::interval). `None` before the standby has caught up for the first
    /// time since it was opened.
    pub lag: Option<Duration>,
    /// Number of failed attempts since the standby was opened.
    pub failures: u64,
}

/// State of the store that a promoted standby replaces, as far as the operator knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "callers choose one of them")]
pub enum OldStore {
    /// It has stopped for good. Commands that it still accepts are lost.
    Stopped,
    /// It may still serve. The promotion waits until its [lease](crate::Archive::lease) is over: from
    /// then on, it acknowledges nothing. It must have a lease, and its clock must not be more than a
    /// tenth slower than this one's. It must not have been opened without the archive since.
    MayServe,
}

/// Report of a standby that became the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "query the payment channel from `continued.last_event_at`"]
pub struct PromoteReport {
    /// The old store, and the place from which its feed goes on. Ask the payment channel about
    /// everything from `continued.last_event_at` until the old store stopped.
    pub continued: RestoreReport,
    /// Last journal frame of the old store that counts.
    pub lsn: u64,
    /// Epoch of the archive that the promotion claimed.
    pub epoch: u64,
}

/// Contents of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveReport {
    /// Identity of the store.
    pub store_id: [u8; 16],
    /// Newest epoch that has begun.
    pub epoch: u64,
    /// Number of gaps between frames. A gap ends with a snapshot.
    pub gaps: u64,
    /// Last journal frame.
    pub lsn: u64,
    /// Time of the last shipment, by the clock of the machine that shipped it.
    pub shipped_at: Option<Timestamp>,
    /// Snapshots, oldest first.
    pub snapshots: Vec<ArchivedSnapshot>,
    /// Number of snapshots whose manifest is corrupt.
    pub unreadable_snapshots: u64,
}

/// A snapshot in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchivedSnapshot {
    /// Epoch in which it was made.
    pub epoch: u64,
    /// Last journal frame that it holds.
    pub lsn: u64,
    /// Sequence number of its last event.
    pub seq: u64,
    /// Time of its last event, by the clock of the store.
    pub last_event_at: Option<Timestamp>,
    /// Time at which it was made.
    pub made_at: Timestamp,
    /// Size in bytes.
    pub bytes: u64,
}

/// Result of pruning an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneReport {
    /// Number of deleted snapshots.
    pub snapshots: u64,
    /// Size of all deleted objects, in bytes.
    pub bytes: u64,
}
