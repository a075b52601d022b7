//! Local engine: a store in one directory on a local disk, opened by one process at a time.
//!
//! | file | contents |
//! |---|---|
//! | `identity` | identity of the store; the last file that is written when a store is created |
//! | `journal/` | journal (write-ahead log): all batches since the last checkpoint, in segments |
//! | `base.redb` | B-tree with all tables, as of the last checkpoint |
//!
//! - An open handle locks the directory. If the system cannot lock a directory, the handle locks
//!   the file `LOCK` in the directory.
//! - The handle opens the files through a descriptor of the directory, not by the directory's path.
//! - The engine appends a batch to the journal, syncs it, adds it to the memtable, and then
//!   acknowledges it. All visible writes are durable, and a rejected batch leaves no trace.
//! - The checkpoint thread writes many batches at a time into the B-tree.
//! - After a write with an unknown outcome, the engine is poisoned. It accepts no writes until
//!   the store is opened again. Reads continue.
//! - Readers share one view of the memtables and the B-tree. A reader waits for its own disk
//!   reads only.

mod admin;
mod archive;
mod background;
mod backpressure;
mod btree;
mod checkpoint;
mod checkpointer;
mod core;
#[cfg(feature = "testing")]
pub(crate) mod corrupt_payloads;
mod disk;
mod failure;
mod fill;
mod idle_marker;
#[cfg(feature = "testing")]
mod injected;
mod journal;
mod membership;
mod memtable;
mod mirror;
mod options;
mod publish;
mod read;
mod side;
mod tasks;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

pub use self::archive::StandbyEngine;
pub(crate) use self::archive::{prune_archive, report_archive};
use self::core::Core;
#[cfg(feature = "testing")]
pub use self::disk::{DiskFault, FaultInjection, Loss, SeededRng, SimulatedDisk, Snapshot};
use self::failure::unread;
pub use self::journal::recovery::Recovery;
pub use self::options::LocalOptions;
#[cfg(feature = "testing")]
pub use self::options::Sizes;
use self::read::record_cache::RecordCache;
use self::read::view::ReadView;
use self::write::batch::WriteBatch;
use self::write::planner::WritePlanner;
use super::{BackupReport, Engine, EngineError, EngineStats, Identity, Limits, Progress};
use crate::contract::{
    Counts, FeedCursor, FeedEvent, IndexPage, IndexQuery, Lookup, Mutation, StoredRecord, Verdict,
};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Event, Record};
use crate::process::Process;
use crate::types::OrderNo;
use crate::verify::VerifyReport;

/// Maximum number of mutations in one batch. More mutations per sync would save almost nothing.
const BATCH_MAX: usize = 1024;

impl LocalOptions {
    /// Maximum size of the page cache, in bytes. The filters of the B-tree use up to a third of this
    /// in addition.
    pub(crate) const fn page_bytes(&self) -> usize {
        self.cache_bytes / 8 * 3
    }

    /// Creates the cache of records and of the order numbers that belong to row numbers.
    fn hot(&self) -> RecordCache {
        let eighth = self.cache_bytes / 8;
        RecordCache::new(eighth * 3, eighth)
    }
}

/// Store in a local directory.
pub struct LocalEngine {
    core: Arc<Core>,
    process: Process,
    threads: Mutex<Vec<JoinHandle<()>>>,
    is_new: bool,
    recovery: Recovery,
}

impl fmt::Debug for LocalEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEngine")
            .field("identity", &self.core.header.identity)
            .finish_non_exhaustive()
    }
}

impl LocalEngine {
    /// Whether the call that returned this handle created the store.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Result of reading the journal when the store was opened.
    #[must_use]
    pub const fn recovery(&self) -> Recovery {
        self.recovery
    }

    #[cfg(test)]
    fn view(&self) -> Result<Arc<ReadView>, EngineError> {
        self.core.view()
    }

    fn release(&self) -> Result<(), StorageError> {
        if !self.process.is_current() {
            // Refuse the close in a forked child: the files and the lock belong to the parent, and
            // the child has no copy of the background threads.
            let why =
                "a forked child cannot close the store: close it in the process that opened it";
            return Err(StorageError::new(StorageErrorKind::Io, why));
        }
        self.core.stop();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // Ignore a panic of a background thread: the journal is intact, and the rest of the
            // thread's work is done when the store is opened again.
            drop(thread.join());
        }
        self.core.release()
    }
}

impl Drop for LocalEngine {
    fn drop(&mut self) {
        if !self.process.is_current() {
            // Leak the engine in a forked child. A thread of the parent may have held one of the
            // locks at the fork, and the child would wait for this lock forever.
            std::mem::forget(Arc::clone(&self.core));
            return;
        }
        // Ignore a failed close: it loses no acknowledged write, because each commit is durable
        // before its acknowledgement.
        let _ = self.release();
    }
}

impl Engine for LocalEngine {
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError> {
        if let Some(held) = self.core.cached_record(no)? {
            return Ok(Some(held.record));
        }
        let held = self
            .core
            .read_with_retry(|view| view.held(no).map_err(unread))?;
        Ok(held.map(|held| held.record))
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError> {
        let mark = self.core.read_mark();
        let found = self.core.read_with_retry(|view| {
            let mut found = Vec::with_capacity(lookups.len());
            for lookup in lookups {
                found.push(view.load(lookup).map_err(unread)?);
            }
            Ok(found)
        })?;
        self.core.known_owners.keep(mark, lookups, &found);
        Ok(found)
    }

    fn read_mark(&self) -> Option<u64> {
        Some(self.core.read_mark())
    }

    fn check_serving(&self) -> Result<(), EngineError> {
        let shipping = &self.core.shipping;
        if let Some(cause) = shipping.fencing() {
            return Err(EngineError::Fatal(cause));
        }
        let refusal = shipping.refusal();
        refusal.map_or(Ok(()), |cause| Err(EngineError::Retry(cause)))
    }

    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        let began = Instant::now();
        self.core.throttle()?;
        self.core.with_writer(|writer, view| {
            let waited = began.elapsed();
            // No other thread writes while this one has the writer's lock, so the mark stays valid.
            let mark = self.core.read_mark();
            let mut owners = self.core.known_owners.take(mark);
            // Planning writes nothing, so a failed read fails this batch only.
            let plan = |view: &ReadView| {
                let owners = std::mem::take(&mut owners);
                WritePlanner::plan(view, mark, owners, batch).map_err(EngineError::Retry)
            };
            let (verdicts, frames) = self.core.read_with_retry(plan)?;
            self.core.commit(writer, view, frames, waited)?;
            Ok(verdicts)
        })
    }

    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, EngineError> {
        let scan = |view: &ReadView| view.scan(query, limit).map_err(unread);
        self.core.read_with_retry(scan)
    }

    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError> {
        self.core
            .read_with_retry(|view| view.history(no).map_err(unread))
    }

    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<FeedEvent>, EngineError> {
        let incarnation = self.core.header().identity.incarnation;
        let read = |view: &ReadView| view.events(incarnation, after, limit);
        self.core.read_with_retry(read)
    }

    fn feed_end(&self) -> Result<FeedCursor, EngineError> {
        let incarnation = self.core.header().identity.incarnation;
        let read = |view: &ReadView| view.state().map_err(unread);
        let seq = self.core.read_with_retry(read)?.last_seq;
        Ok(FeedCursor { incarnation, seq })
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        let read = |view: &ReadView| view.state().map_err(unread);
        Ok(self.core.read_with_retry(read)?.counts)
    }

    fn verify(&self) -> Result<VerifyReport, EngineError> {
        self.core.verify()
    }

    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError> {
        self.core.with_writer(|writer, view| {
            let read = |view: &ReadView| view.state().map_err(EngineError::Retry);
            let mut state = self.core.read_with_retry(read)?;
            let first = state.counter;
            state.counter = first.checked_add(count).ok_or_else(|| {
                let why = "the order-number counter is used up";
                EngineError::Retry(StorageError::new(StorageErrorKind::TooLarge, why))
            })?;
            let mut writes = WriteBatch::default();
            writes.put_state(state).map_err(unread)?;
            self.core
                .commit(writer, view, vec![writes], Duration::ZERO)?;
            Ok(first..state.counter)
        })
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.core.flush()
    }

    fn backup(&self, dir: &Path, progress: Option<Progress>) -> Result<BackupReport, Error> {
        self.core.backup(dir, progress.as_ref())
    }

    fn stats(&self) -> EngineStats {
        self.core.stats()
    }

    fn retrying_failure(&self) -> Option<StorageError> {
        self.core.current_failure()
    }

    fn mirror_failure(&self) -> Option<StorageError> {
        self.core.mirror.failure()
    }

    fn archive_failure(&self) -> Option<StorageError> {
        self.core.shipping.failure()
    }

    fn identity(&self) -> Identity {
        self.core.header().identity
    }

    fn limits(&self) -> Limits {
        Limits {
            batch: BATCH_MAX,
            on_callers_thread: true,
            never_waits_for_network: true,
            stops_at_unknown: true,
            is_read_only: false,
        }
    }

    fn write_time(&self) -> Option<Duration> {
        Some(self.core.write_time())
    }

    fn close(&self) -> Result<(), EngineError> {
        self.release().map_err(EngineError::Fatal)
    }
}
