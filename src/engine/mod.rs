//! The storage engine contract: the boundary between the rules and the stored bytes.
//!
//! # The contract
//! - An engine stores records, their events, and lists with the entries from [`index_entries`]. It
//!   contains no business rules. Its methods take and return domain values only.
//! - [`Engine::apply`] applies each mutation completely or not at all: the record, its list
//!   entries and its events. Applied mutations are durable when the call returns.
//! - A mutation whose `before` differs from the stored record gets [`Verdict::Mismatch`]. The
//!   engine may skip the comparison if the mutation has the current [`Engine::read_mark`]. A
//!   mutation that claims a unique key of another record gets [`Verdict::Taken`]. Neither
//!   verdict affects the other mutations of the batch.
//! - Each order number occurs at most once in a batch. The mutations take effect in order: a later
//!   mutation can take a key that an earlier one freed.
//! - [`EngineError::Retry`]: nothing of the batch was applied.
//! - [`EngineError::Unknown`]: the batch may be applied, completely or only some mutations of it.
//! - [`EngineError::Fatal`]: nothing was applied, and the engine applies nothing more until it is
//!   opened again. Exception: a read that fails because of corruption concerns only the record
//!   read.
//! - Reads see every applied mutation (strong consistency) and no mutation that is not durable.
//!   Lists are sorted by time, then by row number, then by the number of the entry in its record.
//! - Events carry no sequence number. The engine numbers them in commit order, without gaps. A
//!   [`FeedCursor`] names a position in that order.
//! - [`Engine::reserve`] is durable before it returns. An engine never returns the same counter
//!   value twice, whatever failed in between.
//! - An engine does not depend on the store's threads. Several threads call it at the same time.
//!
//! The types of the contract are not `#[non_exhaustive]`, on purpose: an engine builds and
//! matches complete values. Each change to one of these types changes the contract.
//!
//! Authors of an engine should run the conformance suite of the feature `testing` on it.
//!
//! [`index_entries`]: crate::rules::index_entries

pub use crate::contract::{
    Counts, Direction, FeedCursor, FeedCursorError, FeedEvent, IndexPage, IndexQuery, IndexRow,
    Lookup, Mutation, Position, StoredRecord, Verdict,
};
mod archive_reports;
mod copy;
mod local;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod progress;
mod reports;

#[cfg(feature = "testing")]
pub(crate) use local::corrupt_payloads;

pub use archive_reports::{
    ArchiveReport, ArchiveRestoreReport, ArchiveStats, ArchiveStatus, ArchivedSnapshot, OldStore,
    PromoteReport, PruneReport, RestorePoint, StandbyStats,
};
pub(crate) use copy::copy;
pub use local::{LocalEngine, LocalOptions, Recovery, StandbyEngine};
pub(crate) use local::{prune_archive, report_archive};
pub use memory::MemoryEngine;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresEngine, PostgresOptions, ReplicationRisk};
pub use progress::Progress;
pub use reports::{
    BackupReport, CopyReport, IndexCount, JournalFindings, RepairFinding, RepairReport,
    RestoreReport,
};

/// Items of the simulated disk that the public module [`testing`](crate::testing) exports.
#[cfg(feature = "testing")]
pub(crate) mod simulation {
    pub use super::local::{
        DiskFault, FaultInjection, Loss, SeededRng, SimulatedDisk, Sizes, Snapshot,
    };
}

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Command, Event, Outcome, Record, Reply};
use crate::types::OrderNo;
use crate::verify::VerifyReport;

/// A storage engine for orders. See the [module](self) for the contract.
pub trait Engine: Debug + Send + Sync + 'static {
    /// Returns the record with this order number.
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError>;

    /// Loads the records that a group of commands needs, in the order of the lookups.
    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError>;

    /// Returns a number that changes whenever a record changes. It may also change without that, for
    /// example when order numbers are reserved. `None`: the engine has no such number, for example because other
    /// processes write. Cheap: no I/O. Default: `None`.
    ///
    /// - The number changes after the batch is visible to reads, and before the next
    ///   [`Engine::apply`] compares. A reader that takes the mark first therefore never has a newer
    ///   mark than its records.
    /// - A mark belongs to one open engine. Another handle never returns the same mark.
    /// - A caller that passes a mark to [`Engine::apply`] must have taken it before it loaded
    ///   `before`, and must return `before` as it was loaded. An engine that caches records must
    ///   not pass on the mark of the engine behind it.
    fn read_mark(&self) -> Option<u64> {
        None
    }

    /// Fails if the engine must answer no command now, because another store may serve these orders. The
    /// store asks before it answers commands that write nothing. Cheap: no I/O. Default: never fails.
    fn check_serving(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Lets the store of another process decide and write commands. Returns one answer for each. `None`:
    /// this engine applies what the store has decided. Default: `None`.
    fn execute(&self, commands: &[Command]) -> Option<Vec<Result<Reply<Outcome>, Error>>> {
        let _ = commands;
        None
    }

    /// Writes a batch. Applied mutations are durable when the call returns.
    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError>;

    /// Reads at most `limit` entries of a list, with their records.
    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, EngineError>;

    /// Returns every event of an order number, from version 1 on.
    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError>;

    /// Returns at most `limit` events after a cursor, in commit order. Fails with
    /// [`EngineError::Cursor`] if the cursor is from another incarnation or beyond the end.
    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<FeedEvent>, EngineError>;

    /// Returns the cursor of the last event; on an empty feed, one whose sequence number is 0.
    fn feed_end(&self) -> Result<FeedCursor, EngineError>;

    /// Returns the number of orders in each status, of unclaimed payments and of open anomalies.
    fn counts(&self) -> Result<Counts, EngineError>;

    /// Reads all stored data and reports every violation of an invariant.
    fn verify(&self) -> Result<VerifyReport, EngineError>;

    /// Reserves `count` values of the order-number counter. The counter never returns them again.
    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError>;

    /// Runs a checkpoint: writes the memtable to the B-tree. Applied mutations are durable even
    /// without a checkpoint. Default: does nothing.
    fn checkpoint(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Copies everything applied so far, and nothing later, into a missing or empty directory.
    /// Calls `progress` with the number of table rows copied so far and the total number.
    /// Fails with [`Error::Unsupported`] if the engine keeps no files.
    fn backup(&self, dir: &Path, progress: Option<Progress>) -> Result<BackupReport, Error> {
        let _ = (dir, progress);
        Err(Error::Unsupported { what: "a backup" })
    }

    /// Returns the engine's sizes and counters. Cheap: no I/O.
    fn stats(&self) -> EngineStats {
        EngineStats::default()
    }

    /// Returns the cause of a failure that the engine is retrying. The engine may refuse
    /// commands meanwhile. Cheap: no I/O.
    fn retrying_failure(&self) -> Option<StorageError> {
        None
    }

    /// Returns the reason why one directory of a mirrored store is missing. Cheap: no I/O.
    fn mirror_failure(&self) -> Option<StorageError> {
        None
    }

    /// Returns the reason why a standby cannot follow its archive. Cheap: no I/O.
    fn standby_failure(&self) -> Option<StorageError> {
        None
    }

    /// Returns the reason why the archive lacks frames. Cheap: no I/O.
    fn archive_failure(&self) -> Option<StorageError> {
        None
    }

    /// Returns the identity of the store, which does not change while the store is open.
    fn identity(&self) -> Identity;

    /// Returns the limits that the store must respect when it calls the engine.
    fn limits(&self) -> Limits;

    /// Returns the time that a batch waits for its turn and for the disk, as a moving average; zero
    /// before the first batch. The store chooses the size and the delay of its groups by it. `None`:
    /// unknown. Cheap: no I/O. Default: `None`.
    fn write_time(&self) -> Option<Duration> {
        None
    }

    /// Releases all resources, including the lock, without waiting for `Drop`. Later calls
    /// fail.
    fn close(&self) -> Result<(), EngineError>;
}

/// Identity of a store: random values drawn when the store is created.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Random id of the store. A restored backup keeps it.
    pub store_id: [u8; 16],
    /// Random number, never 0, of this incarnation of the store. A restore draws a new number.
    pub incarnation: u64,
    /// Key that obfuscates the counter value in generated order numbers. It never changes.
    pub number_key: [u8; 16],
}

impl Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Draws a random identity for a new store.
    ///
    /// # Errors
    /// Fails if the operating system provides no random bytes.
    pub fn draw() -> Result<Self, StorageError> {
        let mut bytes = [0; 40];
        getrandom::fill(&mut bytes)
            .map_err(|error| StorageError::from(std::io::Error::from(error)))?;
        let (store_id, rest) = split(&bytes);
        let (number_key, rest) = split(rest);
        let (incarnation, _) = split(rest);
        Ok(Self {
            store_id,
            incarnation: u64::from_le_bytes(incarnation).max(1),
            number_key,
        })
    }
}

/// Splits off the first `N` bytes. If the input is shorter, returns `N` zero bytes and no rest.
fn split<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    bytes
        .split_first_chunk::<N>()
        .map_or(([0; N], &[]), |(first, rest)| (*first, rest))
}

/// Sizes of an engine, and its counters since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineStats {
    /// Bytes written to the journal segments on disk. Preallocated space is not included.
    pub journal_bytes: u64,
    /// Bytes in the memtables: waiting for a checkpoint, or being written by one.
    pub memtable_bytes: u64,
    /// Number of finished checkpoints.
    pub checkpoints: u64,
    /// Duration of the last checkpoint.
    pub last_checkpoint: Duration,
    /// Number of batches that were throttled because a checkpoint fell behind.
    pub throttled: u64,
    /// Whether the engine throttles batches now.
    pub is_throttled: bool,
    /// Whether the disk is full.
    pub is_disk_full: bool,
    /// Number of corrupt B-tree pages that reads found. The data below these pages is unreadable.
    pub damaged_pages: u64,
    /// Number of times that the engine opened a file again because a read or a checkpoint failed.
    pub reopened: u64,
    /// Figures of a standby; `None` if the engine is none.
    pub standby: Option<StandbyStats>,
    /// State of the mirror.
    pub mirror: MirrorStatus,
    /// Figures of the archive.
    pub archive: ArchiveStats,
}

/// State of the mirror of a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum MirrorStatus {
    /// The store has no mirror.
    #[default]
    Off,
    /// Both directories hold every acknowledged write.
    Complete,
    /// The store copies its contents into the other directory.
    Filling,
    /// One directory failed or is missing. The store goes on with the other one.
    Missing,
}

impl MirrorStatus {
    /// Returns the name of the status: `off`, `complete`, `filling` or `missing`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Complete => "complete",
            Self::Filling => "filling",
            Self::Missing => "missing",
        }
    }
}

/// Limits that the store must respect when it calls an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Maximum number of mutations in one batch.
    pub batch: usize,
    /// Whether engine calls may run on the thread of a caller that waits for the reply.
    pub on_callers_thread: bool,
    /// Whether engine calls never wait for another machine. If so, they may also run on a thread
    /// that polls async tasks.
    pub never_waits_for_network: bool,
    /// Whether the engine must be opened again after a write with unknown outcome, before its data
    /// can be trusted. The store must not write before that.
    pub stops_at_unknown: bool,
    /// Whether the engine refuses every write, because it follows another store.
    pub is_read_only: bool,
}

/// Failure of an engine call.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// Nothing was applied. A retry may succeed.
    #[error("nothing was written")]
    Retry(#[source] StorageError),
    /// The mutations may or may not be applied.
    #[error("the outcome of the write is unknown")]
    Unknown(#[source] StorageError),
    /// Nothing was applied, and the engine applies nothing more. The cause is corruption or an
    /// earlier failure.
    #[error("the engine has stopped")]
    Fatal(#[source] StorageError),
    /// The feed cursor is from another incarnation, or beyond the end of the feed.
    #[error(
        "the feed cursor cannot be used: {0}; translate it with the restore or repair report, or \
         start from the beginning"
    )]
    Cursor(Cow<'static, str>),
}

impl EngineError {
    /// Error for a feed cursor after the last event.
    pub(crate) const BEYOND_END: Self =
        Self::Cursor(Cow::Borrowed("the cursor is beyond the end of the feed"));

    /// Fails if a feed cursor is from another incarnation of the store.
    pub(crate) fn check_incarnation(after: FeedCursor, incarnation: u64) -> Result<(), Self> {
        if after != FeedCursor::START && after.incarnation != incarnation {
            let why = "the cursor is from another incarnation of the store";
            return Err(Self::Cursor(why.into()));
        }
        Ok(())
    }

    /// Returns the storage error that caused this failure, or `None` for a refused cursor.
    pub(crate) const fn cause(&self) -> Option<&StorageError> {
        match self {
            Self::Retry(cause) | Self::Unknown(cause) | Self::Fatal(cause) => Some(cause),
            Self::Cursor(_) => None,
        }
    }

    /// Returns the storage error that caused this failure, or the reason for a refused cursor.
    pub(crate) fn into_cause(self) -> Result<StorageError, Cow<'static, str>> {
        match self {
            Self::Retry(cause) | Self::Unknown(cause) | Self::Fatal(cause) => Ok(cause),
            Self::Cursor(why) => Err(why),
        }
    }

    /// Returns the storage error that caused this failure. A refused cursor becomes an internal
    /// error: the call had no cursor.
    pub(crate) fn into_storage(self) -> StorageError {
        let internal = |why: Cow<'static, str>| {
            StorageError::new(StorageErrorKind::Internal, why.into_owned())
        };
        self.into_cause().unwrap_or_else(internal)
    }

    /// Converts to an [`Error`]: `convert` wraps the storage error, and a refused cursor
    /// becomes [`Error::InvalidCursor`].
    pub(crate) fn into_error(self, convert: impl FnOnce(StorageError) -> Error) -> Error {
        match self.into_cause() {
            Ok(cause) => convert(cause),
            Err(why) => Error::InvalidCursor { why },
        }
    }
}

/// Converts the failure of a read to an [`Error`].
pub(crate) fn unreadable(error: EngineError) -> Error {
    error.into_error(Error::Unreadable)
}
