//! Bears failures for a while.

use std::time::{Duration, Instant};

/// Time between two looks at a store that is waited for.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// Limit for failures without a pause.
pub(crate) struct Patience {
    limit: Duration,
    failing_since: Option<Instant>,
}

impl Patience {
    pub(crate) const fn new(limit: Duration) -> Self {
        Self {
            limit,
            failing_since: None,
        }
    }

    /// Whether it has failed for too long, this time included.
    pub(crate) fn is_over(&mut self, is_failing: bool) -> bool {
        if !is_failing {
            self.failing_since = None;
            return false;
        }
        let since = self.failing_since.get_or_insert_with(Instant::now);
        since.elapsed() > self.limit
    }
}
