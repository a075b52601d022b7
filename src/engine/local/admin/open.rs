//! Creates and opens stores.
//!
//! To open a store, the engine checks in this order: existence, contents, identity file, lock,
//! B-tree, journal. The steps go from cheap to expensive. Only the last two write to the store's
//! files.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use super::contents::{Contents, Creation};
use super::header::StoreHeader;
use super::layout::Dir;
use super::verify;
use crate::engine::local::LocalEngine;
use crate::engine::local::btree::typed::Sorted;
use crate::engine::local::btree::{BTree, Snapshot};
use crate::engine::local::checkpointer::Checkpointer;
use crate::engine::local::core::{Core, Writer};
use crate::engine::local::disk::Lock;
use crate::engine::local::idle_marker::IdleMarker;
use crate::engine::local::journal::preallocate::Preallocated;
use crate::engine::local::journal::recovery;
use crate::engine::local::journal::recovery::Recovery;
use crate::engine::local::journal::segment::End;
use crate::engine::local::journal::{ClosedSegments, Journal};
use crate::engine::local::memtable::SharedMemtable;
use crate::engine::local::options::LocalOptions;
use crate::engine::local::read::view::ReadView;
use crate::engine::local::write::owner_cache::OwnerCache;
use crate::engine::{Engine, EngineError, Identity};
use crate::error::{OpenError, StorageError, StorageErrorKind};
use crate::format::codec;
use crate::format::codec::{State, StoreMark};
use crate::format::keys;
use crate::format::keys::{KeyBytes, KeyEncoder};
use crate::format::tables::Table;
use crate::log::event;
use crate::process::Process;

/// First read mark of the next handle. Each handle has 2^40 read marks of its own. No handle writes
/// that many frames, so two handles never have equal marks.
static FIRST_READ_MARK: AtomicU64 = AtomicU64::new(0);

impl LocalEngine {
    /// Creates a store in a directory that is missing or empty, or that an interrupted creation
    /// left behind. The parent of the directory must exist.
    ///
    /// # Errors
    /// [`OpenError::AlreadyThere`], [`OpenError::Foreign`], [`OpenError::Locked`],
    /// [`OpenError::Unopened`].
    pub fn init(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, OpenError> {
        let dir = Dir::of(options, dir.as_ref())?;
        let (dir, lock) = Self::claim(&dir, options)?;
        match dir.survey()? {
            Contents::Empty | Contents::Incomplete => Self::make(&dir, options, lock),
            contents => Err(dir.refusal(contents)),
        }
    }

    /// Opens the store in a directory. Never creates a store: if there is none, the directory does
    /// not change.
    ///
    /// # Errors
    /// [`OpenError::Missing`], [`OpenError::Empty`], [`OpenError::Foreign`],
    /// [`OpenError::Incomplete`], [`OpenError::NewerFormat`], [`OpenError::Locked`],
    /// [`OpenError::Unopened`].
    pub fn open(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, OpenError> {
        let dir = Dir::of(options, dir.as_ref())?;
        match dir.survey()? {
            Contents::Store => Self::open_store(&dir, options),
            contents => Err(dir.refusal(contents)),
        }
    }

    /// Opens the store in a directory like [`LocalEngine::open`], and verifies the whole store.
    /// Checks every page of the B-tree, every frame of the journal, every value, and all that
    /// [`Engine::verify`] checks. The duration grows with the size of the store.
    ///
    /// # Errors
    /// The errors of [`LocalEngine::open`]; [`OpenError::Unopened`] if anything is corrupt.
    pub fn open_verified(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, OpenError> {
        let checked = LocalOptions {
            checked: true,
            ..options.clone()
        };
        let engine = Self::open(dir.as_ref(), &checked)?;
        let unopened = |source| OpenError::Unopened {
            dir: dir.as_ref().to_path_buf(),
            source,
        };
        let report = engine.verify();
        let report = report.map_err(|error| unopened(error.into_storage()))?;
        verify::check_report(&report).map_err(unopened)?;
        Ok(engine)
    }

    /// Opens the store in a directory, or creates one like [`LocalEngine::init`] if there is none.
    ///
    /// # Errors
    /// The errors of [`LocalEngine::open`] and [`LocalEngine::init`], except those for a directory
    /// that is missing, empty or incomplete.
    pub fn open_or_init(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, OpenError> {
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

    /// Locks a directory in which a store may be created. The caller must survey the directory
    /// again under the lock: another handle may have created a store in the meantime.
    fn claim(dir: &Dir, options: &LocalOptions) -> Result<(Dir, Lock), OpenError> {
        match dir.survey()? {
            Contents::Missing | Contents::Empty | Contents::Incomplete => dir.create()?,
            contents => return Err(dir.refusal(contents)),
        }
        dir.lock(options.lock_wait)
    }

    /// Creates a store in a locked directory. The identity file gets its name last: if the process
    /// is killed before that, the directory counts as incomplete and not as a store.
    fn make(dir: &Dir, options: &LocalOptions, lock: Lock) -> Result<Self, OpenError> {
        let header = StoreHeader::random().map_err(|error| dir.open_error(error))?;
        dir.clear(Creation::Store)?;
        let made = Self::make_base(dir, options, header.identity);
        let base = made.map_err(|error| dir.open_error(error))?;
        let made = Self::begin(dir, options, header, base, lock, End::default());
        let mut engine = made.map_err(|error| dir.open_error(error))?;
        engine.is_new = true;
        dir.seal(Creation::Store, header)?;
        Ok(engine)
    }

    /// Creates the first journal segment after the position `end`, and starts the engine.
    pub(super) fn begin(
        dir: &Dir,
        options: &LocalOptions,
        header: StoreHeader,
        base: BTree,
        lock: Lock,
        end: End,
    ) -> Result<Self, StorageError> {
        let layout = KeyEncoder::new(header.hash_key);
        let parts = Parts {
            header,
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
        let singles = store_values(identity, &State::NEW, 0)?;
        let entries = singles
            .iter()
            .map(|(key, value)| (*key, Some(Vec::as_slice(value))));
        let meta: Sorted<'_> = (Table::Meta, Box::new(entries));
        BTree::create(
            &**dir.disk(),
            &dir.btree_path(),
            options.page_bytes(),
            vec![meta],
        )
    }

    /// Locks and opens a directory that is a store.
    fn open_store(dir: &Dir, options: &LocalOptions) -> Result<Self, OpenError> {
        // Read the identity file before taking the lock. A newer format is then reported even if
        // another process has the store open.
        dir.store_header()?;
        let (dir, lock) = dir.lock(options.lock_wait)?;
        Self::open_held(&dir, options, lock)
    }

    /// Opens the store in a locked directory.
    fn open_held(dir: &Dir, options: &LocalOptions, lock: Lock) -> Result<Self, OpenError> {
        let header = dir.store_header()?;
        dir.sync()?;
        let opened = BTree::open(
            &**dir.disk(),
            &dir.btree_path(),
            options.page_bytes(),
            options.checked,
        )
        .and_then(|base| first_snapshot(dir, options, base))
        .and_then(|(base, snapshot)| Self::recover(dir, options, header, lock, base, snapshot));
        opened.map_err(|error| dir.open_error(error))
    }

    /// Replays the journal, and begins a new segment after its end.
    fn recover(
        dir: &Dir,
        options: &LocalOptions,
        header: StoreHeader,
        // Parameters are dropped in reverse order: `snapshot`, `base`, then `lock`. The B-tree may
        // still write while it closes, so the lock must outlive it.
        lock: Lock,
        base: BTree,
        snapshot: Snapshot,
    ) -> Result<Self, StorageError> {
        let layout = KeyEncoder::new(header.hash_key);
        let view = ReadView::of_base(snapshot, options.hot(), layout);
        if view.mark()? != mark_of(header.identity) {
            let why = "base.redb is from another store or incarnation; put the right file back, \
                       or restore a backup";
            return Err(StorageError::corrupted(why));
        }
        view.state()?;
        let applied = view.applied()?;
        let identity = header.identity;
        let began = Instant::now();
        let recovered =
            recovery::recover(dir.journal(), identity, applied, options.progress.as_ref())?;
        event!(
            info,
            "recovered journal",
            dir = dir.given_path.display().to_string(),
            frames = recovered.recovery.frames,
            dropped_bytes = recovered.recovery.dropped_bytes,
            was_closed = recovered.recovery.was_closed,
            millis = began.elapsed().as_millis(),
        );
        let view = ReadView {
            active: Arc::new(SharedMemtable::new(recovered.memtable)),
            ..view
        };
        let parts = Parts {
            header,
            view,
            base,
            lock,
            end: recovered.end,
        };
        // Seal the last recovered segment only after `assemble` has made its successor durable.
        // After a power loss, a sealed segment without a successor would look as if the successor
        // were lost.
        let engine = Self::assemble(dir, options, parts, recovered.recovery)?;
        if let Some(tail) = recovered.tail {
            tail.seal()?;
        }
        recovered
            .segments
            .into_iter()
            .for_each(|closed| engine.core.closed_segments.add(closed));
        engine.core.closed_segments.remove_up_to(applied);
        engine
            .core
            .checkpoint_if_many_segments()
            .or_else(|error| match error {
                // Ignore an error that a retry may fix, because the checkpoint thread repeats the
                // checkpoint.
                EngineError::Retry(_) | EngineError::Cursor(_) => Ok(()),
                EngineError::Unknown(cause) | EngineError::Fatal(cause) => Err(cause),
            })?;
        Ok(engine)
    }

    /// Begins a journal segment, builds the engine and starts its threads.
    fn assemble(
        dir: &Dir,
        options: &LocalOptions,
        parts: Parts,
        recovery: Recovery,
    ) -> Result<Self, StorageError> {
        let spare = Arc::new(Preallocated::new(dir.journal(), options.segment_bytes));
        let old = Arc::new(ClosedSegments::new(dir.journal()));
        let identity = parts.header.identity;
        let damage = parts.base.damage();
        let (preallocated, closed) = (Arc::clone(&spare), Arc::clone(&old));
        let journal = Journal::begin(identity, parts.end, preallocated, closed)?;
        let core = Core {
            btree_file: dir.disk().open_to_read(&dir.btree_path())?,
            displaced: Mutex::default(),
            dir: dir.clone(),
            options: options.clone(),
            header: parts.header,
            view: RwLock::new(Some(Arc::new(parts.view))),
            segment_bytes: AtomicU64::new(journal.bytes()),
            write_micros: AtomicU64::new(0),
            writer: Mutex::new(Some(Writer {
                journal,
                poisoned_by: None,
                lock: parts.lock,
            })),
            btree: Mutex::new(Some(parts.base)),
            damage,
            checkpointer: Checkpointer::new(dir.disk().executor()),
            preallocated: spare,
            closed_segments: old,
            idle_marker: IdleMarker::default(),
            known_owners: OwnerCache::default(),
            read_mark: AtomicU64::new(FIRST_READ_MARK.fetch_add(1 << 40, Ordering::Relaxed)),
        };
        let engine = Self {
            core: Arc::new(core),
            process: Process::current(),
            threads: Mutex::default(),
            is_new: false,
            recovery,
        };
        engine.start()?;
        event!(
            info,
            "opened store",
            dir = dir.given_path.display().to_string(),
            journal_bytes = engine.core.segment_bytes.load(Ordering::Relaxed),
        );
        Ok(engine)
    }

    /// Starts the background threads, or registers their tasks with the executor of a test disk.
    fn start(&self) -> Result<(), StorageError> {
        if let Some(executor) = self.core.executor() {
            let work: Weak<Core> = Arc::downgrade(&self.core);
            executor.adopt(work);
            return Ok(());
        }
        self.spawn("checkpoint", |core| core.run_checkpoints())?;
        self.spawn("preallocate", |core| core.preallocated.run())?;
        self.spawn("idle", |core| core.run_idle())
    }

    fn spawn(&self, name: &str, run: fn(&Core)) -> Result<(), StorageError> {
        let core = Arc::clone(&self.core);
        let thread = thread::Builder::new().name(format!("orderstore-{name}"));
        let started = thread.spawn(move || run(&core))?;
        self.threads.lock().push(started);
        Ok(())
    }
}

/// Parts from which an engine is built.
struct Parts {
    header: StoreHeader,
    view: ReadView,
    base: BTree,
    lock: Lock,
    /// LSN and checksum of the last frame in the journal.
    end: End,
}

/// Values that exist once per store, in the order of their keys: the log sequence number (LSN) up
/// to which the B-tree holds all journal frames, the identity of the store, and the counters.
pub(crate) fn store_values(
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

/// Mark that ties a B-tree file to a store and its incarnation.
pub(crate) const fn mark_of(identity: Identity) -> StoreMark {
    StoreMark {
        store_id: identity.store_id,
        incarnation: identity.incarnation,
    }
}

/// Takes the first snapshot of an opened B-tree. If a page cannot be read, reopens the B-tree and
/// tries again. A page that fails twice counts as corrupt, and only reads that need it fail. One
/// bad sector in a filter therefore does not keep the store from being opened.
fn first_snapshot(
    dir: &Dir,
    options: &LocalOptions,
    mut base: BTree,
) -> Result<(BTree, Snapshot), StorageError> {
    let damage = base.damage();
    let mut seen = damage.pages();
    loop {
        match base.snapshot() {
            // Each attempt finds one more page, so the loop ends.
            Err(error)
                if error.kind() == StorageErrorKind::Io
                    && !damage.pages_since(&seen).is_empty() =>
            {
                seen.extend(damage.pages_since(&seen));
                seen.sort_unstable();
                base.abandon();
                let (disk, path) = (&**dir.disk(), dir.btree_path());
                base = BTree::reopen(disk, &path, options.page_bytes(), &damage)?;
            }
            snapshot => return Ok((base, snapshot?)),
        }
    }
}
