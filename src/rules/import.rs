//! `import`: imports an order of another system, or new facts about an order that the store already
//! has.
//!
//! The rules first check the imported order against invariants I8 to I10. Then they match the order
//! with the payments and refunds that arrived before it, as for a created order.

use std::collections::HashSet;

use super::change::Change;
use super::confirm::receive;
use super::create::{apply_waiting, first_difference};
use super::decision::{Claim, Decision};
use super::index::{UniqueKey, unique_keys};
use super::policy::Policy;
use super::refund::{limit_to_paid, set_next_check};
use super::refund_fact::record_fact;
use crate::order::{
    ActionKind, Anomaly, AnomalyId, AnomalyKind, Confirmed, Conflict, EventKind, ImportRefusal,
    Imported, MAX_ANOMALIES, MAX_FOLDED, MAX_REFUNDS, NewOrder, NextAction, Order, Outcome,
    Payment, Record, Refund, RefundFact, RefundRecorded, RefundStatus, Status,
};
use crate::types::{Fen, OrderNo, Timestamp};

/// Returns the unique keys that the imported order would own, and the keys of the payments and
/// refunds that wait for it.
pub(super) fn keys(order: &Order, record: Option<&Record>) -> Vec<UniqueKey> {
    let waiting = record.into_iter().flat_map(Record::unclaimed);
    let transactions = waiting.map(|(_, payment)| UniqueKey::transaction_of(payment));
    let refunds = order.refunds.iter();
    let refunds = refunds.chain(record.into_iter().flat_map(Record::refunds));
    let refunded = refunds.map(|r| UniqueKey::Transaction(r.channel, r.transaction_id.clone()));
    let doubtful = order.anomalies.iter().filter_map(|a| a.payment.as_ref());
    let doubtful = doubtful.map(UniqueKey::transaction_of);
    let transactions = transactions.chain(refunded).chain(doubtful);
    let own = Record::Order(std::sync::Arc::new(order.clone()));
    let mut keys: Vec<UniqueKey> = unique_keys(&own).chain(transactions).collect();
    keys.dedup();
    keys
}

pub(super) fn import(mut change: Change<'_>, order: &Order, conflict: Conflict) -> Decision {
    let outcome = match (flaw(&change, order), change.order()) {
        (Some(refusal), _) => Imported::Refused(refusal),
        (None, Some(known)) => match (first_difference(known, &NewOrder::of(order)), conflict) {
            (Some(field), _) => Imported::ExistsWithDifferent { field },
            (None, Conflict::Skip) if brings_more(&change, order) => Imported::SkippedDiffers,
            (None, Conflict::Skip) => Imported::Skipped,
            (None, Conflict::Advance) => advance(&mut change, order),
        },
        (None, None) => take_over(&mut change, order),
    };
    match outcome {
        Imported::Refused(_) => change.refuse(Outcome::Import(outcome)),
        Imported::ExistsWithDifferent { .. } | Imported::SkippedDiffers => {
            change.answer(Outcome::Import(outcome), false)
        }
        _ => change.answer(Outcome::Import(outcome), true),
    }
}

/// Returns the first rule that the imported order breaks, regardless of the data in the store.
fn flaw(change: &Change<'_>, order: &Order) -> Option<ImportRefusal> {
    let waits = |a: &Anomaly| a.is_open() && a.kind == AnomalyKind::Unclaimed;
    let flaws = [
        (order.no != change.no(), ImportRefusal::OtherNumber),
        (order.total_fee.is_zero(), ImportRefusal::NothingToPay),
        (!is_paid_right(order), ImportRefusal::PaymentDisagrees),
        (!is_late_right(order), ImportRefusal::LateDisagrees),
        (
            order.update_time < order.create_time || order.update_time > change.now(),
            ImportRefusal::TimesDisagree,
        ),
        (
            order.hidden_at.is_some() && !order.status.is_ended(),
            ImportRefusal::HiddenWhileOpen,
        ),
        (
            order.anomalies.iter().any(waits),
            ImportRefusal::StillUnclaimed,
        ),
        (
            has_a_number_twice(&order.refunds),
            ImportRefusal::DuplicateRefundNo,
        ),
        (
            order.refunds.iter().any(|refund| refund.amount.is_zero()),
            ImportRefusal::NothingBack,
        ),
        (spends_too_much(order), ImportRefusal::RefundsExceed),
        (
            is_overfull(&order.anomalies) || order.refunds.len() > MAX_REFUNDS,
            ImportRefusal::RecordFull,
        ),
    ];
    let mut found = flaws.into_iter().filter(|(is_so, _)| *is_so);
    found.next().map(|(_, refusal)| refusal)
}

fn is_overfull(anomalies: &[Anomaly]) -> bool {
    let unfolded = anomalies.iter().filter(|anomaly| !anomaly.folded).count();
    unfolded > MAX_ANOMALIES || anomalies.len() > MAX_FOLDED + MAX_ANOMALIES
}

/// Returns whether invariant I9 holds: the order has a payment if and only if its status is paid,
/// and the payment has the order's amount and currency.
fn is_paid_right(order: &Order) -> bool {
    let fits = |payment: &Payment| {
        payment.paid_fee == order.total_fee && payment.currency == order.currency
    };
    match &order.payment {
        Some(payment) => order.status.is_paid() && fits(payment),
        None => !order.status.is_paid(),
    }
}

const fn is_late_right(order: &Order) -> bool {
    match order.status {
        Status::LatePaid => order.late,
        Status::Success => true,
        Status::Pending | Status::Closing | Status::Closed | Status::Failed => !order.late,
    }
}

fn has_a_number_twice(refunds: &[Refund]) -> bool {
    let mut seen = HashSet::new();
    !refunds.iter().all(|refund| seen.insert(&refund.refund_no))
}

/// Returns whether the refunded and reserved amounts of a transaction exceed what it paid, which
/// violates invariant I10.
fn spends_too_much(order: &Order) -> bool {
    let record = Record::Order(std::sync::Arc::new(order.clone()));
    let holds = |refund: &&Refund| refund.status.holds_money();
    order.refunds.iter().filter(holds).any(|refund| {
        let held = record.held_of(refund.channel, &refund.transaction_id);
        let paid = record.paid_of(refund.channel, &refund.transaction_id);
        held.is_none_or(|held| held > paid.unwrap_or(Fen::MAX))
    })
}

/// Imports an order that does not exist in the store.
fn take_over(change: &mut Change<'_>, order: &Order) -> Imported {
    let whole = filled_in(order, change.context.policy, change.stamp());
    if let Some(refusal) = key_taken(change, &whole) {
        return Imported::Refused(refusal);
    }
    // Save what the channel has reported about refunds. The `Imported` event can replace a refund
    // that is both in the store and in the import. `take_in` then records the saved reports again,
    // so that no newer state is lost.
    let reported = reported_before(change, &whole);
    let due = due_before(change);
    let own = whole.refunds.len();
    change.push(EventKind::Imported(Box::new(whole)));
    apply_waiting(change);
    let fits = reported.iter().all(|fact| take_in(change, fact)) && measure_all(change);
    keep_due(change, &due);
    if change
        .record()
        .is_some_and(|record| record.unfolded() > MAX_ANOMALIES)
    {
        change.push(EventKind::AnomaliesFolded);
    }
    let held = change.refunds().len();
    if !fits || is_overfull(change.anomalies()) || held > MAX_REFUNDS {
        return Imported::Refused(ImportRefusal::RecordFull);
    }
    if has_a_number_twice(change.refunds()) {
        return Imported::Refused(ImportRefusal::DuplicateRefundNo);
    }
    // Refunds that were recorded before the order had no limit. Together with the imported refunds,
    // they must not exceed the payment.
    let waited = held > own;
    if waited && change.order().is_some_and(|order| spends_too_much(order)) {
        return Imported::Refused(ImportRefusal::RefundsExceed);
    }
    Imported::Imported
}

/// Returns the refusal if another record owns a key that the order would own.
fn key_taken(change: &Change<'_>, order: &Order) -> Option<ImportRefusal> {
    let record = Record::Order(std::sync::Arc::new(order.clone()));
    unique_keys(&record).find_map(|key| {
        if let UniqueKey::Transaction(channel, id) = &key {
            let claim = change
                .context
                .claimed_elsewhere(change.no(), *channel, id)?;
            return Some(match claim {
                Claim::Paid(by) => ImportRefusal::TransactionTaken { by },
                Claim::Refunded(by) => ImportRefusal::RefundedElsewhere { by },
            });
        }
        let by = change.context.owner(&key)?.no();
        (by != change.no()).then(|| refusal_for_key(&key, by))
    })
}

/// Returns the refusal for a key that the record `by` owns.
pub(crate) const fn refusal_for_key(key: &UniqueKey, by: OrderNo) -> ImportRefusal {
    match key {
        UniqueKey::Transaction(..) => ImportRefusal::TransactionTaken { by },
        UniqueKey::RefundNo(..) => ImportRefusal::RefundNoTaken { by },
        UniqueKey::Reference(_) => ImportRefusal::ReferenceTaken { by },
    }
}

/// Returns the channel's reports in this store about refunds that the import also contains. These
/// reports may be newer than the import.
fn reported_before(change: &Change<'_>, order: &Order) -> Vec<RefundFact> {
    let is_imported = |refund: &&Refund| order.refunds.iter().any(|own| own.is_same(refund));
    let reported = change.refunds().iter().filter(is_imported);
    reported.filter_map(RefundFact::of).collect()
}

/// Returns the refunds with a scheduled check.
fn due_before(change: &Change<'_>) -> Vec<Refund> {
    let refunds = change.refunds().iter();
    refunds
        .filter(|refund| refund.next_check.is_some())
        .cloned()
        .collect()
}

/// Restores the checks that the `Imported` event removed or moved to a later time, unless the refund
/// has another status now. An import answers no query, so it must not delay one. For example, a
/// query must still follow if the channel reported a refund as failed after its success.
fn keep_due(change: &mut Change<'_>, due: &[Refund]) {
    for before in due {
        let is_later = |refund: &Refund| {
            refund.is_same(before)
                && refund.status == before.status
                && refund
                    .next_check
                    .is_none_or(|at| before.next_check < Some(at))
        };
        if change.refunds().iter().any(is_later) {
            set_next_check(change, before, before.next_check, false);
        }
    }
}

fn take_in(change: &mut Change<'_>, fact: &RefundFact) -> bool {
    record_fact(change, fact) != RefundRecorded::RecordFull
}

/// Closes the refunds that exceed what their payment paid, and raises an anomaly for each. Returns
/// `false` if the record has no room for the anomalies.
fn measure_all(change: &mut Change<'_>) -> bool {
    let own = change.order().and_then(|order| order.payment.as_ref());
    let doubtful = change.anomalies().iter().filter_map(|a| a.payment.as_ref());
    let payments: Vec<Payment> = own.into_iter().chain(doubtful).cloned().collect();
    payments
        .iter()
        .all(|payment| limit_to_paid(change, payment))
}

/// Records the new facts of the import in an existing order, as `confirm` and `record_refund`
/// would.
fn advance(change: &mut Change<'_>, imported: &Order) -> Imported {
    let payment = imported.payment.as_ref();
    let confirmed = payment.map(|payment| receive(change, payment).confirmed);
    let doubtful = imported.anomalies.iter().filter_map(|a| a.payment.as_ref());
    for payment in doubtful {
        if !knows_payment(change, payment)
            && receive(change, payment).confirmed == Confirmed::RecordFull
        {
            return Imported::Refused(ImportRefusal::RecordFull);
        }
    }
    let news = imported
        .refunds
        .iter()
        .filter(|refund| !knows(change, refund));
    let facts: Vec<RefundFact> = news.filter_map(RefundFact::of).collect();
    let fits = confirmed != Some(Confirmed::RecordFull);
    if !fits || !facts.iter().all(|fact| take_in(change, fact)) {
        return Imported::Refused(ImportRefusal::RecordFull);
    }
    if brings_more(change, imported) {
        Imported::SkippedDiffers
    } else if change.is_empty() {
        Imported::Exists
    } else {
        Imported::Advanced(confirmed)
    }
}

/// Returns whether the import contains a payment, an amount or a refund that this store does not
/// have.
fn brings_more(change: &Change<'_>, imported: &Order) -> bool {
    let doubtful = imported.anomalies.iter().filter_map(|a| a.payment.as_ref());
    let mut payments = imported.payment.iter().chain(doubtful);
    let all_known = payments.all(|payment| knows_payment(change, payment))
        && imported.refunds.iter().all(|refund| knows(change, refund));
    !all_known
}

fn knows_payment(change: &Change<'_>, payment: &Payment) -> bool {
    let own = change.order().and_then(|order| order.payment.as_ref());
    let money = (payment.paid_fee, payment.currency);
    let is_equal = |own: &Payment| own.is_same(payment) && (own.paid_fee, own.currency) == money;
    own.is_some_and(is_equal)
        || change
            .anomalies()
            .iter()
            .any(|a| a.matches_payment(payment))
}

/// Returns whether the imported refund adds nothing to this store's refund with the same number and
/// transaction. True in three cases:
///
/// - The amount and the status are the same.
/// - The amount is the same, the refund is still open in the import, and the store already has a
///   report of the channel about it.
/// - The refund failed in the import. An import has no date, so the failure may be old.
///
/// Such a refund skips the rules of `record_refund`: an import is not a check, so it must not delay
/// the next check.
fn knows(change: &Change<'_>, imported: &Refund) -> bool {
    let known = change
        .record()
        .and_then(|record| record.refund(&imported.refund_no));
    known.is_some_and(|known| {
        let same = known.is_same(imported) && known.transaction_id == imported.transaction_id;
        let amounts = [known.amount, known.asked_amount()];
        let is_under_way = known.status != RefundStatus::Requested && imported.status.is_open();
        let is_old = known.status == imported.status || is_under_way;
        let has_failed = imported.status == RefundStatus::Closed;
        same && (has_failed || amounts.contains(&imported.amount) && is_old)
    })
}

/// Returns the order with defaults for missing fields that the rules need.
fn filled_in(order: &Order, policy: &Policy, now: Timestamp) -> Order {
    let mut order = order.clone();
    order.next = next_of(&order, policy, now);
    match order.status {
        Status::Pending | Status::Closing => order.ended_at = None,
        Status::Closed | Status::Failed => {
            order.ended_at = order.ended_at.or(Some(order.update_time));
        }
        Status::Success | Status::LatePaid => {}
    }
    for refund in &mut order.refunds {
        fill_in_refund(refund, policy, now);
    }
    add_late_payment(&mut order);
    order
}

fn next_of(order: &Order, policy: &Policy, now: Timestamp) -> Option<NextAction> {
    let known = order
        .next
        .filter(|next| next.action != ActionKind::QueryRefund);
    match order.status {
        Status::Pending => known.or_else(|| Some(policy.next_check(now, order.checks))),
        Status::Closing => known.or_else(|| {
            let at = policy.closable_from(order, now);
            let action = ActionKind::AskClose;
            Some(NextAction { at, action })
        }),
        Status::Success | Status::Closed | Status::Failed | Status::LatePaid => None,
    }
}

fn fill_in_refund(refund: &mut Refund, policy: &Policy, now: Timestamp) {
    if refund.status.is_open() {
        let next = || Some(policy.refund_check(now, refund.checks));
        refund.next_check = refund.next_check.or_else(next);
    } else if refund.status != RefundStatus::Success {
        refund.next_check = None;
    }
    refund.attempt = refund.attempt.max(1);
    if refund.attempt > 1 {
        refund.believed_after = refund.believed_after.or(Some(now));
    }
    let at = Some(refund.requested_at);
    match refund.status {
        RefundStatus::Success => {
            refund.success_at = refund.success_at.or(at);
            refund.believed_after = refund.believed_after.or(Some(now));
        }
        RefundStatus::Returned => {
            refund.success_at = refund.success_at.or(at);
            refund.ended_at = refund.ended_at.or(refund.success_at);
        }
        RefundStatus::Closed => refund.ended_at = refund.ended_at.or(at),
        RefundStatus::Requested | RefundStatus::Processing | RefundStatus::Abnormal => {}
    }
}

/// Adds the open `LatePayment` anomaly that a late-paid order has until a person resolves it.
fn add_late_payment(order: &mut Order) {
    let is_late = |anomaly: &Anomaly| anomaly.kind == AnomalyKind::LatePayment;
    if order.status == Status::LatePaid && !order.anomalies.iter().any(is_late) {
        order.anomalies.push(Anomaly {
            id: AnomalyId(0), // `evolve` assigns the number
            kind: AnomalyKind::LatePayment,
            payment: order.payment.clone(),
            refund: None,
            raised_at: order.update_time,
            reopening: None,
            folded: false,
            end: None,
        });
    }
}
