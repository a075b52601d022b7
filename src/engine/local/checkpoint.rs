//! Checkpoints: write a frozen memtable into the B-tree in the background.
//!
//! - A checkpoint writes the whole memtable, in key order, in one durable transaction. The
//!   transaction also stores the log sequence number (LSN) of the last journal frame in the
//!   memtable. After the commit, the checkpoint removes the journal segments up to this LSN.
//! - A failed checkpoint loses nothing: the memtable and the journal still hold all writes. The
//!   checkpoint thread reopens the B-tree and reads its LSN. If the LSN shows that the commit
//!   failed, the thread tries again.
//! - Memory is bounded. While a checkpoint runs, writes go to a second memtable, which
//!   [`backpressure`](super::backpressure) keeps from growing without limit.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::admin::rebuild::{corrupt_indexes, rebuild};
use super::background::lower_priority;
use super::btree::typed::{Entry, Sorted};
use super::btree::{BTree, MERGE_BYTES};
use super::checkpointer::Frozen;
use super::core::{Core, Writer};
use super::disk::{FaultInjection, is_injected};
use super::failure::closed;
use super::memtable::{Memtable, SharedMemtable};
use super::publish::no_base;
use super::read::view::ReadView;
use super::side::Side;
use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind, with_causes};
use crate::format::codec;
use crate::format::keys;
use crate::format::tables::Table;
use crate::log::event;

/// Maximum time that the checkpoint thread waits for readers of a memtable that is in the B-tree.
const FREE_WAIT: Duration = Duration::from_millis(100);

/// Number of closed segments that triggers a checkpoint when a store is opened. Each open of the
/// store adds one segment, even if the segment holds few writes.
const SEGMENTS_MAX: usize = 16;

/// Maximum size of the memtable, in bytes, for which opening a store waits for a checkpoint: 1 MiB.
const LITTLE: usize = 1 << 20;

/// Failed attempt to write a checkpoint into one directory.
struct FailedCheckpoint {
    cause: StorageError,
    /// Whether the B-tree can no longer be opened.
    is_lost: bool,
}

impl Core {
    /// Writes all applied batches into the B-tree, and waits until they are durable there.
    pub(super) fn flush(&self) -> Result<(), EngineError> {
        loop {
            // Wait without the writer's lock. Another thread may freeze a memtable before this
            // thread gets the lock; the loop then waits again.
            self.checkpointer.wait()?;
            let mut writer = self.writer.lock();
            if !self.checkpointer.is_busy() {
                if self.view()?.active.read().is_empty() {
                    return Ok(());
                }
                match writer.as_mut() {
                    Some(writer) => self.freeze(writer)?,
                    // A standby has no journal.
                    None => self.freeze_memtable()?,
                }
                break;
            }
        }
        self.checkpointer.wait()
    }

    /// Starts a checkpoint if there are at least 16 closed segments.
    ///
    /// Waits for the checkpoint if the memtable is small. Without this wait, a store that is never
    /// open for long would accumulate segments: it would close before any checkpoint ends.
    pub(super) fn checkpoint_if_many_segments(&self) -> Result<(), EngineError> {
        if self.side().closed_segments.count() < SEGMENTS_MAX {
            return Ok(());
        }
        let is_little = self.view()?.active.read().bytes() <= LITTLE;
        let mut writer = self.writer.lock();
        self.freeze(writer.as_mut().ok_or_else(closed)?)?;
        drop(writer);
        if is_little {
            self.checkpointer.wait()?;
        }
        Ok(())
    }

    /// Freezes the active memtable, starts a new one with a new segment, and hands the frozen
    /// one to the checkpoint thread. No other checkpoint may be running.
    pub(super) fn freeze(&self, writer: &mut Writer) -> Result<(), EngineError> {
        // Start a new segment first. All frames of the frozen memtable are then in closed segments,
        // which the checkpoint can remove. A poisoned journal starts no new segment, but the
        // checkpoint still saves the batches that were applied before the failure.
        if writer.poisoned_by.is_none() {
            let rolled = writer.journal.roll();
            rolled.map_err(|error| writer.failed(error))?;
            self.record_losses_before_write(writer)?;
            self.note_bytes(writer);
        }
        self.freeze_memtable()
    }

    /// Freezes the active memtable and starts a new one. The caller must hold the writer's lock.
    pub(super) fn freeze_memtable(&self) -> Result<(), EngineError> {
        // The journal may end with a frame whose outcome is unknown. The memtable does not hold it.
        let last_lsn = self.published.load(Ordering::SeqCst);
        // Allocate before the lock. Only this thread writes, so the memtable does not change.
        let memtable = Arc::clone(&self.view()?.active);
        let active = Arc::new(memtable.next());
        let mut current = self.view.write();
        let view = current.as_ref().ok_or_else(closed)?;
        *current = Some(Arc::new(ReadView {
            active,
            frozen: Some(Arc::clone(&memtable)),
            frozen_lsn: last_lsn,
            ..(**view).clone()
        }));
        drop(current);
        self.checkpointer.submit(Frozen { memtable, last_lsn });
        Ok(())
    }

    /// Main loop of the checkpoint thread.
    pub(super) fn run_checkpoints(&self) {
        lower_priority();
        while let Some(frozen) = self.checkpointer.next() {
            self.try_checkpoint(&frozen);
            free(frozen);
        }
    }

    /// Makes one attempt to write the frozen memtable, if there is one.
    pub(super) fn checkpoint_once(&self) {
        if self.checkpointer.is_wanted()
            && let Some(frozen) = self.checkpointer.next()
        {
            self.try_checkpoint(&frozen);
        }
    }

    fn try_checkpoint(&self, frozen: &Frozen) {
        let began = Instant::now();
        let bytes = frozen.bytes();
        event!(
            debug,
            "began checkpoint",
            last_lsn = frozen.last_lsn,
            bytes = bytes
        );
        // No directory joins the store while a checkpoint runs, so this one reaches all of them.
        let _running = self.checkpointing.lock();
        let sides = self.sides();
        // Write the other directory first. The view drops the memtable when the serving directory
        // holds it, and from then on the store may go on with either of them.
        let other = sides
            .other
            .iter()
            .map(|side| (side, self.checkpoint_side(side, frozen)));
        let mut results: Vec<_> = other.collect();
        results.push((&sides.serving, self.checkpoint_side(&sides.serving, frozen)));
        let is_written = results.iter().any(|(_, result)| result.is_ok());
        // If all failed, the result of the serving directory counts.
        for (side, result) in results.into_iter().rev() {
            match result {
                // Remove the segments only now, after the B-tree has committed all frames up to
                // `last_lsn`. If they were removed before the commit, a crash would lose these
                // frames.
                Ok(()) => side.closed_segments.remove_up_to(frozen.last_lsn),
                Err(FailedCheckpoint { cause, is_lost }) => {
                    if !is_written || !self.give_up(side, &cause) {
                        return self.fail_checkpoint(cause, is_lost);
                    }
                }
            }
        }
        self.checkpointer.succeed(began.elapsed());
        let millis = began.elapsed().as_millis();
        event!(
            info,
            "ended checkpoint",
            last_lsn = frozen.last_lsn,
            bytes = bytes,
            millis = millis
        );
    }

    /// Makes one attempt to write the frozen memtable into the B-tree of a directory.
    fn checkpoint_side(&self, side: &Side, frozen: &Frozen) -> Result<(), FailedCheckpoint> {
        let failed = |cause| FailedCheckpoint {
            cause,
            is_lost: false,
        };
        // If these checks fail, this attempt has not touched the B-tree.
        side.check_files(&self.header).map_err(failed)?;
        side.check_room(frozen.bytes()).map_err(failed)?;
        if is_injected(&*self.options.disk, FaultInjection::DropJournalEarly) {
            side.closed_segments.remove_up_to(frozen.last_lsn);
        }
        match self.write_checkpoint(side, frozen) {
            Ok(None) => Ok(()),
            Ok(Some(cause)) => Err(failed(cause)),
            // The B-tree could not be reopened. An I/O error may be temporary, for example a lack
            // of file descriptors. Every other error, such as corruption, is permanent.
            Err(cause) => Err(FailedCheckpoint {
                is_lost: cause.kind() != StorageErrorKind::Io,
                cause,
            }),
        }
    }

    fn fail_checkpoint(&self, error: StorageError, is_lost: bool) {
        // Log a repeated failure only once, because each attempt fails until the cause is fixed.
        let last = self.checkpointer.failed().map(|last| last.kind());
        if is_lost || last != Some(error.kind()) {
            event!(
                error,
                "failed checkpoint",
                is_final = is_lost,
                cause = with_causes(&error)
            );
        }
        self.checkpointer.fail(error, is_lost);
    }

    /// Writes the frozen memtable into the B-tree. After a failure, reopens the B-tree.
    ///
    /// Returns `None` if the B-tree now holds the memtable, and otherwise the error of the write.
    /// Fails if the B-tree could not be reopened.
    fn write_checkpoint(
        &self,
        side: &Side,
        frozen: &Frozen,
    ) -> Result<Option<StorageError>, StorageError> {
        // Hold the lock until a failed B-tree is replaced. Readers whose reads failed wait in
        // `reopen_after` for this lock.
        let mut btree = side.btree.lock();
        // Rebuild the indexes with corrupt pages that are known. No merge reads a large run, so
        // maybe no checkpoint ever meets its pages.
        let mut unrebuilt = None;
        if side.damage.count() > 0 {
            unrebuilt = self.try_rebuild(side, &mut btree, frozen)?;
            if unrebuilt.is_none() {
                return Ok(None);
            }
        }
        let Some(failure) = self.try_write(side, &mut btree, frozen, |_| Ok(()))? else {
            return Ok(None);
        };
        if !failure.is_corrupt() {
            return Ok(Some(failure));
        }
        // A corrupt page stopped the write. Without a rebuild, one corrupt page would block all
        // checkpoints, and soon all writes. Do not repeat a rebuild that just failed for another
        // reason than a corrupt page, such as a full disk.
        match unrebuilt.filter(|error| !error.is_corrupt()) {
            Some(error) => Ok(Some(error)),
            None => self.try_rebuild(side, &mut btree, frozen),
        }
    }

    /// Rebuilds the indexes with corrupt pages and writes the memtable, like
    /// [`try_write`](Self::try_write). Returns an error and leaves the B-tree as it is if no index
    /// has a corrupt page. Does the same if the last rebuild failed with the same corrupt pages,
    /// because it would fail again.
    fn try_rebuild(
        &self,
        side: &Side,
        btree: &mut Option<BTree>,
        frozen: &Frozen,
    ) -> Result<Option<StorageError>, StorageError> {
        if self.checkpointer.is_known_failure(&side.damage.pages()) {
            let why = "base.redb has corrupt pages that cannot be rebuilt while the store is open; \
                       run `orderstore repair`";
            return Ok(Some(StorageError::corrupted(why)));
        }
        // `check_open` takes a lock that commits need, so call it only every 1,024 rows. `rows` may
        // wrap.
        let rows = Cell::new(0_u32);
        let may_go_on = || {
            rows.set(rows.get().wrapping_add(1));
            if rows.get().is_multiple_of(1024) {
                self.checkpointer.check_open()?;
            }
            Ok(())
        };
        // The search uses a reader of its own. If it finds nothing to rebuild, the open B-tree
        // stays as it is.
        let survey = self.open_survey(side);
        let found = survey.and_then(|survey| corrupt_indexes(&survey, &may_go_on));
        let failure = match found {
            Ok(corrupt) => self.try_write(side, btree, frozen, |base| {
                let layout = keys::KeyEncoder::new(self.header.hash_key);
                // Leave disk space for the checkpoint that follows.
                let check_room = |bytes| side.check_room(frozen.bytes().saturating_add(bytes));
                rebuild(base, corrupt, &layout, &check_room, &may_go_on)
            })?,
            Err(error) => Some(error),
        };
        if let Some(error) = &failure {
            // Log a repeated failure only once.
            let last = self.checkpointer.failed().map(|last| last.kind());
            if last != Some(error.kind()) {
                event!(warn, "failed to rebuild lists", cause = with_causes(error));
            }
            if error.is_corrupt() {
                self.checkpointer.note_failure(side.damage.pages());
            }
        }
        Ok(failure)
    }

    /// Runs `prepare` and writes the memtable into the B-tree. After a failure, reopens the B-tree
    /// and checks whether the commit succeeded nevertheless.
    ///
    /// Returns `None` if the B-tree now holds the memtable, and otherwise the error of the write.
    fn try_write(
        &self,
        side: &Side,
        btree: &mut Option<BTree>,
        frozen: &Frozen,
        prepare: impl FnOnce(&BTree) -> Result<(), StorageError>,
    ) -> Result<Option<StorageError>, StorageError> {
        let tried = btree.as_ref().ok_or_else(no_base).and_then(|base| {
            // An attempt that failed may have committed nevertheless. A second commit would add the
            // keys of the sorted runs twice.
            let is_retry = self.checkpointer.failed().is_some();
            if !is_retry || self.base_view_of(base.snapshot()?).applied()? < frozen.last_lsn {
                prepare(base)?;
                // A merge can wait until there is room. The memtable must not wait for it.
                let may_merge = side.check_room(frozen.bytes().saturating_add(MERGE_BYTES));
                write(base, frozen, may_merge.is_ok())?;
            }
            self.publish_btree(side, base)
        });
        let Err(failure) = tried else {
            return Ok(None);
        };
        let holds_it = self.reopen_base(side, btree, frozen)?;
        Ok((!holds_it).then_some(failure))
    }
}

/// Frees a memtable that is in the B-tree now, on this thread. This takes about 20 ms for 256 MiB.
///
/// The last holder of a memtable frees it. A thread with an older view could be the last one, even
/// the thread that commits groups. Therefore this function waits until no view holds the memtable,
/// but at most [`FREE_WAIT`]: a slow reader must not delay the next checkpoint. After a failed
/// checkpoint the memtable stays in use, and the wait is useless but harmless.
fn free(frozen: Frozen) {
    let until = Instant::now() + FREE_WAIT;
    while Arc::strong_count(&frozen.memtable) > 1 && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    if let Some(memtable) = Arc::into_inner(frozen.memtable) {
        memtable.free();
    }
}

/// Writes the memtable and its last LSN into the B-tree, in one durable transaction. If `may_merge`
/// is true, also merges sorted runs.
fn write(base: &BTree, frozen: &Frozen, may_merge: bool) -> Result<(), StorageError> {
    let table = frozen.memtable.read();
    let key = keys::meta(keys::APPLIED);
    let applied = codec::applied(&key, frozen.last_lsn)?;
    let state_key = keys::meta(keys::STATE);
    let mut state = Vec::new();
    let mut meta: Vec<Entry<'_>> = vec![(key, Some(&applied))];
    if let Some(kept) = table.state() {
        codec::state(&mut state, &state_key, &kept)?;
        meta.push((state_key, Some(&state)));
    }
    let tables = Table::ALL.into_iter().filter(|table| *table != Table::Meta);
    let mut entries: Vec<Sorted<'_>> = tables.map(|of| (of, table.sorted(of))).collect();
    entries.push((Table::Meta, Box::new(meta.into_iter())));
    if may_merge {
        base.write(entries)
    } else {
        base.write_unmerged(entries)
    }
}

/// Writes replayed frames into a B-tree that lags behind. `last_lsn` is that of the last frame.
pub(super) fn write_lag(base: &BTree, lag: Memtable, last_lsn: u64) -> Result<(), StorageError> {
    let memtable = Arc::new(SharedMemtable::new(lag));
    write(base, &Frozen { memtable, last_lsn }, false)
}

#[cfg(test)]
mod tests;
