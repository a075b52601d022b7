//! `request_refund`, and what every refund is measured by.
//!
//! What is asked for is reserved at once: what went back or is reserved of a transaction is
//! at most what it paid (I10). A payment that is learned after its refunds is measured then.

use std::time::Duration;

use super::change::Change;
use super::decision::Decision;
use super::index::UniqueKey;
use crate::order::{
    Anomaly, AnomalyKind, NewRefund, Outcome, Payment, Record, Refund, RefundDifference,
    RefundRequested, RefundStatus, What,
};
use crate::value::{Channel, Fen, OrderNo, RefundNo, TransactionId};

/// How long after a payment the channel gives it back.
const WINDOW: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// In how many parts the channel gives a transaction back. Closed refunds are none.
const PARTS_MAX: usize = 50;

/// Why no money goes back.
pub(super) enum Refusal {
    /// A reversal that nobody looked into.
    Blocked,
    /// Paid too long ago.
    WindowOver,
    /// In too many parts.
    TooMany,
    /// Not so much is left.
    Exceeds { available: Fen },
    /// The record has no room.
    Full,
}

pub(super) fn request_refund(mut change: Change<'_>, new: &NewRefund) -> Decision {
    let outcome = request(&mut change, new);
    let stands = matches!(
        outcome,
        RefundRequested::Requested | RefundRequested::Exists
    );
    change.answer(Outcome::RequestRefund(outcome), stands)
}

/// The guards, in the order in which they are asked.
fn request(change: &mut Change<'_>, new: &NewRefund) -> RefundRequested {
    let Some(record) = change.record() else {
        return RefundRequested::NotFound;
    };
    if let Some(known) = record.refund(&new.refund_no).cloned() {
        return known_before(change, &known, new);
    }
    if let Some(by) = number_taken(change, new.channel, &new.refund_no) {
        return RefundRequested::RefundNoTaken { by };
    }
    let payment = record.payment_of(new.channel, &new.transaction_id);
    let Some(payment) = payment.filter(|p| !change.is_anothers(p)).cloned() else {
        return RefundRequested::NotPaid;
    };
    if let Some(refusal) = refusal(change, &payment, new.amount) {
        return refused(refusal);
    }
    open(change, &payment, (&new.refund_no, new.amount));
    RefundRequested::Requested
}

/// The channel is asked once more under the number: one more check, once it was due.
fn known_before(change: &mut Change<'_>, known: &Refund, new: &NewRefund) -> RefundRequested {
    let facts = (new.channel, &new.transaction_id, new.amount);
    if let Some(field) = first_difference(known, facts) {
        return RefundRequested::ExistsWithDifferent { field };
    }
    put_off(change, known);
    RefundRequested::Exists
}

const fn refused(refusal: Refusal) -> RefundRequested {
    match refusal {
        Refusal::Blocked => RefundRequested::Blocked,
        Refusal::WindowOver => RefundRequested::WindowOver,
        Refusal::TooMany => RefundRequested::TooMany,
        Refusal::Exceeds { available } => RefundRequested::Exceeds { available },
        Refusal::Full => RefundRequested::RecordFull,
    }
}

/// The first fact in which `known` is another refund.
pub(super) fn first_difference(
    known: &Refund,
    (channel, transaction, amount): (Channel, &TransactionId, Fen),
) -> Option<RefundDifference> {
    let same = [
        (known.channel == channel, RefundDifference::Channel),
        (
            known.transaction_id == *transaction,
            RefundDifference::TransactionId,
        ),
        (known.amount == amount, RefundDifference::Amount),
    ];
    let mut different = same.into_iter().filter(|(same, _)| !same);
    different.next().map(|(_, field)| field)
}

/// Why this much of the payment cannot go back under this number. Room is asked for last.
pub(super) fn refusal(change: &Change<'_>, payment: &Payment, amount: Fen) -> Option<Refusal> {
    if is_reversed(change.anomalies()) {
        return Some(Refusal::Blocked);
    }
    if change.now() > payment.time_end.saturating_add(WINDOW) {
        return Some(Refusal::WindowOver);
    }
    let refunds = change.refunds().iter();
    let parts = refunds.filter(|refund| refund.is_of(payment) && refund.status.holds_money());
    if parts.count() >= PARTS_MAX {
        return Some(Refusal::TooMany);
    }
    let available = left_of(change.record(), payment.channel, &payment.transaction_id);
    if available < amount {
        return Some(Refusal::Exceeds { available });
    }
    change.has_no_room_for_a_refund().then_some(Refusal::Full)
}

/// The order whose refund bears the number. Within one record the channel makes no
/// difference, and what only an anomaly knows bears its number, too.
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

/// The channel revoked the order's payment, and nobody has looked into that yet.
fn is_reversed(anomalies: &[Anomaly]) -> bool {
    let mut open = anomalies.iter().filter(|anomaly| anomaly.is_open());
    open.any(|anomaly| anomaly.kind == AnomalyKind::Reversed)
}

/// Reserves the money. The channel is asked about it soon, should its reply get lost.
pub(super) fn open(
    change: &mut Change<'_>,
    payment: &Payment,
    (refund_no, amount): (&RefundNo, Fen),
) {
    let next_check = change.context.policy.refund_check(change.now(), 0);
    let facts = (refund_no.clone(), amount);
    let refund = Refund::of_payment(payment, facts, change.stamp(), next_check);
    change.push(What::RefundOpened(Box::new(refund)));
}

/// The refund was asked about as was due, and stands as it stood: it is due later.
pub(super) fn put_off(change: &mut Change<'_>, refund: &Refund) {
    let now = change.now();
    if refund.next_check.is_some_and(|at| at <= now) {
        let checks = refund.checks.saturating_add(1);
        change.push(What::RefundChecked {
            channel: refund.channel,
            refund_no: refund.refund_no.clone(),
            next_check: change.context.policy.refund_check(now, checks),
        });
    }
}

/// What is left of a transaction: what it paid, less what went back or is reserved. Where
/// the payment is not known yet nothing limits it but the numbers.
pub(super) fn left_of(
    record: Option<&Record>,
    channel: Channel,
    transaction: &TransactionId,
) -> Fen {
    let payment = record.and_then(|record| record.payment_of(channel, transaction));
    let paid = payment.map_or(Fen::MAX, |payment| payment.paid_fee);
    let refunds = record.map_or(&[][..], Record::refunds).iter();
    let is_of = |r: &&Refund| r.channel == channel && r.transaction_id == *transaction;
    let held = refunds.filter(|refund| is_of(refund) && refund.status.holds_money());
    held.fold(paid, |left, refund| {
        left.checked_sub(refund.amount).unwrap_or(Fen::ZERO)
    })
}

/// Holds the refunds that are known of a payment against what it paid, oldest first. What
/// is too much becomes an anomaly and holds no money. False where there is no room for it.
pub(super) fn measure(change: &mut Change<'_>, payment: &Payment) -> bool {
    for (refund, available) in excess(change, payment) {
        if change.is_full() {
            return false;
        }
        let kind = AnomalyKind::RefundExceeds {
            refund_no: refund.refund_no.clone(),
            available,
        };
        change.raise_refund(kind, refund.clone());
        change.push(What::RefundMoved(Box::new(Refund {
            status: RefundStatus::Closed,
            next_check: None,
            ..refund
        })));
    }
    true
}

fn excess(change: &Change<'_>, payment: &Payment) -> Vec<(Refund, Fen)> {
    let known = change
        .record()
        .and_then(|record| record.payment_of(payment.channel, &payment.transaction_id));
    let mut left = known.map_or(Fen::MAX, |known| known.paid_fee);
    let too_much = |refund: &Refund| match left.checked_sub(refund.amount) {
        Some(rest) => {
            left = rest;
            None
        }
        None => Some((refund.clone(), left)),
    };
    let refunds = change.refunds().iter();
    let held = refunds.filter(|refund| refund.is_of(payment) && refund.status.holds_money());
    held.filter_map(too_much).collect()
}

/// The order is paid, and no refund of its transaction is known or asked for here.
pub(super) fn knows_no_refund(record: Option<&Record>) -> bool {
    let order = record.and_then(Record::as_order);
    let own = order.and_then(|order| order.payment.as_ref());
    own.is_some_and(|own| !refunds_known_of(record, own).any(RefundStatus::holds_money))
}

/// How far the refunds of a payment are, those that only anomalies know included.
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
