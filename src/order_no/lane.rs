//! Lane: a run of counters for a few threads. Most draws take a counter from a lane and do not
//! touch the shared block.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Maximum number of counters that fill a lane at a time (a run).
pub(super) const RUN: u64 = 64;

/// Counters of a run that are not drawn yet.
///
/// One atomic word holds the next counter (upper 57 bits) and the number of counters left (lower 7
/// bits). One compare-and-swap therefore takes a counter. The ABA problem cannot occur: counters
/// are never reused, so a word with counters left never occurs twice.
#[derive(Debug, Default)]
pub(super) struct Lane {
    left: AtomicU64,
    /// Lock that a thread holds while it fills the lane with a run of counters.
    filling: Mutex<()>,
}

impl Lane {
    /// Number of bits of the word that hold the number of counters left (0 to 64). The other 57
    /// bits hold the next counter.
    const BITS: u32 = RUN.trailing_zeros() + 1;

    /// Takes the next counter. Returns `None` if the lane is empty.
    pub(super) fn take(&self) -> Option<u64> {
        let step = |left: u64| {
            let is_empty = left.trailing_zeros() >= Self::BITS;
            // Add 1 to the next counter in the high bits, and subtract 1 from the number of
            // counters left in the low bits.
            (!is_empty).then(|| left + (1 << Self::BITS) - 1)
        };
        let taken = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
        taken.ok().map(|left| left >> Self::BITS)
    }

    /// Fills an empty lane with the result of `run` and returns the first counter. If another
    /// thread has filled the lane meanwhile, takes a counter from the lane instead.
    pub(super) fn fill(&self, run: impl FnOnce() -> Option<Range<u64>>) -> Option<u64> {
        let _filling = self.filling.lock();
        self.take().or_else(|| {
            let run = run()?;
            // The caller gets the first counter of the run, and the lane keeps the rest. A plain
            // store is enough: the lane is empty, and only the thread with the lock fills it.
            let rest = (run.start + 1) << Self::BITS | (run.end - run.start - 1);
            self.left.store(rest, Ordering::Release);
            Some(run.start)
        })
    }
}
