//! Synchronization primitives of the commit pipeline: locks, condition variables, atomics and
//! threads.
//!
//! The commit pipeline imports them only from this module. Schedule tests compile a second copy
//! of the pipeline with other primitives in their place. These run the threads in many schedules.

pub(crate) use std::sync::atomic;
pub(crate) use std::thread;

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

/// Runs a test once, in the schedule that the operating system chooses.
#[cfg(test)]
pub(crate) fn tried(test: impl Fn() + Send + Sync + 'static) {
    test();
}
