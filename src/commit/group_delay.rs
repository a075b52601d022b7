//! Whether it pays to hold a group back for those who were just answered.
//!
//! Callers that wait for each answer come back at once: a group that waits for them has
//! all of them, and the next write serves twice as many as one that leaves with those who
//! queued meanwhile. Callers that do something else first, or never wait, do not come
//! back in time: holding back for them is in vain, and is tried ever more rarely. It
//! never takes longer than a write, so that it costs at most what it could have saved.

use std::time::Duration;

/// What the committer has learnt of its callers.
#[derive(Debug, Default)]
pub(super) struct GroupDelay {
    /// Those who were answered with the last group, and those who waited then.
    expected: usize,
    /// How many times in a row a group was held back in vain.
    in_vain: u32,
    /// Groups that leave at once before holding back is tried again.
    pause: u32,
    /// How long the last write took.
    took: Duration,
}

/// However slow the disk: callers that are not back by then are doing something else.
const MOST_PATIENCE: Duration = Duration::from_millis(1);

/// Holding back is tried again after at most 2 to this power groups.
const MOST_IN_VAIN: u32 = 4;

impl GroupDelay {
    /// How many commands the next group may be held back for.
    pub(super) const fn expected(&self) -> usize {
        if self.pause == 0 { self.expected } else { 0 }
    }

    /// How long the next group may be held back.
    pub(super) fn patience(&self) -> Duration {
        self.took.min(MOST_PATIENCE)
    }

    /// A group of `size`, whose write took so long, is about to be answered, and `waiting`
    /// more have come since. It was not held back in vain if nearly all came.
    pub(super) const fn ran(&mut self, size: usize, waiting: usize, took: Duration) {
        self.took = took;
        if self.pause > 0 {
            self.pause -= 1;
        } else if size >= self.expected - self.expected / 4 {
            self.in_vain = 0;
        } else {
            self.in_vain = if self.in_vain < MOST_IN_VAIN {
                self.in_vain + 1
            } else {
                MOST_IN_VAIN
            };
            self.pause = (1 << self.in_vain) - 1;
        }
        self.expected = size.saturating_add(waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: Duration = Duration::from_micros(300);

    #[test]
    fn those_who_were_answered_and_those_who_wait_are_expected() {
        let mut rhythm = GroupDelay::default();
        assert_eq!(rhythm.expected(), 0);
        rhythm.ran(1, 0, WRITE);
        assert_eq!(rhythm.expected(), 1);
        rhythm.ran(20, 44, WRITE);
        assert_eq!(rhythm.expected(), 64);
        rhythm.ran(64, 0, WRITE);
        assert_eq!(rhythm.expected(), 64);
    }

    #[test]
    fn a_group_that_was_held_back_in_vain_lets_the_next_one_leave_at_once() {
        let mut rhythm = GroupDelay::default();
        rhythm.ran(64, 0, WRITE);
        rhythm.ran(30, 0, WRITE);
        assert_eq!(rhythm.expected(), 0);
        rhythm.ran(30, 34, WRITE);
        assert_eq!(rhythm.expected(), 64);
        rhythm.ran(64, 0, WRITE);
        assert_eq!(rhythm.expected(), 64);
    }

    #[test]
    fn callers_who_never_come_back_are_hardly_ever_waited_for() {
        let mut rhythm = GroupDelay::default();
        let mut held_back = 0;
        for _ in 0..1000 {
            held_back += u32::from(rhythm.expected() > 30);
            rhythm.ran(30, 30, WRITE);
        }
        assert!(held_back < 80, "{held_back} of 1,000 groups");
    }

    #[test]
    fn a_group_is_held_back_no_longer_than_a_write_takes() {
        let mut rhythm = GroupDelay::default();
        assert_eq!(rhythm.patience(), Duration::ZERO);
        rhythm.ran(64, 0, WRITE);
        assert_eq!(rhythm.patience(), WRITE);
        rhythm.ran(64, 0, Duration::from_secs(1));
        assert_eq!(rhythm.patience(), MOST_PATIENCE);
    }
}
