//! Clock for tests. Its time changes only when a test sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::fixtures;
use crate::types::Timestamp;

/// Clock that a test sets. All clones share one time.
///
/// ```
/// use orderstore::Store;
/// use orderstore::testing::ManualClock;
///
/// let clock = ManualClock::default();
/// let store = Store::builder().clock(clock.reader()).memory()?;
/// clock.advance(std::time::Duration::from_secs(5));
/// # Ok::<(), orderstore::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    millis: Arc<AtomicI64>,
}

impl Default for ManualClock {
    /// Creates a clock that shows [`fixtures::now`].
    fn default() -> Self {
        Self::at(fixtures::now())
    }
}

impl ManualClock {
    /// Creates a clock that shows `moment`.
    #[must_use]
    pub fn at(moment: Timestamp) -> Self {
        Self {
            millis: Arc::new(AtomicI64::new(moment.as_millis())),
        }
    }

    /// Returns the time that the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst)).unwrap_or(Timestamp::EPOCH)
    }

    /// Sets the time that the clock shows. The time may be earlier than before.
    pub fn set(&self, moment: Timestamp) {
        self.millis.store(moment.as_millis(), Ordering::SeqCst);
    }

    /// Sets the clock forward by this duration.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
    }

    /// Sets the clock back by this duration.
    pub fn turn_back(&self, by: Duration) {
        self.set(self.now().saturating_sub(by));
    }

    /// Returns a function that reads this clock, for [`Builder::clock`](crate::Builder::clock).
    pub fn reader(&self) -> impl Fn() -> Timestamp + Send + Sync + 'static {
        let own = self.clone();
        move || own.now()
    }
}
