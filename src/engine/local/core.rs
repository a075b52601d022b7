//! State that the threads of an open store share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use super::admin::header::StoreHeader;
use super::archive::shipping::{Shipper, Shipping};
use super::checkpointer::Checkpointer;
use super::disk::{Executor, FaultInjection, Task, is_injected};
use super::failure::{closed, is_damage};
use super::idle_marker::IdleMarker;
#[cfg(feature = "testing")]
use super::injected;
use super::journal::frame::Kind;
use super::journal::{AppendError, Journal};
use super::mirror::Mirror;
use super::options::LocalOptions;
use super::read::record_cache::RecordCache;
use super::read::view::ReadView;
use super::side::{Side, Sides};
use super::write::batch::WriteBatch;
use super::write::owner_cache::OwnerCache;
use crate::contract::StoredRecord;
use crate::engine::{EngineError, EngineStats};
use crate::error::StorageError;
use crate::number::u64_of;
use crate::types::OrderNo;

/// Maximum number of times that the engine repeats a failed read, each time on a reopened B-tree.
const REOPENED: usize = 3;

/// Parts of an open store.
///
/// Lock order: `shipper`, `writer`, `checkpointing`, the lock of `mirror` for a switch, the B-tree of a
/// directory, `view`, `sides`. No thread holds two of the other locks at the same time.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) options: LocalOptions,
    pub(super) header: StoreHeader,
    /// Incarnation of the store. It differs from that of `header` in a standby that follows a promoted
    /// one.
    pub(super) incarnation: AtomicU64,
    /// Open directories of the store.
    pub(super) sides: RwLock<Sides>,
    pub(super) mirror: Mirror,
    pub(super) shipping: Shipping,
    /// Writer of the archive. `None` before it has claimed an epoch.
    pub(super) shipper: Mutex<Option<Shipper>>,
    /// Held while a checkpoint runs.
    pub(super) checkpointing: Mutex<()>,
    /// Error from the last check of the current segment's file name; `None` if the file was neither
    /// moved nor removed.
    pub(super) displaced: Mutex<Option<StorageError>>,
    /// Current read view, or `None` after the store is closed.
    pub(super) view: RwLock<Option<Arc<ReadView>>>,
    /// `None` in a standby, which applies the frames of an archive, and after the store is closed.
    pub(super) writer: Mutex<Option<Writer>>,
    /// LSN of the last frame whose writes, if any, are in the memtable. Only the thread with the
    /// writer's lock changes it.
    pub(super) published: AtomicU64,
    pub(super) checkpointer: Checkpointer,
    pub(super) idle_marker: IdleMarker,
    /// Cache of the key owners that were looked up since the last write.
    pub(super) known_owners: OwnerCache,
    /// Read mark of the engine: starts at a value that no other handle of this process has, and
    /// grows by one with each published frame.
    pub(super) read_mark: AtomicU64,
    /// Bytes used in the current segment of the journal.
    pub(super) segment_bytes: AtomicU64,
    /// See [`Core::write_time`]; in microseconds.
    pub(super) write_micros: AtomicU64,
}

/// Parts of a store that only one thread uses at a time.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) journal: Journal,
    /// The error that poisoned the store, if it is poisoned.
    pub(super) poisoned_by: Option<StorageError>,
}

impl Writer {
    /// Converts a failed append. Poisons the store unless the journal wrote nothing.
    pub(super) fn failed(&mut self, error: AppendError) -> EngineError {
        if !matches!(error, AppendError::NotWritten(_)) {
            self.poisoned_by = Some(error.cause().clone());
        }
        match error {
            AppendError::NotWritten(cause) => EngineError::Retry(cause),
            AppendError::Poisoned(cause) => EngineError::Fatal(cause),
            AppendError::Unknown(cause) => EngineError::Unknown(cause),
        }
    }
}

impl Core {
    /// Executor that runs the background tasks on a simulated disk; `None` if threads run them.
    pub(super) fn executor(&self) -> Option<Arc<dyn Executor>> {
        self.options.disk.executor()
    }

    /// Directory whose B-tree serves the reads.
    pub(super) fn side(&self) -> Arc<Side> {
        Arc::clone(&self.sides.read().serving)
    }

    pub(super) fn sides(&self) -> Sides {
        self.sides.read().clone()
    }

    pub(super) fn view(&self) -> Result<Arc<ReadView>, EngineError> {
        self.view.read().clone().ok_or_else(closed)
    }

    /// Record of an order number, if a memtable or the record cache holds it.
    ///
    /// Reads under the lock of the view instead of cloning its `Arc`. This saves two changes of
    /// a counter that all readers share.
    pub(super) fn cached_record(&self, no: &OrderNo) -> Result<Option<StoredRecord>, EngineError> {
        let view = self.view.read();
        let view = view.as_ref().ok_or_else(closed)?;
        Ok(view.held_in_memory(no))
    }

    /// Runs `read` on the current view. After a failure, reopens the B-tree and repeats the
    /// read, at most three times.
    ///
    /// After one failed read, redb rejects all further reads of the same open B-tree. Another
    /// thread, such as the checkpoint thread, may already have reopened the B-tree.
    ///
    /// If a mirrored store still cannot read, it goes on with the other directory.
    pub(super) fn read_with_retry<T>(
        &self,
        mut read: impl FnMut(&ReadView) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        if !self.mirror.is_on() {
            return self.read_reopening(&mut read);
        }
        let side = self.side();
        self.read_reopening(&mut read)
            .or_else(|error| self.read_other(&side, error, read))
    }

    fn read_reopening<T>(
        &self,
        read: &mut impl FnMut(&ReadView) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut view = self.view()?;
        for _ in 0..REOPENED {
            match read(&view) {
                Err(error @ EngineError::Cursor(_)) => return Err(error),
                Err(error) => view = self.successor(&view, &error)?.ok_or(error)?,
                done => return done,
            }
        }
        read(&view)
    }

    /// View on which a failed read can be repeated; `None` if there is no newer snapshot of the
    /// B-tree.
    ///
    /// If the read found corruption, this function does not reopen the B-tree: the next read would
    /// find the same corruption.
    fn successor(
        &self,
        view: &ReadView,
        error: &EngineError,
    ) -> Result<Option<Arc<ReadView>>, EngineError> {
        if !is_damage(error) {
            if let Some(executor) = self.executor() {
                executor.run_to_end(Task::Checkpoint);
            }
            // Ignore a failed reopen: the caller then gets the error of the failed read.
            let _ = self.reopen_after(view);
        }
        let now = self.view()?;
        Ok((!Arc::ptr_eq(&now.snapshot, &view.snapshot)).then_some(now))
    }

    /// Runs `write` under the writer's lock, when the memtable has room.
    ///
    /// # Errors
    /// [`EngineError::Fatal`] if the store is closed or poisoned.
    pub(super) fn with_writer<T>(
        &self,
        write: impl FnOnce(&mut Writer, &ReadView) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or_else(closed)?;
        if let Some(error) = &writer.poisoned_by {
            return Err(EngineError::Fatal(error.clone()));
        }
        self.stall_until_room(writer)?;
        let view = self.view()?;
        write(writer, &view)
    }

    /// Makes each frame durable and then visible, in order.
    ///
    /// If a frame fails after an earlier one was written, the outcome of the whole batch is
    /// unknown. `waited` is the time that the batch has waited before.
    pub(super) fn commit(
        &self,
        writer: &mut Writer,
        view: &ReadView,
        frames: Vec<WriteBatch>,
        mut waited: Duration,
    ) -> Result<(), EngineError> {
        if let Some(refusal) = self.shipping.refusal() {
            return Err(EngineError::Retry(refusal));
        }
        // Refuse the writes if somebody moved the segment: the next open would not find them, so
        // the engine must not acknowledge them.
        let placed = writer.journal.check_name();
        *self.displaced.lock() = placed.as_ref().err().cloned();
        placed.map_err(EngineError::Retry)?;
        let len = frames.iter().map(WriteBatch::len).sum();
        let prepared = writer.journal.prepare(len);
        prepared.map_err(|error| writer.failed(error))?;
        self.record_losses_before_write(writer)?;
        let mut is_begun = false;
        for writes in frames {
            #[cfg(feature = "testing")]
            let writes = self.with_injected_fault(view, writes);
            let mut writes = writes;
            let began = Instant::now();
            if let Err(error) = writer.journal.append(&mut writes) {
                let error = if is_begun { begun(error) } else { error };
                return Err(writer.failed(error));
            }
            if writer.journal.has_lost() {
                let recorded = self.record_losses(writer).map_err(AppendError::Unknown);
                recorded.map_err(|error| writer.failed(error))?;
            }
            waited += began.elapsed();
            is_begun = true;
            // Publish the writes only now that their frame is synced. Before the sync, a reader
            // could act on writes that a crash then removes.
            self.publish(view, writes);
            self.note_published(writer);
        }
        // The machine may have slept during the write. Another store may serve by now, and it does not
        // know this write.
        if let Some(expiry) = self.shipping.expiry() {
            writer.poisoned_by = Some(expiry.clone());
            return Err(EngineError::Unknown(expiry));
        }
        self.note_bytes(writer);
        self.note_write_time(waited);
        self.idle_marker.record_commit();
        Ok(())
    }

    /// Header of the store, with its present incarnation.
    pub(super) fn header(&self) -> StoreHeader {
        let incarnation = self.incarnation.load(Ordering::SeqCst);
        self.header.with_incarnation(incarnation)
    }

    /// Adds a batch to [`Core::write_time`], with a weight of one eighth.
    fn note_write_time(&self, waited: Duration) {
        let average = self.write_micros.load(Ordering::Relaxed);
        // Never fails: no write takes 500,000 years.
        let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        // Only the thread with the writer's lock stores the average, so no update is lost.
        let average = match average {
            0 => waited,
            average => average - average / 8 + waited / 8,
        };
        self.write_micros.store(average, Ordering::Relaxed);
    }

    /// Moving average of the time that a batch waits for room in the memtable, for the writer's lock
    /// and for the journal. Zero before the first batch.
    pub(super) fn write_time(&self) -> Duration {
        Duration::from_micros(self.write_micros.load(Ordering::Relaxed))
    }

    fn publish(&self, view: &ReadView, writes: WriteBatch) {
        // Skip this with the injected fault `PublishBeforeSync`: the writes were already published
        // before the sync, and publishing them twice would be a different fault.
        if !is_injected(&*self.options.disk, FaultInjection::PublishBeforeSync) {
            view.active.publish(writes);
        }
        // Change the mark after the memtable. A reader takes the mark first and then reads, so it may
        // see writes that are newer than its mark, but never misses older ones.
        self.read_mark.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the current read mark. A lookup result stays valid while the mark does not change.
    pub(super) fn read_mark(&self) -> u64 {
        self.read_mark.load(Ordering::SeqCst)
    }

    /// Applies the injected fault of a test to the writes.
    #[cfg(feature = "testing")]
    fn with_injected_fault(&self, view: &ReadView, writes: WriteBatch) -> WriteBatch {
        match self.options.disk.injected_fault() {
            Some(FaultInjection::SkipIndexEntry) => injected::without_an_entry(writes),
            Some(FaultInjection::PublishBeforeSync) => {
                if let Ok(copy) = injected::copied(&writes) {
                    view.active.publish(copy);
                }
                writes
            }
            _ => writes,
        }
    }

    fn note_published(&self, writer: &Writer) {
        self.published
            .store(writer.journal.last_lsn(), Ordering::SeqCst);
    }

    pub(super) fn note_bytes(&self, writer: &Writer) {
        let bytes = writer.journal.bytes();
        self.segment_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Appends an idle mark (an empty frame), unless a writer is active, the store is poisoned, or
    /// the last frame is a mark already.
    pub(super) fn mark_idle(&self) {
        if let Some(mut writer) = self.writer.try_lock()
            && let Some(writer) = writer
                .as_mut()
                .filter(|writer| writer.poisoned_by.is_none())
            && !writer.journal.is_quiet
        {
            // No caller waits for these errors. They poison the store, so the next write returns
            // them.
            match writer.journal.mark(Kind::Idle) {
                Ok(()) => {
                    self.note_published(writer);
                    drop(self.record_losses_before_write(writer));
                }
                Err(error) => drop(writer.failed(error)),
            }
        }
    }

    /// Read view of the B-tree alone, without memtables and record cache.
    pub(super) fn base_view(&self) -> Result<ReadView, EngineError> {
        let view = self.view()?;
        Ok(ReadView {
            active: Arc::default(),
            frozen: None,
            cache: Arc::new(RecordCache::off()),
            ..(*view).clone()
        })
    }

    pub(super) fn stats(&self) -> EngineStats {
        let flushed = self.checkpointer.stats();
        let sides = self.sides();
        let side = &sides.serving;
        let bytes_of = |view: &Arc<ReadView>| {
            let memtables = [Some(&view.active), view.frozen.as_ref()];
            let bytes = memtables
                .into_iter()
                .flatten()
                .map(|memtable| memtable.read().bytes());
            bytes.sum::<usize>()
        };
        let memtable_bytes = self.view.read().as_ref().map_or(0, bytes_of);
        let segment_bytes = self.segment_bytes.load(Ordering::Relaxed);
        EngineStats {
            journal_bytes: side.closed_segments.bytes() + segment_bytes,
            memtable_bytes: u64_of(memtable_bytes),
            checkpoints: flushed.flushes,
            last_checkpoint: flushed.last,
            throttled: flushed.slowed,
            is_throttled: flushed.is_busy && memtable_bytes >= self.throttle_from(),
            is_disk_full: flushed.is_out_of_room
                || sides
                    .complete()
                    .any(|side| side.preallocated.is_out_of_room()),
            damaged_pages: side.damage.count(),
            reopened: side.damage.reopened(),
            standby: None,
            mirror: self.mirror.status(),
            archive: self.archive_stats(segment_bytes),
        }
    }

    /// Failure that the store is still retrying, the first in this order: a moved or removed
    /// journal segment, an archive that cannot be reached, a failed preallocation, a failed checkpoint.
    pub(super) fn current_failure(&self) -> Option<StorageError> {
        let displaced = self.displaced.lock().clone();
        displaced
            .or_else(|| self.shipping.refusal())
            .or_else(|| {
                let sides = self.sides();
                sides.complete().find_map(|side| side.preallocated.failed())
            })
            .or_else(|| self.checkpointer.failed())
    }

    /// Total size of both memtables, in bytes, from which on the engine delays batches in any case.
    fn throttle_from(&self) -> usize {
        let whole = self.options.memtable_bytes;
        // `memtable_bytes` has no upper limit, so the sum can saturate. That is harmless: no memtable
        // grows that large.
        whole.saturating_add(whole / 2)
    }

    /// Asks the background threads to end. The caller must still join them.
    pub(super) fn stop(&self) {
        self.checkpointer.close();
        self.mirror.close();
        self.shipping.close();
        self.sides().open().for_each(|side| side.stop());
        self.idle_marker.close();
        if let Some(executor) = self.executor() {
            executor.finish_all();
            // The thread of a store on a real disk ships the rest in the same way.
            self.run_shipment();
        }
    }

    /// Closes the journal and the B-tree, and then releases the directory's lock. All
    /// background threads must have ended.
    pub(super) fn release(&self) -> Result<(), StorageError> {
        let writer = self.writer.lock().take();
        if self.view.write().take().is_none() {
            return Ok(());
        }
        let marked = match writer {
            Some(mut writer) if writer.poisoned_by.is_none() => writer.journal.mark(Kind::Closed),
            _ => Ok(()),
        };
        let sides = self.sides();
        let other = sides.other.map_or(Ok(()), |side| side.release());
        let closed = sides.serving.release().and(other);
        marked.map_err(AppendError::into_cause)?;
        closed
    }
}

/// Converts a failure after the first frame of a batch. The outcome of the batch is then unknown,
/// because its earlier frames are in the journal already.
fn begun(error: AppendError) -> AppendError {
    AppendError::Unknown(error.into_cause())
}
