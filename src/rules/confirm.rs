//! `confirm`: matches a verified payment with its order. [`examine`] checks the payment in a fixed
//! order: transaction, identity, amount, status of the order.

use super::change::Change;
use super::decision::{Claim, Context, Decision};
use super::refund::limit_to_paid;
use crate::order::{
    Anomaly, AnomalyEnd, AnomalyEndKind, AnomalyKind, Confirmed, EventKind, IdentityField,
    MAX_WAITING, Order, Outcome, Payment, Refund, Status,
};
use crate::types::OrderNo;

/// Result of checking a payment against its order.
pub(super) enum Finding {
    /// The payment matches the order and pays it.
    Applies,
    /// The payment matches the order and pays it, although the order has ended.
    AppliesLate,
    /// The order already has this payment.
    Known,
    /// The payment does not fit the order, for this reason.
    Mismatch(AnomalyKind),
}

/// Outcome of a payment, and whether the caller may acknowledge it to the channel.
pub(super) struct Receipt {
    pub(super) confirmed: Confirmed,
    pub(super) acknowledge: bool,
}

impl Receipt {
    const fn new(confirmed: Confirmed, acknowledge: bool) -> Self {
        Self {
            confirmed,
            acknowledge,
        }
    }
}

pub(super) fn confirm(mut change: Change<'_>, payment: &Payment) -> Decision {
    let receipt = receive(&mut change, payment);
    let outcome = Outcome::Confirm(receipt.confirmed);
    if receipt.confirmed == Confirmed::RecordFull {
        return change.refuse(outcome);
    }
    change.answer(outcome, receipt.acknowledge)
}

/// Records a payment: applies it to the order, or keeps it as an anomaly. Returns `RecordFull` if
/// the record has no room for all new anomalies. The caller must then refuse the whole change.
pub(super) fn receive(change: &mut Change<'_>, payment: &Payment) -> Receipt {
    let receipt = match change.order() {
        None => await_order(change, payment),
        Some(order) => {
            let finding = examine(order, payment, change.context);
            settle(change, payment, finding)
        }
    };
    // Now that the paid amount is known, turn refunds above it into anomalies. Refunds that were
    // recorded before their payment had no limit.
    if change.is_empty() || limit_to_paid(change, payment) {
        receipt
    } else {
        Receipt::new(Confirmed::RecordFull, false)
    }
}

/// Keeps a payment whose order does not exist. The caller must not acknowledge the payment, so that
/// the channel repeats it, perhaps to another store that has the order.
fn await_order(change: &mut Change<'_>, payment: &Payment) -> Receipt {
    if change
        .anomalies()
        .iter()
        .any(|known| known.matches_payment(payment))
    {
        return Receipt::new(Confirmed::Duplicate, false);
    }
    let waiting = change
        .record()
        .map_or(0, |record| record.unclaimed().count());
    if waiting >= MAX_WAITING || !change.make_room() {
        return Receipt::new(Confirmed::RecordFull, false);
    }
    change.raise(AnomalyKind::Unclaimed, Some(payment));
    Receipt::new(Confirmed::Unclaimed, false)
}

/// Checks a payment against its order. The first failed check determines the result. A repeat of
/// the order's own payment skips all checks, because they could reject an imported payment.
pub(super) fn examine(order: &Order, payment: &Payment, context: &Context<'_>) -> Finding {
    if order
        .payment
        .as_ref()
        .is_some_and(|own| is_repeat(own, payment))
    {
        return Finding::Known;
    }
    let (channel, transaction) = (payment.channel, &payment.transaction_id);
    match context.claimed_elsewhere(order.no, channel, transaction) {
        Some(Claim::Paid(by)) => return Finding::Mismatch(AnomalyKind::TransactionTaken { by }),
        // Another record refunds this transaction, so the transaction must not pay this order.
        Some(Claim::Refunded(by)) => {
            let by = Some(by);
            return Finding::Mismatch(AnomalyKind::GivenBack { by });
        }
        None => {}
    }
    match foreign_identity(order, payment) {
        Some(foreign) if !is_accepted(order, payment, &foreign) => Finding::Mismatch(foreign),
        _ => examine_money(order, payment),
    }
}

/// Returns whether a payment is a repeat: equal to the other in every field that the checks
/// compare.
fn is_repeat(own: &Payment, other: &Payment) -> bool {
    let money = (own.paid_fee, own.currency) == (other.paid_fee, other.currency);
    let payer =
        (&own.appid, &own.mch_id, &own.openid) == (&other.appid, &other.mch_id, &other.openid);
    own.is_same(other) && money && payer
}

/// Returns whether a person has accepted this payment although this identity field differs.
fn is_accepted(order: &Order, payment: &Payment, foreign: &AnomalyKind) -> bool {
    let accepted = |end: &AnomalyEnd| end.how == AnomalyEndKind::Accepted;
    let mut known = order.anomalies.iter().filter(|a| a.concerns(payment));
    known.any(|a| a.kind == *foreign && a.end.as_ref().is_some_and(accepted))
}

/// Checks the amount and currency of a payment, then the order's status.
fn examine_money(order: &Order, payment: &Payment) -> Finding {
    if order.total_fee != payment.paid_fee || order.currency != payment.currency {
        return Finding::Mismatch(AnomalyKind::AmountMismatch {
            expected: order.total_fee,
            found: payment.paid_fee,
        });
    }
    match (order.status, &order.payment) {
        (Status::Pending | Status::Closing, _) => Finding::Applies,
        (Status::Closed | Status::Failed, _) => Finding::AppliesLate,
        (Status::Success | Status::LatePaid, Some(first)) if !first.is_same(payment) => {
            Finding::Mismatch(AnomalyKind::DoublePayment {
                first: first.transaction_id.clone(),
            })
        }
        (Status::Success | Status::LatePaid, _) => Finding::Known,
    }
}

/// Returns the first identity field that both the order and the payment have and that differs.
fn foreign_identity(order: &Order, payment: &Payment) -> Option<AnomalyKind> {
    fn differ<T: PartialEq>(own: Option<&T>, paid: Option<&T>) -> bool {
        own.zip(paid).is_some_and(|(own, paid)| own != paid)
    }
    let mch = (order.mch_id.as_ref(), payment.mch_id.as_ref());
    let openid = (order.openid.as_ref(), payment.openid.as_ref());
    let differs = [
        (order.channel != payment.channel, IdentityField::Channel),
        (
            differ(Some(&order.appid), payment.appid.as_ref()),
            IdentityField::Appid,
        ),
        (differ(openid.0, openid.1), IdentityField::Openid),
        (differ(mch.0, mch.1), IdentityField::MchId),
    ];
    let mut foreign = differs.into_iter().filter(|(differs, _)| *differs);
    foreign
        .next()
        .map(|(_, field)| AnomalyKind::IdentityMismatch { field })
}

/// Pushes the events that follow from a finding, and returns the receipt. A repeated payment causes
/// no event.
fn settle(change: &mut Change<'_>, payment: &Payment, finding: Finding) -> Receipt {
    match finding {
        Finding::Known => Receipt::new(Confirmed::Duplicate, true),
        Finding::Mismatch(kind) => keep_misfit(change, payment, kind),
        // The transaction is being refunded, so it must not pay the order. A repeated report
        // changes nothing; a report with a new amount becomes an anomaly of its own.
        _ if is_refunded(change, payment) => {
            if change
                .anomalies()
                .iter()
                .any(|known| known.matches_payment(payment))
            {
                return Receipt::new(Confirmed::Duplicate, true);
            }
            keep_misfit(change, payment, AnomalyKind::GivenBack { by: None })
        }
        Finding::Applies => {
            change.push_payment(payment, EventKind::Paid);
            Receipt::new(Confirmed::Applied, true)
        }
        Finding::AppliesLate => {
            if !change.make_room() {
                return Receipt::new(Confirmed::RecordFull, false);
            }
            change.push_payment(payment, EventKind::PaidLate);
            Receipt::new(Confirmed::Late, true)
        }
    }
}

/// Returns whether this payment is being refunded, so that it must not pay the order. True in three
/// cases:
///
/// - a person decided to refund the payment
/// - the payment has a `GivenBack` anomaly that no person has accepted
/// - the payment has any anomaly, and a refund that this store requested holds its money
///
/// In the third case, a refund that was requested elsewhere does not count, because the channel
/// refunds only payments that it accepted.
pub(super) fn is_refunded(change: &Change<'_>, payment: &Payment) -> bool {
    let refunded = |end: &AnomalyEnd| matches!(end.how, AnomalyEndKind::Refunded { .. });
    let accepted = |end: &AnomalyEnd| end.how == AnomalyEndKind::Accepted;
    let mut known = change.anomalies().iter().filter(|a| a.concerns(payment));
    let by_a_person = known.clone().any(|a| a.end.as_ref().is_some_and(refunded));
    let is_found = |a: &Anomaly| {
        let given_back = matches!(a.kind, AnomalyKind::GivenBack { .. });
        given_back && !a.end.as_ref().is_some_and(accepted)
    };
    let found = known.clone().any(is_found);
    let is_own =
        |refund: &Refund| !refund.external && refund.is_of(payment) && refund.status.holds_money();
    by_a_person || found || known.next().is_some() && change.refunds().iter().any(is_own)
}

/// Raises an anomaly that keeps a payment which does not match its order. Does nothing if the order
/// number already has an anomaly of this kind for the same transaction, amount and currency.
fn keep_misfit(change: &mut Change<'_>, payment: &Payment, kind: AnomalyKind) -> Receipt {
    let acknowledge = acknowledges(&kind, change.context.policy.strict);
    let is_this = |a: &Anomaly| a.kind.is_like(&kind) && a.matches_payment(payment);
    if change.anomalies().iter().any(is_this) {
        return Receipt::new(Confirmed::Duplicate, acknowledge);
    }
    if !change.make_room() {
        return Receipt::new(Confirmed::RecordFull, false);
    }
    let confirmed = outcome_of(&kind, change.no());
    change.raise(kind, Some(payment));
    Receipt::new(confirmed, acknowledge)
}

/// Returns whether the caller may acknowledge a payment that this kind of anomaly keeps. In strict
/// mode, the channel must repeat a payment that does not match its order. A double payment is
/// always acknowledged, because a repeat would again be a double payment.
fn acknowledges(kind: &AnomalyKind, strict: bool) -> bool {
    !strict || matches!(kind, AnomalyKind::DoublePayment { .. })
}

/// Returns the outcome of `confirm` for a payment that became an anomaly of this kind.
fn outcome_of(kind: &AnomalyKind, own: OrderNo) -> Confirmed {
    match kind {
        AnomalyKind::TransactionTaken { by } => Confirmed::TransactionTaken { by: *by },
        AnomalyKind::IdentityMismatch { field } => Confirmed::IdentityMismatch { field: *field },
        AnomalyKind::GivenBack { by } => Confirmed::GivenBack {
            by: by.unwrap_or(own),
        },
        AnomalyKind::AmountMismatch { expected, found } => Confirmed::AmountMismatch {
            expected: *expected,
            found: *found,
        },
        _ => Confirmed::DoublePayment, // no other kind of anomaly occurs here
    }
}
