//! Clock of the store: the system clock by default, or a clock from the builder.
//!
//! Decisions use the exact time, in milliseconds. On Linux and Android, order numbers use the time
//! of the system's last timer tick. That time is a few milliseconds old, but five times cheaper to
//! read.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::types::Timestamp;

/// Clock of the store. Every thread can read it.
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

    /// Returns a time that may be a few milliseconds old, but never ahead of [`Clock::now`].
    pub(crate) fn about_now(&self) -> Timestamp {
        match self {
            Self::System => last_tick(),
            Self::Given(clock) => clock(),
        }
    }
}

/// Returns the time since the machine was started. The clock also runs while the machine sleeps. No
/// program can set it.
#[cfg(unix)]
pub(crate) fn since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    // On the other systems, this clock runs while the machine sleeps.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::Monotonic;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::Boottime;
    let time = clock_gettime(clock);
    // Never negative.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

/// Returns the time since the first call. The clock of this system also runs while the machine sleeps.
#[cfg(not(unix))]
pub(crate) fn since_boot() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;

    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}

/// Returns the time of the system's last timer tick.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn last_tick() -> Timestamp {
    use rustix::time::{ClockId, clock_gettime};

    let tick = clock_gettime(ClockId::RealtimeCoarse);
    let millis = tick.tv_sec.saturating_mul(1_000);
    let millis = millis.saturating_add(tick.tv_nsec / 1_000_000);
    Timestamp::from_millis(millis).unwrap_or_else(|_| Timestamp::from_system(SystemTime::now()))
}

/// Returns the current time, because this operating system has no clock of timer ticks.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn last_tick() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_clock_is_close_to_system_time() {
        let clock = Clock::System;
        for _ in 0..1_000 {
            let (tick, now) = (clock.about_now(), clock.now());
            // The limit is one minute, because the system may adjust its clock between the
            // readings.
            let apart = now.as_millis() - tick.as_millis();
            assert!(apart.abs() < 60_000, "{apart} ms apart");
        }
    }

    #[test]
    fn custom_clock_replaces_system_clock() {
        let clock = Clock::Given(Arc::new(|| Timestamp::MAX));
        assert_eq!([clock.now(), clock.about_now()], [Timestamp::MAX; 2]);
    }
}
