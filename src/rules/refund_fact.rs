//! `record_refund` and its variants: compares the channel's report of a refund with the refund
//! in the record.
//!
//! The store drops no new report. Each report changes the refund, adds a refund, becomes an
//! anomaly, or schedules a query. A success counts once. A report of a failure may be older than a
//! retry or a success and must not undo it. In that case, the store accepts the failure only from a
//! later query.

use super::change::Change;
use super::decision::Decision;
use super::index::UniqueKey;
use super::refund::{delay_check, first_difference, left_of, set_next_check};
use super::refund_mismatch::{
    belongs_elsewhere, differs, elsewhere, end_exceeding, end_unknown, exceeds, facts_of,
    facts_of_refund, is_kept, is_paid_here, keep, lacks_money, seen,
};
use crate::order::{
    AnomalyKind, EventKind, Outcome, Record, Refund, RefundAttempt, RefundDifference, RefundFact,
    RefundRecorded, RefundRefused, RefundStatus, RefundUnanswered,
};
use crate::types::{Fen, Label, RefundNo};

pub(super) fn key_of(fact: &RefundFact) -> UniqueKey {
    UniqueKey::RefundNo(fact.channel(), fact.refund_no().clone())
}

/// Returns the unique keys whose owners the rules look up for a fact.
pub(super) fn keys_of(fact: &RefundFact) -> [UniqueKey; 2] {
    let transaction = UniqueKey::Transaction(fact.channel(), fact.transaction_id().clone());
    [key_of(fact), transaction]
}

pub(super) fn record_refund(mut change: Change<'_>, fact: &RefundFact) -> Decision {
    let outcome = record_fact(&mut change, fact);
    if outcome == RefundRecorded::RecordFull {
        return change.refuse(Outcome::RecordRefund(outcome));
    }
    // Do not acknowledge a report whose order does not exist. The channel then repeats it, as it
    // does with payments.
    let acknowledge = change.order().is_some();
    change.answer(Outcome::RecordRefund(outcome), acknowledge)
}

pub(super) fn record_refund_refused(
    mut change: Change<'_>,
    RefundAttempt { refund_no, attempt }: &RefundAttempt,
    code: &Label,
) -> Decision {
    let known = change.record().and_then(|record| record.refund(refund_no));
    let outcome = match known.cloned() {
        Some(known) if *attempt > known.attempt => RefundRefused::NotFound,
        None => RefundRefused::NotFound,
        // Ignore a late refusal of an earlier attempt, which must not end the current attempt.
        Some(known) if *attempt < known.attempt => RefundRefused::Already,
        Some(known) => match known.status {
            RefundStatus::Closed => RefundRefused::Already,
            RefundStatus::Requested => {
                let code = Some(code.clone());
                change.end_refund(&Refund { code, ..known }, RefundStatus::Closed);
                RefundRefused::Closed
            }
            status => RefundRefused::NotRequested { status },
        },
    };
    let acknowledge = matches!(outcome, RefundRefused::Closed | RefundRefused::Already);
    change.answer(Outcome::RefuseRefund(outcome), acknowledge)
}

/// Records a query about the refund without a usable answer. A due check moves to a later time.
pub(super) fn record_refund_unanswered(mut change: Change<'_>, refund_no: &RefundNo) -> Decision {
    let known = change.record().and_then(|record| record.refund(refund_no));
    let outcome = match known.cloned() {
        None => RefundUnanswered::NotFound,
        Some(refund) if refund.next_check.is_none() => RefundUnanswered::NotOpen {
            status: refund.status,
        },
        Some(refund) => {
            delay_check(&mut change, &refund);
            RefundUnanswered::PutOff
        }
    };
    let acknowledge = outcome != RefundUnanswered::NotFound;
    change.answer(Outcome::RefundUnanswered(outcome), acknowledge)
}

/// Records a refund fact: changes or adds the refund, or keeps the fact as an anomaly. Returns
/// `RecordFull` if the record has no room for all of it. The caller must then refuse the whole
/// change.
pub(super) fn record_fact(change: &mut Change<'_>, fact: &RefundFact) -> RefundRecorded {
    let known = change
        .record()
        .and_then(|record| record.refund(fact.refund_no()));
    let outcome = match known.cloned() {
        Some(known) => record_known(change, &known, fact),
        None => record_unknown(change, fact),
    };
    end_unknown(change);
    outcome
}

/// Records a fact whose refund number is new to this record. Such a refund was requested elsewhere.
/// The record adopts the refund if enough of its transaction is left.
fn record_unknown(change: &mut Change<'_>, fact: &RefundFact) -> RefundRecorded {
    if let Some(by) = change.context.owner(&key_of(fact)).map(Record::no) {
        let refund_no = fact.refund_no().clone();
        let kind = AnomalyKind::RefundNoTaken { refund_no, by };
        return keep(change, kind, fact, RefundRecorded::RefundNoTaken { by });
    }
    if let Some(by) = belongs_elsewhere(change, fact) {
        return elsewhere(change, fact, by);
    }
    if let Some(available) = lacks_money(change, fact, Fen::ZERO) {
        return exceeds(change, fact, available);
    }
    if change.has_no_room_for_a_refund() {
        return RefundRecorded::RecordFull;
    }
    let mut refund = seen(change, fact);
    if refund.status.is_open() {
        refund.next_check = Some(change.context.policy.refund_check(change.now(), 0));
    }
    change.push(EventKind::RefundOpened(Box::new(refund)));
    end_exceeding(change, fact);
    if change.order().is_some() {
        RefundRecorded::Adopted
    } else {
        RefundRecorded::Unclaimed
    }
}

/// Records a fact about a refund that the record has. A difference in channel, transaction or
/// amount is handled first; otherwise the reported state decides.
fn record_known(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    let difference = first_difference(facts_of_refund(known), facts_of(fact));
    match difference {
        None => apply_state(change, known, fact),
        Some(field @ RefundDifference::Amount) => amount_differs(change, known, fact, field),
        Some(field) => transaction_differs(change, known, fact, field),
    }
}

/// Applies the state that the channel reports to the known refund. The order of the cases matters:
/// the first match wins.
fn apply_state(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    use RefundStatus::{Abnormal, Closed, Processing, Requested, Returned, Success};
    let reported = RefundStatus::from(fact.state());
    match (known.status, reported) {
        (status, reported) if status == reported => repeated(change, known, fact),
        // The reported failure may be older than the present attempt or the success. If the store
        // accepted it, money that is being refunded could be refunded a second time.
        (Requested | Processing | Abnormal | Success, Closed | Abnormal)
            if !is_believed(known, fact) =>
        {
            must_query(change, known, fact)
        }
        (Closed, _) => back_from_closed(change, known, fact),
        (Success, Closed | Abnormal) => disagrees(change, known, fact),
        (Returned, Success) if is_believed(known, fact) => disagrees(change, known, fact),
        (Success | Returned, _) => {
            answered(change, known, fact);
            RefundRecorded::Stale
        }
        (Requested | Processing | Abnormal, _) => moved(change, known, fact, fact.amount()),
    }
}

/// Reopens a closed refund that the channel reports as open or successful. The report may be old,
/// but reserving the money is safe: if that was wrong, the next query frees it. Nothing could
/// restore a reserve that was freed too early.
fn back_from_closed(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    if let Some(by) = belongs_elsewhere(change, fact) {
        return elsewhere(change, fact, by);
    }
    match lacks_money(change, fact, Fen::ZERO) {
        Some(available) => exceeds(change, fact, available),
        None => moved(change, known, fact, fact.amount()),
    }
}

/// Handles a report whose amount differs from the one in the store. The channel's amount counts,
/// and an anomaly informs a person. A refund that already succeeded keeps its amount, so that no
/// total of a past day changes.
fn amount_differs(
    change: &mut Change<'_>,
    known: &Refund,
    fact: &RefundFact,
    field: RefundDifference,
) -> RefundRecorded {
    let reported = RefundStatus::from(fact.state());
    if reported == known.status && is_kept(change, fact) {
        answered(change, known, fact);
        return RefundRecorded::Duplicate;
    }
    if reported == RefundStatus::Abnormal && known.status.is_open() && !is_believed(known, fact) {
        return must_query(change, known, fact);
    }
    let is_open = known.status.is_open();
    let outcome = match lacks_money(change, fact, known.held()) {
        _ if known.status == RefundStatus::Closed && reported.holds_money() => {
            match back_from_closed(change, known, fact) {
                moved @ RefundRecorded::Moved { .. } => moved,
                kept => return kept,
            }
        }
        Some(available) if is_open => {
            // The channel reports more than the amount that is left of the payment. The refund gets
            // the amount left, and the anomaly keeps the reported amount.
            let _ = moved(change, known, fact, available);
            return exceeds(change, fact, available);
        }
        None if is_open && reported.holds_money() => moved(change, known, fact, fact.amount()),
        _ => apply_state(change, known, fact),
    };
    match outcome {
        RefundRecorded::Moved { .. } => match differs(change, known, fact, field) {
            RefundRecorded::RecordFull => RefundRecorded::RecordFull,
            _ => outcome,
        },
        RefundRecorded::Duplicate | RefundRecorded::Stale if !is_kept(change, fact) => {
            differs(change, known, fact, field)
        }
        _ => outcome,
    }
}

/// Handles a report whose transaction or channel differs from the one in the store. The reported
/// amount counts against the reported transaction, unless a person dismisses the anomaly. The
/// requested amount stays reserved, unless a person accepts the anomaly. If the reported state is
/// final and the refund has an open anomaly, the checks of the refund stop.
fn transaction_differs(
    change: &mut Change<'_>,
    known: &Refund,
    fact: &RefundFact,
    field: RefundDifference,
) -> RefundRecorded {
    let own = change
        .record()
        .map_or(Fen::ZERO, |r| r.held_by_report(&known.refund_no, fact));
    let outcome = if is_kept(change, fact) {
        RefundRecorded::Duplicate
    } else if let Some(by) = belongs_elsewhere(change, fact) {
        elsewhere(change, fact, by)
    } else {
        match lacks_money(change, fact, own) {
            Some(available) if is_paid_here(change, fact) => exceeds(change, fact, available),
            _ => differs(change, known, fact, field),
        }
    };
    let number = Some(&known.refund_no);
    let mut open = change.anomalies().iter().filter(|a| a.is_open());
    let has_open_anomaly = open.any(|anomaly| anomaly.kind.refund_no() == number);
    if !fact.may_be_answer() {
        return outcome;
    }
    if has_open_anomaly && !RefundStatus::from(fact.state()).is_open() {
        if known.next_check.is_some() {
            set_next_check(change, known, None, true);
        }
    } else {
        delay_check(change, known);
    }
    outcome
}

/// Updates the next check after a report that left the refund unchanged. The checks of an ended
/// refund stop only at the answer to a query sent after the check became due. The answer to an
/// earlier query does not count, because it may be older than the report that scheduled the check.
fn answered(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) {
    if !fact.may_be_answer() {
        return;
    }
    let has_ended = !known.status.is_open();
    let sent = fact.query_sent_at();
    let is_of_this_check = known
        .next_check
        .is_some_and(|due| sent.is_some_and(|sent| sent > due));
    if has_ended && is_of_this_check && is_believed(known, fact) {
        set_next_check(change, known, None, true);
    } else {
        delay_check(change, known);
    }
}

/// Returns whether the store accepts a reported failure. In a first attempt without success, it
/// always does. Otherwise the failure must be the answer to a query that was sent after the present
/// attempt began or after the success was recorded.
fn is_believed(known: &Refund, fact: &RefundFact) -> bool {
    let Some(after) = known.believed_after else {
        return true;
    };
    fact.query_sent_at().is_some_and(|sent| sent > after)
}

/// Schedules a query for now and changes nothing else. If a check is already due and this fact may
/// be the answer to it, the check moves to a later time instead. Some servers record answers
/// without the time of the query. Without this delay, they would query the refund in every sweep.
fn must_query(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    let now = change.now();
    match known.next_check.filter(|at| *at <= now) {
        None => set_next_check(change, known, Some(now), false),
        Some(due)
            if fact.may_be_answer() && fact.query_sent_at().is_none_or(|sent| sent >= due) =>
        {
            delay_check(change, known)
        }
        Some(_) => {} // not an answer, or the server sent the query before the check was due
    }
    RefundRecorded::MustQuery
}

/// Handles a report that contradicts the refund's final state: keeps the state and raises an
/// anomaly, so that a person decides.
fn disagrees(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    answered(change, known, fact);
    let refund_no = known.refund_no.clone();
    let kind = AnomalyKind::RefundDisagrees { refund_no };
    let status = known.status;
    keep(change, kind, fact, RefundRecorded::Disagrees { status })
}

/// Changes the refund to the reported state with this amount.
fn moved(
    change: &mut Change<'_>,
    known: &Refund,
    fact: &RefundFact,
    amount: Fen,
) -> RefundRecorded {
    let to = RefundStatus::from(fact.state());
    let checks = known.checks.saturating_add(1);
    let next_check = change.context.policy.refund_check(change.now(), checks);
    let is_success = to == RefundStatus::Success;
    // Keep the known amount of a closed refund: it reserves no money, so a different reported
    // amount does not matter.
    let amount = if to == RefundStatus::Closed {
        known.amount
    } else {
        amount
    };
    // An open refund reserves the larger of the requested and the reported amount. If other refunds
    // have reserved that money meanwhile, drop the requested amount, because the refunds would
    // otherwise exceed the payment. A successful refund reserves only the reported amount, so it
    // keeps the requested amount as information.
    let left = left_of(change.record(), known.channel, &known.transaction_id);
    let room = left.checked_add(known.held()).unwrap_or(Fen::MAX);
    let asked = Some(known.asked_amount()).filter(|asked| *asked != amount);
    let asked = asked.filter(|asked| is_success || *asked <= room);
    // A success that arrives after a failure may be older than this failure, so one more check is
    // due. No check is due if the success answers a query sent after the failure.
    let is_confirmed = fact.query_sent_at() > known.ended_at;
    let is_doubtful = is_success && known.ended_at.is_some() && !is_confirmed;
    let refund = Refund {
        refund_id: fact.refund_id().or(known.refund_id.as_ref()).cloned(),
        amount,
        asked,
        status: to,
        code: None,
        // Ignore older failures from now on: none may undo this success or close the reopened
        // refund. If the success is doubtful, also ignore failures up to `failed_at`, which may be
        // later than the clock.
        believed_after: if is_success || known.status == RefundStatus::Closed {
            let failed_at = known.ended_at.filter(|_| is_doubtful);
            failed_at.max(Some(change.now()))
        } else {
            known.believed_after
        },
        success_at: is_success.then(|| fact.success_at().unwrap_or_else(|| change.stamp())),
        next_check: (to.is_open() || is_doubtful).then_some(next_check),
        checks,
        ..known.clone()
    };
    if to == RefundStatus::Closed {
        change.end_refund(&refund, to);
    } else {
        change.push(EventKind::RefundMoved(Box::new(refund.clone())));
        change.end_reopened(&refund);
    }
    end_exceeding(change, fact);
    RefundRecorded::Moved { to }
}

/// Handles a repeated report. The report may add the channel's own number of the refund.
fn repeated(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    if known.refund_id.is_none() && fact.refund_id().is_some() {
        change.push(EventKind::RefundMoved(Box::new(Refund {
            refund_id: fact.refund_id().cloned(),
            ..known.clone()
        })));
    }
    answered(change, known, fact);
    if known.status == RefundStatus::Closed {
        end_exceeding(change, fact); // a closed refund needs no money
    }
    RefundRecorded::Duplicate
}
