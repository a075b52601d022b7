//! From the memtable into the base, in the background.
//!
//! - A flush writes all of a frozen memtable, in order, in one durable transaction of the
//!   base, with the lsn up to which the base then holds everything. Segments of the journal
//!   go when that is durable, and not before.
//! - A flush that failed is no write that failed: memtable and journal still hold all of
//!   it. The base is opened anew, which tells what it holds, and the flush is tried again.
//! - Memory is bounded: while one memtable is being flushed the next one fills, ever more
//!   slowly from its half on; when it is full, too, writers wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::admin::rebuild::rebuild;
use super::btree::typed::{Entry, Sorted};
use super::btree::{BTree, Snapshot};
use super::checkpointer::Frozen;
use super::core::{Core, Writer};
use super::disk::{self, FaultInjection, is_sabotaged};
use super::failure::closed;
use super::read::record_cache::RecordCache;
use super::read::view::ReadView;
use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind};
use crate::format::codec;
use crate::format::keys;
use crate::format::tables::Table;

/// The longest that one group is slowed down.
const DELAY_MAX: Duration = Duration::from_millis(10);

/// What is left to others on the disk.
const ROOM: u64 = 8 << 20;

/// So many segments are too many to keep for what little they hold: openings leave one each.
const SEGMENTS_MAX: usize = 16;

/// So many bytes are flushed in a moment.
const LITTLE: usize = 1 << 20;

impl Core {
    /// Slows a group down while the flush falls behind.
    pub(super) fn throttle(&self) -> Result<(), EngineError> {
        let view = self.view()?;
        if view.frozen.is_none() {
            return Ok(());
        }
        let half = self.options.memtable_bytes / 2;
        let over = view.active.read().bytes().saturating_sub(half);
        drop(view);
        if over > 0 {
            self.flushing.slowed.fetch_add(1, Ordering::Relaxed);
            if self.crew().is_none() {
                thread::sleep(delay(over, half));
            }
        }
        Ok(())
    }

    /// Sees to it that the active table may grow.
    pub(super) fn stall_until_room(&self, writer: &mut Writer) -> Result<(), EngineError> {
        if let Some(error) = self.flushing.lost() {
            writer.stopped = Some(error.clone());
            return Err(EngineError::Fatal(error));
        }
        let is_full = self.view()?.active.read().bytes() >= self.options.memtable_bytes;
        if is_full {
            self.flushing.wait().map_err(stalled)?;
            self.freeze(writer)?;
        }
        Ok(())
    }

    /// Writes everything that was applied into the base.
    pub(super) fn flush(&self) -> Result<(), EngineError> {
        loop {
            self.flushing.wait()?;
            let mut writer = self.writer.lock();
            let writer = writer.as_mut().ok_or_else(closed)?;
            if !self.flushing.is_busy() {
                if self.view()?.active.read().is_empty() {
                    return Ok(());
                }
                self.freeze(writer)?;
                break;
            }
        }
        self.flushing.wait()
    }

    /// Flushes where segments heaped up. Those that hold next to nothing are waited for: a
    /// store that is opened for a moment only would never get rid of them.
    pub(super) fn checkpoint_if_many_segments(&self) -> Result<(), EngineError> {
        if self.old.count() < SEGMENTS_MAX {
            return Ok(());
        }
        let is_little = self.view()?.active.read().bytes() <= LITTLE;
        let mut writer = self.writer.lock();
        self.freeze(writer.as_mut().ok_or_else(closed)?)?;
        drop(writer);
        if is_little {
            self.flushing.wait()?;
        }
        Ok(())
    }

    /// Begins a new active table and a new segment; the old one goes to the flush. Nothing
    /// may be on its way there.
    pub(super) fn freeze(&self, writer: &mut Writer) -> Result<(), EngineError> {
        // Behind a write that failed nothing is written to the journal. What was applied
        // before it may still go into the base.
        if writer.stopped.is_none() {
            let rolled = writer.journal.roll();
            rolled.map_err(|error| writer.failed(error))?;
            self.note_bytes(writer);
        }
        let last_lsn = writer.journal.last_lsn();
        let mut current = self.view.write();
        let view = current.as_ref().ok_or_else(closed)?;
        let shelf = Arc::clone(&view.active);
        *current = Some(Arc::new(ReadView {
            active: Arc::default(),
            frozen: Some(Arc::clone(&shelf)),
            ..(**view).clone()
        }));
        drop(current);
        self.flushing.begin(Frozen { shelf, last_lsn });
        Ok(())
    }

    /// The life of the thread that flushes.
    pub(super) fn run_checkpoints(&self) {
        while let Some(frozen) = self.flushing.next() {
            self.try_checkpoint(&frozen);
        }
    }

    /// Flushes what waits for it, if anything does.
    pub(super) fn checkpoint_once(&self) {
        if self.flushing.is_wanted()
            && let Some(frozen) = self.flushing.next()
        {
            self.try_checkpoint(&frozen);
        }
    }

    fn try_checkpoint(&self, frozen: &Frozen) {
        let began = Instant::now();
        let checked = self.check_place().and_then(|()| self.check_room(frozen));
        if let Err(error) = checked {
            // Nothing was tried: the base is as good as before.
            return self.flushing.fail(error, false);
        }
        if is_sabotaged(&**self.dir.disk(), FaultInjection::DropJournalEarly) {
            self.old.remove_up_to(frozen.last_lsn);
        }
        match self.write_checkpoint(frozen) {
            Ok(None) => {
                self.old.remove_up_to(frozen.last_lsn);
                self.flushing.end(began.elapsed());
            }
            Ok(Some(failure)) => self.flushing.fail(failure, false),
            // To open the base needed something that there may be again in a moment, such as a
            // descriptor.
            Err(error) if error.kind() == StorageErrorKind::Io => self.flushing.fail(error, false),
            Err(error) => self.flushing.fail(error, true),
        }
    }

    /// Fails if the base or the directory is another one now: nothing is written to the base
    /// and nothing of the journal is removed.
    fn check_place(&self) -> Result<(), StorageError> {
        self.dir.check_store(&self.header, &*self.base_file)
    }

    /// Writes the frozen table into the base, which is opened anew where that fails. Why it
    /// failed, if the base does not hold the table after all.
    fn write_checkpoint(&self, frozen: &Frozen) -> Result<Option<StorageError>, StorageError> {
        // Held until a base that failed is replaced: who could not read it waits for that.
        let mut place = self.base.lock();
        let Some(failure) = self.try_write(&mut place, frozen, |_| Ok(()))? else {
            return Ok(None);
        };
        if !is_corrupted(&failure) {
            return Ok(Some(failure));
        }
        let layout = keys::Layout::new(self.header.hash_key);
        let again = self.try_write(&mut place, frozen, |base| rebuild(base, &layout))?;
        Ok(again.map(|_| failure))
    }

    /// Prepares the base and writes the table into it; where either fails, opens the base anew
    /// and looks what it holds. Why it does not hold the table, if it does not.
    fn try_write(
        &self,
        place: &mut Option<BTree>,
        frozen: &Frozen,
        prepare: impl FnOnce(&BTree) -> Result<(), StorageError>,
    ) -> Result<Option<StorageError>, StorageError> {
        let tried = place.as_ref().ok_or_else(no_base).and_then(|base| {
            prepare(base)?;
            write(base, frozen)?;
            self.show_base(base)
        });
        let Err(failure) = tried else {
            return Ok(None);
        };
        let holds_it = self.reopen_base(place, frozen)?;
        Ok((!holds_it).then_some(failure))
    }

    fn check_room(&self, frozen: &Frozen) -> Result<(), StorageError> {
        let bytes = u64::try_from(frozen.shelf.read().bytes()).unwrap_or(u64::MAX);
        let free = self.dir.disk().free_bytes(self.dir.path())?;
        let wanted = bytes.saturating_mul(2).saturating_add(ROOM);
        Ok(disk::check_room(free, wanted)?)
    }

    /// Lets readers see the base in the place of the frozen table.
    pub(super) fn show_base(&self, base: &BTree) -> Result<(), StorageError> {
        self.show_snapshot(Arc::new(base.snapshot()?), true);
        Ok(())
    }

    /// After a flush that failed: whatever the base holds now, it says so when it is opened
    /// anew. Whether it holds the frozen table after all.
    fn reopen_base(
        &self,
        place: &mut Option<BTree>,
        frozen: &Frozen,
    ) -> Result<bool, StorageError> {
        let layout = keys::Layout::new(self.header.hash_key);
        let view = ReadView::of_base(self.opened_anew(place)?, RecordCache::off(), layout);
        let holds_it = view.applied()? >= frozen.last_lsn;
        self.show_snapshot(view.snapshot, holds_it);
        Ok(holds_it)
    }

    /// After a read that failed: opens the base anew, if the view is not of an older one.
    pub(super) fn reopen_after(&self, view: &ReadView) -> Result<(), EngineError> {
        let mut place = self.base.lock();
        if Arc::ptr_eq(&self.view()?.snapshot, &view.snapshot) {
            let snapshot = self.opened_anew(&mut place).map_err(EngineError::Retry)?;
            // A flush shows what it wrote before it lets go of the base.
            self.show_snapshot(Arc::new(snapshot), false);
        }
        Ok(())
    }

    /// Another base in the place of one that failed, and what it holds.
    fn opened_anew(&self, place: &mut Option<BTree>) -> Result<Snapshot, StorageError> {
        // Another file under the base's name is another store's, or an older one.
        self.check_place()?;
        if let Some(base) = place.take() {
            base.abandon();
        }
        let (disk, path) = (&**self.dir.disk(), self.dir.base());
        let base = BTree::reopen(disk, &path, self.options.page_bytes(), &self.damage)?;
        let snapshot = base.snapshot()?;
        *place = Some(base);
        Ok(snapshot)
    }

    /// Whoever shows a snapshot holds the base.
    fn show_snapshot(&self, snapshot: Arc<Snapshot>, holds_frozen: bool) {
        let Some(shown) = self.view.read().clone() else {
            return;
        };
        let flushed = shown.frozen.as_ref().filter(|_| holds_frozen);
        let flushed = flushed.map(|shelf| shelf.read());
        let changed = flushed.iter().flat_map(|table| table.numbers());
        let hot = Arc::new(shown.hot.handed_on(changed));
        drop(flushed);
        let mut current = self.view.write();
        if let Some(view) = current.as_ref() {
            let mut view = (**view).clone();
            view.snapshot = snapshot;
            view.hot = hot;
            view.frozen = view.frozen.filter(|_| !holds_frozen);
            *current = Some(Arc::new(view));
        }
    }
}

fn write(base: &BTree, frozen: &Frozen) -> Result<(), StorageError> {
    let table = frozen.shelf.read();
    let key = keys::meta(keys::APPLIED);
    let applied = codec::applied(&key, frozen.last_lsn)?;
    let state_key = keys::meta(keys::STATE);
    let mut state = Vec::new();
    let mut meta: Vec<Entry<'_>> = vec![(key, Some(&applied))];
    if let Some(kept) = table.state() {
        codec::state(&mut state, &state_key, &kept)?;
        meta.push((state_key, Some(&state)));
    }
    let tables = Table::EVERY
        .into_iter()
        .filter(|table| *table != Table::Meta);
    let mut entries: Vec<Sorted<'_>> = tables.map(|of| (of, table.sorted(of))).collect();
    entries.push((Table::Meta, Box::new(meta.into_iter())));
    base.write(entries)
}

/// Grows with the square of how far beyond its half the table is.
fn delay(over: usize, half: usize) -> Duration {
    let share = over.min(half).saturating_mul(1000) / half.max(1);
    let share = u32::try_from(share).unwrap_or(1000);
    DELAY_MAX.saturating_mul(share).saturating_mul(share) / 1_000_000
}

fn is_corrupted(error: &StorageError) -> bool {
    error.kind() == StorageErrorKind::Corrupted
}

/// A write that must wait for a flush is refused for what it waits for: nothing is wrong with
/// its own order.
fn stalled(error: EngineError) -> EngineError {
    match error {
        EngineError::Retry(cause) if is_corrupted(&cause) => {
            EngineError::Retry(StorageError::new(StorageErrorKind::Stalled, cause))
        }
        error => error,
    }
}

fn no_base() -> StorageError {
    StorageError::new(StorageErrorKind::Io, "the base is not open")
}
