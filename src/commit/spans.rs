//! What the flow tells of itself to `tracing`: one span for each group, and within it one
//! for each command.
//!
//! Spans are of the target `orderstore` and of level `DEBUG`. They name order numbers, verbs
//! and answers, and no user (I19). A group that poisons the store is an `ERROR`. Without the
//! feature `tracing` nothing is told and nothing is paid.

use crate::error::StorageError;
use crate::order::Command;
use crate::rules::Decision;

#[cfg(not(feature = "tracing"))]
pub(super) fn group(_: usize, run: impl FnOnce() -> Option<StorageError>) {
    drop(run());
}

#[cfg(not(feature = "tracing"))]
pub(super) fn command(_: &Command, decide: impl FnOnce() -> Decision) -> Decision {
    decide()
}

/// `run` says what it was that poisoned the store, if anything did.
#[cfg(feature = "tracing")]
pub(super) fn group(commands: usize, run: impl FnOnce() -> Option<StorageError>) {
    let span = tracing::debug_span!(target: "orderstore", "group", commands);
    let _within = span.enter();
    if let Some(cause) = run() {
        tracing::error!(target: "orderstore", %cause, "nothing more is written");
    }
}

#[cfg(feature = "tracing")]
pub(super) fn command(command: &Command, decide: impl FnOnce() -> Decision) -> Decision {
    use tracing::field::{Empty, debug, display};
    let no = display(command.no);
    let verb = command.kind.verb();
    let span = tracing::debug_span!(target: "orderstore", "command", no, verb, outcome = Empty);
    let _within = span.enter();
    let decision = decide();
    span.record("outcome", debug(&decision.outcome));
    decision
}
