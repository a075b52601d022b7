//! Storage engine on a PostgreSQL cluster, for stores that need more than one machine.
//!
//! | table | content | key |
//! |---|---|---|
//! | `orderstore_meta` | identity of the store, and its counters | one row |
//! | `orderstore_orders` | records: columns for SQL queries, bytes for the store | order number |
//! | `orderstore_events` | events; a feed number follows after the commit | order number, version |
//! | `orderstore_keys` | owner of a transaction, refund number or reference | key |
//! | `orderstore_entries` | entries of the lists | list name, position |
//!
//! - The engine spreads a batch over several lanes (connections for writes), with one statement on
//!   each lane. One commit holds the record, events, keys and list entries of a mutation.
//! - The engine sends a statement with unknown outcome again, under the same change id. If the
//!   statement then finds its own events, an earlier attempt was applied.
//! - Readers of the feed number the events, under an advisory lock of the database. The feed has
//!   no gap and never skips an event that was committed late.
//! - All calls of the driver run on one thread of the engine.

mod change;
mod columns;
mod connect;
mod connection;
mod failure;
mod hosts;
mod names;
mod options;
mod pool;
mod read;
mod refusal;
mod schema;
mod session;
mod tls;
mod url;
mod verify;
mod worker;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::rc::Rc;

use self::failure::Failure;
pub use self::options::{PostgresOptions, ReplicationRisk};
use self::pool::Pool;
use self::schema::Found;
use self::worker::Worker;
use super::{Engine, EngineError, Identity, Limits};
use crate::contract::{
    Counts, FeedCursor, FeedEvent, IndexPage, IndexQuery, Lookup, Mutation, StoredRecord, Verdict,
};
use crate::error::OpenError;
use crate::order::{Event, Record};
use crate::types::OrderNo;
use crate::verify::VerifyReport;

/// Maximum number of mutations in one batch.
const BATCH: usize = 1024;

/// Storage engine on a PostgreSQL cluster.
pub struct PostgresEngine {
    identity: Identity,
    worker: Worker,
}

impl PostgresEngine {
    /// Connects to a PostgreSQL cluster. Creates missing tables in the first schema of the search
    /// path, and upgrades older tables.
    ///
    /// `url` has the form of PostgreSQL's own libraries, such as `postgres://user@one,two/shop`.
    /// The engine uses the host that takes writes.
    ///
    /// # Errors
    /// - [`OpenError::Invalid`] if the URL is invalid.
    /// - [`OpenError::NewerFormat`] if a newer version of this crate wrote the tables.
    /// - [`OpenError::Unavailable`] if no connection is possible.
    pub fn connect(url: &str, options: &PostgresOptions) -> Result<Self, OpenError> {
        Self::opened(url, options, true)
    }

    /// Connects to a PostgreSQL cluster that already holds a store. Creates and upgrades nothing.
    ///
    /// # Errors
    /// The errors of [`PostgresEngine::connect`], and:
    /// - [`OpenError::NoTables`] if the database holds no store.
    /// - [`OpenError::OlderFormat`] if an older version of this crate wrote the tables.
    pub fn connect_existing(url: &str, options: &PostgresOptions) -> Result<Self, OpenError> {
        Self::opened(url, options, false)
    }

    fn opened(url: &str, options: &PostgresOptions, makes: bool) -> Result<Self, OpenError> {
        let links = Pool::new(url, options)?;
        let worker = Worker::start(links).map_err(|error| OpenError::Unavailable(error.into()))?;
        let open = async move |links: Rc<Pool>| match schema::open(&links).await? {
            Found::Nothing | Found::Version(_) if makes => schema::create_or_upgrade(&links).await,
            found => Ok(found),
        };
        let found = worker
            .run(open)
            .map_err(|error| OpenError::Unavailable(error.into_storage()))?;
        let number = |version: i32| u32::try_from(version).unwrap_or_default();
        let known = number(schema::VERSION);
        match found {
            Found::Store(identity) => Ok(Self { identity, worker }),
            Found::Nothing => Err(OpenError::NoTables),
            Found::Version(found) => Err(match number(found) {
                found if found > known => OpenError::NewerFormat { found, known },
                found => OpenError::OlderFormat { found, known },
            }),
        }
    }

    /// Runs `work` on the engine's thread and waits for its result.
    fn run<T, F>(&self, work: impl FnOnce(Rc<Pool>) -> F + Send + 'static) -> Result<T, EngineError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + 'static,
    {
        self.worker.run(work)
    }
}

impl fmt::Debug for PostgresEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresEngine")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Drop for PostgresEngine {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl Engine for PostgresEngine {
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError> {
        let no = *no;
        let found = self.run(move |links| async move { read::get(&links, no).await })?;
        Ok(found.map(|stored| stored.record))
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError> {
        let lookups = lookups.to_vec();
        self.run(move |links| async move { read::load(&links, &lookups).await })
    }

    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        let batch: Vec<Mutation> = batch.to_vec();
        self.run(move |links| async move { change::apply(&links, batch).await })
    }

    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, EngineError> {
        let query = query.clone();
        self.run(move |links| async move { read::scan(&links, &query, limit).await })
    }

    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError> {
        let no = *no;
        self.run(move |links| async move { read::history(&links, no).await })
    }

    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<FeedEvent>, EngineError> {
        let incarnation = self.identity.incarnation;
        EngineError::check_incarnation(after, incarnation)?;
        let seq = after.seq;
        let found = self.run(move |links| async move { read::events(&links, seq, limit).await })?;
        let found = found.ok_or(EngineError::BEYOND_END)?;
        let at = |seq| FeedCursor { incarnation, seq };
        let numbered = found.into_iter();
        Ok(numbered
            .map(|(seq, event)| FeedEvent::new(at(seq), event))
            .collect())
    }

    fn feed_end(&self) -> Result<FeedCursor, EngineError> {
        let incarnation = self.identity.incarnation;
        let seq = self.run(move |links| async move { read::feed_end(&links).await })?;
        Ok(FeedCursor { incarnation, seq })
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        self.run(move |links| async move { read::counts(&links).await })
    }

    fn verify(&self) -> Result<VerifyReport, EngineError> {
        self.run(move |links| async move { verify::verify(&links).await })
    }

    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError> {
        self.run(move |links| async move { schema::reserve(&links, count).await })
    }

    fn identity(&self) -> Identity {
        self.identity
    }

    fn limits(&self) -> Limits {
        Limits {
            batch: BATCH,
            on_callers_thread: true,
            never_waits_for_network: false,
            stops_at_unknown: false,
            is_read_only: false,
        }
    }

    fn close(&self) -> Result<(), EngineError> {
        self.worker.end();
        Ok(())
    }
}
