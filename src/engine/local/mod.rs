//! The local engine: one directory on a local disk, one process that has it open.
//!
//! | file | what |
//! |---|---|
//! | `identity` | who the store is; written last when it is made |
//! | `LOCK` | held by the handle that has the store open |
//! | `base.redb` | every table |
//!
//! - A batch is one durable transaction: what is visible is durable, and what is refused
//!   leaves no trace.
//! - After a write whose outcome is not known, no write is taken until the store is opened
//!   again; reads go on.
//! - Readers share one view, replaced after each write; they wait for no writer.

mod base;
mod check;
mod codec;
mod dir;
mod identity;
mod keys;
mod open;
mod plan;
mod table;
#[cfg(test)]
mod tests;
mod view;
mod writes;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use self::base::Base;
use self::dir::Lock;
use self::identity::Passport;
use self::plan::{Plan, put_state};
use self::view::{View, into_record};
use self::writes::{WriteError, Writes};
use super::{
    Counts, Engine, EngineError, FeedCursor, Identity, IndexQuery, Limits, Lookup, Mutation, Rows,
    Sequenced, Stored, Verdict,
};
use crate::error::{StorageError, StorageErrorKind};
use crate::order::{Event, Record};
use crate::value::OrderNo;
use crate::verify::Report;

/// The most mutations of one batch.
const BATCH_MAX: usize = 8192;

/// How a local store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalOptions {
    /// How much of the base is kept in memory, in bytes. Default: 256 MiB.
    pub cache_bytes: usize,
    /// How long to wait for another handle to let go of the store, as in a rolling restart.
    /// Default: not at all.
    pub lock_wait: Duration,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            lock_wait: Duration::ZERO,
        }
    }
}

/// A store in a directory.
pub struct LocalEngine {
    passport: Passport,
    is_new: bool,
    /// `None` once the store is closed.
    view: RwLock<Option<Arc<View>>>,
    writer: Mutex<Option<Writer>>,
}

/// What only one thread has at a time.
#[derive(Debug)]
struct Writer {
    base: Base,
    /// Why no write is taken any more.
    stopped: Option<StorageError>,
    /// Released when the base has been closed.
    _lock: Lock,
}

impl fmt::Debug for LocalEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEngine")
            .field("identity", &self.passport.identity)
            .finish_non_exhaustive()
    }
}

impl LocalEngine {
    /// The store was made by the call that gave this handle.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    fn view(&self) -> Result<Arc<View>, EngineError> {
        self.view.read().clone().ok_or_else(closed)
    }

    /// Writes, and lets the readers see it. Whatever fails once the write has begun stops
    /// all later ones.
    fn commit(&self, writer: &mut Writer, writes: Writes) -> Result<(), EngineError> {
        let layout = self.view()?.layout;
        let written = writer.base.write(writes).and_then(|()| {
            // Durable and not to be seen is no state that anybody could go on from.
            writer.base.snapshot().map_err(WriteError::Unknown)
        });
        match written {
            Ok(snapshot) => {
                *self.view.write() = Some(Arc::new(View::new(snapshot, layout)));
                Ok(())
            }
            Err(WriteError::Unwritten(error)) => {
                writer.stopped = Some(error.clone());
                Err(EngineError::Fatal(error))
            }
            Err(WriteError::Unknown(error)) => {
                writer.stopped = Some(error.clone());
                Err(EngineError::Unknown(error))
            }
        }
    }

    /// Runs `write` where a write may be.
    fn writing<T>(
        &self,
        write: impl FnOnce(&mut Writer, &View) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or_else(closed)?;
        if let Some(error) = &writer.stopped {
            return Err(EngineError::Fatal(error.clone()));
        }
        let view = self.view()?;
        write(writer, &view)
    }

    fn release(&self) -> Result<(), StorageError> {
        let mut writer = self.writer.lock();
        *self.view.write() = None;
        match writer.take() {
            Some(Writer { base, _lock, .. }) => base.close(),
            None => Ok(()),
        }
    }
}

impl Drop for LocalEngine {
    fn drop(&mut self) {
        // What cannot be written at the end was no promise: commits are durable on return.
        let _ = self.release();
    }
}

impl Engine for LocalEngine {
    fn get(&self, no: &OrderNo) -> Result<Option<Record>, EngineError> {
        let stored = self.view()?.stored(no).map_err(EngineError::Fatal)?;
        Ok(into_record(stored))
    }

    fn load(&self, lookups: &[Lookup]) -> Result<Vec<Option<Stored>>, EngineError> {
        let view = self.view()?;
        let found = lookups.iter().map(|lookup| view.load(lookup));
        found.collect::<Result<_, _>>().map_err(EngineError::Fatal)
    }

    fn apply(&self, batch: &[Mutation]) -> Result<Vec<Verdict>, EngineError> {
        self.writing(|writer, view| {
            let (verdicts, writes) = planned(view, batch).map_err(unwritten)?;
            if !writes.is_empty() {
                self.commit(writer, writes)?;
            }
            Ok(verdicts)
        })
    }

    fn scan(&self, query: &IndexQuery, limit: usize) -> Result<Rows, EngineError> {
        self.view()?.scan(query, limit).map_err(EngineError::Fatal)
    }

    fn history(&self, no: &OrderNo) -> Result<Vec<Event>, EngineError> {
        self.view()?.history(no).map_err(EngineError::Fatal)
    }

    fn events(&self, after: FeedCursor, limit: usize) -> Result<Vec<Sequenced>, EngineError> {
        let incarnation = self.passport.identity.incarnation;
        self.view()?.events(incarnation, after, limit)
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        let state = self.view()?.state().map_err(EngineError::Fatal)?;
        Ok(state.counts)
    }

    fn verify(&self) -> Result<Report, EngineError> {
        check::verify(&*self.view()?).map_err(EngineError::Fatal)
    }

    fn reserve(&self, count: u64) -> Result<Range<u64>, EngineError> {
        self.writing(|writer, view| {
            let mut state = view.state().map_err(unwritten)?;
            let first = state.counter;
            state.counter = first.checked_add(count).ok_or_else(|| {
                let why = "the order-number counter is used up";
                EngineError::Retry(StorageError::new(StorageErrorKind::TooLarge, why))
            })?;
            let mut writes = Writes::default();
            put_state(&mut writes, &state).map_err(unwritten)?;
            self.commit(writer, writes)?;
            Ok(first..state.counter)
        })
    }

    fn identity(&self) -> Identity {
        self.passport.identity
    }

    fn limits(&self) -> Limits {
        Limits {
            batch: BATCH_MAX,
            on_callers_thread: true,
        }
    }

    fn close(&self) -> Result<(), EngineError> {
        self.release().map_err(EngineError::Fatal)
    }
}

fn planned(view: &View, batch: &[Mutation]) -> Result<(Vec<Verdict>, Writes), StorageError> {
    let mut plan = Plan::new(view)?;
    let verdicts = batch.iter().map(|mutation| plan.add(mutation));
    let verdicts = verdicts.collect::<Result<_, _>>()?;
    Ok((verdicts, plan.finish()?))
}

/// A failure before the first write: of what was to be written, or of what was read.
fn unwritten(error: StorageError) -> EngineError {
    match error.kind() {
        StorageErrorKind::TooLarge | StorageErrorKind::Internal => EngineError::Retry(error),
        _ => EngineError::Fatal(error),
    }
}

fn closed() -> EngineError {
    EngineError::Fatal(StorageError::new(StorageErrorKind::Io, "closed"))
}
