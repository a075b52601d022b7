//! Where the store reads the time.
//!
//! The system's clock, unless another is given. What is decided bears the time to the
//! millisecond; an order number is content with the moment of the system's last tick, which
//! is a few milliseconds back and costs a fifth to read.

use std::sync::Arc;
use std::time::SystemTime;

use crate::types::Timestamp;

/// A clock that can be read from every thread.
#[derive(Clone)]
pub(crate) enum Clock {
    System,
    Given(Arc<dyn Fn() -> Timestamp + Send + Sync>),
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::from_system(SystemTime::now()),
            Self::Given(clock) => clock(),
        }
    }

    /// The time now, or some milliseconds ago. It never runs ahead of [`Clock::now`].
    pub(crate) fn about_now(&self) -> Timestamp {
        match self {
            Self::System => last_tick(),
            Self::Given(clock) => clock(),
        }
    }
}

/// The time of the system's last tick.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn last_tick() -> Timestamp {
    use rustix::time::{ClockId, clock_gettime};

    let tick = clock_gettime(ClockId::RealtimeCoarse);
    let millis = tick.tv_sec.saturating_mul(1_000);
    let millis = millis.saturating_add(tick.tv_nsec / 1_000_000);
    Timestamp::from_millis(millis).unwrap_or_else(|_| Timestamp::from_system(SystemTime::now()))
}

/// Where the system keeps no such time: now.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn last_tick() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tick_is_about_the_system_s_time() {
        let clock = Clock::System;
        for _ in 0..1_000 {
            let (tick, now) = (clock.about_now(), clock.now());
            // A clock that was set between the two readings is no wrong clock.
            let apart = now.as_millis() - tick.as_millis();
            assert!(apart.abs() < 60_000, "{apart} ms apart");
        }
    }

    #[test]
    fn a_given_clock_is_the_only_one_that_is_read() {
        let clock = Clock::Given(Arc::new(|| Timestamp::MAX));
        assert_eq!([clock.now(), clock.about_now()], [Timestamp::MAX; 2]);
    }
}
