//! Replies to commands, as JSON.

use std::sync::Arc;

use orderstore::{Order, Outcome, Reply};
use serde::{Serialize, Serializer};

use crate::problem::Problem;

/// Reply to one command, in the JSON form of the library's reply to a command of a known kind. The
/// client knows the kind, because it sent the command.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    #[serde(serialize_with = "without_kind")]
    outcome: Outcome,
    acknowledge: bool,
    /// `None` leaves the field out, because the client did not ask for it. `Some(None)` means that
    /// no order has this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Option<Arc<Order>>>,
}

impl Answer {
    pub(crate) fn of(reply: Reply<Outcome>, with_order: bool) -> Self {
        let acknowledge = reply.should_acknowledge();
        Self {
            outcome: reply.outcome,
            acknowledge,
            order: with_order.then_some(reply.order),
        }
    }
}

/// Result of one command of a batch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum BatchResult {
    Reply(Answer),
    Problem(Problem),
}

/// Serializes the outcome without the kind of its command.
fn without_kind<S: Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    match outcome {
        Outcome::Create(outcome) => outcome.serialize(serializer),
        Outcome::Annotate(outcome) => outcome.serialize(serializer),
        Outcome::RecordPrepay(outcome) => outcome.serialize(serializer),
        Outcome::Confirm(outcome) => outcome.serialize(serializer),
        Outcome::RecordQuery(outcome) => outcome.serialize(serializer),
        Outcome::Close(outcome) => outcome.serialize(serializer),
        Outcome::Resolve(outcome) => outcome.serialize(serializer),
        Outcome::Visibility(outcome) => outcome.serialize(serializer),
        Outcome::RequestRefund(outcome) => outcome.serialize(serializer),
        Outcome::RecordRefund(outcome) => outcome.serialize(serializer),
        Outcome::RefuseRefund(outcome) => outcome.serialize(serializer),
        Outcome::RefundUnanswered(outcome) => outcome.serialize(serializer),
        Outcome::Import(outcome) => outcome.serialize(serializer),
        _ => Err(serde::ser::Error::custom("unknown kind of outcome")),
    }
}
