//! Tracing spans of the commit pipeline: one span per group, and within it one span per command.
//!
//! The spans have the target `orderstore` and the level `DEBUG`. They contain order numbers,
//! command names and outcomes, but no data of a user (invariant I19). Without the feature
//! `tracing`, the spans do not exist and cost nothing.

use crate::order::Command;
use crate::rules::Decision;

#[cfg(not(feature = "tracing"))]
pub(super) fn group(_: usize, run: impl FnOnce()) {
    run();
}

#[cfg(not(feature = "tracing"))]
pub(super) fn command(_: &Command, decide: impl FnOnce() -> Decision) -> Decision {
    decide()
}

/// Runs a group within its span.
#[cfg(feature = "tracing")]
pub(super) fn group(commands: usize, run: impl FnOnce()) {
    let span = tracing::debug_span!(target: "orderstore", "group", commands);
    let _within = span.enter();
    run();
}

/// Decides a command within its span, and adds the outcome to the span.
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
