//! Group delay: how long the committer waits for more commands before it runs a group.
//!
//! - A caller that waits for each answer sends its next command right after the answer. If the
//!   committer runs the next group at once, the group contains only the commands that queued during
//!   the last write. If it waits briefly, the group also contains the next commands of the callers
//!   that were just answered. Each write then serves up to twice as many commands.
//! - Other callers do something else first, or never wait for an answer. The delay is useless for
//!   them. After each useless delay, the committer skips the delay for more groups.
//! - A delay is never longer than the last write took. The delay therefore costs no more than the
//!   write that it may save.

use std::time::Duration;

/// Delay of the next group, from the sizes and times of the groups before.
#[derive(Debug, Default)]
pub(super) struct GroupDelay {
    /// Number of commands to expect for the next group: one for each caller of the last group, plus
    /// those already waiting.
    expected: usize,
    /// Number of useless delays in a row, at most [`MAX_MISSES`].
    misses: u32,
    /// Number of groups without a delay before the next attempt.
    pause: u32,
    /// Duration of the last group.
    took: Duration,
}

/// Maximum delay, even on a slow disk. A caller that has sent no new command by then is doing
/// something else.
const MAX_WAIT: Duration = Duration::from_millis(1);

/// Maximum number of useless delays that count. After n of them, 2^n - 1 groups run without a
/// delay: at most 15.
const MAX_MISSES: u32 = 4;

impl GroupDelay {
    /// Returns the number of commands to wait for before the next group runs. 0 means no delay.
    pub(super) const fn expected(&self) -> usize {
        if self.pause == 0 { self.expected } else { 0 }
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
        // The delay was useful if at least three quarters of the expected commands came.
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
    fn answered_and_waiting_callers_are_expected() {
        let mut delay = GroupDelay::default();
        assert_eq!(delay.expected(), 0);
        delay.ran(1, 0, WRITE);
        assert_eq!(delay.expected(), 1);
        delay.ran(20, 44, WRITE);
        assert_eq!(delay.expected(), 64);
        delay.ran(64, 0, WRITE);
        assert_eq!(delay.expected(), 64);
    }

    #[test]
    fn useless_delay_skips_next_delay() {
        let mut delay = GroupDelay::default();
        delay.ran(64, 0, WRITE);
        delay.ran(30, 0, WRITE);
        assert_eq!(delay.expected(), 0);
        delay.ran(30, 34, WRITE);
        assert_eq!(delay.expected(), 64);
        delay.ran(64, 0, WRITE);
        assert_eq!(delay.expected(), 64);
    }

    #[test]
    fn callers_that_stay_away_rarely_delay_a_group() {
        let mut delay = GroupDelay::default();
        let mut delayed = 0;
        for _ in 0..1000 {
            delayed += u32::from(delay.expected() > 30);
            delay.ran(30, 30, WRITE);
        }
        assert!(delayed < 80, "{delayed} of 1,000 groups");
    }

    #[test]
    fn delay_is_at_most_last_write_or_1_ms() {
        let mut delay = GroupDelay::default();
        assert_eq!(delay.max_wait(), Duration::ZERO);
        delay.ran(64, 0, WRITE);
        assert_eq!(delay.max_wait(), WRITE);
        delay.ran(64, 0, Duration::from_secs(1));
        assert_eq!(delay.max_wait(), MAX_WAIT);
    }
}
