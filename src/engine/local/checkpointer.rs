//! The state that the checkpoint thread and the writers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::disk::{Executor, Task};
use super::failure::closed;
use super::memtable::SharedMemtable;
use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind};

/// How long to wait after a flush that failed.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// And after one that met a damaged page, which will be damaged then, too.
const DAMAGED_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// A memtable that is on its way into the base.
#[derive(Debug, Clone)]
pub(super) struct Frozen {
    pub(super) shelf: Arc<SharedMemtable>,
    pub(super) last_lsn: u64,
}

#[derive(Debug, Default)]
struct State {
    frozen: Option<Frozen>,
    /// Why the last try failed.
    failed: Option<StorageError>,
    /// The base could not be opened again.
    is_lost: bool,
    closing: bool,
    flushes: u64,
    last: Duration,
}

/// What is being flushed, and what became of it.
#[derive(Debug)]
pub(super) struct Checkpointer {
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
    pub(super) slowed: AtomicU64,
    /// Who flushes in the place of a thread.
    crew: Option<Arc<dyn Executor>>,
}

/// What flushes did.
pub(super) struct CheckpointStats {
    pub(super) flushes: u64,
    pub(super) last: Duration,
    pub(super) slowed: u64,
    pub(super) is_out_of_room: bool,
    pub(super) is_busy: bool,
}

impl Checkpointer {
    pub(super) fn new(crew: Option<Arc<dyn Executor>>) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            slowed: AtomicU64::new(0),
            crew,
        }
    }

    /// There is something to flush, and a base to flush it into.
    pub(super) fn is_wanted(&self) -> bool {
        let state = self.state.lock();
        state.frozen.is_some() && !state.closing && !state.is_lost
    }

    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.work.notify_all();
        self.done.notify_all();
    }

    pub(super) fn flushed(&self) -> CheckpointStats {
        let state = self.state.lock();
        let failed = state.failed.as_ref().map(StorageError::kind);
        CheckpointStats {
            flushes: state.flushes,
            last: state.last,
            slowed: self.slowed.load(Ordering::Relaxed),
            is_out_of_room: failed == Some(StorageErrorKind::DiskFull),
            is_busy: state.frozen.is_some(),
        }
    }

    /// A memtable is on its way. Only who holds the writer sends another.
    pub(super) fn is_busy(&self) -> bool {
        self.state.lock().frozen.is_some()
    }

    /// Why the last try failed, if it did.
    pub(super) fn failed(&self) -> Option<StorageError> {
        self.state.lock().failed.clone()
    }

    /// Why no write may be taken any more.
    pub(super) fn lost(&self) -> Option<StorageError> {
        let state = self.state.lock();
        state.failed.clone().filter(|_| state.is_lost)
    }

    /// Waits until nothing is being flushed; fails where that may never be.
    pub(super) fn wait(&self) -> Result<(), EngineError> {
        let mut state = self.state.lock();
        while state.frozen.is_some() {
            if state.closing {
                return Err(closed());
            }
            if let Some(error) = &state.failed {
                return Err(EngineError::Retry(error.clone()));
            }
            match &self.crew {
                Some(crew) => MutexGuard::unlocked(&mut state, || crew.finish(Task::Flush)),
                None => self.done.wait(&mut state),
            }
        }
        Ok(())
    }

    pub(super) fn begin(&self, frozen: Frozen) {
        self.state.lock().frozen = Some(frozen);
        self.work.notify_one();
    }

    /// The next memtable to flush; `None` at the end.
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

    pub(super) fn end(&self, took: Duration) {
        let mut state = self.state.lock();
        state.frozen = None;
        state.failed = None;
        state.flushes = state.flushes.saturating_add(1);
        state.last = took;
        drop(state);
        self.done.notify_all();
    }

    /// Remembers a failure, and waits a little before the next try.
    pub(super) fn fail(&self, error: StorageError, is_lost: bool) {
        let mut state = self.state.lock();
        let wait = match error.kind() {
            StorageErrorKind::Corrupted => DAMAGED_AGAIN_AFTER,
            _ => AGAIN_AFTER,
        };
        state.failed = Some(error);
        state.is_lost = is_lost;
        self.done.notify_all();
        if !state.closing && !is_lost && self.crew.is_none() {
            self.work.wait_for(&mut state, wait);
        }
    }
}
