//! Opens the files of a store: its B-trees and its journal.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use super::header::StoreHeader;
use super::layout::Dir;
use super::open::mark_of;
use crate::engine::EngineError;
use crate::engine::local::LocalEngine;
use crate::engine::local::archive::shipping::Shipping;
use crate::engine::local::btree::{BTree, Snapshot};
use crate::engine::local::checkpoint::write_lag;
use crate::engine::local::checkpointer::Checkpointer;
use crate::engine::local::core::{Core, Writer};
use crate::engine::local::disk::Lock;
use crate::engine::local::idle_marker::IdleMarker;
use crate::engine::local::journal::Journal;
use crate::engine::local::journal::copies::Place;
use crate::engine::local::journal::recovery::{self, Recovery, Source};
use crate::engine::local::journal::segment::End;
use crate::engine::local::memtable::SharedMemtable;
use crate::engine::local::mirror::Mirror;
use crate::engine::local::options::LocalOptions;
use crate::engine::local::read::view::ReadView;
use crate::engine::local::side::{Side, Sides};
use crate::engine::local::write::owner_cache::OwnerCache;
use crate::error::{OpenError, StorageError, StorageErrorKind};
use crate::format::codec::StoreMark;
use crate::format::keys::KeyEncoder;
use crate::log::event;
use crate::process::Process;

/// First read mark of the next handle. Each handle has 2^40 read marks of its own. No handle writes
/// that many frames, so two handles never have equal marks.
static FIRST_READ_MARK: AtomicU64 = AtomicU64::new(0);

/// Reason why a store could not be opened.
pub(super) enum Failure {
    /// This directory failed. Another one may work.
    Dir(Place, StorageError),
    /// The store cannot be opened with these directories.
    Store(StorageError),
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}

/// Locked directory with its open B-tree.
pub(in crate::engine::local) struct OpenedDir {
    // Fields are dropped in this order: `view`, `base`, then `lock`. The B-tree may still write while
    // it closes, so the lock must outlive it.
    view: ReadView,
    base: BTree,
    /// Last LSN that the B-tree holds.
    applied: u64,
    place: Place,
    pub(super) dir: Dir,
    lock: Lock,
}

impl OpenedDir {
    pub(super) fn open(
        place: Place,
        dir: &Dir,
        lock: Lock,
        options: &LocalOptions,
        header: StoreHeader,
    ) -> Result<Self, StorageError> {
        let (opened, mark) = Self::open_marked(place, dir, lock, options, header.hash_key)?;
        match mark == mark_of(header.identity) {
            true => Ok(opened),
            false => Err(foreign()),
        }
    }

    /// Opens the directory of a standby, and returns its header.
    pub(in crate::engine::local) fn open_standby(
        dir: &Dir,
        lock: Lock,
        options: &LocalOptions,
    ) -> Result<(StoreHeader, Self), OpenError> {
        let header = dir.standby_header()?;
        let opened = Self::open_marked(Place::Main, dir, lock, options, header.hash_key);
        let (opened, mark) = opened.map_err(|error| dir.open_error(error))?;
        // The standby keeps its identity file when another one is promoted.
        let header = header.with_incarnation(mark.incarnation);
        match mark == mark_of(header.identity) {
            true => Ok((header, opened)),
            false => Err(dir.open_error(foreign())),
        }
    }

    /// Opens a directory, and returns the mark of its B-tree.
    fn open_marked(
        place: Place,
        dir: &Dir,
        lock: Lock,
        options: &LocalOptions,
        hash_key: [u8; 16],
    ) -> Result<(Self, StoreMark), StorageError> {
        // The process that renamed the identity file may have been killed before it synced the name.
        // Without this sync, a power loss could turn a store with acknowledged writes back into an
        // incomplete one.
        dir.disk().sync_dir(dir.path())?;
        let (disk, path) = (&**dir.disk(), dir.btree_path());
        let base = BTree::open(disk, &path, options.page_bytes(), options.checked)?;
        let (base, snapshot) = first_snapshot(dir, options, base)?;
        let view = ReadView::of_base(snapshot, options.hot(), KeyEncoder::new(hash_key));
        let mark = view.mark()?;
        view.state()?;
        let opened = Self {
            applied: view.applied()?,
            view,
            base,
            place,
            dir: dir.clone(),
            lock,
        };
        Ok((opened, mark))
    }
}

impl LocalEngine {
    /// Serves a standby. It has no journal, because its archive holds every frame.
    pub(in crate::engine::local) fn of_standby(
        options: &LocalOptions,
        header: StoreHeader,
        opened: OpenedDir,
    ) -> Result<Self, StorageError> {
        let OpenedDir {
            view,
            base,
            place,
            dir,
            lock,
            ..
        } = opened;
        let side = Side::new(place, &dir, lock, base, options.segment_bytes)?;
        let recovery = Recovery::default();
        Self::start_with(
            options,
            header,
            (vec![side], view),
            recovery,
            Mirror::off(),
            None,
        )
    }

    /// Replays the journal, and begins a new segment after its end.
    pub(super) fn recover(
        options: &LocalOptions,
        header: StoreHeader,
        mut dirs: Vec<OpenedDir>,
        mirror: Mirror,
    ) -> Result<Self, Failure> {
        // Serve the reads from the B-tree that holds more.
        dirs.sort_by_key(|dir| Reverse(dir.applied));
        let source = |dir: &OpenedDir| Source {
            folder: dir.dir.journal(),
            applied: dir.applied,
        };
        let began = Instant::now();
        let places: Vec<Place> = dirs.iter().map(|dir| dir.place).collect();
        let sources = dirs.iter().map(source).collect();
        let recovered = recovery::recover(sources, header.identity, options.progress.as_ref());
        let recovered = recovered.map_err(|error| {
            let place = error.source.and_then(|source| places.get(source).copied());
            match place {
                Some(place) => Failure::Dir(place, error.cause),
                None => Failure::Store(error.cause),
            }
        })?;
        let recovery = recovered.recovery;
        event!(
            info,
            "recovered journal",
            dir = dirs
                .first()
                .map(|dir| dir.dir.given_path.display().to_string()),
            frames = recovery.frames,
            dropped_bytes = recovery.dropped_bytes,
            was_closed = recovery.was_closed,
            millis = began.elapsed().as_millis(),
        );
        let mut sides = Vec::new();
        let mut tails = Vec::new();
        let mut view = None;
        let mut lag = Some(recovered.lag);
        for (dir, copy) in dirs.into_iter().zip(recovered.copies) {
            let place = dir.place;
            let failed = |cause| Failure::Dir(place, cause);
            let copy = copy.map_err(failed)?;
            let serving = view.get_or_insert((dir.view, dir.applied));
            // Bring the other B-tree to the state of the first one. Each checkpoint can then write
            // the same memtable into both.
            if dir.applied < serving.1 {
                let lag = lag.take().unwrap_or_default();
                write_lag(&dir.base, lag, serving.1).map_err(failed)?;
            }
            let side = Side::new(place, &dir.dir, dir.lock, dir.base, options.segment_bytes);
            let side = side.map_err(failed)?;
            copy.segments
                .into_iter()
                .for_each(|closed| side.closed_segments.add(closed));
            sides.push(side);
            tails.extend(copy.tail.map(|tail| (place, tail)));
        }
        let Some((view, applied)) = view else {
            return Err(StorageError::new(StorageErrorKind::Internal, "no directory").into());
        };
        let view = ReadView {
            active: Arc::new(SharedMemtable::new(recovered.memtable)),
            ..view
        };
        // Seal the last recovered segment only after `assemble` has made its successor durable.
        // After a power loss, a sealed segment without a successor would look as if the successor
        // were lost.
        let end = recovered.end;
        let engine = Self::assemble(options, header, sides, view, end, recovery, mirror)?;
        let has_successor = |place| {
            let writer = engine.core.writer.lock();
            writer
                .as_ref()
                .is_some_and(|writer| writer.journal.has(place))
        };
        for (place, tail) in tails.into_iter().filter(|(place, _)| has_successor(*place)) {
            tail.seal().map_err(|cause| Failure::Dir(place, cause))?;
        }
        for side in engine.core.sides().complete() {
            side.closed_segments.remove_up_to(applied);
        }
        Ok(engine)
    }

    /// Starts a checkpoint if the store has many segments.
    pub(super) fn checkpoint_many_segments(&self) -> Result<(), StorageError> {
        let begun = self.core.checkpoint_if_many_segments();
        begun.or_else(|error| match error {
            // Ignore an error that a retry may fix, because the checkpoint thread repeats the
            // checkpoint.
            EngineError::Retry(_) | EngineError::Cursor(_) => Ok(()),
            EngineError::Unknown(cause) | EngineError::Fatal(cause) => Err(cause),
        })
    }

    /// Begins a journal segment, builds the engine and starts its threads. `sides` are the open
    /// directories; the first one serves the reads.
    pub(super) fn assemble(
        options: &LocalOptions,
        header: StoreHeader,
        sides: Vec<Side>,
        view: ReadView,
        end: End,
        recovery: Recovery,
        mirror: Mirror,
    ) -> Result<Self, StorageError> {
        for side in &sides {
            side.keep_for_archive(options)?;
        }
        let files = sides.iter().map(Side::journal_files).collect();
        let journal = Journal::begin(header.identity, end, files, mirror.needs_both)?;
        Self::start_with(
            options,
            header,
            (sides, view),
            recovery,
            mirror,
            Some(journal),
        )
    }

    /// Builds the engine and starts its threads. A standby has no journal.
    fn start_with(
        options: &LocalOptions,
        header: StoreHeader,
        (sides, view): (Vec<Side>, ReadView),
        recovery: Recovery,
        mirror: Mirror,
        journal: Option<Journal>,
    ) -> Result<Self, StorageError> {
        let last_lsn = match &journal {
            Some(journal) => journal.last_lsn(),
            None => view.applied()?,
        };
        let core = Core {
            displaced: Mutex::default(),
            options: options.clone(),
            header,
            incarnation: AtomicU64::new(header.identity.incarnation),
            view: RwLock::new(Some(Arc::new(view))),
            segment_bytes: AtomicU64::new(journal.as_ref().map_or(0, Journal::bytes)),
            write_micros: AtomicU64::new(0),
            writer: Mutex::new(journal.map(|journal| Writer {
                journal,
                poisoned_by: None,
            })),
            published: AtomicU64::new(last_lsn),
            sides: RwLock::new(Sides::new(sides)?),
            mirror,
            shipping: Shipping::new(options.archive.clone()),
            shipper: Mutex::default(),
            checkpointing: Mutex::default(),
            checkpointer: Checkpointer::new(options.disk.executor()),
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
            dir = engine.core.side().dir.given_path.display().to_string(),
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
        if self.core.writer.lock().is_none() {
            return Ok(());
        }
        self.core
            .sides()
            .complete()
            .try_for_each(|side| side.start())?;
        self.spawn("idle", |core| core.run_idle())
    }

    pub(in crate::engine::local) fn spawn(
        &self,
        name: &str,
        run: fn(&Arc<Core>),
    ) -> Result<(), StorageError> {
        let core = Arc::clone(&self.core);
        let thread = thread::Builder::new().name(format!("orderstore-{name}"));
        let started = thread.spawn(move || run(&core))?;
        self.threads.lock().push(started);
        Ok(())
    }
}

fn foreign() -> StorageError {
    StorageError::corrupted(
        "base.redb is from another store or incarnation; put the right file back, or restore a backup",
    )
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
