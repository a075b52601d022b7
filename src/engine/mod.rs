//! The seam between the rules and the bytes: one contract for every engine.
//!
//! # The contract
//! - An engine keeps records, their events, and the lists of [`index_entries`]; it knows no
//!   rule. Everything it is handed and hands out is a domain value.
//! - [`Engine::apply`] takes each mutation whole or not at all: record, list entries and
//!   events together, and durable when it returns. A mutation whose `before` is not what
//!   stands is `Mismatch`; one whose record would own a key that another record owns is
//!   `Taken`; neither disturbs its neighbours. Within a batch each number occurs once, and
//!   each mutation meets the keys as those before it left them.
//! - A failure says what it means: [`EngineError::Retry`] certainly nothing of the batch
//!   was applied; [`EngineError::Unknown`] it may be, wholly or item by item;
//!   [`EngineError::Fatal`] nothing was applied, and nothing will be before a reopen; but of
//!   a read, with damaged data as its cause, it speaks of the record that was read alone.
//! - Reads see every applied mutation (strong consistency) and never one that is not
//!   durable. Lists are ordered by time, then row, then sub.
//! - Events carry no sequence of their own; the engine numbers them in commit order,
//!   without gaps, and a [`FeedCursor`] names a place in that order.
//! - [`Engine::reserve`] is durable before it returns, and no value is ever handed out
//!   twice, whatever fails between.
//! - Engines know no threads of the flow, and are called from several at once.
//!
//! The types of the contract are exhaustive on purpose: an engine builds and matches them
//! whole, and a change of them is a change of the contract.
//!
//! Whoever writes an engine runs the conformance suite of the feature `testing` on it.
//!
//! [`index_entries`]: crate::rules::index_entries

pub use crate::contract::{
    Counts, Direction, FeedCursor, FeedCursorError, FeedEvent, IndexPage, IndexQuery, IndexRow,
    Lookup, Mutation, Position, StoredRecord, Verdict,
};
mod copy;
mod local;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod reports;

#[cfg(feature = "testing")]
pub(crate) use local::corrupt_payloads;

pub(crate) use copy::copy;
pub use local::{LocalEngine, LocalOptions, Progress, Recovery};
pub use memory::MemoryEngine;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresEngine, PostgresOptions, ReplicationRisk};
pub use reports::{
    BackupReport, CopyReport, IndexCount, JournalFindings, RepairFinding, RepairReport,
    RestoreReport,
};

/// What [`testing`](crate::testing) shows of the simulated disk.
#[cfg(feature = "testing")]
pub(crate) mod simulation {
    pub use super::local::{
        DiskFault, FaultInjection, Loss, SeededRng, SimulatedDisk, Sizes, Snapshot,
    };
}

use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, StorageError};
use crate::order::{Event, Record};
use crate::types::OrderNo;
use crate::verify::VerifyReport;

/// A place where orders are kept. See the [module](self) for the contract.
pub trait Engine: Debug + Send + Sync + 'static {
    /// The record under a number.
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError>;

    /// The records that a group of commands looks at, in the order of the lookups.
    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError>;

    /// Writes a batch; durable when it returns.
    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError>;

    /// At most `limit` places of a list, with the records that stand there.
    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, EngineError>;

    /// Every event of a number, from version 1 on.
    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError>;

    /// At most `limit` events behind a place in the order of commits. A cursor of another
    /// incarnation, or beyond the end, is [`EngineError::Cursor`].
    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<FeedEvent>, EngineError>;

    /// How many orders stand where.
    fn counts(&self) -> Result<Counts, EngineError>;

    /// Looks at everything that is kept and reports what breaks an invariant.
    fn verify(&self) -> Result<VerifyReport, EngineError>;

    /// Takes `count` values of the order-number counter out of circulation, for good.
    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError>;

    /// Writes what waits in memory to where it stays. What was applied is durable without
    /// it.
    fn flush(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Copies everything that was applied, and nothing that comes later, into a directory
    /// that is missing or empty; tells meanwhile how many rows were copied, of how many.
    /// Fails as [`Error::Unsupported`] where the engine keeps no files.
    fn backup(&self, dir: &Path, progress: Option<Progress>) -> Result<BackupReport, Error> {
        let _ = (dir, progress);
        Err(Error::Unsupported { what: "a backup" })
    }

    /// What the engine holds and did. Cheap: no I/O.
    fn stats(&self) -> EngineStats {
        EngineStats::default()
    }

    /// What the engine cannot do for now, and tries again by itself: commands may be refused
    /// meanwhile. Cheap: no I/O.
    fn trouble(&self) -> Option<StorageError> {
        None
    }

    /// Who this store is. It never changes while the store is open.
    fn identity(&self) -> Identity;

    /// How the engine is to be used.
    fn limits(&self) -> Limits;

    /// Releases everything, the lock too; `Drop` must not be needed for it. Later calls
    /// fail.
    fn close(&self) -> Result<(), EngineError>;
}

/// Who a store is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Drawn when the store was made; a restored backup keeps it.
    pub store_id: [u8; 16],
    /// Drawn when the store was made, and anew when a backup is restored. Never 0.
    pub incarnation: u64,
    /// Conceals the counter of the order numbers. Drawn once, kept for ever.
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
    /// A new store's.
    ///
    /// # Errors
    /// Where the machine has no randomness to give.
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

/// The first `N` bytes, zero-filled where there are fewer, and the rest.
fn split<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    bytes
        .split_first_chunk::<N>()
        .map_or(([0; N], &[]), |(first, rest)| (*first, rest))
}

/// What an engine holds and did since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// What the journal takes on the disk and was written, in bytes.
    pub journal_bytes: u64,
    /// What waits in memory for the next flush, or for the end of this one, in bytes.
    pub memtable_bytes: u64,
    /// Flushes that were done.
    pub flushes: u64,
    /// How long the last one took.
    pub last_flush: Duration,
    /// Batches that were slowed down because a flush fell behind.
    pub slowed: u64,
    /// Batches are being slowed down now.
    pub is_slowed: bool,
    /// The disk has no room.
    pub is_out_of_room: bool,
    /// Pages that could not be read, of those that were asked for: what is beneath them is
    /// unreadable.
    pub damaged_pages: u64,
    /// How often a file was opened anew because a read or a flush failed.
    pub reopened: u64,
}

/// How an engine is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most mutations that it takes at once.
    pub batch: usize,
    /// Its calls may run on the thread of a caller who waits for the answer.
    pub on_callers_thread: bool,
    /// They may run within the poll of a task, too: they wait for no other machine.
    pub is_quick: bool,
    /// After a write whose outcome is not known, what it holds can be trusted only when it
    /// was opened again: no other write may follow.
    pub stops_at_unknown: bool,
}

/// How an engine fails.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// Certainly not applied; the next try may succeed.
    #[error("nothing was written")]
    Retry(#[source] StorageError),
    /// Applied or not.
    #[error("whether it was written is not known")]
    Unknown(#[source] StorageError),
    /// Not applied, and nothing more will be: damage, or an earlier failure.
    #[error("the engine has stopped")]
    Fatal(#[source] StorageError),
    /// A feed cursor of another incarnation, or beyond the end.
    #[error("not a place in this feed: {0}")]
    Cursor(&'static str),
}

impl EngineError {
    /// What went wrong beneath; nothing did where a cursor was refused.
    pub(crate) const fn cause(&self) -> Option<&StorageError> {
        match self {
            Self::Retry(cause) | Self::Unknown(cause) | Self::Fatal(cause) => Some(cause),
            Self::Cursor(_) => None,
        }
    }

    /// What went wrong beneath, or why a cursor was refused.
    pub(crate) fn into_cause(self) -> Result<StorageError, &'static str> {
        match self {
            Self::Retry(cause) | Self::Unknown(cause) | Self::Fatal(cause) => Ok(cause),
            Self::Cursor(why) => Err(why),
        }
    }

    /// As the error that `told` makes of what went wrong beneath.
    pub(crate) fn into_error(self, told: impl FnOnce(StorageError) -> Error) -> Error {
        match self.into_cause() {
            Ok(cause) => told(cause),
            Err(why) => Error::InvalidCursor { why },
        }
    }
}

/// A read that failed.
pub(crate) fn unreadable(error: EngineError) -> Error {
    error.into_error(Error::Unreadable)
}
