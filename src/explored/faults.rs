//! Faults that are built in on purpose: a test that tries every order must find them.

use std::cell::Cell;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A signal wakes nobody.
    LostSignal,
    /// The engine answers before it has written.
    AnswerEarly,
}

thread_local! {
    /// All tasks of a test run on the thread that tries it.
    static BUILT_IN: Cell<Option<Fault>> = const { Cell::new(None) };
}

pub(super) fn is_built_in(fault: Fault) -> bool {
    BUILT_IN.get() == Some(fault)
}

/// Builds a fault in, for the test that calls it.
pub(super) fn build_in(fault: Fault) {
    BUILT_IN.set(Some(fault));
}
