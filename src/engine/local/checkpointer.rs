//! State that the checkpoint thread and the writers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::disk::{Executor, Task};
use super::failure::closed;
use super::memtable::SharedMemtable;
use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind};
use crate::number::u64_of;

/// Delay between a failed checkpoint and the next attempt.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Delay between a checkpoint that failed on a corrupt page and the next attempt. The page stays
/// corrupt, so frequent attempts are useless.
const CORRUPT_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Frozen memtable, and the log sequence number (LSN) of the last journal frame whose writes it may
/// hold.
#[derive(Debug, Clone)]
pub(super) struct Frozen {
    pub(super) memtable: Arc<SharedMemtable>,
    pub(super) last_lsn: u64,
}

impl Frozen {
    /// Estimated memory of the memtable, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        u64_of(self.memtable.read().bytes())
    }
}

#[derive(Debug, Default)]
struct State {
    frozen: Option<Frozen>,
    /// Error of the last checkpoint, if it failed.
    failed: Option<StorageError>,
    /// Offset and length of the pages that were corrupt at the last rebuild that failed.
    unrebuildable: Vec<(u64, usize)>,
    /// Whether the B-tree can no longer be opened.
    is_lost: bool,
    closing: bool,
    flushes: u64,
    last: Duration,
}

/// Queue of one frozen memtable between the writers and the checkpoint thread.
///
/// If the checkpoint of a memtable fails, the memtable stays in the queue until a later attempt
/// succeeds.
#[derive(Debug)]
pub(super) struct Checkpointer {
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
    pub(super) throttled: AtomicU64,
    /// Runs checkpoints on a simulated disk, which has no checkpoint thread.
    executor: Option<Arc<dyn Executor>>,
}

/// Statistics of the checkpoints.
pub(super) struct CheckpointStats {
    pub(super) flushes: u64,
    pub(super) last: Duration,
    pub(super) slowed: u64,
    pub(super) is_out_of_room: bool,
    pub(super) is_busy: bool,
}

impl Checkpointer {
    pub(super) fn new(executor: Option<Arc<dyn Executor>>) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            throttled: AtomicU64::new(0),
            executor,
        }
    }

    /// Fails if the store is closing.
    pub(super) fn check_open(&self) -> Result<(), StorageError> {
        if self.state.lock().closing {
            let why = "the store is closing; the checkpoint continues when the store is opened";
            return Err(StorageError::new(StorageErrorKind::Io, why));
        }
        Ok(())
    }

    /// Records that the rebuild of the indexes failed while these pages were corrupt.
    pub(super) fn note_failure(&self, pages: Vec<(u64, usize)>) {
        self.state.lock().unrebuildable = pages;
    }

    /// Whether the last rebuild failed with the same corrupt pages. Another rebuild would read
    /// every index again and fail in the same way.
    pub(super) fn is_known_failure(&self, pages: &[(u64, usize)]) -> bool {
        !pages.is_empty() && self.state.lock().unrebuildable == pages
    }

    /// Whether a checkpoint should run: a frozen memtable waits, the store is not closing, and the
    /// B-tree can be opened.
    pub(super) fn is_wanted(&self) -> bool {
        let state = self.state.lock();
        state.frozen.is_some() && !state.closing && !state.is_lost
    }

    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.work.notify_all();
        self.done.notify_all();
    }

    pub(super) fn stats(&self) -> CheckpointStats {
        let state = self.state.lock();
        let failed = state.failed.as_ref().map(StorageError::kind);
        CheckpointStats {
            flushes: state.flushes,
            last: state.last,
            slowed: self.throttled.load(Ordering::Relaxed),
            is_out_of_room: failed == Some(StorageErrorKind::DiskFull),
            is_busy: state.frozen.is_some(),
        }
    }

    /// Whether a frozen memtable waits or is being written. While the caller holds the writer's
    /// lock, no other thread can submit a frozen memtable.
    pub(super) fn is_busy(&self) -> bool {
        self.state.lock().frozen.is_some()
    }

    /// Error of the last checkpoint, if it failed.
    pub(super) fn failed(&self) -> Option<StorageError> {
        self.state.lock().failed.clone()
    }

    /// Error of the failed attempt to reopen the B-tree, if the B-tree can no longer be opened. The
    /// store must then accept no more writes.
    pub(super) fn reopen_error(&self) -> Option<StorageError> {
        let state = self.state.lock();
        state.failed.clone().filter(|_| state.is_lost)
    }

    /// Waits until the checkpoint has written the frozen memtable, if there is one. Fails if the
    /// store closes or if the last checkpoint failed.
    pub(super) fn wait(&self) -> Result<(), EngineError> {
        let mut state = self.state.lock();
        while state.frozen.is_some() {
            if state.closing {
                return Err(closed());
            }
            // Return the error of the last attempt at once. The next attempt may take minutes and
            // may fail again, so a writer must not wait for it.
            if let Some(error) = &state.failed {
                return Err(EngineError::Retry(error.clone()));
            }
            match &self.executor {
                Some(executor) => {
                    MutexGuard::unlocked(&mut state, || executor.run_to_end(Task::Checkpoint));
                }
                None => self.done.wait(&mut state),
            }
        }
        Ok(())
    }

    /// Hands a frozen memtable to the checkpoint thread.
    pub(super) fn submit(&self, frozen: Frozen) {
        self.state.lock().frozen = Some(frozen);
        self.work.notify_one();
    }

    /// Waits for a frozen memtable. Returns `None` when the store closes or the B-tree can no
    /// longer be opened.
    pub(super) fn next(&self) -> Option<Frozen> {
        let mut state = self.state.lock();
        loop {
            if state.closing || state.is_lost {
                return None;
            }
            if let Some(frozen) = &state.frozen {
                return Some(frozen.clone());
            }
            self.work.wait(&mut state);
        }
    }

    /// Reports a successful checkpoint, and wakes all waiting writers.
    pub(super) fn succeed(&self, took: Duration) {
        let mut state = self.state.lock();
        state.frozen = None;
        state.failed = None;
        state.flushes += 1;
        state.last = took;
        drop(state);
        self.done.notify_all();
    }

    /// Reports a failed checkpoint, wakes all waiting writers with the error, and delays the
    /// checkpoint thread until the next attempt.
    pub(super) fn fail(&self, error: StorageError, is_lost: bool) {
        let mut state = self.state.lock();
        let wait = match error.kind() {
            StorageErrorKind::Corrupted => CORRUPT_AGAIN_AFTER,
            _ => AGAIN_AFTER,
        };
        state.failed = Some(error);
        state.is_lost = is_lost;
        self.done.notify_all();
        if !state.closing && !is_lost && self.executor.is_none() {
            self.work.wait_for(&mut state, wait);
        }
    }
}
