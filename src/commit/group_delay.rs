//! Group delay: how long the committer waits for more commands before it runs a group.
//!
//! - A caller that waits for each answer sends its next command right after the answer. Without a
//!   delay, the next group contains only the commands that were queued during the last write. After
//!   a short delay, the group also contains the next commands of the callers that were just
//!   answered. Each write then serves up to twice as many commands.
//! - The delay is useless for callers that send no command soon after an answer. After each useless
//!   delay, the committer skips the delay for more groups.
//! - A delay is never longer than the last group took. The delay therefore costs no more than the
//!   write that it may save.
//! - If a group spends more than half of its time on the CPU, the committer does not wait. The
//!   callers then form two groups by turns: one prepares its commands while the other is written.

use std::time::Duration;

/// Delay of the next group, calculated from the sizes and durations of earlier groups.
#[derive(Debug, Default)]
pub(super) struct GroupDelay {
    /// Number of commands to expect for the next group: one for each caller of the last group, plus
    /// those already waiting.
    expected: usize,
    /// Number of consecutive delays that brought too few commands, at most [`MAX_MISSES`].
    misses: u32,
    /// Number of groups that still run without a delay.
    pause: u32,
    /// Time that the last group took.
    took: Duration,
}

/// Maximum delay of a group, even on a slow disk. A caller that sends no new command within this
/// time is assumed to be busy with other work.
const MAX_WAIT: Duration = Duration::from_millis(1);

/// Maximum number of counted useless delays. After n useless delays in a row, 2^n - 1 groups run
/// without a delay, so at most 15.
const MAX_MISSES: u32 = 4;

impl GroupDelay {
    /// Returns the number of commands to wait for before the next group runs. 0 means no delay.
    /// `write_time` is the part of a group's time that it waits for the disk, if known.
    pub(super) fn expected(&self, write_time: Option<Duration>) -> usize {
        let is_short = write_time.is_some_and(|write| write < self.took / 2);
        if self.pause == 0 && !is_short {
            self.expected
        } else {
            0
        }
    }

    /// Returns the maximum delay of the next group.
    pub(super) fn max_wait(&self) -> Duration {
        self.took.min(MAX_WAIT)
    }

    /// Records a group of `size` commands that took `took`. The caller must record it before it
    /// answers the group. `waiting` is the number of commands that are in the queue now.
    pub(super) const fn ran(&mut self, size: usize, waiting: usize, took: Duration) {
        self.took = took;
        if self.pause > 0 {
            self.pause -= 1;
        // The last delay was useful: at least three quarters of the expected commands arrived.
        } else if size >= self.expected - self.expected / 4 {
            self.misses = 0;
        } else {
            self.misses = if self.misses < MAX_MISSES {
                self.misses + 1
            } else {
                MAX_MISSES
            };
            self.pause = (1 << self.misses) - 1;
        }
        self.expected = size + waiting;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: Duration = Duration::from_micros(300);

    #[test]
    fn expected_group_size_counts_answered_and_waiting_callers() {
        let mut delay = GroupDelay::default();
        assert_eq!(delay.expected(None), 0);
        delay.ran(1, 0, WRITE);
        assert_eq!(delay.expected(None), 1);
        delay.ran(20, 44, WRITE);
        assert_eq!(delay.expected(None), 64);
        delay.ran(64, 0, WRITE);
        assert_eq!(delay.expected(None), 64);
    }

    #[test]
    fn useless_group_delay_skips_next_one() {
        let mut delay = GroupDelay::default();
        delay.ran(64, 0, WRITE);
        delay.ran(30, 0, WRITE);
        assert_eq!(delay.expected(None), 0);
        delay.ran(30, 34, WRITE);
        assert_eq!(delay.expected(None), 64);
        delay.ran(64, 0, WRITE);
        assert_eq!(delay.expected(None), 64);
    }

    #[test]
    fn group_delay_is_rare_if_callers_are_idle() {
        let mut delay = GroupDelay::default();
        let mut delayed = 0;
        for _ in 0..1000 {
            delayed += u32::from(delay.expected(None) > 30);
            delay.ran(30, 30, WRITE);
        }
        assert!(delayed < 80, "{delayed} of 1,000 groups");
    }

    #[test]
    fn group_is_not_delayed_if_its_write_is_short() {
        let mut delay = GroupDelay::default();
        delay.ran(64, 0, WRITE);
        assert_eq!(delay.expected(Some(WRITE / 2)), 64);
        assert_eq!(delay.expected(Some(WRITE / 3)), 0);
    }

    #[test]
    fn group_delay_is_limited_by_last_write() {
        let mut delay = GroupDelay::default();
        assert_eq!(delay.max_wait(), Duration::ZERO);
        delay.ran(64, 0, WRITE);
        assert_eq!(delay.max_wait(), WRITE);
        delay.ran(64, 0, Duration::from_secs(1));
        assert_eq!(delay.max_wait(), MAX_WAIT);
    }
}
