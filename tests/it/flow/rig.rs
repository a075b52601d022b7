//! Memory engine with test hooks: a test can block or slow down its calls, or make them fail or
//! panic. The engine records its calls.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{self, ThreadId};
use std::time::Duration;

use orderstore::engine::{
    Engine, EngineError, Identity, IndexPage, IndexQuery, Limits, Lookup, MemoryEngine, Mutation,
    StoredRecord, Verdict,
};
use orderstore::{
    AppId, Builder, Counts, Event, FeedCursor, FeedEvent, Fen, NewOrder, OrderNo, Payment, Record,
    Source, StorageError, StorageErrorKind, Store, Timestamp, TransactionId, VerifyReport,
};
use parking_lot::{Condvar, Mutex};

/// Runs `test` on its own thread and panics if the test does not end within 60 seconds.
pub(crate) fn within_a_minute(test: impl FnOnce() + Send + 'static) {
    let (ended, end) = channel();
    let run = thread::spawn(move || {
        test();
        ended.send(()).unwrap();
    });
    match end.recv_timeout(Duration::from_secs(60)) {
        Err(RecvTimeoutError::Timeout) => panic!("the test hangs"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => run.join().unwrap_or_else(|cause| {
            std::panic::resume_unwind(cause);
        }),
    }
}

pub(crate) fn no(number: u64) -> OrderNo {
    OrderNo::parse(&format!("T-{number:08}")).unwrap()
}

pub(crate) fn new() -> NewOrder {
    NewOrder::new(AppId::parse("wxd2565e6a04246fd1").unwrap(), fen(1990)).unwrap()
}

pub(crate) fn fen(fen: u64) -> Fen {
    Fen::new(fen).unwrap()
}

pub(crate) fn payment(transaction: u64) -> Payment {
    Payment::new(
        TransactionId::parse(&format!("42000045612022{transaction:014}")).unwrap(),
        fen(1990),
        Timestamp::parse_compact("20220321132007").unwrap(),
        Source::CALLBACK,
    )
    .unwrap()
}

/// Fault or side effect of the next `apply` call.
pub(crate) enum Act {
    /// Writes nothing and returns this error.
    Fail(EngineError),
    /// Writes everything and then returns this error.
    WriteAndFail(EngineError),
    Panic,
    /// Runs the closure, such as another writer, and then applies the batch.
    After(Box<dyn FnOnce() + Send>),
}

/// Gate at which threads wait between the calls of `hold` and `release`.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn hold(&self) {
        self.state.lock().0 = true;
    }

    pub(crate) fn release(&self) {
        self.state.lock().0 = false;
        self.changed.notify_all();
    }

    /// Waits until a thread has reached the gate.
    pub(crate) fn wait_until_somebody_is_held(&self) {
        let mut state = self.state.lock();
        while state.1 == 0 {
            self.changed.wait(&mut state);
        }
    }

    fn pass(&self) {
        let mut state = self.state.lock();
        state.1 += 1;
        self.changed.notify_all();
        while state.0 {
            self.changed.wait(&mut state);
        }
        state.1 -= 1;
    }
}

/// The engine with its gates, planned faults and recorded calls.
pub(crate) struct Rig {
    pub(crate) memory: Arc<MemoryEngine>,
    /// Gate before each write.
    pub(crate) gate: Gate,
    /// Gate before each `verify`.
    pub(crate) verify_gate: Gate,
    /// Gate before each `get`.
    pub(crate) get_gate: Gate,
    /// Gate before each reservation of order numbers.
    pub(crate) reserve_gate: Gate,
    /// Faults and side effects of the next `apply` calls.
    pub(crate) acts: Mutex<VecDeque<Act>>,
    /// Errors that the next reservations of order numbers return.
    pub(crate) reservations: Mutex<VecDeque<EngineError>>,
    /// Number of reservations of order numbers so far.
    pub(crate) reserved: AtomicU64,
    /// Order numbers whose records cannot be read.
    pub(crate) damaged: Mutex<HashSet<OrderNo>>,
    /// Order numbers whose records the engine refuses as too large.
    pub(crate) too_large: Mutex<HashSet<OrderNo>>,
    pub(crate) verify_panics: AtomicBool,
    pub(crate) write_time_panics: AtomicBool,
    /// Whether `apply` returns an empty list instead of the verdicts.
    pub(crate) forgets_verdicts: AtomicBool,
    /// Thread and order numbers of each write.
    pub(crate) writes: Mutex<Vec<(ThreadId, Vec<OrderNo>)>>,
    /// Duration of each write.
    pub(crate) takes: Duration,
    pub(crate) limits: Limits,
}

impl Default for Rig {
    fn default() -> Self {
        let memory = Arc::new(MemoryEngine::new().unwrap());
        Self {
            limits: memory.limits(),
            memory,
            gate: Gate::default(),
            verify_gate: Gate::default(),
            get_gate: Gate::default(),
            reserve_gate: Gate::default(),
            acts: Mutex::default(),
            reservations: Mutex::default(),
            reserved: AtomicU64::new(0),
            damaged: Mutex::default(),
            too_large: Mutex::default(),
            verify_panics: AtomicBool::new(false),
            write_time_panics: AtomicBool::new(false),
            forgets_verdicts: AtomicBool::new(false),
            writes: Mutex::default(),
            takes: Duration::ZERO,
        }
    }
}

impl Rig {
    /// Returns an engine whose calls run only on the store's own threads, as on a remote server.
    pub(crate) fn far() -> Self {
        let mut rig = Self::default();
        rig.limits.on_callers_thread = false;
        rig.limits.never_waits_for_network = false;
        rig
    }

    pub(crate) fn open(self) -> (Arc<Self>, Store) {
        self.open_with(Store::builder())
    }

    pub(crate) fn open_with(self, builder: Builder) -> (Arc<Self>, Store) {
        let rig = Arc::new(self);
        let store = builder.engine(Handle(Arc::clone(&rig))).unwrap();
        (rig, store)
    }

    pub(crate) fn next_does(&self, act: Act) {
        self.acts.lock().push_back(act);
    }

    /// Opens another store over the same records, as another process would.
    pub(crate) fn other_writer(&self) -> Store {
        let rig = Self {
            memory: Arc::clone(&self.memory),
            ..Self::default()
        };
        rig.open().1
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.memory.counts().is_err()
    }

    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        self.gate.pass();
        let numbers: Vec<OrderNo> = batch.iter().map(|mutation| mutation.no).collect();
        if numbers.iter().any(|no| self.too_large.lock().contains(no)) {
            return Err(EngineError::Retry(cause(StorageErrorKind::TooLarge)));
        }
        self.writes.lock().push((thread::current().id(), numbers));
        if !self.takes.is_zero() {
            thread::sleep(self.takes);
        }
        let act = self.acts.lock().pop_front();
        match act {
            Some(Act::Fail(error)) => return Err(error),
            Some(Act::WriteAndFail(error)) => {
                self.memory.apply(batch)?;
                return Err(error);
            }
            Some(Act::Panic) => panic!("the engine panics on purpose"),
            Some(Act::After(act)) => act(),
            None => {}
        }
        let verdicts = self.memory.apply(batch)?;
        let forgets = self.forgets_verdicts.load(Ordering::Relaxed);
        Ok(if forgets { vec![] } else { verdicts })
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError> {
        let damaged = self.damaged.lock();
        let is_damaged = |lookup: &Lookup| match lookup {
            Lookup::No(no) => damaged.contains(no),
            Lookup::Owner(_) => false,
        };
        if lookups.iter().any(is_damaged) {
            return Err(EngineError::Fatal(cause(StorageErrorKind::Corrupted)));
        }
        self.memory.load(lookups)
    }

    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError> {
        self.reserve_gate.pass();
        self.reserved.fetch_add(1, Ordering::Relaxed);
        match self.reservations.lock().pop_front() {
            Some(error) => Err(error),
            None => self.memory.reserve(count),
        }
    }
}

pub(crate) fn cause(kind: StorageErrorKind) -> StorageError {
    StorageError::new(kind, "the engine fails on purpose")
}

pub(crate) fn unknown() -> EngineError {
    EngineError::Unknown(cause(StorageErrorKind::Io))
}

/// The engine handle that the store owns.
struct Handle(Arc<Rig>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl Engine for Handle {
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError> {
        self.0.get_gate.pass();
        self.0.memory.get(no)
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError> {
        self.0.load(lookups)
    }

    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        self.0.apply(batch)
    }

    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, EngineError> {
        self.0.memory.scan(query, limit)
    }

    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError> {
        self.0.memory.history(no)
    }

    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<FeedEvent>, EngineError> {
        self.0.memory.events(after, limit)
    }

    fn feed_end(&self) -> Result<FeedCursor, EngineError> {
        self.0.memory.feed_end()
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        self.0.memory.counts()
    }

    fn verify(&self) -> Result<VerifyReport, EngineError> {
        self.0.verify_gate.pass();
        let panics = self.0.verify_panics.load(Ordering::Relaxed);
        assert!(!panics, "the engine panics on purpose");
        self.0.memory.verify()
    }

    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError> {
        self.0.reserve(count)
    }

    fn identity(&self) -> Identity {
        self.0.memory.identity()
    }

    fn limits(&self) -> Limits {
        self.0.limits
    }

    fn write_time(&self) -> Option<Duration> {
        let panics = self.0.write_time_panics.load(Ordering::Relaxed);
        assert!(!panics, "the engine panics on purpose");
        None
    }

    fn close(&self) -> Result<(), EngineError> {
        self.0.memory.close()
    }
}
