//! `request_refund`, and the limits of every refund.
//!
//! A request reserves its amount at once. The refunded and reserved amounts of a transaction never
//! exceed what it paid (I10). If the store records refunds before their payment, it checks them
//! when it records the payment.

use super::change::Change;
use super::decision::{Claim, Decision};
use super::index::UniqueKey;
use crate::order::{
    Anomaly, AnomalyKind, EventKind, NewRefund, Outcome, Payment, Record, Refund, RefundDifference,
    RefundRefusal, RefundRequested, RefundStatus,
};
use crate::types::{Channel, Fen, OrderNo, RefundNo, Timestamp, TransactionId};

pub(super) fn request_refund(mut change: Change<'_>, new: &NewRefund) -> Decision {
    let outcome = request(&mut change, new);
    let acknowledge = matches!(
        outcome,
        RefundRequested::Requested | RefundRequested::Exists
    );
    change.answer(Outcome::RequestRefund(outcome), acknowledge)
}

/// Checks the request step by step. The first failed check determines the outcome.
fn request(change: &mut Change<'_>, new: &NewRefund) -> RefundRequested {
    let Some(record) = change.record() else {
        return RefundRequested::NotFound;
    };
    let known = record.refund(&new.refund_no).cloned();
    if let Some(answer) = known
        .as_ref()
        .and_then(|known| outcome_if_known(change, known, new))
    {
        return answer;
    }
    if known.is_none()
        && let Some(by) = number_taken(change, new.channel, &new.refund_no)
    {
        return RefundRequested::Refused(RefundRefusal::RefundNoTaken { by });
    }
    let record = change.record();
    let payment = record.and_then(|r| r.payment_of(new.channel, &new.transaction_id));
    let Some(payment) = payment.cloned() else {
        return RefundRequested::NotPaid;
    };
    match change.claimed_elsewhere(&payment) {
        Some(Claim::Paid(_)) => return RefundRequested::NotPaid,
        Some(Claim::Refunded(by)) => {
            return RefundRequested::Refused(RefundRefusal::RefundedElsewhere { by });
        }
        None => {}
    }
    if let Some(refusal) = refusal(change, &payment, new.amount) {
        return RefundRequested::Refused(refusal);
    }
    match known {
        Some(known) => retry(change, &known),
        None if change.has_no_room_for_a_refund() => return RefundRequested::RecordFull,
        None => open(change, &payment, (&new.refund_no, new.amount)),
    }
    RefundRequested::Requested
}

/// Returns the outcome of a request that starts no new attempt. Returns `None` for the next attempt
/// of a closed refund, which must pass the same checks as a new refund.
fn outcome_if_known(
    change: &mut Change<'_>,
    known: &Refund,
    new: &NewRefund,
) -> Option<RefundRequested> {
    let requested = (known.channel, &known.transaction_id, known.asked_amount());
    let repeated = (new.channel, &new.transaction_id, new.amount);
    if let Some(field) = first_difference(requested, repeated) {
        return Some(RefundRequested::ExistsWithDifferent { field });
    }
    let ended = || RefundRequested::Ended {
        code: known.code.clone(),
        attempts: known.attempt,
    };
    match known.status {
        RefundStatus::Closed if new.attempt == known.attempt.saturating_add(1) => None,
        RefundStatus::Closed | RefundStatus::Returned => Some(ended()),
        RefundStatus::Success => {
            delay_check(change, known);
            Some(RefundRequested::Exists)
        }
        _ if new.attempt < known.attempt => Some(ended()),
        // The refund exists, and the caller sends its request to the channel again. This counts as
        // a check if one is due.
        RefundStatus::Requested | RefundStatus::Processing | RefundStatus::Abnormal => {
            delay_check(change, known);
            Some(RefundRequested::Exists)
        }
    }
}

/// Facts of a refund in addition to its number: channel, transaction and amount.
pub(super) type Facts<'a> = (Channel, &'a TransactionId, Fen);

/// Returns the first fact in which two refunds with the same number differ.
pub(super) fn first_difference(known: Facts<'_>, other: Facts<'_>) -> Option<RefundDifference> {
    let same = [
        (known.0 == other.0, RefundDifference::Channel),
        (known.1 == other.1, RefundDifference::TransactionId),
        (known.2 == other.2, RefundDifference::Amount),
    ];
    let mut different = same.into_iter().filter(|(same, _)| !same);
    different.next().map(|(_, field)| field)
}

/// Returns the reason why `amount` of the payment cannot be refunded under any refund number.
/// `None` if a refund is possible. The caller checks whether the record has room for a new refund.
pub(super) fn refusal(
    change: &Change<'_>,
    payment: &Payment,
    amount: Fen,
) -> Option<RefundRefusal> {
    if is_reversed(change.anomalies()) {
        return Some(RefundRefusal::Blocked);
    }
    let channel = change.context.policy.channel(payment.channel);
    let over = |window| change.now() > payment.time_end.saturating_add(window);
    if channel.refund_window.is_some_and(over) {
        return Some(RefundRefusal::WindowOver);
    }
    let refunds = change.refunds().iter();
    let parts = refunds.filter(|refund| refund.is_of(payment) && refund.status.holds_money());
    if channel.refund_parts.is_some_and(|max| parts.count() >= max) {
        return Some(RefundRefusal::TooMany);
    }
    let available = left_of(change.record(), payment.channel, &payment.transaction_id);
    (available < amount).then_some(RefundRefusal::Exceeds { available })
}

/// Returns the order that already uses this refund number. Within the order's own record, refunds
/// of other channels and refunds in anomalies count, too.
pub(super) fn number_taken(
    change: &Change<'_>,
    channel: Channel,
    refund_no: &RefundNo,
) -> Option<OrderNo> {
    let in_anomaly = change.anomalies().iter().filter_map(|a| a.refund.as_ref());
    let mut own = change.refunds().iter().chain(in_anomaly);
    if own.any(|refund| refund.refund_no == *refund_no) {
        return Some(change.no());
    }
    let key = UniqueKey::RefundNo(channel, refund_no.clone());
    change.context.owner(&key).map(Record::no)
}

/// Returns whether the record has an open anomaly for a payment that the channel revoked.
fn is_reversed(anomalies: &[Anomaly]) -> bool {
    let mut open = anomalies.iter().filter(|anomaly| anomaly.is_open());
    open.any(|anomaly| anomaly.kind == AnomalyKind::Reversed)
}

/// Opens a refund, which reserves its amount. Schedules the first check, because the channel's
/// reply may get lost.
pub(super) fn open(
    change: &mut Change<'_>,
    payment: &Payment,
    (refund_no, amount): (&RefundNo, Fen),
) {
    let next_check = change.context.policy.refund_check(change.now(), 0);
    let facts = (refund_no.clone(), amount);
    let refund = Refund::of_payment(payment, facts, change.stamp(), next_check);
    change.push(EventKind::RefundOpened(Box::new(refund)));
}

/// Starts the next attempt of a closed refund, which reserves its amount again.
pub(super) fn retry(change: &mut Change<'_>, known: &Refund) {
    let now = change.now();
    let next_check = change.context.policy.refund_check(now, 0);
    // After this retry, the store accepts a failure only as the answer to a query sent after `now`.
    // The times of queries are readings of the clock, so use `now` here and not `stamp`.
    let refund = known.retried(now, next_check);
    change.push(EventKind::RefundMoved(Box::new(refund.clone())));
    change.end_reopened(&refund);
}

/// Moves a due check to a later time, after the check left the refund unchanged. Does nothing if
/// no check is due.
pub(super) fn delay_check(change: &mut Change<'_>, refund: &Refund) {
    let now = change.now();
    if refund.next_check.is_some_and(|at| at <= now) {
        let checks = refund.checks.saturating_add(1);
        let next_check = change.context.policy.refund_check(now, checks);
        set_next_check(change, refund, Some(next_check), true);
    }
}

/// Sets the time of the next check of a refund; `None` for no check. `counted` increases the number
/// of checks, which makes later delays longer.
pub(super) fn set_next_check(
    change: &mut Change<'_>,
    refund: &Refund,
    next_check: Option<Timestamp>,
    counted: bool,
) {
    change.push(EventKind::RefundChecked {
        channel: refund.channel,
        refund_no: refund.refund_no.clone(),
        next_check,
        counted,
    });
}

/// Returns the amount left of a transaction: the paid amount minus refunded and reserved amounts.
/// While the payment is unknown, the paid amount counts as [`Fen::MAX`].
pub(super) fn left_of(
    record: Option<&Record>,
    channel: Channel,
    transaction: &TransactionId,
) -> Fen {
    let paid = record.and_then(|record| record.paid_of(channel, transaction));
    let held = record.map_or(Some(Fen::ZERO), |r| r.held_of(channel, transaction));
    let left = held.and_then(|held| paid.unwrap_or(Fen::MAX).checked_sub(held));
    left.unwrap_or(Fen::ZERO)
}

/// Checks the known refunds of a payment against the paid amount, oldest first. A refund that
/// exceeds the amount left becomes an anomaly and is closed. Returns `false` if the record has no
/// room for the anomaly.
pub(super) fn limit_to_paid(change: &mut Change<'_>, payment: &Payment) -> bool {
    for (refund, available) in excess(change, payment) {
        if !change.make_room() {
            return false;
        }
        let kind = AnomalyKind::RefundExceeds {
            refund_no: refund.refund_no.clone(),
            available,
        };
        change.raise_refund(kind, refund.clone());
        change.end_refund(&refund, RefundStatus::Closed);
    }
    true
}

/// Returns the refunds that exceed the paid amount, each with the amount that was still available
/// for it.
fn excess(change: &Change<'_>, payment: &Payment) -> Vec<(Refund, Fen)> {
    let (channel, transaction) = (payment.channel, &payment.transaction_id);
    let refunds = change.refunds().iter();
    let held = refunds.filter(|refund| refund.is_of(payment) && refund.status.holds_money());
    let held: Vec<&Refund> = held.collect();
    let Some(record) = change.record().filter(|_| !held.is_empty()) else {
        return Vec::new();
    };
    let mut left = record.left_for_refunds(channel, transaction);
    let too_much = |refund: &Refund| match left.checked_sub(refund.held()) {
        Some(rest) => {
            left = rest;
            None
        }
        None => Some((refund.clone(), left)),
    };
    held.into_iter().filter_map(too_much).collect()
}

/// Returns whether the order is paid and no refund known to the record has reserved or paid back
/// money of its payment.
pub(super) fn knows_no_refund(record: Option<&Record>) -> bool {
    let order = record.and_then(Record::as_order);
    let own = order.and_then(|order| order.payment.as_ref());
    own.is_some_and(|own| !refunds_known_of(record, own).any(RefundStatus::holds_money))
}

/// Returns the statuses of all known refunds of a payment, including refunds that only
/// anomalies contain.
pub(super) fn refunds_known_of<'a>(
    record: Option<&'a Record>,
    payment: &'a Payment,
) -> impl Iterator<Item = RefundStatus> + 'a {
    let doubtful = record.map_or(&[][..], Record::anomalies).iter();
    let doubtful = doubtful.filter_map(|anomaly| anomaly.refund.as_ref());
    let refunds = record.map_or(&[][..], Record::refunds).iter();
    let of_it = refunds
        .chain(doubtful)
        .filter(|refund| refund.is_of(payment));
    of_it.map(|refund| refund.status)
}
