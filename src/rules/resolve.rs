//! `resolve`: a person ends an anomaly.

use super::change::Change;
use super::confirm::receive;
use super::decision::Decision;
use super::index::UniqueKey;
use crate::order::{
    Anomaly, AnomalyEnd, AnomalyId, AnomalyKind, Confirmed, Ended, Outcome, Payment, Record,
    Refund, Resolution, Resolved, What,
};
use crate::value::{Fen, Note, RefundNo};

pub(super) fn resolve(
    mut change: Change<'_>,
    id: AnomalyId,
    how: &Resolution,
    note: &Note,
) -> Decision {
    let anomaly = change
        .record()
        .and_then(|record| record.anomaly(id))
        .cloned();
    let outcome = match anomaly {
        None => Resolved::NotFound,
        Some(Anomaly { end: Some(end), .. }) => ended_before(&end, how),
        Some(anomaly) => match how {
            Resolution::Dismiss => end(&mut change, &anomaly, Ended::Dismissed, note),
            Resolution::Accept => accept(&mut change, &anomaly, note),
            Resolution::Refund { refund_no } => refund(&mut change, &anomaly, refund_no, note),
        },
    };
    if outcome == Resolved::RecordFull {
        return change.refuse(Outcome::Resolve(outcome));
    }
    let stands = matches!(
        outcome,
        Resolved::Resolved | Resolved::Already | Resolved::Reexamined(_)
    );
    change.answer(Outcome::Resolve(outcome), stands)
}

fn ended_before(end: &AnomalyEnd, how: &Resolution) -> Resolved {
    let same = match (&end.how, how) {
        (Ended::Accepted, Resolution::Accept) | (Ended::Dismissed, Resolution::Dismiss) => true,
        (Ended::Refunded { refund_no }, Resolution::Refund { refund_no: asked }) => {
            refund_no == asked
        }
        _ => false,
    };
    if same {
        Resolved::Already
    } else {
        Resolved::Different
    }
}

fn end(change: &mut Change<'_>, anomaly: &Anomaly, how: Ended, note: &Note) -> Resolved {
    change.push(What::AnomalyEnded {
        id: anomaly.id,
        how,
        note: note.clone(),
    });
    Resolved::Resolved
}

/// Only what leaves the paid facts whole can be accepted: a late payment, and a payer with
/// another identity once the other guards have let the payment pass.
fn accept(change: &mut Change<'_>, anomaly: &Anomaly, note: &Note) -> Resolved {
    match (&anomaly.kind, &anomaly.payment) {
        (AnomalyKind::LatePayment, _) => end(change, anomaly, Ended::Accepted, note),
        (AnomalyKind::IdentityMismatch { .. }, Some(payment)) => {
            reexamine(change, anomaly, payment, note)
        }
        _ => Resolved::NotAcceptable,
    }
}

/// Once its identity is accepted the payment is a payment like any other.
fn reexamine(
    change: &mut Change<'_>,
    anomaly: &Anomaly,
    payment: &Payment,
    note: &Note,
) -> Resolved {
    end(change, anomaly, Ended::Accepted, note);
    match receive(change, payment).confirmed {
        Confirmed::RecordFull => Resolved::RecordFull,
        confirmed => Resolved::Reexamined(confirmed),
    }
}

/// The whole of the anomaly's own payment goes back. What paid another order goes back
/// from there, where its reserve is kept.
fn refund(
    change: &mut Change<'_>,
    anomaly: &Anomaly,
    refund_no: &RefundNo,
    note: &Note,
) -> Resolved {
    let Some(payment) = &anomaly.payment else {
        return Resolved::NotRefundable;
    };
    if change.is_anothers(payment) {
        return Resolved::NotRefundable;
    }
    let key = UniqueKey::RefundNo(payment.channel, refund_no.clone());
    if let Some(owner) = change.context.owner(&key) {
        return Resolved::RefundNoTaken { by: owner.no() };
    }
    if is_reversed(change.record()) {
        return Resolved::Blocked;
    }
    let available = available(change.record(), payment);
    if available < payment.paid_fee {
        return Resolved::Exceeds { available };
    }
    let how = Ended::Refunded {
        refund_no: refund_no.clone(),
    };
    end(change, anomaly, how, note);
    let next_check = change.context.policy.first_refund_check(change.now());
    let refund = Refund::of_payment(payment, refund_no.clone(), change.stamp(), next_check);
    change.push(What::RefundOpened(Box::new(refund)));
    Resolved::Resolved
}

/// The channel revoked the order's payment, and nobody has looked into that yet.
fn is_reversed(record: Option<&Record>) -> bool {
    let mut anomalies = record.map_or(&[][..], Record::anomalies).iter();
    anomalies.any(|anomaly| anomaly.is_open() && anomaly.kind == AnomalyKind::Reversed)
}

/// What is left of a payment: what it paid, less what went back or is reserved.
fn available(record: Option<&Record>, payment: &Payment) -> Fen {
    let Some(record) = record else {
        return Fen::ZERO;
    };
    let known = record.payment_of(payment.channel, &payment.transaction_id);
    let paid = known.map_or(Fen::ZERO, |known| known.paid_fee);
    let refunds = record.refunds().iter();
    let held = refunds.filter(|refund| refund.is_of(payment) && refund.status.holds_money());
    held.fold(paid, |left, refund| {
        left.checked_sub(refund.amount).unwrap_or(Fen::ZERO)
    })
}
