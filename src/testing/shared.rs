//! Engine handle with which a test opens several stores on one engine.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::contract::{
    Counts, FeedCursor, FeedEvent, IndexPage, IndexQuery, Lookup, Mutation, StoredRecord, Verdict,
};
use crate::engine::{BackupReport, Engine, EngineError, EngineStats, Identity, Limits, Progress};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Event, Record};
use crate::types::OrderNo;
use crate::verify::VerifyReport;

/// Handle to an engine that several stores share, at the same time or one after another.
///
/// A store on a new handle sees the data of the earlier stores, as after a restart of the process.
/// Closing a handle closes neither the engine nor the other handles.
#[derive(Debug)]
pub struct SharedEngine {
    engine: Arc<dyn Engine>,
    closed: AtomicBool,
}

impl SharedEngine {
    /// Creates the first handle to an engine.
    #[must_use]
    pub fn new(engine: Box<dyn Engine>) -> Self {
        Self::of(Arc::from(engine))
    }

    /// Creates another open handle to the same engine, even if this handle is closed.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::of(Arc::clone(&self.engine))
    }

    const fn of(engine: Arc<dyn Engine>) -> Self {
        Self {
            engine,
            closed: AtomicBool::new(false),
        }
    }

    fn open(&self) -> Result<&dyn Engine, EngineError> {
        if self.closed.load(Ordering::SeqCst) {
            let cause = StorageError::new(StorageErrorKind::Internal, "the handle is closed");
            return Err(EngineError::Fatal(cause));
        }
        Ok(&*self.engine)
    }
}

impl Engine for SharedEngine {
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError> {
        self.open()?.get(no)
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError> {
        self.open()?.load(lookups)
    }

    fn read_mark(&self) -> Option<u64> {
        self.engine.read_mark()
    }

    fn write_time(&self) -> Option<Duration> {
        self.engine.write_time()
    }

    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        self.open()?.apply(batch)
    }

    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, EngineError> {
        self.open()?.scan(query, limit)
    }

    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError> {
        self.open()?.history(no)
    }

    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<FeedEvent>, EngineError> {
        self.open()?.events(after, limit)
    }

    fn feed_end(&self) -> Result<FeedCursor, EngineError> {
        self.open()?.feed_end()
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        self.open()?.counts()
    }

    fn verify(&self) -> Result<VerifyReport, EngineError> {
        self.open()?.verify()
    }

    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError> {
        self.open()?.reserve(count)
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.open()?.checkpoint()
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
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}
