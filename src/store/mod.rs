//! The store and its methods. Commands, reads and backups return a lazy [`Call`].

mod admin;
mod archive;
mod builder;
mod each;
mod orders;
mod reads;
mod refunds;

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

pub use self::builder::Builder;
pub use self::each::{Feed, IntoStream, Rows};
use crate::commit::{self, Call, CommandOutcome, Health, Pipeline, Stats, Threads};
use crate::engine::Recovery;
use crate::error::{Error, OpenError};
use crate::order::{Command, CommandKind, Reply};
use crate::types::{OrderNo, Timestamp};

/// Store of payment orders. Clones are cheap and share one store. Any thread or task can use them.
///
/// Commands, reads, backups and [`Store::shutdown`] return a [`Call`], which does nothing until it
/// is used. A thread runs it with `.wait()`, and a task with `.await`. `.submit()` returns a ticket
/// for the reply instead. Methods that open, create, restore or repair a store block the calling
/// thread. [`Store::now`], [`Store::health`] and [`Store::stats`] return at once. A command that
/// the rules refuse is not an error: the outcome in the reply contains the refusal.
/// [`Error::effect`] returns whether a failed command was applied.
///
/// Dropping the last clone shuts the store down and waits for the end. The store first finishes all
/// accepted calls, long reads too, and then releases the directory. Only [`Store::shutdown`]
/// reports an error of the shutdown.
#[derive(Debug, Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

/// Parts that all clones share. Dropping them shuts the store down.
#[derive(Debug)]
struct Handle {
    pipeline: Arc<Pipeline>,
    threads: Mutex<Option<Threads>>,
    opened: Opened,
    recovery: Recovery,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.pipeline.check_process().is_err() {
            // Leak the pipeline, because this process is a forked child and the store belongs to
            // the parent. The child has no copy of the store's threads, so a lock that one of them
            // had at the fork is never released here. A drop of the pipeline could wait for such a
            // lock, or write to the parent's files.
            std::mem::forget((Arc::clone(&self.pipeline), self.threads.lock().take()));
            return;
        }
        // Ignore the result of the shutdown. A caller that needs it must call `Store::shutdown`
        // before the drop.
        let ticket = Call::shut_down(Arc::clone(&self.pipeline)).submit();
        drop(ticket);
        if let Some(threads) = self.threads.lock().take() {
            threads.join();
        }
    }
}

/// Whether the call that opened the store also created it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opened {
    /// The store is new and empty.
    Created,
    /// The store existed before.
    Existing,
}

impl Store {
    /// Creates a store in `dir`. The directory must be missing or empty, or hold a store whose
    /// creation was interrupted. The parent of the directory must exist.
    ///
    /// # Errors
    /// [`OpenError::ParentMissing`], [`OpenError::AlreadyThere`], [`OpenError::IsBackup`],
    /// [`OpenError::Unfinished`], [`OpenError::Foreign`], [`OpenError::Locked`],
    /// [`OpenError::WeakDurability`], [`OpenError::Unopened`].
    pub fn init(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().init(dir)
    }

    /// Opens the store in `dir`. Never creates a store: if a volume is not mounted, its empty mount
    /// point must not become a new store.
    ///
    /// # Errors
    /// [`OpenError::Missing`], [`OpenError::Empty`], [`OpenError::IsBackup`],
    /// [`OpenError::Unfinished`], [`OpenError::Foreign`], [`OpenError::Incomplete`],
    /// [`OpenError::NewerFormat`], [`OpenError::Locked`], [`OpenError::WeakDurability`],
    /// [`OpenError::Unopened`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open(dir)
    }

    /// Opens the store in `dir` after reading all of it: every page, every value, and everything
    /// that [`Store::verify`] checks. The duration grows with the size of the store. A plain
    /// [`Store::open`] reads less, and may miss corruption.
    ///
    /// # Errors
    /// Those of [`Store::open`]; [`OpenError::Unopened`] if anything is corrupt.
    pub fn open_verified(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open_verified(dir)
    }

    /// Opens the store in `dir`, or creates one if the directory is missing or empty.
    /// [`Store::opened`] returns which of the two happened.
    ///
    /// # Errors
    /// [`OpenError::ParentMissing`], [`OpenError::IsBackup`], [`OpenError::Unfinished`],
    /// [`OpenError::Foreign`], [`OpenError::NewerFormat`], [`OpenError::Locked`],
    /// [`OpenError::WeakDurability`], [`OpenError::Unopened`].
    pub fn open_or_init(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open_or_init(dir)
    }

    /// Opens a store on a PostgreSQL cluster. Creates missing tables in the first schema of the
    /// search path, and upgrades older tables.
    ///
    /// `url` has the form of PostgreSQL's own libraries: `postgres://shop@one,two/orders`. If it
    /// names several hosts, the store uses the one that takes writes, also after a failover.
    ///
    /// Any number of processes may have the store open. They share the orders, the order numbers
    /// and the feed, and follow the same rules.
    ///
    /// If the cluster does not answer or has no leader yet, the call retries for about 30 seconds.
    /// An error that a retry cannot fix is returned at once.
    ///
    /// # Errors
    /// - [`OpenError::Invalid`] if the URL is invalid.
    /// - [`OpenError::NewerFormat`] if a newer version of this crate wrote the tables.
    /// - [`OpenError::Unavailable`] if no connection is possible. The call also fails with this
    ///   error if there is a [`ReplicationRisk`](crate::ReplicationRisk) and
    ///   [`Builder::require_sync`](crate::Builder::require_sync) is set.
    #[cfg(feature = "postgres")]
    pub fn connect(url: &str) -> Result<Self, OpenError> {
        Self::builder().connect(url)
    }

    /// Opens an existing store on a PostgreSQL cluster, like [`Store::connect`]. Creates and
    /// upgrades nothing.
    ///
    /// # Errors
    /// Those of [`Store::connect`]; [`OpenError::NoTables`] if the database holds no store;
    /// [`OpenError::OlderFormat`] if the tables need an upgrade.
    #[cfg(feature = "postgres")]
    pub fn connect_existing(url: &str) -> Result<Self, OpenError> {
        Self::builder().connect_existing(url)
    }

    /// Creates a store in memory, for tests and examples. Its data is lost at the shutdown.
    ///
    /// # Errors
    /// [`OpenError::Unavailable`] if the operating system provides no random bytes or no thread.
    pub fn memory() -> Result<Self, OpenError> {
        Self::builder().memory()
    }

    /// Returns the default settings, to change before the store is opened.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Opens a store: starts the threads of the pipeline.
    pub(crate) fn run(
        pipeline: Arc<Pipeline>,
        opened: Opened,
        recovery: Recovery,
    ) -> Result<Self, OpenError> {
        let threads =
            Threads::start(&pipeline).map_err(|error| OpenError::Unavailable(error.into()))?;
        Ok(Self {
            handle: Arc::new(Handle {
                pipeline,
                threads: Mutex::new(Some(threads)),
                opened,
                recovery,
            }),
        })
    }

    fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.handle.pipeline)
    }

    fn command<O: CommandOutcome>(&self, no: OrderNo, kind: CommandKind) -> Call<Reply<O>> {
        commit::command(self.pipeline(), Command { no, kind })
    }

    /// Returns a call that runs a read of bounded size.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Pipeline) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Call<T> {
        Call::read(self.pipeline(), read)
    }

    /// Returns a call that runs on the store's background thread.
    fn read_long<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Pipeline) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Call<T> {
        Call::long(self.pipeline(), run)
    }

    #[cfg(feature = "remote")]
    pub(crate) fn identity(&self) -> crate::engine::Identity {
        self.handle.pipeline.engine().identity()
    }

    /// Runs a request of a remote handle on the engine.
    #[cfg(feature = "remote")]
    pub(crate) fn with_engine<T: Send + 'static>(
        &self,
        is_long: bool,
        run: impl FnOnce(&dyn crate::engine::Engine) -> T + Send + Sync + 'static,
    ) -> Call<T> {
        let run = |pipeline: &Pipeline| Ok(run(pipeline.engine()));
        match is_long {
            true => self.read_long(run),
            false => self.read(run),
        }
    }

    /// Runs a checkpoint on the store's background thread: writes the memtable to the B-tree. The
    /// store then opens faster the next time. Acknowledged commands are durable without it.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// store.checkpoint().wait()?;
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn checkpoint(&self) -> Call<()> {
        self.read_long(Pipeline::flush)
    }

    /// Shuts the store down for all clones. The store finishes the accepted calls and then releases
    /// the directory. Later calls get [`Error::ShutDown`].
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

    /// Returns the time of the store's clock, which the rules compare with expiries and due times.
    ///
    /// ```
    /// # use orderstore::{PageRequest, Store};
    /// # let store = Store::memory()?;
    /// let due = store.due(store.now(), PageRequest::of(100)).wait()?;
    /// assert!(due.rows.is_empty());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.handle.pipeline.now()
    }

    /// Returns whether the store accepts commands. Cheap: no I/O.
    #[must_use]
    pub fn health(&self) -> Health {
        self.handle.pipeline.health()
    }

    /// Returns the store's counters since it was opened, and its current sizes. Cheap: no I/O.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.handle.pipeline.stats()
    }

    /// Returns what the recovery found in the journal (write-ahead log). All fields have their
    /// defaults for a new store, or for an engine without a journal.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        self.handle.recovery
    }

    /// Returns whether the call that opened the store also created it.
    #[must_use]
    pub fn opened(&self) -> Opened {
        self.handle.opened
    }
}
