//! `resolve`: a person ends an anomaly.

use super::change::Change;
use super::confirm::receive;
use super::decision::{Claim, Decision};
use super::refund::{Refusal, check_at, number_taken, open, refusal, retry};
use crate::order::{
    Anomaly, AnomalyEnd, AnomalyEndKind, AnomalyKind, AnomalyRef, Confirmed, EventKind, Outcome,
    Payment, Refund, RefundStatus, Resolution, Resolved,
};
use crate::types::{Note, RefundNo};

pub(super) fn resolve(
    mut change: Change<'_>,
    which: AnomalyRef,
    how: &Resolution,
    note: &Note,
) -> Decision {
    let anomaly = change
        .record()
        .and_then(|record| record.anomaly(which.id))
        .cloned();
    let outcome = match anomaly {
        Some(anomaly) if which.reopenings < anomaly.reopenings() => {
            reopened_since(&change, &anomaly, how)
        }
        Some(anomaly) if which.reopenings > anomaly.reopenings() => Resolved::NotFound,
        None => Resolved::NotFound,
        Some(Anomaly { end: Some(end), .. }) => ended_before(&end, how),
        Some(anomaly) => match how {
            Resolution::Dismiss => dismiss(&mut change, &anomaly, note),
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

/// The decision is about an earlier opening. That one was ended by a refund, or it would
/// not have been opened again; the same decision names a refund of its money.
fn reopened_since(change: &Change<'_>, anomaly: &Anomaly, how: &Resolution) -> Resolved {
    let record = change.record();
    let named = match how {
        Resolution::Refund { refund_no } => record.and_then(|record| record.refund(refund_no)),
        Resolution::Accept | Resolution::Dismiss => None,
    };
    let is_of = |payment| named.is_some_and(|refund: &Refund| refund.is_of(payment));
    if anomaly.payment.as_ref().is_some_and(is_of) {
        Resolved::Already
    } else {
        Resolved::Different
    }
}

fn ended_before(end: &AnomalyEnd, how: &Resolution) -> Resolved {
    let same = match (&end.how, how) {
        (AnomalyEndKind::Accepted, Resolution::Accept)
        | (AnomalyEndKind::Dismissed, Resolution::Dismiss) => true,
        (AnomalyEndKind::Refunded { refund_no }, Resolution::Refund { refund_no: asked }) => {
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

fn end(change: &mut Change<'_>, anomaly: &Anomaly, how: AnomalyEndKind, note: &Note) -> Resolved {
    change.push(EventKind::AnomalyEnded {
        id: anomaly.id,
        how,
        note: note.clone(),
    });
    Resolved::Resolved
}

/// What the channel said of a refund is not believed: it is asked again about one that is
/// under way.
fn dismiss(change: &mut Change<'_>, anomaly: &Anomaly, note: &Note) -> Resolved {
    let resolved = end(change, anomaly, AnomalyEndKind::Dismissed, note);
    if let Some(refund) = refund_in_question(change, anomaly)
        && refund.status.is_open()
        && refund.next_check.is_none()
    {
        let now = change.now();
        check_at(change, &refund, Some(now), false);
    }
    resolved
}

/// The record's own refund of the number that the anomaly is about.
fn refund_in_question(change: &Change<'_>, anomaly: &Anomaly) -> Option<Refund> {
    let refund_no = anomaly.kind.refund_no()?;
    change.record()?.refund(refund_no).cloned()
}

/// Only what leaves the paid facts whole can be accepted.
fn accept(change: &mut Change<'_>, anomaly: &Anomaly, note: &Note) -> Resolved {
    match (&anomaly.kind, &anomaly.payment) {
        (AnomalyKind::LatePayment, _) => end(change, anomaly, AnomalyEndKind::Accepted, note),
        // Money that goes back does not pay: once accepted, nobody would be asked about it.
        (AnomalyKind::IdentityMismatch { .. }, Some(payment))
            if !goes_back_here(change, payment) =>
        {
            reexamine(change, anomaly, payment, note)
        }
        (AnomalyKind::GivenBack { .. }, Some(payment)) if !goes_back(change, payment) => {
            reexamine(change, anomaly, payment, note)
        }
        (AnomalyKind::RefundDiffers { .. }, _) => accept_difference(change, anomaly, note),
        (AnomalyKind::RefundExceeds { .. } | AnomalyKind::RefundedElsewhere { .. }, _)
            if tells_another_transaction(change, anomaly) =>
        {
            accept_difference(change, anomaly, note)
        }
        (AnomalyKind::RefundDisagrees { .. }, _) => accept_failure(change, anomaly, note),
        _ => Resolved::NotAcceptable,
    }
}

/// Money of the payment goes back, or went back, here or elsewhere.
fn goes_back(change: &Change<'_>, payment: &Payment) -> bool {
    change.claimed_elsewhere(payment).is_some() || goes_back_here(change, payment)
}

fn goes_back_here(change: &Change<'_>, payment: &Payment) -> bool {
    let holds = |refund: &Refund| refund.is_of(payment) && refund.status.holds_money();
    change.refunds().iter().any(holds)
}

/// The refund under way here was asked for of another transaction than the channel says.
fn tells_another_transaction(change: &Change<'_>, anomaly: &Anomaly) -> bool {
    let asked = refund_in_question(change, anomaly);
    let asked = asked.filter(|asked| asked.status.is_open());
    asked
        .zip(anomaly.refund.as_ref())
        .is_some_and(|(asked, told)| !asked.is_of_same(told))
}

/// The number was used for another transaction: what was asked for under it is free again.
/// Another amount is believed already.
fn accept_difference(change: &mut Change<'_>, anomaly: &Anomaly, note: &Note) -> Resolved {
    let resolved = end(change, anomaly, AnomalyEndKind::Accepted, note);
    if let Some(asked) = refund_in_question(change, anomaly)
        && let Some(told) = &anomaly.refund
        && !asked.is_of_same(told)
        && asked.status.is_open()
    {
        change.end_refund(&asked, RefundStatus::Closed);
    }
    resolved
}

/// A success that failed later: its money is here again. A refund that failed and then
/// succeeds again cannot be accepted, for its days are in the totals already.
fn accept_failure(change: &mut Change<'_>, anomaly: &Anomaly, note: &Note) -> Resolved {
    match refund_in_question(change, anomaly) {
        Some(refund) if refund.status == RefundStatus::Success => {
            let resolved = end(change, anomaly, AnomalyEndKind::Accepted, note);
            change.end_refund(&refund, RefundStatus::Returned);
            resolved
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
    end(change, anomaly, AnomalyEndKind::Accepted, note);
    match receive(change, payment).confirmed {
        Confirmed::RecordFull => Resolved::RecordFull,
        confirmed => Resolved::Reexamined(confirmed),
    }
}

/// The whole of the anomaly's own payment goes back. What another record claims goes back
/// from there, where its reserve is kept. The anomaly's own closed refund is tried again.
fn refund(
    change: &mut Change<'_>,
    anomaly: &Anomaly,
    refund_no: &RefundNo,
    note: &Note,
) -> Resolved {
    let Some(payment) = &anomaly.payment else {
        return Resolved::NotRefundable;
    };
    match change.claimed_elsewhere(payment) {
        Some(Claim::Paid(_)) => return Resolved::NotRefundable,
        Some(Claim::Refunded(by)) => return Resolved::RefundedElsewhere { by },
        None => {}
    }
    let closed = closed_before(change, payment, refund_no);
    if closed.is_none()
        && let Some(by) = number_taken(change, payment.channel, refund_no)
    {
        return Resolved::RefundNoTaken { by };
    }
    if let Some(refusal) = refusal(change, payment, payment.paid_fee) {
        return refused(refusal);
    }
    if closed.is_none() && change.has_no_room_for_a_refund() {
        return Resolved::RecordFull;
    }
    let how = AnomalyEndKind::Refunded {
        refund_no: refund_no.clone(),
    };
    end(change, anomaly, how, note);
    match closed {
        Some(closed) => retry(change, &closed),
        None => open(change, payment, (refund_no, payment.paid_fee)),
    }
    Resolved::Resolved
}

/// The closed refund of this number that had asked for the whole payment.
fn closed_before(change: &Change<'_>, payment: &Payment, refund_no: &RefundNo) -> Option<Refund> {
    let known = change.record()?.refund(refund_no)?;
    let whole = known.is_of(payment) && known.asked_amount() == payment.paid_fee;
    (whole && known.status == RefundStatus::Closed).then(|| known.clone())
}

const fn refused(refusal: Refusal) -> Resolved {
    match refusal {
        Refusal::Blocked => Resolved::Blocked,
        Refusal::WindowOver => Resolved::WindowOver,
        Refusal::TooMany => Resolved::TooMany,
        Refusal::Exceeds { available } => Resolved::Exceeds { available },
    }
}
