//! Size of a group, and group delay: how long the committer waits for more commands before it runs
//! a group.
//!
//! - A caller that waits for each answer sends its next command right after the answer. Without a
//!   delay, the next group contains only the commands that were queued during the last write. After
//!   a short delay, the group also contains the next commands of the callers that were just
//!   answered. Each write then serves up to twice as many commands.
//! - The delay is useless for callers that send no command soon after an answer. After each useless
//!   delay, the committer skips the delay for more groups.
//! - A delay is never longer than the last group took.
//! - If the write takes less than half of a group's time, the committer does not wait: during the
//!   rest, half of the callers can prepare their next commands. Groups then alternate between two
//!   halves of the callers.
//! - The data of more than 256 commands does not fit into the cache of a CPU core: in groups of
//!   1,024, a command takes a quarter more cycles. Larger groups are better only on a slow disk,
//!   where they save writes.

use std::time::Duration;

/// Size and delay of the next group, calculated from the sizes and durations of earlier groups.
#[derive(Debug, Default)]
pub(super) struct GroupDelay {
    /// Number of callers that may send a command soon: one for each command of the last group, plus
    /// those already waiting.
    callers: usize,
    /// Number of commands for which the committer waits, or 0.
    expected: usize,
    /// Number of consecutive delays that brought too few commands, at most [`MAX_MISSES`].
    misses: u32,
    /// Number of groups that still run without a delay.
    pause: u32,
    /// Time that the last group took.
    last_took: Duration,
}

/// Maximum delay of a group, even on a slow disk. A caller that sends no new command within this
/// time is assumed to be busy with other work.
const MAX_WAIT: Duration = Duration::from_millis(1);

/// Maximum number of counted useless delays. After n useless delays in a row, 2^n - 1 groups run
/// without a delay, so at most 15.
const MAX_MISSES: u32 = 4;

/// Number of commands whose data fits into the cache of a CPU core.
const CACHED: usize = 256;

/// Write time from which a group has more than [`CACHED`] commands: one write then takes longer than
/// the time that the cache saves.
const SLOW: Duration = Duration::from_micros(750);

impl GroupDelay {
    /// Returns the maximum number of commands in the next group. `most` is the engine's maximum.
    /// `write_time` is the time that a group waits for the disk, if known.
    pub(super) fn limit(most: usize, write_time: Option<Duration>) -> usize {
        let is_slow = write_time.is_none_or(|time| time >= SLOW);
        let size = if is_slow { most } else { most.min(CACHED) };
        size.max(1)
    }

    /// Returns the number of commands to wait for before the next group runs, at most `limit`. 0
    /// means no delay.
    pub(super) fn expected(&mut self, limit: usize, write_time: Option<Duration>) -> usize {
        let is_write_short = write_time.is_some_and(|time| time < self.last_took / 2);
        self.expected = if self.pause > 0 || is_write_short {
            0
        } else {
            self.callers.min(limit)
        };
        self.expected
    }

    /// Returns the maximum delay of the next group.
    pub(super) fn max_wait(&self) -> Duration {
        self.last_took.min(MAX_WAIT)
    }

    /// Records a group of `size` commands that took `took`. The caller must record it before it
    /// answers the group. `waiting` is the number of commands that are in the queue now.
    pub(super) const fn ran(&mut self, size: usize, waiting: usize, took: Duration) {
        self.last_took = took;
        self.callers = size + waiting;
        if self.pause > 0 {
            self.pause -= 1;
        // The last delay was useful, if there was one: at least three quarters of the expected
        // commands arrived.
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: Duration = Duration::from_micros(300);

    /// Runs groups of these sizes, with as many commands left in the queue, on an engine that does
    /// not tell its write time. Returns the delay after them.
    fn after(groups: &[(usize, usize)]) -> GroupDelay {
        let mut delay = GroupDelay::default();
        for (size, waiting) in groups {
            delay.expected(1024, None);
            delay.ran(*size, *waiting, WRITE);
        }
        delay
    }

    #[test]
    fn expected_group_size_counts_answered_and_waiting_callers() {
        assert_eq!(after(&[]).expected(1024, None), 0);
        assert_eq!(after(&[(1, 0)]).expected(1024, None), 1);
        assert_eq!(after(&[(20, 44)]).expected(1024, None), 64);
        assert_eq!(after(&[(20, 44), (64, 0)]).expected(1024, None), 64);
    }

    #[test]
    fn useless_group_delay_skips_next_one() {
        assert_eq!(after(&[(64, 0), (30, 0)]).expected(1024, None), 0);
        let mut delay = after(&[(64, 0), (30, 0), (30, 34)]);
        assert_eq!(delay.expected(1024, None), 64);
        delay.ran(64, 0, WRITE);
        assert_eq!(delay.expected(1024, None), 64);
    }

    #[test]
    fn group_delay_is_rare_if_callers_are_idle() {
        let mut delay = GroupDelay::default();
        let mut delayed = 0;
        for _ in 0..1000 {
            delayed += u32::from(delay.expected(1024, None) > 30);
            delay.ran(30, 30, WRITE);
        }
        assert!(delayed < 80, "{delayed} of 1,000 groups");
    }

    #[test]
    fn delay_that_fills_group_is_useful() {
        let mut delay = GroupDelay::default();
        for _ in 0..10 {
            delay.expected(256, Some(WRITE));
            delay.ran(256, 144, WRITE);
        }
        assert_eq!(delay.expected(256, Some(WRITE)), 256);
    }

    #[test]
    fn group_is_not_delayed_if_its_write_is_short() {
        let mut delay = after(&[(64, 0)]);
        assert_eq!(delay.expected(1024, Some(WRITE / 2)), 64);
        assert_eq!(delay.expected(1024, Some(WRITE / 3)), 0);
        // A small group without a delay is no miss.
        delay.ran(10, 54, WRITE);
        assert_eq!(delay.expected(1024, Some(WRITE)), 64);
    }

    #[test]
    fn group_delay_is_limited_by_last_group() {
        let mut delay = GroupDelay::default();
        assert_eq!(delay.max_wait(), Duration::ZERO);
        delay.ran(64, 0, WRITE);
        assert_eq!(delay.max_wait(), WRITE);
        delay.ran(64, 0, Duration::from_secs(1));
        assert_eq!(delay.max_wait(), MAX_WAIT);
    }

    #[test]
    fn group_is_large_only_on_slow_disk() {
        let fast = SLOW.saturating_sub(Duration::from_micros(1));
        assert_eq!(GroupDelay::limit(1024, Some(fast)), 256);
        assert_eq!(GroupDelay::limit(1024, Some(SLOW)), 1024);
        assert_eq!(GroupDelay::limit(1024, None), 1024);
        assert_eq!(GroupDelay::limit(100, Some(fast)), 100);
        assert_eq!(GroupDelay::limit(0, None), 1);
    }
}
