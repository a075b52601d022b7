//! The time, which a demonstration may set forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use orderstore::Timestamp;

/// The system's time, and what it was set ahead by. Clones go together.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicU64>,
}

impl Clock {
    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let ahead = Duration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        Timestamp::from_system(SystemTime::now()).saturating_add(ahead)
    }

    /// Lets some time pass at once, for all who read this clock.
    pub fn advance(&self, time: Duration) {
        let ahead = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.ahead_ms.fetch_add(ahead, Ordering::Relaxed);
    }
}
