//! What the threads of the flow meet through: locks, signals, counters, and the threads.
//!
//! The flow names them here and nowhere else, because a copy of it is built for tests in
//! which others stand in their place: those try what comes of every order of its threads.

pub(crate) use std::sync::atomic;
pub(crate) use std::thread;

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

/// Runs a test: once, as the machine's threads happen to run.
#[cfg(test)]
pub(crate) fn tried(test: impl Fn() + Send + Sync + 'static) {
    test();
}
