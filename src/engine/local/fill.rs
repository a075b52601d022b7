//! Fills an empty directory of the mirror while the store serves reads and writes.
//!
//! 1. From a new segment on, the journal writes every frame to the directory, too.
//! 2. The B-tree is copied from a snapshot that holds every frame before this segment.
//! 3. The frames that checkpoints have written meanwhile are replayed into the copy.
//! 4. Between two commits, the directory gets its identity file, and both directories record that
//!    both hold every write.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::admin::archive_state::ArchiveState;
use super::admin::contents::{Contents, Creation};
use super::admin::layout::Dir;
use super::admin::members::Member;
use super::admin::rows;
use super::btree::BTree;
use super::checkpoint::write_lag;
use super::core::{Core, Writer};
use super::disk::{Lock, Task};
use super::journal::AppendError;
use super::journal::catch_up::replay_part;
use super::journal::copies::Place;
use super::memtable::Memtable;
use super::side::Side;
use crate::engine::{EngineError, MirrorStatus};
use crate::error::{OpenError, StorageError, StorageErrorKind, with_causes};
use crate::format::tables::Table;
use crate::log::event;
use crate::number::u64_of;

/// Number of attempts to complete the mirror while no checkpoint runs.
const POLLS: usize = 20;

/// Delay before the next attempt to complete the mirror while a checkpoint runs.
const CHECKPOINT_POLL: Duration = Duration::from_millis(5);

impl Core {
    /// Fills the missing directory. A failure leaves the store with one directory.
    pub(super) fn fill_mirror(self: &Arc<Self>) -> Result<(), StorageError> {
        let began = Instant::now();
        let place = self.side().place.other();
        let filled = self.try_fill(place);
        if filled.is_err()
            && let Some(writer) = self.writer.lock().as_mut()
        {
            writer.journal.remove(place);
        }
        // Drop the directory without the lock: it closes its files.
        let filling = self.sides.write().filling.take();
        drop(filling);
        match &filled {
            Ok(bytes) => event!(
                info,
                "filled mirror",
                bytes = *bytes,
                millis = began.elapsed().as_millis()
            ),
            Err(cause) => {
                // Log a repeated failure only once.
                let last = self.mirror.failure().map(|last| last.kind());
                if last != Some(cause.kind()) {
                    event!(warn, "failed to fill mirror", cause = with_causes(cause));
                }
                self.mirror.note_failed_fill(cause.clone());
            }
        }
        filled.map(drop)
    }

    fn try_fill(self: &Arc<Self>, place: Place) -> Result<u64, StorageError> {
        // Record the loss of the directory first: its files are about to be replaced.
        let mut writer = self.writer.lock();
        let open = usable(&mut writer)?;
        self.record_losses_before_write(open)
            .map_err(EngineError::into_storage)?;
        drop(writer);
        let side = self.begin_filling(place)?;
        self.mirror.set_status(MirrorStatus::Filling);
        let mut writer = self.writer.lock();
        let open = usable(&mut writer)?;
        let added = open.journal.add_mirror(side.journal_files());
        if let Err(AppendError::Poisoned(cause) | AppendError::Unknown(cause)) = &added {
            open.poisoned_by = open.poisoned_by.take().or_else(|| Some(cause.clone()));
        }
        let before = added.map_err(AppendError::into_cause)?;
        drop(writer);
        self.copy_btree(&side, before.lsn)?;
        // After `complete`, an error would leave a directory out without a record of the loss.
        let bytes = side
            .dir
            .disk()
            .open_to_read(&side.dir.btree_path())?
            .len()?;
        self.complete(&side)?;
        Ok(bytes)
    }

    /// Prepares the directory: it becomes an unfinished mirror with an empty B-tree.
    fn begin_filling(&self, place: Place) -> Result<Arc<Side>, StorageError> {
        let dir = self.mirror.dir(place).ok_or_else(closing)?;
        let serving = self.side().dir.btree_path();
        let len = self.side().dir.disk().open_to_read(&serving)?.len()?;
        let (dir, lock) = self.claim(dir).map_err(OpenError::into_cause)?;
        dir.clear(Creation::Mirror).map_err(OpenError::into_cause)?;
        // Only now: a stale B-tree used the room. A checkpoint needs twice the memtable in addition.
        let checkpoint = u64_of(self.options.memtable_bytes).saturating_mul(2);
        // A saturated sum is more than any disk has, so the check fails.
        dir.check_room(len.saturating_add(checkpoint))?;
        let disk = &**dir.disk();
        let (path, page_bytes) = (dir.btree_path(), self.options.page_bytes());
        let base = BTree::create(disk, &path, page_bytes, Vec::new())?;
        let side = Arc::new(Side::new(
            place,
            &dir,
            lock,
            base,
            self.options.segment_bytes,
        )?);
        side.keep_for_archive(&self.options)?;
        side.preallocated.make_one();
        if self.executor().is_none() {
            side.start()?;
        }
        self.sides.write().filling = Some(Arc::clone(&side));
        Ok(side)
    }

    /// Locks the directory of the mirror, if its contents may be replaced.
    fn claim(&self, dir: &Dir) -> Result<(Dir, Lock), OpenError> {
        if dir.survey()? != Contents::Store {
            return dir.claim(Creation::Mirror, self.options.lock_wait);
        }
        let (dir, lock) = dir.lock(self.options.lock_wait)?;
        let header = dir.store_header()?;
        let state = dir.mirror_state().map_err(|error| dir.open_error(error))?;
        let own = Member {
            header: self.header,
            state: Some(self.mirror.both(self.mirror.generation())),
        };
        // Only an older generation of this store is stale.
        let is_stale = own.supersedes(Member { header, state })
            && state.is_some_and(|state| state.generation < self.mirror.generation());
        if !is_stale {
            return Err(dir.refusal(Contents::Store));
        }
        dir.unseal(Creation::Mirror)?;
        Ok((dir, lock))
    }

    /// Copies a snapshot of the serving B-tree. `before` is the LSN of the last frame that the
    /// mirror's journal lacks.
    fn copy_btree(self: &Arc<Self>, side: &Side, before: u64) -> Result<(), StorageError> {
        // The snapshot then holds every write that the mirror's journal lacks.
        self.flush().map_err(EngineError::into_storage)?;
        let view = self.base_view().map_err(EngineError::into_storage)?;
        let disk = self.rate_limited(side.dir.disk());
        let (path, page_bytes) = (side.dir.btree_path(), self.options.page_bytes());
        let mut btree = side.btree.lock();
        if let Some(empty) = btree.take() {
            empty.close()?;
        }
        let base = BTree::open(&*disk, &path, page_bytes, false)?;
        let mut is_closing = false;
        for table in Table::ALL {
            let mut on_portion = |_| is_closing |= self.mirror.is_closing();
            rows::copy(&view.snapshot, &base, table, &mut on_portion)?;
            if is_closing {
                return Err(closing());
            }
        }
        if view.applied()? < before {
            // The frames in between are marks without writes. They need no checkpoint, but the
            // mirror's journal begins after them.
            write_lag(&base, Memtable::default(), before)?;
        }
        base.close()?;
        *btree = Some(BTree::open(&**side.dir.disk(), &path, page_bytes, false)?);
        Ok(())
    }

    /// Replays what the copy lacks, and declares the mirror complete.
    fn complete(&self, side: &Arc<Side>) -> Result<(), StorageError> {
        for _ in 0..POLLS {
            let applied = self.catch_up(side)?;
            let mut writer = self.writer.lock();
            let idle = self.checkpointing.try_lock();
            if idle.is_some() && self.serving_lsn()? <= applied {
                return self.join_between_commits(side, usable(&mut writer)?);
            }
            drop((idle, writer));
            match self.executor() {
                Some(executor) => executor.run_to_end(Task::Checkpoint),
                None => thread::sleep(CHECKPOINT_POLL),
            }
        }
        // Checkpoints follow each other so closely that the copy never catches up. Let the writers
        // wait for the running checkpoint and for the copy. Without writers, no other one begins.
        let mut writer = self.writer.lock();
        let _idle = self.checkpointing.lock();
        self.catch_up(side)?;
        self.join_between_commits(side, usable(&mut writer)?)
    }

    /// Declares the mirror complete. No commit and no checkpoint runs meanwhile.
    fn join_between_commits(
        &self,
        side: &Arc<Side>,
        writer: &mut Writer,
    ) -> Result<(), StorageError> {
        if !writer.journal.has(side.place) {
            let why = "the mirror failed while it was filled; the store fills it again";
            return Err(StorageError::new(StorageErrorKind::Io, why));
        }
        // Read this first: after the join, an error would leave a directory out without a record.
        let applied = self.serving_lsn()?;
        let archive = self.side().dir.archive_state()?;
        let joined = self.join(side, &self.side(), archive);
        joined.inspect_err(|cause| writer.poisoned_by = Some(cause.clone()))??;
        writer.journal.finish_filling();
        side.closed_segments.remove_up_to(applied);
        Ok(())
    }

    /// Last LSN that the serving B-tree holds, as of its last published snapshot. If no checkpoint
    /// runs, this is its newest commit.
    fn serving_lsn(&self) -> Result<u64, StorageError> {
        let view = self.base_view().map_err(EngineError::into_storage)?;
        view.applied()
    }

    /// Replays frames into the copy until it holds those of the serving B-tree. Returns the last LSN
    /// that it holds.
    fn catch_up(&self, side: &Side) -> Result<u64, StorageError> {
        let until = self.serving_lsn()?;
        let btree = side.btree.lock();
        let base = btree.as_ref().ok_or_else(closing)?;
        let mut applied = self.base_view_of(base.snapshot()?).applied()?;
        while applied < until {
            let (folder, identity) = (side.dir.journal(), self.header.identity);
            let limit = self.options.memtable_bytes;
            let (memtable, reached) = replay_part(&folder, identity, applied, until, limit)?;
            write_lag(base, memtable, reached)?;
            applied = reached;
            if self.mirror.is_closing() {
                return Err(closing());
            }
        }
        Ok(applied)
    }

    /// Makes the directory a complete store, and records in both directories that both hold every
    /// write.
    ///
    /// The inner error means that the store goes on alone. The outer error must poison the store:
    /// maybe the mirror counts as complete already.
    fn join(
        &self,
        side: &Arc<Side>,
        serving: &Side,
        archive: Option<ArchiveState>,
    ) -> Result<Result<(), StorageError>, StorageError> {
        let generation = self.mirror.generation() + 1;
        let state = self.mirror.both(generation);
        // The mirror comes first. If the process is killed in between, the mirror has the higher
        // generation, and it holds every write.
        let joined = side.dir.write_mirror_state(state).and_then(|()| {
            if let Some(archive) = archive {
                side.dir.write_archive_state(&archive)?;
            }
            let sealed = side.dir.seal(Creation::Mirror, self.header);
            sealed.map_err(OpenError::into_cause)
        });
        if let Err(cause) = joined {
            // Maybe the identity file has its name. The store goes on alone, so its generation must
            // be higher than that of the mirror.
            self.write_alone(serving.place, generation + 1)?;
            self.mirror.set(generation + 1, MirrorStatus::Filling);
            return Ok(Err(cause));
        }
        serving.dir.write_mirror_state(state)?;
        // A reader may give the directory up from the next line on, and notes that after this.
        self.mirror.set(generation, MirrorStatus::Complete);
        let mut sides = self.sides.write();
        sides.other = Some(Arc::clone(side));
        sides.filling = None;
        drop(sides);
        Ok(Ok(()))
    }
}

/// The writer of an open store that can be written.
fn usable(writer: &mut Option<Writer>) -> Result<&mut Writer, StorageError> {
    let writer = writer.as_mut().ok_or_else(closing)?;
    match &writer.poisoned_by {
        Some(cause) => Err(cause.clone()),
        None => Ok(writer),
    }
}

fn closing() -> StorageError {
    let why = "the store is closing; the mirror is filled when the store is opened again";
    StorageError::new(StorageErrorKind::Io, why)
}
