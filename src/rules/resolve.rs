//! `resolve`: a person ends an anomaly.

use super::change::Change;
use super::confirm::receive;
use super::decision::Decision;
use super::refund::{Refusal, number_taken, open, refusal};
use crate::order::{
    Anomaly, AnomalyEnd, AnomalyId, AnomalyKind, Confirmed, Ended, Outcome, Payment, Resolution,
    Resolved, What,
};
use crate::value::{Note, RefundNo};

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
    if let Some(by) = number_taken(change, payment.channel, refund_no) {
        return Resolved::RefundNoTaken { by };
    }
    if let Some(refusal) = refusal(change, payment, payment.paid_fee) {
        return refused(refusal);
    }
    let how = Ended::Refunded {
        refund_no: refund_no.clone(),
    };
    end(change, anomaly, how, note);
    open(change, payment, (refund_no, payment.paid_fee));
    Resolved::Resolved
}

const fn refused(refusal: Refusal) -> Resolved {
    match refusal {
        Refusal::Blocked => Resolved::Blocked,
        Refusal::WindowOver => Resolved::WindowOver,
        Refusal::TooMany => Resolved::TooMany,
        Refusal::Exceeds { available } => Resolved::Exceeds { available },
        Refusal::Full => Resolved::RecordFull,
    }
}
