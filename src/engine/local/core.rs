//! What an open store is made of, and its threads share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::admin::header::StoreHeader;
use super::admin::layout::Dir;
use super::btree::BTree;
use super::btree::damage::Damage;
use super::checkpointer::Checkpointer;
use super::disk::{Background, DiskFile, Executor, FaultInjection, Lock, Task, is_sabotaged};
use super::failure::{closed, is_damage};
use super::idle_marker::IdleMarker;
#[cfg(feature = "testing")]
use super::injected;
use super::journal::frame::Kind;
use super::journal::preallocate::Preallocated;
use super::journal::{AppendError, Journal, Old};
use super::options::LocalOptions;
use super::read::record_cache::RecordCache;
use super::read::view::ReadView;
use super::write::batch::WriteBatch;
use super::write::loaded::Loaded;
use crate::engine::{EngineError, EngineStats};
use crate::error::StorageError;
use crate::format::codec::Held;
use crate::types::OrderNo;

/// How often a reader goes on in a base that was opened anew.
const REOPENED: usize = 3;

/// The parts of an open store.
///
/// Locks are taken in this order: the writer, the base, the view; and no two others at once.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) dir: Dir,
    pub(super) options: LocalOptions,
    pub(super) header: StoreHeader,
    /// The file of the base, to tell whether its name still leads to it.
    pub(super) base_file: Box<dyn DiskFile>,
    /// Why nothing can be written where the store is now.
    pub(super) displaced: Mutex<Option<StorageError>>,
    /// `None` once the store is closed.
    pub(super) view: RwLock<Option<Arc<ReadView>>>,
    pub(super) writer: Mutex<Option<Writer>>,
    pub(super) base: Mutex<Option<BTree>>,
    /// What of the base could not be read.
    pub(super) damage: Arc<Damage>,
    pub(super) flushing: Checkpointer,
    pub(super) spare: Arc<Preallocated>,
    pub(super) old: Arc<Old>,
    pub(super) pulse: IdleMarker,
    /// What was looked up since the last write.
    pub(super) loaded: Loaded,
    /// How many frames were made visible.
    pub(super) written: AtomicU64,
    /// What the current segment holds, in bytes.
    pub(super) segment_bytes: AtomicU64,
}

/// What only one thread has at a time.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) journal: Journal,
    /// Why no write is taken any more.
    pub(super) stopped: Option<StorageError>,
    /// Released when everything has been closed.
    pub(super) lock: Lock,
}

impl Writer {
    /// Remembers that a write failed, if that ends all writing.
    pub(super) fn failed(&mut self, error: AppendError) -> EngineError {
        let (AppendError::Refused(cause)
        | AppendError::Stopped(cause)
        | AppendError::Unknown(cause)) = &error;
        if !matches!(error, AppendError::Refused(_)) {
            self.stopped = Some(cause.clone());
        }
        match error {
            AppendError::Refused(cause) => EngineError::Retry(cause),
            AppendError::Stopped(cause) => EngineError::Fatal(cause),
            AppendError::Unknown(cause) => EngineError::Unknown(cause),
        }
    }
}

impl Core {
    /// Who does the store's chores in the place of threads.
    pub(super) fn crew(&self) -> Option<Arc<dyn Executor>> {
        self.dir.disk().crew()
    }

    pub(super) fn view(&self) -> Result<Arc<ReadView>, EngineError> {
        self.view.read().clone().ok_or_else(closed)
    }

    /// The record under a number, if it is in memory: without another hold on the view.
    pub(super) fn held_at_hand(&self, no: &OrderNo) -> Result<Option<Held>, EngineError> {
        let view = self.view.read();
        let view = view.as_ref().ok_or_else(closed)?;
        Ok(view.held_at_hand(no))
    }

    /// Reads. Behind a read that failed the base reads nothing more: it is opened anew, and
    /// read again, unless a flush has done that. Not for ever: what the disk does not give is
    /// not there, however often it is asked.
    pub(super) fn reading<T>(
        &self,
        mut read: impl FnMut(&ReadView) -> Result<T, EngineError>,
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

    /// The view in the place of one that could not be read, if there is another. Whoever met
    /// damage does not wait for the base to be opened anew: that would not help.
    fn successor(
        &self,
        view: &ReadView,
        error: &EngineError,
    ) -> Result<Option<Arc<ReadView>>, EngineError> {
        if !is_damage(error) {
            if let Some(crew) = self.crew() {
                crew.finish(Task::Flush);
            }
            // Where it cannot be opened, who reads hears why it could not be read before.
            let _ = self.reopen_after(view);
        }
        let now = self.view()?;
        Ok((!Arc::ptr_eq(&now.snapshot, &view.snapshot)).then_some(now))
    }

    /// Runs `write` where a write may be.
    pub(super) fn writing<T>(
        &self,
        write: impl FnOnce(&mut Writer, &ReadView) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or_else(closed)?;
        if let Some(error) = &writer.stopped {
            return Err(EngineError::Fatal(error.clone()));
        }
        self.stall_until_room(writer)?;
        let view = self.view()?;
        write(writer, &view)
    }

    /// Makes writes durable, frame by frame, and each visible when it is. Whatever fails
    /// once the first was written leaves the outcome of all unknown.
    pub(super) fn commit(
        &self,
        writer: &mut Writer,
        view: &ReadView,
        frames: Vec<WriteBatch>,
    ) -> Result<(), EngineError> {
        let placed = writer.journal.check_name();
        *self.displaced.lock() = placed.as_ref().err().cloned();
        placed.map_err(EngineError::Retry)?;
        let len = frames.iter().map(WriteBatch::len).sum();
        let prepared = writer.journal.prepare(len);
        prepared.map_err(|error| writer.failed(error))?;
        let mut is_begun = false;
        for writes in frames {
            #[cfg(feature = "testing")]
            let writes = self.sabotaged(view, writes);
            let mut writes = writes;
            if let Err(error) = writer.journal.append(&mut writes) {
                let error = if is_begun { begun(error) } else { error };
                return Err(writer.failed(error));
            }
            is_begun = true;
            self.publish(view, writes);
        }
        self.note_bytes(writer);
        self.pulse.beat();
        Ok(())
    }

    fn publish(&self, view: &ReadView, writes: WriteBatch) {
        // That fault has published it already, and twice would be another one.
        if !is_sabotaged(&**self.dir.disk(), FaultInjection::PublishBeforeSync) {
            view.active.publish(writes);
        }
        // Counted when it can be seen: who counts and then looks may see more than was
        // counted, and never less.
        self.written.fetch_add(1, Ordering::SeqCst);
    }

    /// How many writes there were. What is looked up afterwards holds as long as this
    /// stays the same.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// The writes with the fault that was asked for.
    #[cfg(feature = "testing")]
    fn sabotaged(&self, view: &ReadView, writes: WriteBatch) -> WriteBatch {
        match self.dir.disk().sabotage() {
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

    pub(super) fn note_bytes(&self, writer: &Writer) {
        let bytes = writer.journal.bytes();
        self.segment_bytes.store(bytes, Ordering::Relaxed);
    }

    /// After a while without work: tells that the last frame was whole.
    pub(super) fn mark_idle(&self) {
        if let Some(mut writer) = self.writer.try_lock()
            && let Some(writer) = writer.as_mut().filter(|writer| writer.stopped.is_none())
            && !writer.journal.is_quiet
            && let Err(error) = writer.journal.mark(Kind::Idle)
        {
            // The next write tells whoever asks for it.
            writer.failed(error);
        }
    }

    /// The base alone, as it stands now.
    pub(super) fn base_view(&self) -> Result<ReadView, EngineError> {
        let view = self.view()?;
        Ok(ReadView {
            active: Arc::default(),
            frozen: None,
            hot: Arc::new(RecordCache::off()),
            ..(*view).clone()
        })
    }

    pub(super) fn stats(&self) -> EngineStats {
        let flushed = self.flushing.flushed();
        let of = |view: &Arc<ReadView>| {
            let shelves = [Some(&view.active), view.frozen.as_ref()];
            let bytes = shelves
                .into_iter()
                .flatten()
                .map(|shelf| shelf.read().bytes());
            bytes.sum::<usize>()
        };
        let memtable_bytes = self.view.read().as_ref().map_or(0, of);
        let segment_bytes = self.segment_bytes.load(Ordering::Relaxed);
        EngineStats {
            journal_bytes: self.old.bytes().saturating_add(segment_bytes),
            memtable_bytes: u64::try_from(memtable_bytes).unwrap_or(u64::MAX),
            flushes: flushed.flushes,
            last_flush: flushed.last,
            slowed: flushed.slowed,
            is_slowed: flushed.is_busy && memtable_bytes >= self.slow_from(),
            is_out_of_room: flushed.is_out_of_room || self.spare.is_out_of_room(),
            damaged_pages: self.damage.count(),
            reopened: self.damage.reopened(),
        }
    }

    /// What the store cannot do now and tries again.
    pub(super) fn trouble(&self) -> Option<StorageError> {
        let displaced = self.displaced.lock().clone();
        displaced
            .or_else(|| self.spare.failed())
            .or_else(|| self.flushing.failed())
    }

    /// With so much in memory, groups are slowed down.
    fn slow_from(&self) -> usize {
        let whole = self.options.memtable_bytes;
        whole.saturating_add(whole / 2)
    }

    /// Ends the threads' work; they are still to be joined.
    pub(super) fn stop(&self) {
        self.flushing.close();
        self.spare.close();
        self.pulse.close();
        if let Some(crew) = self.crew() {
            crew.dismiss();
        }
    }

    /// Closes everything, once the threads are gone.
    pub(super) fn release(&self) -> Result<(), StorageError> {
        let Some(mut writer) = self.writer.lock().take() else {
            return Ok(());
        };
        *self.view.write() = None;
        let marked = if writer.stopped.is_none() {
            writer.journal.mark(Kind::Closed)
        } else {
            Ok(())
        };
        let closed = self.base.lock().take().map_or(Ok(()), BTree::close);
        drop(writer.lock);
        marked.map_err(AppendError::into_cause)?;
        closed
    }
}

impl Background for Core {
    fn wants(&self, chore: Task) -> bool {
        match chore {
            Task::Flush => self.flushing.is_wanted(),
            Task::Spare => self.spare.is_wanted(),
            Task::Idle => true,
        }
    }

    fn run(&self, chore: Task) {
        match chore {
            Task::Flush => self.checkpoint_once(),
            Task::Spare => self.spare.make_one(),
            Task::Idle => self.mark_idle(),
        }
    }
}

/// Something of the batch is written already.
fn begun(error: AppendError) -> AppendError {
    AppendError::Unknown(error.into_cause())
}

impl Core {
    /// The life of the thread.
    pub(super) fn run_idle(&self) {
        while self.pulse.wait_for_quiet() {
            self.mark_idle();
        }
    }
}
