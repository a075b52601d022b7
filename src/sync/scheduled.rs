//! Synchronization primitives with the names of [`crate::sync`], controlled by a test scheduler.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

pub(crate) use shuttle::sync::atomic;
pub(crate) use shuttle::thread;

use super::faults::{Fault, is_injected};

/// Default number of schedules per test for each of the two schedulers (random and PCT).
const ITERATIONS: usize = 1000;

/// Stack size of each task of a test, in bytes. The default of `shuttle` is too small.
const STACK: usize = 1 << 18;

/// Runs a test in many thread schedules: with random context switches, and with few context
/// switches at random points (PCT).
pub(crate) fn run_schedules(test: impl Fn() + Send + Sync + 'static) {
    let iterations = std::env::var("SHUTTLE_ITERATIONS");
    let iterations = iterations.map_or(ITERATIONS, |text| text.parse().unwrap());
    let test = std::sync::Arc::new(test);
    let again = std::sync::Arc::clone(&test);
    run(RandomScheduler::new(iterations), move || test());
    run(PctScheduler::new(3, iterations), move || again());
}

fn run(scheduler: impl Scheduler + 'static, test: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = STACK;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(test);
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let held = Some(self.0.lock().unwrap());
        MutexGuard { mutex: self, held }
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let held = Some(self.0.try_lock().ok()?);
        Some(MutexGuard { mutex: self, held })
    }
}

pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// Guard of the `shuttle` mutex. `None` only while the thread waits on a condition variable.
    held: Option<shuttle::sync::MutexGuard<'a, T>>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().unwrap()
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().unwrap()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(shuttle::sync::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(shuttle::sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        guard.held = guard.held.take().map(|held| self.0.wait(held).unwrap());
    }

    /// Yields once to other threads, then returns. No time passes in these tests, so every timeout
    /// expires after one yield.
    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) {
        guard.held = None;
        thread::yield_now();
        guard.held = Some(guard.mutex.0.lock().unwrap());
    }

    pub(crate) fn notify_one(&self) {
        if !is_injected(Fault::LostSignal) {
            self.0.notify_one();
        }
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}
