//! Publishes snapshots of the B-tree to the readers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::btree::{BTree, Snapshot};
use super::checkpointer::Frozen;
use super::core::Core;
use super::read::record_cache::RecordCache;
use super::read::view::ReadView;
use super::side::{Side, Sides};
use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind};
use crate::format::keys;

impl Core {
    /// LSN of the last published frame.
    pub(super) fn published(&self) -> u64 {
        self.published.load(Ordering::SeqCst)
    }

    /// Publishes a view in which a new snapshot of the B-tree replaces the frozen memtable.
    pub(super) fn publish_btree(&self, side: &Side, base: &BTree) -> Result<(), StorageError> {
        self.publish_snapshot(side, Arc::new(base.snapshot()?), Some(u64::MAX));
        Ok(())
    }

    /// Reopens the B-tree after a failed checkpoint. Returns whether the B-tree holds the frozen
    /// memtable.
    pub(super) fn reopen_base(
        &self,
        side: &Side,
        btree: &mut Option<BTree>,
        frozen: &Frozen,
    ) -> Result<bool, StorageError> {
        let view = self.base_view_of(self.reopen(side, btree)?);
        // A commit can fail after its data became durable. Only the LSN in the reopened B-tree
        // shows the real outcome.
        let applied = view.applied()?;
        self.publish_snapshot(side, view.snapshot, Some(applied));
        Ok(applied >= frozen.last_lsn)
    }

    /// View of a snapshot of the B-tree, without memtables.
    pub(super) fn base_view_of(&self, snapshot: Snapshot) -> ReadView {
        let layout = keys::KeyEncoder::new(self.header.hash_key);
        ReadView::of_base(snapshot, RecordCache::off(), layout)
    }

    /// Reopens the B-tree after a failed read, unless another thread has replaced the snapshot
    /// of `view` already.
    pub(super) fn reopen_after(&self, view: &ReadView) -> Result<(), EngineError> {
        let side = self.side();
        let mut btree = side.btree.lock();
        if Arc::ptr_eq(&self.view()?.snapshot, &view.snapshot) {
            let snapshot = self.reopen(&side, &mut btree).map_err(EngineError::Retry)?;
            // Keep the frozen memtable in the view: the snapshot is still the old one, so no
            // checkpoint has succeeded since.
            self.publish_snapshot(&side, Arc::new(snapshot), None);
        }
        Ok(())
    }

    /// Reopens the B-tree of a side, and returns a snapshot of it.
    fn reopen(&self, side: &Side, btree: &mut Option<BTree>) -> Result<Snapshot, StorageError> {
        side.reopen(btree, &self.header, self.options.page_bytes())
    }

    /// Publishes a view of a new snapshot, if this directory serves the reads. `applied` is the last
    /// LSN that the snapshot holds; `None` if it holds no more than the one before. Drops the frozen
    /// memtable from the view if the snapshot holds it.
    ///
    /// The caller must hold the lock of the B-tree, so that an older snapshot never replaces a
    /// newer one.
    fn publish_snapshot(&self, side: &Side, snapshot: Arc<Snapshot>, applied: Option<u64>) {
        let is_serving = || std::ptr::eq(&raw const *self.sides.read().serving, side);
        let Some(shown) = self.view.read().clone().filter(|_| is_serving()) else {
            return;
        };
        let hot = Arc::new(next_cache(&shown, applied));
        let mut current = self.view.write();
        // Another directory may serve the reads since. And a freeze may have changed the view: its
        // memtable is newer than the snapshot.
        if let Some(view) = current.as_ref().filter(|_| is_serving()) {
            *current = Some(Arc::new(with_snapshot(view, snapshot, hot, applied)));
        }
    }

    /// Lets another directory serve the reads. Fails if its B-tree lacks writes that the view shows.
    pub(super) fn switch_to(&self, side: &Arc<Side>) -> Result<(), StorageError> {
        let btree = side.btree.lock();
        let (snapshot, applied) = self.snapshot_of(&btree)?;
        let shown = self.view.read().clone().ok_or_else(no_base)?;
        let hot = Arc::new(next_cache(&shown, Some(applied)));
        let mut current = self.view.write();
        let view = current.as_ref().ok_or_else(no_base)?;
        if lacks_frozen(view, applied) {
            return Err(no_base());
        }
        let view = with_snapshot(view, snapshot, hot, Some(applied));
        let sides = Sides {
            serving: Arc::clone(side),
            other: None,
            filling: None,
        };
        let old = std::mem::replace(&mut *self.sides.write(), sides);
        *current = Some(Arc::new(view));
        drop(current);
        drop(btree);
        // Drop the old directory without a lock: it closes its files.
        drop(old);
        Ok(())
    }

    /// View with the B-tree of the other directory. `None` if there is none, or if its B-tree lacks
    /// writes that the view shows.
    pub(super) fn other_view(&self) -> Option<ReadView> {
        let other = self.sides().other?;
        let btree = other.btree.lock();
        let (snapshot, applied) = self.snapshot_of(&btree).ok()?;
        let view = self.view.read().clone()?;
        let hot = Arc::new(RecordCache::off());
        let is_usable = !lacks_frozen(&view, applied);
        is_usable.then(|| with_snapshot(&view, snapshot, hot, Some(applied)))
    }

    /// Snapshot of a B-tree, and the last LSN that it holds.
    fn snapshot_of(&self, btree: &Option<BTree>) -> Result<(Arc<Snapshot>, u64), StorageError> {
        let base = btree.as_ref().ok_or_else(no_base)?;
        let view = self.base_view_of(base.snapshot()?);
        let applied = view.applied()?;
        Ok((view.snapshot, applied))
    }
}

/// Whether a B-tree that holds the frames up to `applied` holds the frozen memtable of a view.
const fn holds_frozen(view: &ReadView, applied: Option<u64>) -> bool {
    match applied {
        Some(applied) => applied >= view.frozen_lsn,
        None => false,
    }
}

/// Whether a B-tree lacks writes that the view shows from its own B-tree.
const fn lacks_frozen(view: &ReadView, applied: u64) -> bool {
    view.frozen.is_none() && !holds_frozen(view, Some(applied))
}

/// Record cache for a view with a new snapshot.
///
/// It must not hold records that the checkpoint changed, because a cache must match the snapshot of
/// its view. Build it before taking the lock of the view, so that readers do not wait.
fn next_cache(shown: &ReadView, applied: Option<u64>) -> RecordCache {
    let flushed = shown.frozen.as_ref();
    let flushed = flushed.filter(|_| holds_frozen(shown, applied));
    let flushed = flushed.map(|memtable| memtable.read());
    let changed = flushed.iter().flat_map(|table| table.numbers());
    shown.cache.for_next_snapshot(changed)
}

/// View with another snapshot. Drops the frozen memtable if the snapshot holds it.
fn with_snapshot(
    view: &ReadView,
    snapshot: Arc<Snapshot>,
    cache: Arc<RecordCache>,
    applied: Option<u64>,
) -> ReadView {
    let holds_it = holds_frozen(view, applied);
    let mut view = view.clone();
    view.snapshot = snapshot;
    view.cache = cache;
    view.frozen = view.frozen.filter(|_| !holds_it);
    view
}

pub(super) fn no_base() -> StorageError {
    let why = "the B-tree base.redb is not open; the store tries to open it again";
    StorageError::new(StorageErrorKind::Io, why)
}
