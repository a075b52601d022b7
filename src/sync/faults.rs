//! Injected faults that schedule tests must detect.

use std::cell::Cell;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `notify_one` wakes no thread.
    LostSignal,
    /// The engine returns success before it has written.
    AnswerEarly,
}

thread_local! {
    /// The fault of this test. All tasks of a test run on one thread, so a thread-local is enough.
    static INJECTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

pub(crate) fn is_injected(fault: Fault) -> bool {
    INJECTED.get() == Some(fault)
}

/// Injects a fault into the calling test.
pub(crate) fn inject(fault: Fault) {
    INJECTED.set(Some(fault));
}
