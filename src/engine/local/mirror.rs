//! State of the mirror of an open store. The module [`membership`](super::membership) changes it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::admin::layout::Dir;
use super::admin::mirror_state::{Members, MirrorState, Superseded};
use super::journal::copies::Place;
use crate::engine::MirrorStatus;
use crate::error::StorageError;

/// Delay between a failed attempt to fill the mirror and the next attempt.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Maximum delay. Each failed attempt doubles the delay.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(60);

/// Settings and state of the mirror.
#[derive(Debug)]
pub(super) struct Mirror {
    /// Main directory and directory of the mirror; `None` if the store has no mirror.
    places: Option<[Dir; 2]>,
    pub(super) needs_both: bool,
    /// See [`MirrorState::superseded`].
    pub(super) superseded: Superseded,
    state: Mutex<State>,
    changed: Condvar,
    /// Whether `State::failed` is not empty.
    has_failed: AtomicBool,
    /// A thread holds this lock while it gives up a directory.
    switching: Mutex<()>,
}

#[derive(Debug)]
struct State {
    generation: u64,
    status: MirrorStatus,
    /// Reason why a directory is missing.
    cause: Option<StorageError>,
    /// Directories that the store has given up, but not yet recorded as missing.
    failed: Vec<(Place, StorageError)>,
    /// Delay before the next attempt to fill the mirror; zero if the last one did not fail.
    delay: Duration,
    /// Whether the thread must wait for this delay.
    is_repeated: bool,
    closing: bool,
}

impl Mirror {
    /// `places` are the main directory and the directory of the mirror. `generation` is the highest
    /// one that was found in them. `superseded`: see [`MirrorState::superseded`].
    pub(super) fn new(
        places: Option<[Dir; 2]>,
        needs_both: bool,
        generation: u64,
        superseded: Superseded,
    ) -> Self {
        let state = State {
            generation,
            status: MirrorStatus::Off,
            cause: None,
            failed: Vec::new(),
            delay: Duration::ZERO,
            is_repeated: false,
            closing: false,
        };
        Self {
            places,
            needs_both,
            superseded,
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

    /// State of a store without a mirror.
    pub(super) fn off() -> Self {
        Self::new(None, false, 0, Superseded::default())
    }

    /// State of directories that both hold every write.
    pub(super) const fn both(&self, generation: u64) -> MirrorState {
        let members = match self.needs_both {
            true => Members::BothRequired,
            false => Members::Both,
        };
        MirrorState {
            generation,
            members,
            superseded: self.superseded,
        }
    }

    /// State of a directory that alone holds every write. If both are required, the store
    /// acknowledges nothing before the other one is filled, so the requirement stays.
    pub(super) const fn alone(&self, generation: u64) -> MirrorState {
        let members = match self.needs_both {
            true => Members::BothRequired,
            false => Members::Alone,
        };
        MirrorState {
            generation,
            members,
            superseded: self.superseded,
        }
    }

    /// Notes why the store begins with one directory.
    pub(super) fn begin_alone(&self, generation: u64, cause: Option<StorageError>) {
        if self.is_on() {
            self.set(generation, MirrorStatus::Missing);
            self.state.lock().cause = cause;
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
            state.delay = Duration::ZERO;
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
        state.delay = (state.delay * 2).clamp(AGAIN_AFTER, AGAIN_AFTER_MAX);
        state.cause = Some(cause);
    }

    /// Notes that the store gave up a directory.
    pub(super) fn note_failed(&self, place: Place, cause: StorageError) {
        let mut state = self.state.lock();
        state.failed.push((place, cause.clone()));
        state.status = MirrorStatus::Missing;
        state.cause = Some(cause);
        self.has_failed.store(true, Ordering::SeqCst);
        self.changed.notify_all();
    }

    /// Removes and returns the directories that the store gave up since the last call.
    pub(super) fn take_failed(&self) -> Vec<(Place, StorageError)> {
        if !self.has_failed.load(Ordering::SeqCst) {
            return Vec::new();
        }
        let mut state = self.state.lock();
        self.has_failed.store(false, Ordering::SeqCst);
        std::mem::take(&mut state.failed)
    }

    /// Lock that only one thread holds while it gives up a directory.
    pub(super) fn lock_switch(&self) -> MutexGuard<'_, ()> {
        self.switching.lock()
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
                let delay = state.delay;
                self.changed.wait_for(&mut state, delay);
            } else {
                return true;
            }
        }
    }
}
