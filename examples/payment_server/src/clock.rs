//! Clock that tests and demonstrations can set forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use orderstore::Timestamp;

/// System time plus an offset. Clones share the offset.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicU64>,
}

impl Clock {
    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let ahead = Duration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        Timestamp::from_system(SystemTime::now()).saturating_add(ahead)
    }

    /// Advances the clock for all clones.
    pub fn advance(&self, time: Duration) {
        let ahead = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.ahead_ms.fetch_add(ahead, Ordering::Relaxed);
    }
}
