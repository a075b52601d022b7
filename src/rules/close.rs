//! Closing of an order at the channel in three steps: begin, send the request to the channel,
//! record the reply. A payment takes precedence at every step.

use super::change::Change;
use super::decision::Decision;
use super::ending::{can_end, is_past, is_settled};
use super::query::unknown_while_closing;
use crate::order::{
    ActionKind, CloseOutcome, CloseReply, EventKind, NextAction, Order, Outcome, Queried, Status,
};
use crate::types::Note;

pub(super) fn begin_close(mut change: Change<'_>) -> Decision {
    let now = change.now();
    let policy = change.context.policy;
    let outcome = match change.order() {
        None => CloseOutcome::NotFound,
        Some(order) => match order.status {
            Status::Pending => {
                let at = policy.closable_from(order, now);
                let action = ActionKind::AskClose;
                change.push(EventKind::CloseBegan {
                    next: NextAction { at, action },
                });
                CloseOutcome::Closing
            }
            other => ended(other),
        },
    };
    answer(change, outcome)
}

pub(super) fn record_close(mut change: Change<'_>, reply: CloseReply) -> Decision {
    let outcome = match change.order().map(|order| order.status) {
        None => CloseOutcome::NotFound,
        Some(status @ (Status::Pending | Status::Closing)) => match reply {
            CloseReply::Closed if !change.context.policy.close_needs_query => {
                change.push(EventKind::Closed);
                CloseOutcome::Closed
            }
            CloseReply::Closed | CloseReply::OrderPaid => must_query(&mut change),
            CloseReply::NoSuchOrder => unknown(&mut change, status),
            CloseReply::Retry => retry(&mut change, status),
        },
        Some(other) => ended(other),
    };
    answer(change, outcome)
}

pub(super) fn abort_close(mut change: Change<'_>) -> Decision {
    let now = change.now();
    let policy = change.context.policy;
    let outcome = match change.order() {
        None => CloseOutcome::NotFound,
        Some(order) if order.status == Status::Closing => {
            let next = policy.next_check(now, order.checks);
            change.push(EventKind::CloseAborted { next });
            CloseOutcome::Reopened
        }
        Some(_) => CloseOutcome::NotClosing,
    };
    answer(change, outcome)
}

/// Ends an order on a person's command, if no payment is expected any more.
pub(super) fn end_order(mut change: Change<'_>, note: &Note) -> Decision {
    let outcome = match change.order() {
        None => CloseOutcome::NotFound,
        Some(order) => match order.status {
            Status::Pending | Status::Closing => match can_end(order) {
                Err(refusal) => refusal,
                Ok(()) if is_over(&change, order) => {
                    let note = note.clone();
                    change.push(EventKind::EndedByPerson { note });
                    CloseOutcome::Closed
                }
                Ok(()) => {
                    let grace = change.context.policy.grace;
                    let from = order.expires_at.saturating_add(grace);
                    CloseOutcome::TooEarly { from }
                }
            },
            other => ended(other),
        },
    };
    let acknowledge = matches!(outcome, CloseOutcome::Closed | CloseOutcome::Already);
    change.answer(Outcome::Close(outcome), acknowledge)
}

/// Returns whether no further payment is possible: the expiry and the grace period are over, or the
/// channel accepts one payment per order number and every known payment was dismissed or refunded.
fn is_over(change: &Change<'_>, order: &Order) -> bool {
    let policy = change.context.policy;
    let mut paid = order.anomalies.iter().filter_map(|a| a.payment.as_ref());
    let was_paid = paid.clone().next().is_some() && paid.all(|payment| is_settled(order, payment));
    policy.channel(order.channel).pays_once && was_paid || is_past(change, policy.grace)
}

fn answer(change: Change<'_>, outcome: CloseOutcome) -> Decision {
    let acknowledge = !matches!(outcome, CloseOutcome::NotFound | CloseOutcome::NotClosing);
    change.answer(Outcome::Close(outcome), acknowledge)
}

/// Returns the reply for an order that is paid, ended or already closing.
const fn ended(status: Status) -> CloseOutcome {
    match status {
        Status::Success | Status::LatePaid => CloseOutcome::AlreadyPaid,
        Status::Pending | Status::Closing | Status::Closed | Status::Failed => {
            CloseOutcome::Already
        }
    }
}

/// Makes a query of the order due now, because the channel's reply to a close request does not
/// prove the order's state.
fn must_query(change: &mut Change<'_>) -> CloseOutcome {
    let at = change.now();
    let action = ActionKind::Query;
    let is_due = |next: NextAction| next.action == action && next.at <= at;
    let known = change
        .order()
        .and_then(|order| order.next)
        .is_some_and(is_due);
    if !known {
        change.push(EventKind::Checked {
            next: Some(NextAction { at, action }),
            counted: false,
        });
    }
    CloseOutcome::MustQuery
}

/// Handles the reply `NoSuchOrder` to a close request. A pending order is handled like a closing
/// one, because the server has asked the channel to close it.
fn unknown(change: &mut Change<'_>, status: Status) -> CloseOutcome {
    match unknown_while_closing(change) {
        Queried::Moved { .. } => CloseOutcome::Closed,
        _ => still(status),
    }
}

/// Handles the reply `Retry` to a close request: schedules the next request for a later time, at
/// which closing is allowed.
fn retry(change: &mut Change<'_>, status: Status) -> CloseOutcome {
    let now = change.now();
    let policy = change.context.policy;
    if let Some(order) = change.order() {
        let later = policy.next_check(now, order.checks.saturating_add(1)).at;
        let at = later.max(policy.closable_from(order, now));
        let action = ActionKind::AskClose;
        change.push(EventKind::Checked {
            next: Some(NextAction { at, action }),
            counted: true,
        });
    }
    still(status)
}

const fn still(status: Status) -> CloseOutcome {
    match status {
        Status::Pending => CloseOutcome::StillPending,
        _ => CloseOutcome::StillClosing,
    }
}
