//! Engine wrapper that injects every kind of failure that an engine may return.
//!
//! - The injected failures obey the contract of engines. `Retry`, `DiskFull` and `Fatal` write
//!   nothing. If a write fails with `Corrupted`, `Fatal` or `Panic`, the wrapper refuses all later
//!   writes until a test wraps the engine again. After `Unknown` and `UnknownButDone`, it does so
//!   only if the engine's limits say that an unknown outcome stops writes.
//! - Each planned fault happens once. Without a planned fault, nothing fails.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::contract::{
    Counts, FeedCursor, FeedEvent, IndexPage, IndexQuery, Lookup, Mutation, StoredRecord, Verdict,
};
use crate::engine::{BackupReport, Engine, EngineError, EngineStats, Identity, Limits, Progress};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Event, Record};
use crate::types::OrderNo;
use crate::verify::VerifyReport;

/// Engine operation that a fault applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The operation [`Engine::load`].
    Load,
    /// The operation [`Engine::apply`].
    Apply,
    /// The operation [`Engine::reserve`].
    Reserve,
    /// The operations [`Engine::get`], [`Engine::scan`] and every other read.
    Read,
}

/// Kind of an injected failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Does nothing and fails. A retry may succeed.
    Retry,
    /// Does nothing and fails because the disk is full. A retry may succeed.
    DiskFull,
    /// Does nothing and fails as if the data were corrupt. After a write that failed so, every
    /// later write fails, too.
    Corrupted,
    /// Does nothing and fails with an unknown outcome.
    Unknown,
    /// Runs the operation, then fails with an unknown outcome, as if the answer was lost.
    UnknownButDone,
    /// Does nothing and fails. After a write that failed so, every later write fails, too.
    Fatal,
    /// Does nothing and panics, like a bug in the engine. After a write that panicked, every later
    /// write fails.
    Panic,
}

/// Wrapper around any engine that injects faults on request.
///
/// ```
/// use orderstore::engine::MemoryEngine;
/// use orderstore::testing::{FailingEngine, Fault, Operation, fixtures};
/// use orderstore::{Error, Store};
///
/// let (engine, faults) = FailingEngine::around(MemoryEngine::new()?);
/// let store = Store::builder().engine(engine)?;
/// faults.fail_next(Operation::Apply, Fault::DiskFull);
/// let create = || store.create(fixtures::order_no(1), fixtures::new(100)).wait();
/// assert!(matches!(create(), Err(Error::DiskFull)));
/// assert!(create().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FailingEngine {
    engine: Box<dyn Engine>,
    faults: Faults,
}

/// Handle to plan faults of a [`FailingEngine`]. All clones control the same engine.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    planned: Vec<(Operation, Fault)>,
    stopped: bool,
    held: bool,
    at_the_gate: usize,
    applies: u64,
}

impl FailingEngine {
    /// Wraps an engine. Returns the wrapper and the handle for its faults.
    #[must_use]
    pub fn around(engine: impl Engine) -> (Self, Faults) {
        Self::around_boxed(Box::new(engine))
    }

    /// Wraps a boxed engine. Returns the wrapper and the handle for its faults.
    #[must_use]
    pub fn around_boxed(engine: Box<dyn Engine>) -> (Self, Faults) {
        let faults = Faults::default();
        let own = faults.clone();
        let engine = Self {
            engine,
            faults: own,
        };
        (engine, faults)
    }

    fn run<T>(
        &self,
        operation: Operation,
        act: impl FnOnce(&dyn Engine) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        match self.faults.draw(operation, self.engine.limits())? {
            None => act(&*self.engine),
            Some(fault) => {
                if fault == Fault::UnknownButDone {
                    drop(act(&*self.engine)?);
                }
                Err(failure(fault))
            }
        }
    }
}

#[expect(clippy::panic, reason = "the fault `Panic` must panic")]
fn failure(fault: Fault) -> EngineError {
    let error = |kind| StorageError::new(kind, "an injected fault");
    match fault {
        Fault::Retry => EngineError::Retry(error(StorageErrorKind::Io)),
        Fault::DiskFull => EngineError::Retry(error(StorageErrorKind::DiskFull)),
        Fault::Corrupted => EngineError::Fatal(error(StorageErrorKind::Corrupted)),
        Fault::Unknown | Fault::UnknownButDone => EngineError::Unknown(error(StorageErrorKind::Io)),
        Fault::Fatal => EngineError::Fatal(error(StorageErrorKind::Io)),
        Fault::Panic => panic!("an injected panic"),
    }
}

impl Faults {
    /// Plans a fault for the next operation of this kind. Several faults for the same kind happen
    /// one after another.
    pub fn fail_next(&self, operation: Operation, fault: Fault) {
        self.shared.state.lock().planned.push((operation, fault));
    }

    /// Blocks every new call of [`Engine::apply`] until [`Faults::release`].
    pub fn hold(&self) {
        self.shared.state.lock().held = true;
    }

    /// Releases the calls that [`Faults::hold`] blocks.
    pub fn release(&self) {
        self.shared.state.lock().held = false;
        self.shared.moved.notify_all();
    }

    /// Waits until [`Faults::hold`] has blocked a call.
    pub fn wait_until_held(&self) {
        let mut state = self.shared.state.lock();
        while state.at_the_gate == 0 {
            self.shared.moved.wait(&mut state);
        }
    }

    /// Returns the number of calls of [`Engine::apply`] started so far. Failed calls count, too.
    #[must_use]
    pub fn applies(&self) -> u64 {
        self.shared.state.lock().applies
    }

    /// Removes and returns the next planned fault of an operation. `Apply` first waits while
    /// [`Faults::hold`] blocks it.
    fn draw(&self, operation: Operation, limits: Limits) -> Result<Option<Fault>, EngineError> {
        let mut state = self.shared.state.lock();
        if operation == Operation::Apply {
            state.applies = state.applies.saturating_add(1);
            state.at_the_gate = state.at_the_gate.saturating_add(1);
            self.shared.moved.notify_all();
            while state.held {
                self.shared.moved.wait(&mut state);
            }
            state.at_the_gate = state.at_the_gate.saturating_sub(1);
        }
        let writes = matches!(operation, Operation::Apply | Operation::Reserve);
        if writes && state.stopped {
            return Err(failure(Fault::Fatal));
        }
        let mut planned = state.planned.iter();
        let place = planned.position(|(planned, _)| *planned == operation);
        let fault = place.map(|place| state.planned.remove(place).1);
        state.stopped |= writes && fault.is_some_and(|fault| fault.stops_writing(limits));
        Ok(fault)
    }
}

impl Fault {
    const fn stops_writing(self, limits: Limits) -> bool {
        match self {
            Self::Retry | Self::DiskFull => false,
            Self::Unknown | Self::UnknownButDone => limits.stops_at_unknown,
            Self::Corrupted | Self::Fatal | Self::Panic => true,
        }
    }
}

impl Engine for FailingEngine {
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError> {
        self.run(Operation::Read, |engine| engine.get(no))
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError> {
        self.run(Operation::Load, |engine| engine.load(lookups))
    }

    fn read_mark(&self) -> Option<u64> {
        self.engine.read_mark()
    }

    fn write_time(&self) -> Option<Duration> {
        self.engine.write_time()
    }

    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        self.run(Operation::Apply, |engine| engine.apply(batch))
    }

    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, EngineError> {
        self.run(Operation::Read, |engine| engine.scan(query, limit))
    }

    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError> {
        self.run(Operation::Read, |engine| engine.history(no))
    }

    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<FeedEvent>, EngineError> {
        self.run(Operation::Read, |engine| engine.events(after, limit))
    }

    fn feed_end(&self) -> Result<FeedCursor, EngineError> {
        self.run(Operation::Read, Engine::feed_end)
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        self.run(Operation::Read, Engine::counts)
    }

    fn verify(&self) -> Result<VerifyReport, EngineError> {
        self.run(Operation::Read, Engine::verify)
    }

    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError> {
        self.run(Operation::Reserve, |engine| engine.reserve(count))
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.engine.checkpoint()
    }

    fn backup(&self, dir: &Path, progress: Option<Progress>) -> Result<BackupReport, Error> {
        self.engine.backup(dir, progress)
    }

    fn stats(&self) -> EngineStats {
        self.engine.stats()
    }

    fn retrying_failure(&self) -> Option<StorageError> {
        self.engine.retrying_failure()
    }

    fn identity(&self) -> Identity {
        self.engine.identity()
    }

    fn limits(&self) -> Limits {
        self.engine.limits()
    }

    fn close(&self) -> Result<(), EngineError> {
        self.engine.close()
    }
}
