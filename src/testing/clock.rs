//! A clock that stands until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::fixtures;
use crate::types::Timestamp;

/// A clock set by hand. Clones share one time.
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
    /// A clock at [`fixtures::now`].
    fn default() -> Self {
        Self::at(fixtures::now())
    }
}

impl ManualClock {
    /// A clock at a moment.
    #[must_use]
    pub fn at(moment: Timestamp) -> Self {
        Self {
            millis: Arc::new(AtomicI64::new(moment.as_millis())),
        }
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst)).unwrap_or(Timestamp::EPOCH)
    }

    /// Moves it, forward or back.
    pub fn set(&self, moment: Timestamp) {
        self.millis.store(moment.as_millis(), Ordering::SeqCst);
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
    }

    /// Moves it back.
    pub fn turn_back(&self, by: Duration) {
        self.set(self.now().saturating_sub(by));
    }

    /// What [`Builder::clock`](crate::Builder::clock) takes.
    pub fn reader(&self) -> impl Fn() -> Timestamp + Send + Sync + 'static {
        let own = self.clone();
        move || own.now()
    }
}
