//! The thread that notices that nothing happens.
//!
//! Damage to the last frame of a journal looks like a tear. A frame behind it tells them
//! apart, so one is appended when no work comes for a while.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// So long nothing must happen.
const QUIET: Duration = Duration::from_millis(100);

/// Tells when work was done.
#[derive(Debug, Default)]
pub(super) struct IdleMarker {
    beats: AtomicU64,
    /// The thread sleeps until it is woken.
    is_asleep: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closing: bool,
    seen: u64,
}

impl IdleMarker {
    /// Work was done. It costs a system call after idleness only.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::SeqCst);
        if self.is_asleep.swap(false, Ordering::SeqCst) {
            // Whoever is about to sleep holds the lock until it does.
            drop(self.state.lock());
            self.changed.notify_one();
        }
    }

    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.changed.notify_one();
    }

    /// Sleeps until nothing happened for a while after something did; `false` at the end.
    pub(super) fn wait_for_quiet(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            self.is_asleep.store(true, Ordering::SeqCst);
            while self.beats.load(Ordering::SeqCst) == state.seen && !state.closing {
                self.changed.wait(&mut state);
            }
            self.is_asleep.store(false, Ordering::SeqCst);
            state.seen = self.beats.load(Ordering::SeqCst);
            if !state.closing {
                self.changed.wait_for(&mut state, QUIET);
            }
            if state.closing {
                return false;
            }
            if self.beats.load(Ordering::SeqCst) == state.seen {
                return true;
            }
        }
    }
}
