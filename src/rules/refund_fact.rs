//! `record_refund` and `record_refund_refused`: what the channel says of a refund meets
//! what is known of it.
//!
//! A money fact is never thrown away: it moves the refund, is adopted, recognised, or kept
//! as an anomaly. A success counts once, and only a success leaves `Closed`.

use super::change::Change;
use super::decision::Decision;
use super::index::UniqueKey;
use super::refund::{first_difference, left_of, put_off, refunds_known_of};
use crate::order::{
    AnomalyId, AnomalyKind, Ended, Outcome, Record, Refund, RefundFact, RefundRecorded,
    RefundRefused, RefundState, RefundStatus, RefundUnanswered, What,
};
use crate::value::{Fen, Label, Note, RefundNo};

pub(super) fn key_of(fact: &RefundFact) -> UniqueKey {
    UniqueKey::RefundNo(fact.channel(), fact.refund_no().clone())
}

pub(super) fn record_refund(mut change: Change<'_>, fact: &RefundFact) -> Decision {
    let outcome = take(&mut change, fact);
    if outcome == RefundRecorded::RecordFull {
        return change.refuse(Outcome::RecordRefund(outcome));
    }
    // As with payments: what stands with no order is to be repeated.
    let stands = change.order().is_some();
    change.answer(Outcome::RecordRefund(outcome), stands)
}

pub(super) fn record_refund_refused(
    mut change: Change<'_>,
    refund_no: &RefundNo,
    code: &Label,
) -> Decision {
    let known = change.record().and_then(|record| record.refund(refund_no));
    let outcome = match known.map(|refund| (refund.status, refund)) {
        None => RefundRefused::NotFound,
        Some((RefundStatus::Closed, _)) => RefundRefused::Already,
        Some((RefundStatus::Requested, refund)) => {
            let closed = Refund {
                status: RefundStatus::Closed,
                code: Some(code.clone()),
                next_check: None,
                ..refund.clone()
            };
            change.push(What::RefundMoved(Box::new(closed)));
            RefundRefused::Closed
        }
        Some((status, _)) => RefundRefused::NotRequested { status },
    };
    let stands = matches!(outcome, RefundRefused::Closed | RefundRefused::Already);
    change.answer(Outcome::RefuseRefund(outcome), stands)
}

/// The channel was asked about the refund as was due and gave no usable answer.
pub(super) fn record_refund_unanswered(mut change: Change<'_>, refund_no: &RefundNo) -> Decision {
    let known = change.record().and_then(|record| record.refund(refund_no));
    let outcome = match known.cloned() {
        None => RefundUnanswered::NotFound,
        Some(refund) if refund.next_check.is_none() => RefundUnanswered::NotOpen {
            status: refund.status,
        },
        Some(refund) => {
            put_off(&mut change, &refund);
            RefundUnanswered::PutOff
        }
    };
    let stands = outcome != RefundUnanswered::NotFound;
    change.answer(Outcome::RefundUnanswered(outcome), stands)
}

/// Takes the fact in, whatever it is. Where there is no room for all that comes of it the
/// answer is `RecordFull`, and the whole change is to be refused.
pub(super) fn take(change: &mut Change<'_>, fact: &RefundFact) -> RefundRecorded {
    let known = change
        .record()
        .and_then(|record| record.refund(fact.refund_no()));
    let outcome = match known.cloned() {
        Some(known) => told_again(change, &known, fact),
        None => first_told(change, fact),
    };
    end_unknown(change);
    outcome
}

/// A number that no refund of this record bears: made elsewhere, and adopted.
fn first_told(change: &mut Change<'_>, fact: &RefundFact) -> RefundRecorded {
    if let Some(by) = change.context.owner(&key_of(fact)).map(Record::no) {
        let refund_no = fact.refund_no().clone();
        let kind = AnomalyKind::RefundNoTaken { refund_no, by };
        return keep(change, kind, fact, RefundRecorded::RefundNoTaken { by });
    }
    if let Some(available) = lacks_money(change, fact) {
        return exceeds(change, fact, available);
    }
    if change.has_no_room_for_a_refund() {
        return RefundRecorded::RecordFull;
    }
    let mut refund = seen(change, fact);
    if refund.status.is_open() {
        refund.next_check = Some(change.context.policy.refund_check(change.now(), 0));
    }
    change.push(What::RefundOpened(Box::new(refund)));
    end_exceeding(change, fact);
    if change.order().is_some() {
        RefundRecorded::Adopted
    } else {
        RefundRecorded::Unclaimed
    }
}

/// How far a known refund is, against how far the channel says that it is.
fn told_again(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    let facts = (fact.channel(), fact.transaction_id(), fact.amount());
    if let Some(field) = first_difference(known, facts) {
        put_off(change, known);
        let refund_no = known.refund_no.clone();
        let kind = AnomalyKind::RefundDiffers { refund_no };
        return keep(change, kind, fact, RefundRecorded::Differs { field });
    }
    let told = RefundStatus::from(fact.state());
    match (known.status, told) {
        (status, told) if status == told => repeated(change, known, fact),
        (RefundStatus::Closed, RefundStatus::Success) => match lacks_money(change, fact) {
            Some(available) => exceeds(change, fact, available),
            None => moved(change, known, fact),
        },
        (RefundStatus::Closed | RefundStatus::Success, _) => RefundRecorded::Stale,
        (RefundStatus::Requested | RefundStatus::Processing | RefundStatus::Abnormal, _) => {
            moved(change, known, fact)
        }
    }
}

fn moved(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    let to = RefundStatus::from(fact.state());
    let checks = known.checks.saturating_add(1);
    let next_check = change.context.policy.refund_check(change.now(), checks);
    let is_success = to == RefundStatus::Success;
    change.push(What::RefundMoved(Box::new(Refund {
        refund_id: fact.refund_id().or(known.refund_id.as_ref()).cloned(),
        status: to,
        code: None,
        success_at: is_success.then(|| fact.success_at().unwrap_or_else(|| change.stamp())),
        next_check: to.is_open().then_some(next_check),
        checks,
        ..known.clone()
    })));
    end_exceeding(change, fact);
    RefundRecorded::Moved { to }
}

/// Nothing new, but perhaps the channel's number for it.
fn repeated(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    if known.refund_id.is_none() && fact.refund_id().is_some() {
        change.push(What::RefundMoved(Box::new(Refund {
            refund_id: fact.refund_id().cloned(),
            ..known.clone()
        })));
    }
    put_off(change, known);
    if known.status == RefundStatus::Closed {
        end_exceeding(change, fact); // nothing went back after all
    }
    RefundRecorded::Duplicate
}

/// What is left of the fact's transaction, where that is too little for it.
fn lacks_money(change: &Change<'_>, fact: &RefundFact) -> Option<Fen> {
    let left = left_of(change.record(), fact.channel(), fact.transaction_id());
    (fact.state() != RefundState::Closed && left < fact.amount()).then_some(left)
}

fn exceeds(change: &mut Change<'_>, fact: &RefundFact, available: Fen) -> RefundRecorded {
    let refund_no = fact.refund_no().clone();
    let kind = AnomalyKind::RefundExceeds {
        refund_no,
        available,
    };
    keep(change, kind, fact, RefundRecorded::Exceeds { available })
}

/// Keeps a fact that does not fit, once per kind, refund and state.
fn keep(
    change: &mut Change<'_>,
    kind: AnomalyKind,
    fact: &RefundFact,
    outcome: RefundRecorded,
) -> RefundRecorded {
    let says_so = |refund: &Refund| {
        let facts = (fact.channel(), fact.transaction_id(), fact.amount());
        let same = first_difference(refund, facts).is_none();
        same && refund.status == RefundStatus::from(fact.state())
    };
    let mut alike = change.anomalies().iter().filter(|a| a.kind.is_like(&kind));
    if alike.any(|anomaly| anomaly.refund.as_ref().is_some_and(says_so)) {
        return RefundRecorded::Duplicate;
    }
    if change.is_full() {
        return RefundRecorded::RecordFull;
    }
    let refund = seen(change, fact);
    change.raise_refund(kind, refund);
    outcome
}

/// The refund as the channel tells it, first seen now.
fn seen(change: &Change<'_>, fact: &RefundFact) -> Refund {
    let status = RefundStatus::from(fact.state());
    let at = change.stamp();
    let is_success = status == RefundStatus::Success;
    Refund {
        channel: fact.channel(),
        refund_no: fact.refund_no().clone(),
        refund_id: fact.refund_id().cloned(),
        transaction_id: fact.transaction_id().clone(),
        amount: fact.amount(),
        status,
        external: true,
        code: None,
        requested_at: at,
        success_at: is_success.then(|| fact.success_at().unwrap_or(at)),
        next_check: None,
        checks: 0,
    }
}

/// A refund for which there had been no money has found its place.
fn end_exceeding(change: &mut Change<'_>, fact: &RefundFact) {
    settle(change, |kind| match kind {
        AnomalyKind::RefundExceeds { refund_no, .. } => refund_no == fact.refund_no(),
        _ => false,
    });
}

/// The refund that the channel had spoken of is known now. One that was only asked for may
/// be another.
fn end_unknown(change: &mut Change<'_>) {
    let order = change.order();
    let Some(own) = order.and_then(|order| order.payment.as_ref()) else {
        return;
    };
    let is_told = |status| {
        use RefundStatus::{Abnormal, Processing, Success};
        matches!(status, Processing | Success | Abnormal)
    };
    if refunds_known_of(change.record(), own).any(is_told) {
        settle(change, |kind| *kind == AnomalyKind::RefundUnknown);
    }
}

/// Ends the open anomalies of this kind: the fact has found its place without a person.
fn settle(change: &mut Change<'_>, is_it: impl Fn(&AnomalyKind) -> bool) {
    let open = change.anomalies().iter().filter(|a| a.is_open());
    let found: Vec<AnomalyId> = open.filter(|a| is_it(&a.kind)).map(|a| a.id).collect();
    for id in found {
        change.push(What::AnomalyEnded {
            id,
            how: Ended::Settled,
            note: Note::default(),
        });
    }
}
