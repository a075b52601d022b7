//! Detects when no write has arrived for 100 ms. A background thread then appends an empty frame
//! to the journal.
//!
//! Recovery cannot distinguish corruption of the last frame from a torn write. If another frame
//! follows, the earlier frame was complete, so damage to it is corruption.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Time without a write after which the store appends an empty frame.
const QUIET: Duration = Duration::from_millis(100);

/// Counts commits, and lets a thread wait for the first idle period after a commit.
#[derive(Debug, Default)]
pub(super) struct IdleMarker {
    beats: AtomicU64,
    /// Whether the thread sleeps until the next commit, without a timeout.
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
    /// Counts a commit. Wakes the waiting thread only for the first commit after an idle period.
    pub(super) fn record_commit(&self) {
        // Increment the counter before reading `is_asleep`. The thread does the opposite: it sets
        // `is_asleep` and then reads the counter. At least one side therefore sees the change of
        // the other.
        self.beats.fetch_add(1, Ordering::SeqCst);
        if self.is_asleep.swap(false, Ordering::SeqCst) {
            // Wait for the lock, which the thread holds from its read of the counter until it
            // sleeps. Otherwise `notify_one` could come between the two and be lost.
            drop(self.state.lock());
            self.changed.notify_one();
        }
    }

    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.changed.notify_one();
    }

    /// Waits for a commit, and then for 100 ms without another commit. Returns `false` when the
    /// store closes.
    pub(super) fn wait_for_quiet(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            // First sleep until there is a commit. Then sleep for a fixed time. During the
            // second sleep `is_asleep` is false, so commits do not wake this thread.
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
