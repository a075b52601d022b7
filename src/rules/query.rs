//! `record_query`: what the channel says of an order, against where the order stands.

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
            let stands = !matches!(outcome, Queried::NotFound | Queried::RecordFull);
            change.answer(Outcome::RecordQuery(outcome), stands)
        }
    }
}

/// The channel was asked as was due and gave no usable answer: the same step again, later.
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

/// The channel names only a payment that a person dismissed or that went back. Where a
/// number is paid once, or its time is over, no other payment will come: the order ends,
/// and its reference is free.
fn end_if_settled(change: &mut Change<'_>, payment: &Payment) -> Option<Queried> {
    let order = change.order().filter(|order| !order.status.is_ended())?;
    let pays_once = change.context.policy.channel(order.channel).pays_once;
    let is_over = pays_once || is_past(change, std::time::Duration::ZERO);
    let ends = is_over && can_end(order).is_ok() && is_settled(order, payment);
    ends.then(|| end(change, EventKind::Closed))
}

/// The channel was asked as was due, and its payment leaves the order as it was: what is
/// due is due later. Else an order whose payment does not count would be asked about as
/// fast as the server sweeps.
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

/// First the payment, as ever; then the refund that nobody here asked for. Both or none.
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

/// The table of what the channel says against where the order stands.
fn not_paid(change: &mut Change<'_>, said: TradeState) -> Queried {
    let Some(status) = change.order().map(|order| order.status) else {
        return Queried::NotFound;
    };
    match status {
        Status::Pending => pending(change, said),
        Status::Closing => closing(change, said),
        Status::Success | Status::LatePaid => paid(change, status, said),
        Status::Closed | Status::Failed => match said {
            TradeState::NotPay | TradeState::UserPaying | TradeState::Accept => Queried::Stale,
            _ => Queried::Already,
        },
    }
}

fn pending(change: &mut Change<'_>, said: TradeState) -> Queried {
    match said {
        TradeState::Closed => end(change, EventKind::Closed),
        TradeState::Revoked => end(change, EventKind::Failed),
        // Orders have been charged in this state: have it closed before believing it.
        TradeState::PayError => begin_closing_now(change),
        TradeState::NoSuchOrder => unknown_while_pending(change),
        // The channel never closes by itself.
        _ if is_past(change, std::time::Duration::ZERO) => begin_closing_now(change),
        _ => check_again(change),
    }
}

/// The channel does not know the order: it may not have been told yet.
fn unknown_while_pending(change: &mut Change<'_>) -> Queried {
    if is_past(change, change.context.policy.grace) {
        end(change, EventKind::Closed)
    } else {
        check_again(change)
    }
}

/// The channel does not know the order that is to be closed: believed as soon as it might
/// have been closed.
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

fn closing(change: &mut Change<'_>, said: TradeState) -> Queried {
    match said {
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
        // A closed order that was paid: a full refund looks like this.
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

/// The close is due as soon as the channel may be asked. Where it was asked already and the
/// order is as it was, it is asked ever later: a channel that says "closed" without closing
/// must not be asked as fast as the server sweeps.
fn ask_close_again(change: &mut Change<'_>) -> Queried {
    let policy = change.context.policy;
    let asked = change
        .order()
        .map(|order| asked_close(order, policy, change.now()));
    if let Some((next, counted)) = asked.flatten() {
        let next = Some(next);
        change.push(EventKind::Checked { next, counted });
    }
    Queried::StillClosing
}

/// When the close is to be asked, and whether it was asked already; nothing where that is
/// settled.
fn asked_close(order: &Order, policy: &Policy, now: Timestamp) -> Option<(NextAction, bool)> {
    let closing = order.status == Status::Closing;
    let asked = closing
        && order
            .next
            .is_some_and(|next| next.action == ActionKind::Query);
    let closable = policy.closable_from(order, now);
    let at = if asked {
        let checks = order.checks.saturating_add(1);
        closable.max(policy.next_check(now, checks).at)
    } else {
        closable
    };
    let stands =
        |next: NextAction| next.action == ActionKind::AskClose && (closing || next.at <= at);
    let action = ActionKind::AskClose;
    (!order.next.is_some_and(stands)).then_some((NextAction { at, action }, asked))
}
