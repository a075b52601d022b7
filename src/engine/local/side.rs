//! One copy of an open store: its directory, its B-tree and the files of its journal.

use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::admin::header::StoreHeader;
use super::admin::layout::Dir;
use super::btree::damage::CorruptPages;
use super::btree::{BTree, Snapshot};
use super::disk::{self, DiskFile, Lock};
use super::journal::ClosedSegments;
use super::journal::copies::{JournalFiles, Place};
use super::journal::preallocate::Preallocated;
use super::options::LocalOptions;
use crate::archive::LAG_MAX;
use crate::error::{StorageError, StorageErrorKind};
use crate::log::event;

/// Number of bytes that a checkpoint leaves free on the disk.
const ROOM: u64 = 8 << 20;

/// One copy of an open store.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) place: Place,
    pub(super) dir: Dir,
    /// Handle of the file `base.redb`, to check whether the file's name still leads to this file.
    btree_file: Box<dyn DiskFile>,
    pub(super) btree: Mutex<Option<BTree>>,
    /// Corrupt pages found in the B-tree file.
    pub(super) damage: Arc<CorruptPages>,
    pub(super) preallocated: Arc<Preallocated>,
    pub(super) closed_segments: Arc<ClosedSegments>,
    /// Thread that preallocates the segments of the journal.
    preallocator: Mutex<Option<JoinHandle<()>>>,
    /// Lock of the directory. `release` drops it after everything else is closed. A drop of the side
    /// drops the fields in their order, so this is the last one.
    lock: Mutex<Option<Lock>>,
}

impl Side {
    /// Combines the parts of an opened directory. `segment_bytes` is the length of a journal
    /// segment.
    pub(super) fn new(
        place: Place,
        dir: &Dir,
        // Parameters are dropped in reverse order. The B-tree may still write while it closes, so the
        // lock must outlive it.
        lock: Lock,
        base: BTree,
        segment_bytes: u64,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            place,
            btree_file: dir.disk().open_to_read(&dir.btree_path())?,
            damage: base.damage(),
            btree: Mutex::new(Some(base)),
            preallocated: Arc::new(Preallocated::new(dir.journal(), segment_bytes)),
            closed_segments: Arc::new(ClosedSegments::new(dir.journal())),
            dir: dir.clone(),
            preallocator: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Keeps the segments that the archive may lack, if the store has or had one.
    pub(super) fn keep_for_archive(&self, options: &LocalOptions) -> Result<(), StorageError> {
        let bytes_max = match &options.archive {
            Some(archive) => archive.lag_max,
            // The next call that opens the store with its archive ships them.
            None if self.dir.archive_state()?.is_some() => LAG_MAX,
            None => return Ok(()),
        };
        self.closed_segments.keep_for_archive(bytes_max);
        Ok(())
    }

    /// Starts the thread that preallocates the segments of the journal.
    pub(super) fn start(&self) -> Result<(), StorageError> {
        let preallocated = Arc::clone(&self.preallocated);
        let thread = thread::Builder::new().name("orderstore-preallocate".to_owned());
        *self.preallocator.lock() = Some(thread.spawn(move || preallocated.run())?);
        Ok(())
    }

    /// Ends the thread, if it was started.
    pub(super) fn stop(&self) {
        self.preallocated.close();
        if let Some(thread) = self.preallocator.lock().take() {
            // Ignore a panic of the thread: the next segment is only a draft.
            drop(thread.join());
        }
    }

    /// Files of the journal in this directory.
    pub(super) fn journal_files(&self) -> JournalFiles {
        JournalFiles {
            place: self.place,
            spare: Arc::clone(&self.preallocated),
            old: Arc::clone(&self.closed_segments),
        }
    }

    /// Fails if the B-tree file or the directory was replaced.
    pub(super) fn check_files(&self, header: &StoreHeader) -> Result<(), StorageError> {
        self.dir.check_store(header, &*self.btree_file)
    }

    /// Fails unless the disk has `2 * bytes` free, and 8 MiB more for the journal.
    pub(super) fn check_room(&self, bytes: u64) -> Result<(), StorageError> {
        let free = self.dir.disk().free_bytes(self.dir.path())?;
        // A saturated sum is more than any disk has, so the check fails.
        let wanted = bytes.saturating_mul(2).saturating_add(ROOM);
        Ok(disk::check_free_space(free, wanted)?)
    }

    /// Replaces a failed B-tree by a newly opened one, and returns a snapshot of it. `btree` is the
    /// locked field `btree`.
    pub(super) fn reopen(
        &self,
        btree: &mut Option<BTree>,
        header: &StoreHeader,
        page_bytes: usize,
    ) -> Result<Snapshot, StorageError> {
        // Check the path before opening it: it may now lead to the file of another store, or to an
        // old copy.
        self.check_files(header)?;
        if let Some(base) = btree.take() {
            base.abandon();
        }
        let (disk, path) = (&**self.dir.disk(), self.dir.btree_path());
        let base = BTree::reopen(disk, &path, page_bytes, &self.damage)?;
        let snapshot = base.snapshot()?;
        *btree = Some(base);
        event!(
            warn,
            "reopened base.redb",
            damaged_pages = self.damage.count()
        );
        Ok(snapshot)
    }

    /// Removes and returns the lock of the directory. A later release then keeps the lock.
    pub(super) fn take_lock(&self) -> Result<Lock, StorageError> {
        let none = || StorageError::new(StorageErrorKind::Internal, "the directory is not locked");
        self.lock.lock().take().ok_or_else(none)
    }

    /// Closes the B-tree, and then releases the directory's lock.
    pub(super) fn release(&self) -> Result<(), StorageError> {
        let closed = self.btree.lock().take().map_or(Ok(()), BTree::close);
        drop(self.lock.lock().take());
        closed
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // The thread writes to the directory, whose lock is released after this.
        self.stop();
    }
}

/// Open directories of a store.
#[derive(Debug, Clone)]
pub(super) struct Sides {
    /// Directory whose B-tree serves the reads.
    pub(super) serving: Arc<Side>,
    /// Other directory of a mirrored store. Both hold every acknowledged write.
    pub(super) other: Option<Arc<Side>>,
    /// Directory that is being filled.
    pub(super) filling: Option<Arc<Side>>,
}

impl Sides {
    /// `sides` are one or two directories; the first one serves the reads.
    pub(super) fn new(sides: Vec<Side>) -> Result<Self, StorageError> {
        let mut sides = sides.into_iter().map(Arc::new);
        let none = || StorageError::new(StorageErrorKind::Internal, "the store has no directory");
        Ok(Self {
            serving: sides.next().ok_or_else(none)?,
            other: sides.next(),
            filling: None,
        })
    }

    /// Directories that hold every acknowledged write.
    pub(super) fn complete(&self) -> impl Iterator<Item = &Arc<Side>> {
        std::iter::once(&self.serving).chain(&self.other)
    }

    /// Directories that are open, those that are being filled included.
    pub(super) fn open(&self) -> impl Iterator<Item = &Arc<Side>> {
        self.complete().chain(&self.filling)
    }

    /// Complete directory at a place.
    pub(super) fn at(&self, place: Place) -> Option<&Arc<Side>> {
        self.complete().find(|side| side.place == place)
    }
}
