//! Engine of a standby: reads run on its directory, and writes fail.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::standby::Standby;
use crate::archive::Archive;
use crate::contract::{
    Counts, FeedCursor, FeedEvent, IndexPage, IndexQuery, Lookup, Mutation, StoredRecord, Verdict,
};
use crate::engine::local::options::LocalOptions;
use crate::engine::{
    BackupReport, Engine, EngineError, EngineStats, Identity, Limits, Progress, unreadable,
};
use crate::error::{Error, OpenError, StorageError, StorageErrorKind};
use crate::order::{Event, Record};
use crate::process::Process;
use crate::types::OrderNo;
use crate::verify::VerifyReport;

/// Read-only engine that follows the archive of another store.
pub struct StandbyEngine {
    standby: Arc<Standby>,
    /// Identity when the engine was opened. The incarnation changes if another standby is promoted.
    identity: Identity,
    thread: Mutex<Option<JoinHandle<()>>>,
    process: Process,
}

impl std::fmt::Debug for StandbyEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandbyEngine")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl StandbyEngine {
    /// Opens the standby in a directory, and follows the archive. If the directory is missing or empty,
    /// first builds the standby from the newest snapshot.
    ///
    /// # Errors
    /// [`OpenError::Archive`] if the standby must be built and the archive cannot be read, or has no
    /// snapshot; the errors of opening and creating a store.
    pub fn follow(
        dir: impl AsRef<Path>,
        archive: &Archive,
        options: &LocalOptions,
    ) -> Result<Self, OpenError> {
        let standby = Arc::new(Standby::open(dir.as_ref(), archive, options)?);
        let place = standby.place();
        let (header, _) = place.map_err(|error| standby.dir.open_error(error))?;
        // A simulated disk has no threads.
        let thread = match options.disk.executor() {
            Some(_) => None,
            None => {
                let own = Arc::clone(&standby);
                let thread = thread::Builder::new().name("orderstore-standby".to_owned());
                let started = thread.spawn(move || own.run());
                Some(started.map_err(|error| standby.dir.open_error(error))?)
            }
        };
        Ok(Self {
            standby,
            identity: header.identity,
            thread: Mutex::new(thread),
            process: Process::current(),
        })
    }

    fn release(&self) -> Result<(), EngineError> {
        if !self.process.is_current() {
            let why =
                "a forked child cannot close the standby: close it in the process that opened it";
            return Err(EngineError::Fatal(StorageError::new(
                StorageErrorKind::Io,
                why,
            )));
        }
        self.standby.stop();
        if let Some(thread) = self.thread.lock().take() {
            // Ignore a panic of the thread: the archive holds every frame.
            drop(thread.join());
        }
        self.standby.release()
    }
}

impl Drop for StandbyEngine {
    fn drop(&mut self) {
        if !self.process.is_current() {
            // A thread of the parent may have held a lock at the fork.
            std::mem::forget(Arc::clone(&self.standby));
            return;
        }
        // Ignore a failed close: the archive holds every frame.
        let _ = self.release();
    }
}

fn read_only() -> StorageError {
    StorageError::new(StorageErrorKind::Io, "a standby only serves reads").permanent()
}

impl Engine for StandbyEngine {
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError> {
        self.standby.replica()?.get(no)
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<StoredRecord>>, EngineError> {
        self.standby.replica()?.load(lookups)
    }

    fn apply(&self, _batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        Err(EngineError::Retry(read_only()))
    }

    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, EngineError> {
        self.standby.replica()?.scan(query, limit)
    }

    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError> {
        self.standby.replica()?.history(no)
    }

    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<FeedEvent>, EngineError> {
        let replica = self.standby.replica()?;
        match replica.events(after, limit) {
            // The consumer has seen events that this standby does not show yet.
            Err(EngineError::Cursor(_)) if after.incarnation == replica.identity().incarnation => {
                Ok(Vec::new())
            }
            Err(EngineError::Cursor(_)) if !self.standby.has_caught_up() => {
                let why =
                    "the standby does not know this cursor yet; try again when it has caught up";
                Err(EngineError::Retry(StorageError::new(
                    StorageErrorKind::Io,
                    why,
                )))
            }
            events => events,
        }
    }

    fn feed_end(&self) -> Result<FeedCursor, EngineError> {
        self.standby.replica()?.feed_end()
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        self.standby.replica()?.counts()
    }

    fn verify(&self) -> Result<VerifyReport, EngineError> {
        self.standby.replica()?.verify()
    }

    fn reserve(&self, _count: u64) -> Result<Range<u64>, EngineError> {
        Err(EngineError::Retry(read_only()))
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.standby.replica()?.checkpoint()
    }

    fn backup(&self, dir: &Path, progress: Option<Progress>) -> Result<BackupReport, Error> {
        self.standby
            .replica()
            .map_err(unreadable)?
            .backup(dir, progress)
    }

    fn stats(&self) -> EngineStats {
        let found = self.standby.replica();
        let found = found.map(|replica| (replica.stats(), replica.core.published()));
        let (stats, lsn) = found.unwrap_or_default();
        EngineStats {
            standby: Some(self.standby.stats(lsn)),
            ..stats
        }
    }

    fn retrying_failure(&self) -> Option<StorageError> {
        match self.standby.replica() {
            Ok(replica) => replica.retrying_failure(),
            Err(error) => Some(error.into_storage()),
        }
    }

    fn standby_failure(&self) -> Option<StorageError> {
        self.standby.failure().or_else(|| self.retrying_failure())
    }

    fn identity(&self) -> Identity {
        let place = self.standby.place();
        place.map_or(self.identity, |(header, _)| header.identity)
    }

    fn limits(&self) -> Limits {
        Limits {
            batch: 1,
            on_callers_thread: false,
            never_waits_for_network: true,
            stops_at_unknown: true,
            is_read_only: true,
        }
    }

    fn close(&self) -> Result<(), EngineError> {
        self.release()
    }
}
