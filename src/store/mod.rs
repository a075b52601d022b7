//! The store: every verb, each a lazy [`Call`].

mod admin;
mod builder;
mod orders;
mod reads;
mod refunds;

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

pub use self::builder::Builder;
use crate::commit::{self, Call, CommandOutcome, Health, Pipeline, Stats, Threads};
use crate::engine::Recovery;
use crate::error::Error;
use crate::order::{Command, CommandKind, Reply};
use crate::types::OrderNo;

/// A store of payment orders. Clones are cheap and share one store; they can be sent to
/// and used from any thread or task.
///
/// Every verb returns a [`Call`]: `.wait()` for it from a thread, `.await` it in a task, or
/// `.submit()` it and keep the ticket. Logical refusals are answers; see [`Error`] for what
/// each failure says of the data.
///
/// The last clone that is dropped shuts the store down and waits for that: what was handed
/// over is worked off, long reads too, and the directory is free again. How it went is told
/// by [`Store::shutdown`] alone.
#[derive(Debug, Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

/// What the last clone ends.
#[derive(Debug)]
struct Handle {
    flow: Arc<Pipeline>,
    threads: Mutex<Option<Threads>>,
    opened: Opened,
    recovery: Recovery,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.flow.check_process().is_err() {
            // All of it is the parent's. Its threads are not here, and locks that they held are
            // never released here.
            std::mem::forget((Arc::clone(&self.flow), self.threads.lock().take()));
            return;
        }
        // Nobody is left to be told how it ended: whoever wants to know calls `shutdown`.
        let ending = Call::shut_down(Arc::clone(&self.flow)).submit();
        drop(ending);
        if let Some(threads) = self.threads.lock().take() {
            threads.join();
        }
    }
}

/// How the store came to be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opened {
    /// It was made now, and is empty.
    Created,
    /// It was there.
    Existing,
}

impl Store {
    /// Makes a store in `dir`, which is missing or empty or holds one whose making was
    /// interrupted.
    ///
    /// # Errors
    /// [`Error::ParentMissing`], [`Error::AlreadyThere`], [`Error::Foreign`],
    /// [`Error::Locked`], [`Error::Unopened`].
    pub fn init(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().init(dir)
    }

    /// Opens the store in `dir`, and makes nothing: a volume that is not mounted must not
    /// look like a fresh shop.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Empty`], [`Error::Foreign`], [`Error::Incomplete`],
    /// [`Error::NewerFormat`], [`Error::Locked`], [`Error::Unopened`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().open(dir)
    }

    /// Opens the store in `dir` and reads all of it first: every page and every value, and
    /// everything that [`Store::verify`] looks at. A plain [`Store::open`] may miss damage in
    /// what it does not read; this takes as long as the store is large.
    ///
    /// # Errors
    /// Those of [`Store::open`]; [`Error::Unopened`] where anything is damaged.
    pub fn open_verified(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().open_verified(dir)
    }

    /// Opens the store in `dir`, or makes one where the directory is missing or empty;
    /// [`Store::opened`] says which.
    ///
    /// # Errors
    /// [`Error::Foreign`], [`Error::NewerFormat`], [`Error::Locked`], [`Error::Unopened`].
    pub fn open_or_init(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().open_or_init(dir)
    }

    /// A store on the PostgreSQL cluster that `url` names, in the form of PostgreSQL's own
    /// libraries: `postgres://shop@one,two/orders`. Of several hosts the one that takes
    /// writes is used, after a failover as well. The tables are made where they are missing, in
    /// the first schema of the search path, and upgraded where they are older.
    ///
    /// Any number of processes may have it open: they share its order numbers, its feed and
    /// its rules. This waits about half a minute for a cluster that does not answer or has no
    /// leader yet. What waiting does not mend fails at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the URL cannot be read; [`Error::NewerFormat`] where the tables
    /// are newer; [`Error::NotApplied`] where there is no connection, or a
    /// [`ReplicationRisk`](crate::ReplicationRisk) under
    /// [`Builder::require_sync`](crate::Builder::require_sync).
    #[cfg(feature = "postgres")]
    pub fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().connect(url)
    }

    /// As [`Store::connect`], but nothing is made.
    ///
    /// # Errors
    /// Those of [`Store::connect`], [`Error::NoTables`] where the store was never made, and
    /// [`Error::OlderFormat`] where it would have to be upgraded.
    #[cfg(feature = "postgres")]
    pub fn connect_existing(url: &str) -> Result<Self, Error> {
        Self::builder().connect_existing(url)
    }

    /// A store that lives in memory and is gone when it ends: for tests and examples.
    ///
    /// # Errors
    /// [`Error::NotApplied`] where the machine has no randomness or no thread to give.
    pub fn memory() -> Result<Self, Error> {
        Self::builder().memory()
    }

    /// Settings, before the store is opened.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn run(
        flow: Arc<Pipeline>,
        opened: Opened,
        recovery: Recovery,
    ) -> Result<Self, Error> {
        let threads = Threads::start(&flow).map_err(|error| Error::NotApplied(error.into()))?;
        Ok(Self {
            handle: Arc::new(Handle {
                flow,
                threads: Mutex::new(Some(threads)),
                opened,
                recovery,
            }),
        })
    }

    fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.handle.flow)
    }

    fn command<O: CommandOutcome>(&self, no: OrderNo, kind: CommandKind) -> Call<Reply<O>> {
        commit::command(self.pipeline(), Command { no, kind })
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Pipeline) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Call<T> {
        Call::read(self.pipeline(), read)
    }

    fn read_long<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Pipeline) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Call<T> {
        Call::long(self.pipeline(), run)
    }

    /// Writes what waits in memory to where it stays, on a thread of the store's own. It
    /// makes nothing more durable than it is: what was answered survives a crash without
    /// it. It makes the next opening quicker.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// store.flush().wait()?;
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn flush(&self) -> Call<()> {
        self.read_long(Pipeline::flush)
    }

    /// Ends the store, for all clones: what waits is answered, then the directory is free.
    /// Calls that come later get [`Error::ShutDown`].
    ///
    /// ```
    /// # use orderstore::{Error, Store};
    /// let store = Store::memory()?;
    /// store.shutdown().wait()?;
    /// assert!(matches!(store.counts().wait(), Err(Error::ShutDown)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn shutdown(&self) -> Call<()> {
        Call::shut_down(self.pipeline())
    }

    /// Whether the store takes commands. Cheap: no I/O.
    #[must_use]
    pub fn health(&self) -> Health {
        self.handle.flow.health()
    }

    /// What the store has done since it was opened. Cheap: no I/O.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.handle.flow.stats()
    }

    /// What the opening found in the journal; nothing where the store was made, or lives on
    /// an engine without one.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        self.handle.recovery
    }

    /// How the store came to be open.
    #[must_use]
    pub fn opened(&self) -> Opened {
        self.handle.opened
    }
}
