//! Making and opening: the order in which a directory, its lock and its base are looked at.
//!
//! Existence, then emptiness, then the identity, then the lock, then the base, then the
//! journal: each step asks less of the disk than the next, and none before the last changes
//! a store.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::thread;

use parking_lot::{Mutex, RwLock};

use super::contents::{Contents, Making};
use super::header::StoreHeader;
use super::layout::Dir;
use super::verify;
use crate::engine::local::LocalEngine;
use crate::engine::local::btree::BTree;
use crate::engine::local::btree::typed::Sorted;
use crate::engine::local::checkpointer::Checkpointer;
use crate::engine::local::core::{Core, Writer};
use crate::engine::local::disk::Lock;
use crate::engine::local::idle_marker::IdleMarker;
use crate::engine::local::journal::preallocate::Preallocated;
use crate::engine::local::journal::recovery;
use crate::engine::local::journal::recovery::Recovery;
use crate::engine::local::journal::segment::End;
use crate::engine::local::journal::{Journal, Old};
use crate::engine::local::memtable::SharedMemtable;
use crate::engine::local::options::LocalOptions;
use crate::engine::local::read::view::ReadView;
use crate::engine::local::write::loaded::Loaded;
use crate::engine::{Engine, EngineError, Identity};
use crate::error::{Error, StorageError};
use crate::format::codec;
use crate::format::codec::{Mark, State};
use crate::format::keys;
use crate::format::keys::{KeyBytes, Layout};
use crate::format::tables::Table;
use crate::process::Process;

impl LocalEngine {
    /// Makes a store in a directory that is missing or empty, or in which the making of one
    /// was interrupted. The directory's parent must be there.
    ///
    /// # Errors
    /// [`Error::AlreadyThere`], [`Error::Foreign`], [`Error::Locked`], [`Error::Unopened`].
    pub fn init(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, Error> {
        let dir = Dir::of(options, dir.as_ref())?;
        let (dir, lock) = Self::claim(&dir, options)?;
        match dir.survey()? {
            Contents::Empty | Contents::Incomplete => Self::make(&dir, options, lock),
            contents => Err(dir.refusal(contents)),
        }
    }

    /// Opens the store in a directory, and makes none: where there is none, nothing is
    /// created or changed.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Empty`], [`Error::Foreign`], [`Error::Incomplete`],
    /// [`Error::NewerFormat`], [`Error::Locked`], [`Error::Unopened`].
    pub fn open(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, Error> {
        let dir = Dir::of(options, dir.as_ref())?;
        match dir.survey()? {
            Contents::Store => Self::open_store(&dir, options),
            contents => Err(dir.refusal(contents)),
        }
    }

    /// Opens the store in a directory as [`LocalEngine::open`] does, and reads all of it before
    /// it is used: every page of the base, every frame of the journal, every value, and what
    /// [`Engine::verify`] looks at. It takes as long as the store is large.
    ///
    /// # Errors
    /// Those of [`LocalEngine::open`]; [`Error::Unopened`] where anything is damaged.
    pub fn open_verified(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, Error> {
        let checked = LocalOptions {
            checked: true,
            ..options.clone()
        };
        let engine = Self::open(dir.as_ref(), &checked)?;
        let unopened = |source| Error::Unopened {
            dir: dir.as_ref().to_path_buf(),
            source,
        };
        let report = engine.verify().map_err(|error| {
            let cause = error.into_cause();
            unopened(cause.unwrap_or_else(StorageError::corrupted))
        })?;
        verify::sound(&report).map_err(unopened)?;
        Ok(engine)
    }

    /// Opens the store in a directory, or else makes one as [`LocalEngine::init`] does.
    ///
    /// # Errors
    /// Those of both, but none for a directory that is missing, empty or incomplete.
    pub fn open_or_init(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, Error> {
        let dir = Dir::of(options, dir.as_ref())?;
        if dir.survey()? == Contents::Store {
            return Self::open_store(&dir, options);
        }
        let (dir, lock) = Self::claim(&dir, options)?;
        match dir.survey()? {
            Contents::Store => Self::open_held(&dir, options, lock),
            Contents::Empty | Contents::Incomplete => Self::make(&dir, options, lock),
            contents => Err(dir.refusal(contents)),
        }
    }

    /// Takes a directory in which there may be a store to make; what it is must be looked at
    /// again, since another handle may have made one in the meantime.
    fn claim(dir: &Dir, options: &LocalOptions) -> Result<(Dir, Lock), Error> {
        match dir.survey()? {
            Contents::Missing | Contents::Empty | Contents::Incomplete => dir.create()?,
            contents => return Err(dir.refusal(contents)),
        }
        dir.hold(options.lock_wait)
    }

    fn make(dir: &Dir, options: &LocalOptions, lock: Lock) -> Result<Self, Error> {
        let passport = StoreHeader::draw().map_err(|error| dir.unopened(error))?;
        dir.clear(Making::Store)?;
        let made = Self::make_base(dir, options, passport.identity);
        let base = made.map_err(|error| dir.unopened(error))?;
        let made = Self::begin(dir, options, passport, base, lock, End::default());
        let mut engine = made.map_err(|error| dir.unopened(error))?;
        engine.is_new = true;
        dir.seal(Making::Store, passport)?;
        Ok(engine)
    }

    /// Begins the journal of a new store, behind `end`.
    pub(in crate::engine::local) fn begin(
        dir: &Dir,
        options: &LocalOptions,
        passport: StoreHeader,
        base: BTree,
        lock: Lock,
        end: End,
    ) -> Result<Self, StorageError> {
        let layout = Layout::new(passport.hash_key);
        let parts = Parts {
            passport,
            view: ReadView::of_base(base.snapshot()?, options.hot(), layout),
            base,
            lock,
            end,
        };
        Self::assemble(dir, options, parts, Recovery::default())
    }

    fn make_base(
        dir: &Dir,
        options: &LocalOptions,
        identity: Identity,
    ) -> Result<BTree, StorageError> {
        let singles = singles(identity, &State::NEW, 0)?;
        let entries = singles
            .iter()
            .map(|(key, value)| (*key, Some(Vec::as_slice(value))));
        let meta: Sorted<'_> = (Table::Meta, Box::new(entries));
        BTree::create(&**dir.disk(), &dir.base(), options.page_bytes(), vec![meta])
    }

    /// Opens what is a store.
    fn open_store(dir: &Dir, options: &LocalOptions) -> Result<Self, Error> {
        // A format that this version does not know is told, whoever has the store open.
        dir.passport()?;
        let (dir, lock) = dir.hold(options.lock_wait)?;
        Self::open_held(&dir, options, lock)
    }

    /// Opens what is a store, whose directory is held.
    fn open_held(dir: &Dir, options: &LocalOptions, lock: Lock) -> Result<Self, Error> {
        let passport = dir.passport()?;
        dir.sync()?;
        let opened = BTree::open(
            &**dir.disk(),
            &dir.base(),
            options.page_bytes(),
            options.checked,
        )
        .and_then(|base| Self::recover(dir, options, passport, lock, base));
        opened.map_err(|error| dir.unopened(error))
    }

    /// Reads the journal, and goes on behind it.
    fn recover(
        dir: &Dir,
        options: &LocalOptions,
        passport: StoreHeader,
        // Dropped in reverse: a base that closes may still write, and needs the lock.
        lock: Lock,
        base: BTree,
    ) -> Result<Self, StorageError> {
        let layout = Layout::new(passport.hash_key);
        let view = ReadView::of_base(base.snapshot()?, options.hot(), layout);
        if view.mark()? != mark_of(passport.identity) {
            return Err(StorageError::corrupted("the base is of another store"));
        }
        view.state()?;
        let applied = view.applied()?;
        let identity = passport.identity;
        let recovered = recovery::recover(dir.journal(), identity, applied, options.progress)?;
        let view = ReadView {
            active: Arc::new(SharedMemtable::new(recovered.memtable)),
            ..view
        };
        let parts = Parts {
            passport,
            view,
            base,
            lock,
            end: recovered.end,
        };
        let engine = Self::assemble(dir, options, parts, recovered.recovery)?;
        if let Some(tail) = recovered.tail {
            tail.seal()?;
        }
        recovered
            .segments
            .into_iter()
            .for_each(|closed| engine.core.old.add(closed));
        engine.core.old.remove_up_to(applied);
        engine
            .core
            .checkpoint_if_many_segments()
            .or_else(|error| match error {
                // There is no hurry.
                EngineError::Retry(_) | EngineError::Cursor(_) => Ok(()),
                EngineError::Unknown(cause) | EngineError::Fatal(cause) => Err(cause),
            })?;
        Ok(engine)
    }

    /// Begins a segment of the journal, and starts the threads.
    fn assemble(
        dir: &Dir,
        options: &LocalOptions,
        parts: Parts,
        recovery: Recovery,
    ) -> Result<Self, StorageError> {
        let spare = Arc::new(Preallocated::new(dir.journal(), options.segment_bytes));
        let old = Arc::new(Old::new(dir.journal()));
        let identity = parts.passport.identity;
        let damage = parts.base.damage();
        let (with, next) = (Arc::clone(&spare), Arc::clone(&old));
        let journal = Journal::begin(identity, parts.end, with, next)?;
        let core = Core {
            base_file: dir.disk().open_to_read(&dir.base())?,
            displaced: Mutex::default(),
            dir: dir.clone(),
            options: options.clone(),
            header: parts.passport,
            view: RwLock::new(Some(Arc::new(parts.view))),
            segment_bytes: AtomicU64::new(journal.bytes()),
            writer: Mutex::new(Some(Writer {
                journal,
                stopped: None,
                lock: parts.lock,
            })),
            base: Mutex::new(Some(parts.base)),
            damage,
            flushing: Checkpointer::new(dir.disk().crew()),
            spare,
            old,
            pulse: IdleMarker::default(),
            loaded: Loaded::default(),
            written: AtomicU64::new(0),
        };
        let engine = Self {
            core: Arc::new(core),
            process: Process::current(),
            threads: Mutex::default(),
            is_new: false,
            recovery,
        };
        engine.start()?;
        Ok(engine)
    }

    fn start(&self) -> Result<(), StorageError> {
        if let Some(crew) = self.core.crew() {
            let work: Weak<Core> = Arc::downgrade(&self.core);
            crew.adopt(work);
            return Ok(());
        }
        self.spawn("flush", |core| core.run_checkpoints())?;
        self.spawn("spare", |core| core.spare.run())?;
        self.spawn("idle", |core| core.run_idle())
    }

    fn spawn(&self, name: &str, life: fn(&Core)) -> Result<(), StorageError> {
        let core = Arc::clone(&self.core);
        let thread = thread::Builder::new().name(format!("orderstore-{name}"));
        let started = thread.spawn(move || life(&core))?;
        self.threads.lock().push(started);
        Ok(())
    }
}

/// What an opening has gathered.
struct Parts {
    passport: StoreHeader,
    view: ReadView,
    base: BTree,
    lock: Lock,
    /// Where the journal ends.
    end: End,
}

/// What there is one of per store, in the order of its keys.
pub(in crate::engine::local) fn singles(
    identity: Identity,
    state: &State,
    applied: u64,
) -> Result<[(KeyBytes, Vec<u8>); 3], StorageError> {
    let keys = [keys::APPLIED, keys::MARK, keys::STATE].map(keys::meta);
    let [applied_key, mark_key, state_key] = keys;
    let mut counters = Vec::new();
    codec::state(&mut counters, &state_key, state)?;
    Ok([
        (applied_key, codec::applied(&applied_key, applied)?),
        (mark_key, codec::mark(&mark_key, mark_of(identity))?),
        (state_key, counters),
    ])
}

pub(in crate::engine::local) const fn mark_of(identity: Identity) -> Mark {
    Mark {
        store_id: identity.store_id,
        incarnation: identity.incarnation,
    }
}
