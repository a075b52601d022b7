//! Faults that a test injects to check that the schedule tests detect them.

use std::cell::Cell;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `Condvar::notify_one` wakes no thread, so the wakeup is lost.
    LostSignal,
    /// The engine reports success before it writes.
    AnswerEarly,
}

thread_local! {
    /// Fault injected into the running test. A thread-local is enough, because all tasks of a test
    /// run on one thread.
    static INJECTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

pub(crate) fn is_injected(fault: Fault) -> bool {
    INJECTED.get() == Some(fault)
}

/// Injects a fault into the calling test.
pub(crate) fn inject(fault: Fault) {
    INJECTED.set(Some(fault));
}
