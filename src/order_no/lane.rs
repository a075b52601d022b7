//! Where threads draw side by side: a run of a block, put in by one and taken by few.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// How many numbers a lane takes of a block at once.
pub(super) const RUN: u64 = 64;

/// What is left of a run.
///
/// Its counter and how many are left stand in one word, so that a number is taken in one step;
/// no word comes twice before its numbers are spent, as no counter does.
#[derive(Debug, Default)]
pub(super) struct Lane {
    left: AtomicU64,
    /// Held while a run is put in.
    filling: Mutex<()>,
}

impl Lane {
    /// The bits that say how many are left; a counter has fewer than the others.
    const BITS: u32 = RUN.trailing_zeros() + 1;

    /// The next number, of a lane that has one.
    pub(super) fn take(&self) -> Option<u64> {
        let step = |left: u64| {
            let is_empty = left.trailing_zeros() >= Self::BITS;
            // One counter on, one number less.
            (!is_empty).then(|| left + (1 << Self::BITS) - 1)
        };
        let taken = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
        taken.ok().map(|left| left >> Self::BITS)
    }

    /// The next number of a lane that was empty: the first of the run that is put in, unless
    /// somebody has put one in meanwhile.
    pub(super) fn fill(&self, run: impl FnOnce() -> Option<Range<u64>>) -> Option<u64> {
        let _filling = self.filling.lock();
        self.take().or_else(|| {
            let run = run()?;
            let rest = (run.start + 1) << Self::BITS | (run.end - run.start - 1);
            self.left.store(rest, Ordering::Release);
            Some(run.start)
        })
    }
}
