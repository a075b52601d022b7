//! `record_refund` and `record_refund_refused`: what the channel says of a refund meets
//! what is known of it.
//!
//! A money fact is never thrown away: it moves the refund, is adopted, recognised, or kept
//! as an anomaly. A success counts once. A failure that may be old is not believed: it must
//! not undo a retry or a success.

use super::change::Change;
use super::decision::Decision;
use super::index::UniqueKey;
use super::refund::{check_at, first_difference, left_of, put_off};
use super::refund_misfit::{
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

/// The keys whose owners a fact meets.
pub(super) fn keys_of(fact: &RefundFact) -> [UniqueKey; 2] {
    let transaction = UniqueKey::Transaction(fact.channel(), fact.transaction_id().clone());
    [key_of(fact), transaction]
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
    RefundAttempt { refund_no, attempt }: &RefundAttempt,
    code: &Label,
) -> Decision {
    let known = change.record().and_then(|record| record.refund(refund_no));
    let outcome = match known.cloned() {
        Some(known) if *attempt > known.attempt => RefundRefused::NotFound,
        None => RefundRefused::NotFound,
        // The refusal of an earlier attempt must not end a later one.
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

/// How far a known refund is, against how far the channel says that it is.
fn told_again(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    let difference = first_difference(facts_of_refund(known), facts_of(fact));
    match difference {
        None => meet(change, known, fact),
        Some(field @ RefundDifference::Amount) => amount_differs(change, known, fact, field),
        Some(field) => transaction_differs(change, known, fact, field),
    }
}

/// The table of where the refund stands against what the channel says.
fn meet(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    use RefundStatus::{Abnormal, Closed, Processing, Requested, Returned, Success};
    let told = RefundStatus::from(fact.state());
    match (known.status, told) {
        (status, told) if status == told => repeated(change, known, fact),
        // It may be older than the present attempt or the success.
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

/// A closed refund is under way after all, or succeeded. A reserve held too long corrects
/// itself at the next query; one freed too early does not.
fn back_from_closed(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    if let Some(by) = belongs_elsewhere(change, fact) {
        return elsewhere(change, fact, by);
    }
    match lacks_money(change, fact, Fen::ZERO) {
        Some(available) => exceeds(change, fact, available),
        None => moved(change, known, fact, fact.amount()),
    }
}

/// What the channel says is what goes back, and a person is told. What had succeeded keeps
/// its amount: no past day changes.
fn amount_differs(
    change: &mut Change<'_>,
    known: &Refund,
    fact: &RefundFact,
    field: RefundDifference,
) -> RefundRecorded {
    let told = RefundStatus::from(fact.state());
    if told == known.status && is_kept(change, fact) {
        answered(change, known, fact);
        return RefundRecorded::Duplicate;
    }
    if told == RefundStatus::Abnormal && known.status.is_open() && !is_believed(known, fact) {
        return must_query(change, known, fact);
    }
    let is_open = known.status.is_open();
    let outcome = match lacks_money(change, fact, known.held()) {
        _ if known.status == RefundStatus::Closed && told.holds_money() => {
            match back_from_closed(change, known, fact) {
                moved @ RefundRecorded::Moved { .. } => moved,
                kept => return kept,
            }
        }
        Some(available) if is_open => {
            // More than is left cannot be counted.
            let _ = moved(change, known, fact, available);
            return exceeds(change, fact, available);
        }
        None if is_open && told.holds_money() => moved(change, known, fact, fact.amount()),
        _ => meet(change, known, fact),
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

/// The told amount counts against the told transaction, and what was asked for stays
/// reserved, until a person resolves the anomaly. While one is open the channel need not be
/// asked about a final state again; after that it must.
fn transaction_differs(
    change: &mut Change<'_>,
    known: &Refund,
    fact: &RefundFact,
    field: RefundDifference,
) -> RefundRecorded {
    let own = change
        .record()
        .map_or(Fen::ZERO, |r| r.told_of(&known.refund_no, fact));
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
    let is_asked = open.any(|anomaly| anomaly.kind.refund_no() == number);
    if is_asked && !RefundStatus::from(fact.state()).is_open() {
        if known.next_check.is_some() {
            check_at(change, known, None, true);
        }
    } else {
        put_off(change, known);
    }
    outcome
}

/// The channel was asked as was due, and the refund stands as it stood. One that has ended is
/// asked about until a query says so that was sent after it became due: what was sent before
/// knows nothing of the doubt.
fn answered(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) {
    let has_ended = !known.status.is_open();
    let sent = fact.query_sent_at();
    let is_answer = known
        .next_check
        .is_some_and(|due| sent.is_some_and(|sent| sent > due));
    if has_ended && is_answer && is_believed(known, fact) {
        check_at(change, known, None, true);
    } else {
        put_off(change, known);
    }
}

/// A failure is believed in a first attempt without success, and from a query that was sent
/// after the present attempt began or the success was recorded.
fn is_believed(known: &Refund, fact: &RefundFact) -> bool {
    let Some(after) = known.believed_after else {
        return true;
    };
    fact.query_sent_at().is_some_and(|sent| sent > after)
}

/// Nothing changes, and the channel is asked now. What may answer a query that was due is
/// put off instead: else a server that never dates its queries, or whose clock is behind,
/// would ask as fast as it sweeps.
fn must_query(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    let now = change.now();
    match known.next_check.filter(|at| *at <= now) {
        None => check_at(change, known, Some(now), false),
        Some(due) if fact.query_sent_at().is_none_or(|sent| sent >= due) => put_off(change, known),
        Some(_) => {}
    }
    RefundRecorded::MustQuery
}

/// The refund keeps its state; a person decides.
fn disagrees(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    answered(change, known, fact);
    let refund_no = known.refund_no.clone();
    let kind = AnomalyKind::RefundDisagrees { refund_no };
    let status = known.status;
    keep(change, kind, fact, RefundRecorded::Disagrees { status })
}

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
    // How much a closed refund is of makes no difference.
    let amount = if to == RefundStatus::Closed {
        known.amount
    } else {
        amount
    };
    // What was asked for is held as well, unless its reserve was given to others meanwhile.
    let left = left_of(change.record(), known.channel, &known.transaction_id);
    let room = left.checked_add(known.held()).unwrap_or(Fen::MAX);
    let asked = Some(known.asked_amount()).filter(|asked| *asked != amount);
    let asked = asked.filter(|asked| is_success || *asked <= room);
    // A success told after a failure may be older than it: the channel is asked once more.
    let is_confirmed = fact.query_sent_at() > known.ended_at;
    let is_doubtful = is_success && known.ended_at.is_some() && !is_confirmed;
    let refund = Refund {
        refund_id: fact.refund_id().or(known.refund_id.as_ref()).cloned(),
        amount,
        asked,
        status: to,
        code: None,
        // An old failure must not undo what came after it.
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

/// Nothing new, but perhaps the channel's number for it.
fn repeated(change: &mut Change<'_>, known: &Refund, fact: &RefundFact) -> RefundRecorded {
    if known.refund_id.is_none() && fact.refund_id().is_some() {
        change.push(EventKind::RefundMoved(Box::new(Refund {
            refund_id: fact.refund_id().cloned(),
            ..known.clone()
        })));
    }
    answered(change, known, fact);
    if known.status == RefundStatus::Closed {
        end_exceeding(change, fact); // nothing went back after all
    }
    RefundRecorded::Duplicate
}
