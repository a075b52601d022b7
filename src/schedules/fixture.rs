//! Test fixture: a commit pipeline on an engine in memory. The engine yields to other threads at
//! every load, write and reservation.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::commit::{self, Bounds, Call, Pipeline, Threads};
use crate::contract::{
    Counts, FeedCursor, FeedEvent, IndexPage, IndexQuery, Lookup, Mutation, StoredRecord, Verdict,
};
use crate::engine::{Engine, EngineError, Identity, Limits, MemoryEngine};
use crate::error::{StorageError, StorageErrorKind};
use crate::order::{Command, Event, Outcome, Record, Reply};
use crate::rules::Policy;
use crate::sync::faults::{Fault, is_injected};
use crate::sync::thread;
use crate::testing::fixtures;
use crate::types::OrderNo;
use crate::verify::VerifyReport;

/// State of the stub engine: its data, its planned failure, and a log of its writes.
#[derive(Debug)]
pub(super) struct Stub {
    pub(super) memory: MemoryEngine,
    /// Number of the write that fails with an unknown outcome. The first write has number 1.
    pub(super) fails_at: Option<usize>,
    /// Maximum number of counters per reservation.
    pub(super) block: u64,
    /// Order numbers of each started write.
    pub(super) writes: Mutex<Vec<Vec<OrderNo>>>,
    /// Mutations that the injected fault `AnswerEarly` has acknowledged but not written yet.
    pub(super) late: Mutex<Vec<Mutation>>,
}

impl Default for Stub {
    fn default() -> Self {
        Self {
            memory: MemoryEngine::new().unwrap(),
            fails_at: None,
            block: u64::MAX,
            writes: Mutex::default(),
            late: Mutex::default(),
        }
    }
}

impl Stub {
    fn write(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        let late = std::mem::take(&mut *self.late.lock());
        self.memory.apply(&late)?;
        if is_injected(Fault::AnswerEarly) {
            self.late.lock().extend_from_slice(batch);
            return Ok(vec![Verdict::Applied; batch.len()]);
        }
        self.memory.apply(batch)
    }

    /// Returns whether the engine has started a write that contains this order number.
    pub(super) fn has_begun(&self, no: OrderNo) -> bool {
        self.writes
            .lock()
            .iter()
            .flatten()
            .any(|begun| *begun == no)
    }
}

#[derive(Debug)]
struct Handle(Arc<Stub>);

impl Engine for Handle {
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError> {
        self.0.memory.get(no)
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError> {
        thread::yield_now();
        self.0.memory.load(lookups)
    }

    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        let numbers = batch.iter().map(|mutation| mutation.no).collect();
        let mut writes = self.0.writes.lock();
        writes.push(numbers);
        let fails = Some(writes.len()) == self.0.fails_at;
        drop(writes);
        thread::yield_now();
        let written = self.0.write(batch);
        thread::yield_now();
        if fails {
            let why = "an injected write failure";
            let cause = StorageError::new(StorageErrorKind::Io, why);
            return Err(EngineError::Unknown(cause));
        }
        written
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
        self.0.memory.verify()
    }

    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError> {
        thread::yield_now();
        self.0.memory.reserve(count.min(self.0.block))
    }

    fn identity(&self) -> Identity {
        self.0.memory.identity()
    }

    fn limits(&self) -> Limits {
        self.0.memory.limits()
    }

    fn close(&self) -> Result<(), EngineError> {
        self.0.memory.close()
    }
}

/// Store without the public API: an open commit pipeline with its threads.
pub(super) struct TestStore {
    pipeline: Arc<Pipeline>,
    threads: Threads,
    pub(super) stub: Arc<Stub>,
}

impl TestStore {
    pub(super) fn open(stub: Stub, bounds: Bounds) -> Arc<Self> {
        let stub = Arc::new(stub);
        let engine = Box::new(Handle(Arc::clone(&stub)));
        let clock = Clock::Given(Arc::new(fixtures::now));
        let pipeline = Pipeline::new(engine, Policy::default(), clock, 0, bounds);
        let threads = Threads::start(&pipeline).unwrap();
        Arc::new(Self {
            pipeline,
            threads,
            stub,
        })
    }

    pub(super) fn new() -> Arc<Self> {
        Self::open(Stub::default(), LARGE)
    }

    pub(super) fn run(&self, command: Command) -> Call<Reply<Outcome>> {
        commit::command(Arc::clone(&self.pipeline), command)
    }

    pub(super) fn number(&self) -> Call<OrderNo> {
        Call::number(Arc::clone(&self.pipeline))
    }

    pub(super) fn shutdown(&self) -> Call<()> {
        Call::shut_down(Arc::clone(&self.pipeline))
    }

    /// Checks that the engine has written the version of the order in this reply, or a later one.
    pub(super) fn assert_durable(&self, answered: &Reply<Outcome>) {
        let order = answered.order.as_ref().unwrap();
        let record = self.stub.memory.get(&order.no).unwrap();
        let found = record.and_then(Record::into_order);
        let is_durable = found.is_some_and(|found| found.version >= order.version);
        assert!(is_durable, "an acknowledged version is not durable");
    }

    /// Returns the versions in the history of an order number.
    pub(super) fn versions(&self, no: OrderNo) -> Vec<u64> {
        let history = self.stub.memory.history(&no).unwrap();
        history.iter().map(|event| event.version).collect()
    }

    /// Shuts the pipeline down and joins its threads.
    pub(super) fn end(self: Arc<Self>) {
        self.shutdown().wait().unwrap();
        let Ok(store) = Arc::try_unwrap(self) else {
            panic!("another reference to the pipeline exists")
        };
        store.threads.join();
    }
}

/// Queue limits that no test reaches.
pub(super) const LARGE: Bounds = Bounds {
    commands: 100,
    bytes: 1 << 20,
};
