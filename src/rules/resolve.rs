//! `resolve`: applies a person's decision to an anomaly.

use super::change::Change;
use super::confirm::receive;
use super::decision::{Claim, Decision};
use super::refund::{number_taken, open, refusal, retry, set_next_check};
use crate::order::{
    Anomaly, AnomalyEnd, AnomalyEndKind, AnomalyKind, AnomalyRef, Confirmed, EventKind, Outcome,
    Payment, Refund, RefundRefusal, RefundStatus, Resolution, Resolved,
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
    let acknowledge = matches!(
        outcome,
        Resolved::Resolved | Resolved::Already | Resolved::Reexamined(_)
    );
    change.answer(Outcome::Resolve(outcome), acknowledge)
}

/// Returns the outcome of a decision that a person made before the anomaly was reopened. Only a
/// refund can have ended the anomaly at that time. A decision that names a refund of this payment
/// is therefore a repeat (`Already`); any other is `Different`.
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

/// Ends the anomaly without a change, because the person does not accept the channel's report. If
/// the anomaly is about an open refund that has no check, a query is due now.
fn dismiss(change: &mut Change<'_>, anomaly: &Anomaly, note: &Note) -> Resolved {
    let resolved = end(change, anomaly, AnomalyEndKind::Dismissed, note);
    if let Some(refund) = refund_in_question(change, anomaly)
        && refund.status.is_open()
        && refund.next_check.is_none()
    {
        let now = change.now();
        set_next_check(change, &refund, Some(now), false);
    }
    resolved
}

/// Returns the refund of this record whose number the anomaly names.
fn refund_in_question(change: &Change<'_>, anomaly: &Anomaly) -> Option<Refund> {
    let refund_no = anomaly.kind.refund_no()?;
    change.record()?.refund(refund_no).cloned()
}

/// Accepts an anomaly, if its kind can be accepted and no recorded payment has to change.
fn accept(change: &mut Change<'_>, anomaly: &Anomaly, note: &Note) -> Resolved {
    match (&anomaly.kind, &anomaly.payment) {
        (AnomalyKind::LatePayment, _) => end(change, anomaly, AnomalyEndKind::Accepted, note),
        // Re-examine the payment only if it is not being refunded. Otherwise its anomaly stays
        // open, because no other list would show the payment to a person.
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
            if is_of_another_transaction(change, anomaly) =>
        {
            accept_difference(change, anomaly, note)
        }
        (AnomalyKind::RefundDisagrees { .. }, _) => accept_failure(change, anomaly, note),
        _ => Resolved::NotAcceptable,
    }
}

/// Returns whether the payment's transaction belongs to another record, or a refund in this record
/// has reserved or paid back its money.
fn goes_back(change: &Change<'_>, payment: &Payment) -> bool {
    change.claimed_elsewhere(payment).is_some() || goes_back_here(change, payment)
}

fn goes_back_here(change: &Change<'_>, payment: &Payment) -> bool {
    let holds = |refund: &Refund| refund.is_of(payment) && refund.status.holds_money();
    change.refunds().iter().any(holds)
}

/// Returns whether the refund that the anomaly names is open, while the channel reports another
/// transaction for it.
fn is_of_another_transaction(change: &Change<'_>, anomaly: &Anomaly) -> bool {
    let requested = refund_in_question(change, anomaly);
    let requested = requested.filter(|requested| requested.status.is_open());
    requested
        .zip(anomaly.refund.as_ref())
        .is_some_and(|(requested, reported)| !requested.is_of_same(reported))
}

/// Accepts the channel's facts of a refund. If the channel used the number for another transaction,
/// closes the requested refund, which frees its reserve. If only the amount differs, the refund
/// already has the reported amount, and only the anomaly ends.
fn accept_difference(change: &mut Change<'_>, anomaly: &Anomaly, note: &Note) -> Resolved {
    let resolved = end(change, anomaly, AnomalyEndKind::Accepted, note);
    if let Some(requested) = refund_in_question(change, anomaly)
        && let Some(reported) = &anomaly.refund
        && !requested.is_of_same(reported)
        && requested.status.is_open()
    {
        change.end_refund(&requested, RefundStatus::Closed);
    }
    resolved
}

/// Accepts that a refund failed after its success, and that its money came back to the merchant. A
/// person cannot accept that a returned refund succeeds again, because the totals already count its
/// success and its return.
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

/// Ends the anomaly as accepted and then handles its payment like any other payment.
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

/// Requests a refund of the anomaly's whole payment. Refuses the decision if another record claims
/// the transaction, because only that record can refund it. If a closed refund of the whole payment
/// has the same number, starts its next attempt.
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
        Some(Claim::Refunded(by)) => {
            return Resolved::Refused(RefundRefusal::RefundedElsewhere { by });
        }
        None => {}
    }
    let closed = closed_before(change, payment, refund_no);
    if closed.is_none()
        && let Some(by) = number_taken(change, payment.channel, refund_no)
    {
        return Resolved::Refused(RefundRefusal::RefundNoTaken { by });
    }
    if let Some(refusal) = refusal(change, payment, payment.paid_fee) {
        return Resolved::Refused(refusal);
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

/// Returns the closed refund with this number if it requested the whole payment.
fn closed_before(change: &Change<'_>, payment: &Payment, refund_no: &RefundNo) -> Option<Refund> {
    let known = change.record()?.refund(refund_no)?;
    let whole = known.is_of(payment) && known.asked_amount() == payment.paid_fee;
    (whole && known.status == RefundStatus::Closed).then(|| known.clone())
}
