//! Members of a mirrored store: which directories take part, and what happens if one fails.
//!
//! - The store gives up a directory that fails. Reads and checkpoints go on with the other one.
//! - Before the next write is acknowledged, the store records durably that the other directory is
//!   alone. The journal of the failed directory gets every frame before that.
//! - A background thread then fills the directory again: see [`fill`](super::fill).
//! - If both directories are required, the store gives up none. Writes fail until both work.

use std::sync::Arc;

use super::admin::mirror_state::MirrorState;
use super::core::{Core, Writer};
use super::disk::Task;
use super::journal::AppendError;
use super::journal::copies::Place;
use super::read::view::ReadView;
use super::side::Side;
use crate::engine::{EngineError, MirrorStatus};
use crate::error::{StorageError, StorageErrorKind, with_causes};
use crate::log::event;

impl Core {
    /// Records that both directories hold every write. `states` are what they recorded last.
    pub(super) fn begin_mirrored(&self, states: &[MirrorState]) -> Result<(), StorageError> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or_else(closed)?;
        let state = self.mirror.both(self.mirror.generation());
        self.mirror.set(state.generation, MirrorStatus::Complete);
        // The journal may have lost a directory when it began its first segment.
        self.record_losses(writer)?;
        let sides = self.sides();
        if sides.other.is_some() && states.iter().any(|old| *old != state) {
            for side in sides.complete() {
                side.dir.write_mirror_state(state)?;
            }
        }
        Ok(())
    }

    /// Writes into the state of a directory that it is alone from this generation on.
    pub(super) fn write_alone(&self, place: Place, generation: u64) -> Result<(), StorageError> {
        let sides = self.sides();
        let none = || StorageError::new(StorageErrorKind::Io, "both directories have failed");
        let side = sides.at(place).ok_or_else(none)?;
        side.dir.write_mirror_state(self.mirror.alone(generation))
    }

    /// Gives up a directory that failed, if the store can go on without it. Returns whether the store
    /// goes on without it. The next write records the loss: see [`Core::record_losses`].
    pub(super) fn give_up(&self, side: &Arc<Side>, cause: &StorageError) -> bool {
        let _one_at_a_time = self.mirror.lock_switch();
        let sides = self.sides();
        if !sides.complete().any(|member| Arc::ptr_eq(member, side)) {
            // Another thread has given it up already.
            return true;
        }
        let Some(other) = sides.other.as_ref().filter(|_| !self.mirror.needs_both) else {
            return false;
        };
        let place = side.place;
        let is_gone = if Arc::ptr_eq(other, side) {
            // Drop the directory without the lock of `sides`: it closes its files.
            let gone = self.sides.write().other.take();
            drop(gone);
            true
        } else {
            self.switch_to(other).is_ok()
        };
        if is_gone {
            event!(
                error,
                "gave up a directory of the mirror",
                dir = self
                    .mirror
                    .dir(place)
                    .map(|dir| dir.given_path.display().to_string()),
                cause = with_causes(cause)
            );
            self.mirror.note_failed(place, cause.clone());
        }
        is_gone
    }

    /// Repeats a read that failed in the serving directory with the B-tree of the other one. If that
    /// succeeds, gives up the serving directory: see [`Core::give_up`]. Otherwise returns the first
    /// error.
    pub(super) fn read_other<T>(
        &self,
        side: &Arc<Side>,
        error: EngineError,
        read: impl FnOnce(&ReadView) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let is_failed_disk = |cause: &&StorageError| {
            matches!(
                cause.kind(),
                StorageErrorKind::Io | StorageErrorKind::Corrupted
            )
        };
        let Some(cause) = error.cause().filter(is_failed_disk).cloned() else {
            return Err(error);
        };
        // Another thread may have given up the directory already.
        if !Arc::ptr_eq(side, &self.side()) {
            let view = self.view()?;
            return read(&view);
        }
        self.end_paused_checkpoint();
        let view = self.other_view().map(|view| read(&view));
        let Some(Ok(found)) = view else {
            return Err(error);
        };
        // The reply is right even if the store cannot go on without the directory.
        self.give_up(side, &cause);
        Ok(found)
    }

    /// Records durably which directory is alone, if the other one failed. The caller must not
    /// acknowledge a write before.
    pub(super) fn record_losses(&self, writer: &mut Writer) -> Result<(), StorageError> {
        let mut lost = writer.journal.take_lost();
        for (place, cause) in self.mirror.take_failed() {
            writer.journal.remove(place);
            lost.push((place, cause));
        }
        if !lost.is_empty() {
            self.end_paused_checkpoint();
        }
        for (place, cause) in lost {
            let generation = self.mirror.generation() + 1;
            self.write_alone(place.other(), generation)?;
            let sides = self.sides();
            let is_gone = sides
                .at(place)
                .is_none_or(|side| self.give_up(side, &cause));
            if !is_gone {
                return Err(cause);
            }
            // `give_up` has noted the directory again.
            drop(self.mirror.take_failed());
            self.mirror.set(generation, MirrorStatus::Missing);
        }
        Ok(())
    }

    /// Lets a checkpoint end that a simulated disk has paused. It may hold the B-tree that the caller
    /// needs. A real checkpoint goes on by itself.
    fn end_paused_checkpoint(&self) {
        if let Some(executor) = self.executor() {
            executor.run_to_end(Task::Checkpoint);
        }
    }

    /// Records losses before anything is written. A failure poisons the store.
    pub(super) fn record_losses_before_write(
        &self,
        writer: &mut Writer,
    ) -> Result<(), EngineError> {
        if writer.journal.has_lost() || self.mirror.has_failed() {
            let recorded = self.record_losses(writer);
            recorded.map_err(|cause| writer.failed(AppendError::Poisoned(cause)))?;
        }
        Ok(())
    }

    /// Main loop of the thread that fills the mirror.
    pub(super) fn run_mirror(self: &Arc<Self>) {
        while self.mirror.wait_until_missing() {
            // The failure is in the state of the mirror.
            let _ = self.fill_mirror();
        }
    }
}

fn closed() -> StorageError {
    StorageError::new(StorageErrorKind::Io, "the store is closed")
}
