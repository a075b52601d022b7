//! Injected faults that schedule tests must detect.

use std::cell::Cell;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `notify_one` wakes no thread.
    LostSignal,
    /// The engine returns success before it has written.
    AnswerEarly,
}

thread_local! {
    /// The fault of this test. All tasks of a test run on one thread, so a thread-local is enough.
    static BUILT_IN: Cell<Option<Fault>> = const { Cell::new(None) };
}

pub(super) fn is_built_in(fault: Fault) -> bool {
    BUILT_IN.get() == Some(fault)
}

/// Injects a fault into the calling test.
pub(super) fn build_in(fault: Fault) {
    BUILT_IN.set(Some(fault));
}
