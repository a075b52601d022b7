//! The mirror of an open store: which directories take part, and what happens if one fails.
//!
//! - A directory that fails is given up: reads and checkpoints go on with the other one. The next
//!   write records durably that the other directory is alone, before it is acknowledged. Until
//!   then, the journal of the failed directory still gets every frame.
//! - A background thread fills the directory again from the other one: see [`fill`](super::fill).
//! - If both directories are required, none is given up. Writes fail until both work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::admin::layout::Dir;
use super::admin::mirror_state::{Members, MirrorState};
use super::core::{Core, Writer};
use super::journal::AppendError;
use super::journal::copies::Place;
use super::side::Side;
use crate::engine::{EngineError, MirrorStatus};
use crate::error::{StorageError, StorageErrorKind, with_causes};
use crate::log::event;

/// Delay between a failed attempt to fill the mirror and the next attempt.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Settings and state of the mirror.
#[derive(Debug)]
pub(super) struct Mirror {
    /// Main directory and directory of the mirror; `None` if the store has no mirror.
    places: Option<[Dir; 2]>,
    pub(super) needs_both: bool,
    state: Mutex<State>,
    changed: Condvar,
    /// Whether `State::failed` is not empty.
    has_failed: AtomicBool,
    /// Held while a directory is given up.
    switching: Mutex<()>,
}

#[derive(Debug)]
struct State {
    generation: u64,
    status: MirrorStatus,
    /// Reason why a directory is missing.
    cause: Option<StorageError>,
    /// Directories that were given up, but not yet recorded as missing.
    failed: Vec<(Place, StorageError)>,
    /// Whether the last attempt to fill the mirror failed.
    is_repeated: bool,
    closing: bool,
}

impl Mirror {
    /// `places` are the main directory and the directory of the mirror. `generation` is the highest
    /// one that was found in them.
    pub(super) fn new(places: Option<[Dir; 2]>, needs_both: bool, generation: u64) -> Self {
        let state = State {
            generation,
            status: MirrorStatus::Off,
            cause: None,
            failed: Vec::new(),
            is_repeated: false,
            closing: false,
        };
        Self {
            places,
            needs_both,
            state: Mutex::new(state),
            changed: Condvar::new(),
            has_failed: AtomicBool::new(false),
            switching: Mutex::default(),
        }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.places.is_some()
    }

    pub(super) fn dir(&self, place: Place) -> Option<&Dir> {
        let [main, mirror] = self.places.as_ref()?;
        Some(match place {
            Place::Main => main,
            Place::Mirror => mirror,
        })
    }

    /// Members of a store whose directories both hold every write.
    pub(super) const fn both(&self) -> Members {
        if self.needs_both {
            Members::BothRequired
        } else {
            Members::Both
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.state.lock().generation
    }

    pub(super) fn status(&self) -> MirrorStatus {
        self.state.lock().status
    }

    /// Reason why a directory is missing or is being filled.
    pub(super) fn failure(&self) -> Option<StorageError> {
        self.state.lock().cause.clone()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::SeqCst)
    }

    /// Sets the generation that was written durably, and the status that belongs to it.
    pub(super) fn set(&self, generation: u64, status: MirrorStatus) {
        let mut state = self.state.lock();
        state.generation = generation;
        state.status = status;
        if status == MirrorStatus::Complete {
            state.cause = None;
            state.is_repeated = false;
        }
        self.changed.notify_all();
    }

    pub(super) fn set_status(&self, status: MirrorStatus) {
        self.state.lock().status = status;
    }

    /// Notes a failed attempt to fill the mirror.
    pub(super) fn note_failed_fill(&self, cause: StorageError) {
        let mut state = self.state.lock();
        state.status = MirrorStatus::Missing;
        state.is_repeated = true;
        state.cause = Some(cause);
    }

    fn note_missing(&self, cause: StorageError) {
        let mut state = self.state.lock();
        state.status = MirrorStatus::Missing;
        state.cause = Some(cause);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.state.lock().closing
    }

    /// Waits until a directory must be filled. Returns `false` when the store closes.
    pub(super) fn wait_until_missing(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.closing {
                return false;
            }
            if state.status != MirrorStatus::Missing {
                self.changed.wait(&mut state);
            } else if std::mem::take(&mut state.is_repeated) {
                self.changed.wait_for(&mut state, AGAIN_AFTER);
            } else {
                return true;
            }
        }
    }
}

impl Core {
    /// Records that both directories hold every write. `members` is what they recorded last.
    pub(super) fn begin_mirrored(&self, members: Option<Members>) -> Result<(), StorageError> {
        let state = MirrorState {
            generation: self.mirror.generation(),
            members: self.mirror.both(),
        };
        if members != Some(state.members) {
            for side in self.sides().complete() {
                side.dir.write_mirror_state(state)?;
            }
        }
        self.mirror.set(state.generation, MirrorStatus::Complete);
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or_else(closed)?;
        self.record_losses(writer)
    }

    /// Records that the only open directory is alone. `members` is what it recorded last, and
    /// `cause` is the reason why the other directory cannot be used.
    pub(super) fn begin_alone(
        &self,
        members: Option<Members>,
        cause: Option<StorageError>,
    ) -> Result<(), StorageError> {
        let mut generation = self.mirror.generation();
        if members != Some(Members::Alone) {
            generation += 1;
            self.write_alone(self.side().place, generation)?;
        }
        if self.mirror.is_on() {
            self.mirror.set(generation, MirrorStatus::Missing);
            let mut state = self.mirror.state.lock();
            state.cause = cause;
        }
        Ok(())
    }

    /// Writes into the state of a directory that it is alone from this generation on.
    pub(super) fn write_alone(&self, place: Place, generation: u64) -> Result<(), StorageError> {
        let sides = self.sides();
        let side = sides.at(place).ok_or_else(closed)?;
        side.dir.write_mirror_state(MirrorState {
            generation,
            members: Members::Alone,
        })
    }

    /// Gives up a directory that failed, if the store can go on without it. Returns whether the store
    /// goes on without it. The next write records the loss: see [`Core::record_losses`].
    pub(super) fn give_up(&self, side: &Arc<Side>, cause: &StorageError) -> bool {
        let _one_at_a_time = self.mirror.switching.lock();
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
            self.sides.write().other = None;
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
            let mut state = self.mirror.state.lock();
            state.failed.push((place, cause.clone()));
            self.mirror.has_failed.store(true, Ordering::SeqCst);
            drop(state);
            self.mirror.note_missing(cause.clone());
        }
        is_gone
    }

    /// Gives up the serving directory after a failed read: see [`Core::give_up`].
    pub(super) fn give_up_after_read(&self, side: &Arc<Side>, error: &EngineError) -> bool {
        let cause = error.cause().filter(|cause| {
            matches!(
                cause.kind(),
                StorageErrorKind::Io | StorageErrorKind::Corrupted
            )
        });
        let is_open = self.view.read().is_some();
        cause.is_some_and(|cause| is_open && self.give_up(side, cause))
    }

    /// Records durably which directory is alone, if the other one failed. The caller must not
    /// acknowledge a write before.
    pub(super) fn record_losses(&self, writer: &mut Writer) -> Result<(), StorageError> {
        let mut lost = writer.journal.take_lost();
        if self.mirror.has_failed.swap(false, Ordering::SeqCst) {
            for (place, cause) in std::mem::take(&mut self.mirror.state.lock().failed) {
                writer.journal.remove(place);
                lost.push((place, cause));
            }
        }
        for (place, cause) in lost {
            // A directory that is still being filled was never complete.
            if self.sides().filling.is_some() {
                continue;
            }
            let generation = self.mirror.generation() + 1;
            self.write_alone(place.other(), generation)?;
            let sides = self.sides();
            let is_gone = sides
                .at(place)
                .is_none_or(|side| self.give_up(side, &cause));
            if !is_gone {
                return Err(cause);
            }
            self.mirror.state.lock().failed.clear();
            self.mirror.has_failed.store(false, Ordering::SeqCst);
            self.mirror.set(generation, MirrorStatus::Missing);
        }
        Ok(())
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
