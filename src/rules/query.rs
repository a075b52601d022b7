//! `record_query`: compares the channel's answer about an order with the order's status.

use super::change::Change;
use super::confirm::receive;
use super::decision::Decision;
use super::ending::is_past;
use super::ending::{can_end, is_settled};
use super::policy::Policy;
use super::refund::knows_no_refund;
use crate::order::{
    ActionKind, AnomalyKind, ChannelState, Confirmed, EventKind, NextAction, Order, Outcome,
    Payment, Queried, Status, TradeState,
};
use crate::types::Timestamp;

pub(super) fn record_query(mut change: Change<'_>, state: &ChannelState) -> Decision {
    match state {
        ChannelState::Success(payment) => paid_by(change, payment),
        ChannelState::Refund(payment) => refunded(change, payment),
        unpaid => {
            let outcome = not_paid(&mut change, unpaid.trade_state());
            let acknowledge = !matches!(outcome, Queried::NotFound | Queried::RecordFull);
            change.answer(Outcome::RecordQuery(outcome), acknowledge)
        }
    }
}

/// Records a query without a usable answer. A due action moves to a later time.
pub(super) fn record_unanswered(mut change: Change<'_>) -> Decision {
    put_off(&mut change);
    let outcome = match change.order().map(|order| order.status) {
        None => Queried::NotFound,
        Some(Status::Pending) => Queried::StillPending,
        Some(Status::Closing) => Queried::StillClosing,
        Some(Status::Success | Status::LatePaid) => Queried::Stale,
        Some(Status::Closed | Status::Failed) => Queried::Already,
    };
    change.answer(Outcome::RecordQuery(outcome), outcome != Queried::NotFound)
}

fn paid_by(mut change: Change<'_>, payment: &Payment) -> Decision {
    let receipt = receive(&mut change, payment);
    let outcome = Outcome::RecordQuery(Queried::Payment(receipt.confirmed));
    if receipt.confirmed == Confirmed::RecordFull {
        return change.refuse(outcome);
    }
    if let Some(moved) = end_if_settled(&mut change, payment) {
        return change.answer(Outcome::RecordQuery(moved), receipt.acknowledge);
    }
    put_off(&mut change);
    change.answer(outcome, receipt.acknowledge)
}

/// Ends an unpaid order if the channel reports only a payment that was dismissed or refunded, and
/// no other payment is possible. No other payment is possible if the channel accepts one payment
/// per order number or if the order has expired. An ended order frees its reference.
fn end_if_settled(change: &mut Change<'_>, payment: &Payment) -> Option<Queried> {
    let order = change.order().filter(|order| !order.status.is_ended())?;
    let pays_once = change.context.policy.channel(order.channel).pays_once;
    let is_over = pays_once || is_past(change, std::time::Duration::ZERO);
    let ends = is_over && can_end(order).is_ok() && is_settled(order, payment);
    ends.then(|| end(change, EventKind::Closed))
}

/// Moves a due action to a later time, after an answer that left the order unchanged. If the action
/// stayed due, the server would query the order in every sweep. An example is an order whose only
/// payment is mismatched: the channel reports this payment in each answer.
fn put_off(change: &mut Change<'_>) {
    let now = change.now();
    let Some(order) = change.order().filter(|order| !order.status.is_ended()) else {
        return;
    };
    if let Some(NextAction { at, action }) = order.next
        && at <= now
    {
        let checks = order.checks.saturating_add(1);
        let at = change.context.policy.next_check(now, checks).at;
        change.push(EventKind::Checked {
            next: Some(NextAction { at, action }),
            counted: true,
        });
    }
}

/// Records a payment that the channel reports as refunded. If the store knows no refund of it, also
/// raises a `RefundUnknown` anomaly. If the record has no room for both, refuses the whole change.
fn refunded(mut change: Change<'_>, payment: &Payment) -> Decision {
    let receipt = receive(&mut change, payment);
    let confirmed = receipt.confirmed;
    if confirmed == Confirmed::RecordFull {
        return change.refuse(Outcome::RecordQuery(Queried::Payment(confirmed)));
    }
    let outcome = if knows_no_refund(change.record()) {
        let unknown = Queried::RefundUnknown(confirmed);
        keep(&mut change, AnomalyKind::RefundUnknown, unknown)
    } else {
        Queried::Payment(confirmed)
    };
    if outcome == Queried::RecordFull {
        return change.refuse(Outcome::RecordQuery(outcome));
    }
    if let Some(moved) = end_if_settled(&mut change, payment) {
        return change.answer(Outcome::RecordQuery(moved), receipt.acknowledge);
    }
    put_off(&mut change);
    change.answer(Outcome::RecordQuery(outcome), receipt.acknowledge)
}

/// Applies an unpaid state of the channel to the order.
fn not_paid(change: &mut Change<'_>, state: TradeState) -> Queried {
    let Some(status) = change.order().map(|order| order.status) else {
        return Queried::NotFound;
    };
    match status {
        Status::Pending => pending(change, state),
        Status::Closing => closing(change, state),
        Status::Success | Status::LatePaid => paid(change, status, state),
        Status::Closed | Status::Failed => match state {
            TradeState::NotPay | TradeState::UserPaying | TradeState::Accept => Queried::Stale,
            _ => Queried::Already,
        },
    }
}

fn pending(change: &mut Change<'_>, state: TradeState) -> Queried {
    match state {
        TradeState::Closed => end(change, EventKind::Closed),
        TradeState::Revoked => end(change, EventKind::Failed),
        // Begin to close the order, but do not end it yet: a channel may still charge the customer
        // after it reported this state. The order counts as unpaid only after the channel has
        // closed it.
        TradeState::PayError => begin_closing_now(change),
        TradeState::NoSuchOrder => unknown_while_pending(change),
        // Close an expired order, because the channel never does so by itself.
        _ if is_past(change, std::time::Duration::ZERO) => begin_closing_now(change),
        _ => check_again(change),
    }
}

/// Handles a pending order that the channel does not know. The server may not have sent the order
/// to the channel yet, so the order is closed only after expiry and grace.
fn unknown_while_pending(change: &mut Change<'_>) -> Queried {
    if is_past(change, change.context.policy.grace) {
        end(change, EventKind::Closed)
    } else {
        check_again(change)
    }
}

/// Handles a closing order that the channel does not know. Closes the order if a close request is
/// already allowed; otherwise schedules another close request.
pub(super) fn unknown_while_closing(change: &mut Change<'_>) -> Queried {
    let now = change.now();
    let policy = change.context.policy;
    let closable = |order: &std::sync::Arc<Order>| policy.closable_from(order, now) <= now;
    if change.order().is_some_and(closable) {
        end(change, EventKind::Closed)
    } else {
        ask_close_again(change)
    }
}

fn closing(change: &mut Change<'_>, state: TradeState) -> Queried {
    match state {
        TradeState::Closed => end(change, EventKind::Closed),
        TradeState::Revoked => end(change, EventKind::Failed),
        TradeState::NoSuchOrder => unknown_while_closing(change),
        _ => ask_close_again(change),
    }
}

fn paid(change: &mut Change<'_>, status: Status, state: TradeState) -> Queried {
    match (state, status) {
        (TradeState::Revoked, Status::Success) => {
            keep(change, AnomalyKind::Reversed, Queried::Reversed)
        }
        (TradeState::Revoked | TradeState::PayError | TradeState::NoSuchOrder, _) => {
            let kind = AnomalyKind::ChannelDisagrees { state };
            keep(change, kind, Queried::ChannelDisagrees { state })
        }
        // None of the remaining states contradicts a paid order. Channels report `Closed` also
        // after a full refund, and an unpaid state is older than the payment.
        _ => Queried::Stale,
    }
}

fn keep(change: &mut Change<'_>, kind: AnomalyKind, outcome: Queried) -> Queried {
    if change.has_raised(&kind) {
        return outcome;
    }
    if !change.make_room() {
        return Queried::RecordFull;
    }
    change.raise(kind, None);
    outcome
}

fn end(change: &mut Change<'_>, what: EventKind) -> Queried {
    change.push(what);
    let to = change.order().map_or(Status::Closed, |order| order.status);
    Queried::Moved { to }
}

fn begin_closing_now(change: &mut Change<'_>) -> Queried {
    let at = change.now();
    let action = ActionKind::AskClose;
    end(
        change,
        EventKind::CloseBegan {
            next: NextAction { at, action },
        },
    )
}

fn check_again(change: &mut Change<'_>) -> Queried {
    let checks = change
        .order()
        .map_or(0, |order| order.checks.saturating_add(1));
    let next = change.context.policy.next_check(change.now(), checks);
    change.push(EventKind::Checked {
        next: Some(next),
        counted: true,
    });
    Queried::StillPending
}

/// Schedules the close request for the earliest time at which it is allowed. If an earlier request
/// left the order unchanged, the delay grows with each check. A channel may reply "closed" and not
/// close the order. Without the growing delay, the server would then send a request in every sweep.
fn ask_close_again(change: &mut Change<'_>) -> Queried {
    let policy = change.context.policy;
    let request = change
        .order()
        .map(|order| close_request(order, policy, change.now()));
    if let Some((next, counted)) = request.flatten() {
        let next = Some(next);
        change.push(EventKind::Checked { next, counted });
    }
    Queried::StillClosing
}

/// Returns the next close request, and whether the server has sent an earlier one. If the next
/// action of a closing order is a query, the server has sent one. Returns `None` if the order
/// already has the right next action.
fn close_request(order: &Order, policy: &Policy, now: Timestamp) -> Option<(NextAction, bool)> {
    let closing = order.status == Status::Closing;
    let was_sent = closing
        && order
            .next
            .is_some_and(|next| next.action == ActionKind::Query);
    let closable = policy.closable_from(order, now);
    let at = if was_sent {
        let checks = order.checks.saturating_add(1);
        closable.max(policy.next_check(now, checks).at)
    } else {
        closable
    };
    let is_scheduled =
        |next: NextAction| next.action == ActionKind::AskClose && (closing || next.at <= at);
    let action = ActionKind::AskClose;
    (!order.next.is_some_and(is_scheduled)).then_some((NextAction { at, action }, was_sent))
}
