//! Engine wrapper that changes calls between the store and the engine.

use std::fmt;
use std::ops::Range;

use orderstore::engine::{
    Counts, Engine, EngineError, FeedCursor, FeedEvent, Identity, IndexPage, IndexQuery, Limits,
    Lookup, MemoryEngine, Mutation, StoredRecord, Verdict,
};
use orderstore::testing::SharedEngine;
use orderstore::{Event, OrderNo, VerifyReport};

/// Hook that runs before a batch is applied. It may return verdicts, which then replace those of
/// the engine.
type OnApply = Box<dyn Fn(&SharedEngine, &[Mutation]) -> Option<Vec<Verdict>> + Send + Sync>;

/// Hook that returns whether a read of the feed shows an event.
type OnFeed = Box<dyn Fn(&Event) -> bool + Send + Sync>;

/// Hook that returns the range of order numbers for a reservation.
type OnReserve = Box<dyn Fn(&SharedEngine, u64) -> Range<u64> + Send + Sync>;

/// Creates an engine in memory that several stores can share.
pub(crate) fn in_memory() -> SharedEngine {
    SharedEngine::new(Box::new(MemoryEngine::new().unwrap()))
}

/// Engine whose calls a test changes with hooks.
pub(crate) struct Meddled {
    engine: SharedEngine,
    on_apply: OnApply,
    on_feed: OnFeed,
    on_reserve: OnReserve,
}

impl Meddled {
    fn unchanged(engine: SharedEngine) -> Self {
        Self {
            engine,
            on_apply: Box::new(|_, _| None),
            on_feed: Box::new(|_| true),
            on_reserve: Box::new(|engine, count| engine.reserve(count).unwrap()),
        }
    }

    pub(crate) fn apply(
        engine: SharedEngine,
        on_apply: impl Fn(&SharedEngine, &[Mutation]) -> Option<Vec<Verdict>> + Send + Sync + 'static,
    ) -> Self {
        let on_apply = Box::new(on_apply);
        Self {
            on_apply,
            ..Self::unchanged(engine)
        }
    }

    pub(crate) fn feed(
        engine: SharedEngine,
        on_feed: impl Fn(&Event) -> bool + Send + Sync + 'static,
    ) -> Self {
        let on_feed = Box::new(on_feed);
        Self {
            on_feed,
            ..Self::unchanged(engine)
        }
    }

    pub(crate) fn reserve(
        engine: SharedEngine,
        on_reserve: impl Fn(&SharedEngine, u64) -> Range<u64> + Send + Sync + 'static,
    ) -> Self {
        let on_reserve = Box::new(on_reserve);
        Self {
            on_reserve,
            ..Self::unchanged(engine)
        }
    }
}

impl fmt::Debug for Meddled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meddled").finish_non_exhaustive()
    }
}

impl Engine for Meddled {
    fn get(&self, no: &OrderNo) -> Result<Option<orderstore::Record>, EngineError> {
        self.engine.get(no)
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError> {
        self.engine.load(lookups)
    }

    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        match (self.on_apply)(&self.engine, batch) {
            Some(verdicts) => Ok(verdicts),
            None => self.engine.apply(batch),
        }
    }

    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, EngineError> {
        self.engine.scan(query, limit)
    }

    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError> {
        self.engine.history(no)
    }

    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<FeedEvent>, EngineError> {
        let mut events = self.engine.events(after, limit)?;
        events.retain(|sequenced| (self.on_feed)(&sequenced.event));
        Ok(events)
    }

    fn feed_end(&self) -> Result<FeedCursor, EngineError> {
        self.engine.feed_end()
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        self.engine.counts()
    }

    fn verify(&self) -> Result<VerifyReport, EngineError> {
        self.engine.verify()
    }

    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError> {
        Ok((self.on_reserve)(&self.engine, count))
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
