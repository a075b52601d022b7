//! Synchronization primitives of the commit pipeline: locks, condition variables, atomics and
//! threads.
//!
//! The commit pipeline imports these types only from this module. With `--cfg shuttle`, the types
//! of a test scheduler replace them. The scheduler controls the threads of a test and can repeat a
//! schedule.

#[cfg(all(test, shuttle))]
pub(crate) mod faults;
#[cfg(all(test, shuttle))]
mod scheduled;

#[cfg(all(test, shuttle))]
pub(crate) use scheduled::*;

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::atomic;
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::thread;

#[cfg(not(all(test, shuttle)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

/// Runs a test once, in the thread schedule of the operating system.
#[cfg(all(test, not(shuttle)))]
pub(crate) fn run_schedules(test: impl Fn() + Send + Sync + 'static) {
    test();
}
