//! `confirm`: a verified payment meets its order. The guards stand in [`examine`], in the
//! order in which they are asked.

use super::change::Change;
use super::decision::{Claim, Context, Decision};
use super::refund::measure;
use crate::order::{
    Anomaly, AnomalyEnd, AnomalyEndKind, AnomalyKind, Confirmed, EventKind, IdentityField,
    MAX_WAITING, Order, Outcome, Payment, Refund, Status,
};
use crate::types::OrderNo;

/// What a payment is to an order.
pub(super) enum Finding {
    /// It pays it.
    Applies,
    /// It pays it after its end.
    AppliesLate,
    /// It is the payment that stands.
    Known,
    /// It does not fit.
    Misfit(AnomalyKind),
}

/// What became of a payment, and whether the channel may be told "received".
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

/// Takes the payment in, whatever it is. Where there is no room for all that comes of it
/// the answer is `RecordFull`, and the whole change is to be refused.
pub(super) fn receive(change: &mut Change<'_>, payment: &Payment) -> Receipt {
    let receipt = match change.order() {
        None => await_order(change, payment), // guard 1
        Some(order) => {
            let finding = examine(order, payment, change.context);
            settle(change, payment, finding)
        }
    };
    // Refunds that were known first are measured by what was paid as soon as that is known.
    if change.is_empty() || measure(change, payment) {
        receipt
    } else {
        Receipt::new(Confirmed::RecordFull, false)
    }
}

/// Keeps a payment whose order is not there. The channel is told nothing: it repeats, and
/// another node may own the number.
fn await_order(change: &mut Change<'_>, payment: &Payment) -> Receipt {
    if change
        .anomalies()
        .iter()
        .any(|known| known.is_told(payment))
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

/// Guards 2 to 8, in their order. The very fact that stands is none of them: other books may
/// have let a payment stand that they would not.
pub(super) fn examine(order: &Order, payment: &Payment, context: &Context<'_>) -> Finding {
    if order
        .payment
        .as_ref()
        .is_some_and(|own| is_told_again(own, payment))
    {
        return Finding::Known;
    }
    let (channel, transaction) = (payment.channel, &payment.transaction_id);
    match context.claimed_elsewhere(order.no, channel, transaction) {
        Some(Claim::Paid(by)) => return Finding::Misfit(AnomalyKind::TransactionTaken { by }), // 2
        // Its money goes back from there: it must not pay here as well.
        Some(Claim::Refunded(by)) => {
            let by = Some(by);
            return Finding::Misfit(AnomalyKind::GivenBack { by });
        }
        None => {}
    }
    match foreign_identity(order, payment) {
        Some(foreign) if !is_vouched_for(order, payment, &foreign) => Finding::Misfit(foreign), // 3
        _ => examine_money(order, payment),
    }
}

/// The same in everything that a guard looks at.
fn is_told_again(own: &Payment, told: &Payment) -> bool {
    let money = (own.paid_fee, own.currency) == (told.paid_fee, told.currency);
    let payer = (&own.appid, &own.mch_id, &own.openid) == (&told.appid, &told.mch_id, &told.openid);
    own.is_same(told) && money && payer
}

/// A person accepted this payment in spite of this difference.
fn is_vouched_for(order: &Order, payment: &Payment, foreign: &AnomalyKind) -> bool {
    let accepted = |end: &AnomalyEnd| end.how == AnomalyEndKind::Accepted;
    let mut known = order.anomalies.iter().filter(|a| a.concerns(payment));
    known.any(|a| a.kind == *foreign && a.end.as_ref().is_some_and(accepted))
}

/// Guards 4 to 8.
fn examine_money(order: &Order, payment: &Payment) -> Finding {
    if order.total_fee != payment.paid_fee || order.currency != payment.currency {
        return Finding::Misfit(AnomalyKind::AmountMismatch {
            expected: order.total_fee,
            found: payment.paid_fee,
        }); // 4
    }
    match (order.status, &order.payment) {
        (Status::Pending | Status::Closing, _) => Finding::Applies, // 5
        (Status::Closed | Status::Failed, _) => Finding::AppliesLate, // 8
        (Status::Success | Status::LatePaid, Some(first)) if !first.is_same(payment) => {
            Finding::Misfit(AnomalyKind::DoublePayment {
                first: first.transaction_id.clone(),
            }) // 7
        }
        (Status::Success | Status::LatePaid, _) => Finding::Known, // 6
    }
}

/// The first part of the identity that both sides know and that differs.
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

/// Writes what was found, once.
fn settle(change: &mut Change<'_>, payment: &Payment, finding: Finding) -> Receipt {
    match finding {
        Finding::Known => Receipt::new(Confirmed::Duplicate, true),
        Finding::Misfit(kind) => keep_misfit(change, payment, kind),
        // The money of this transaction is on its way back: it cannot pay as well. An amount
        // that was not told before is a fact of its own.
        _ if is_given_back(change, payment) => {
            if change
                .anomalies()
                .iter()
                .any(|known| known.is_told(payment))
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

/// A person gave this payment back, or a refund of it was asked for here; or it was found to
/// be given back, and no person has accepted it since. A refund that was only seen here
/// hinders no payment: the channel refunds what was paid.
pub(super) fn is_given_back(change: &Change<'_>, payment: &Payment) -> bool {
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

/// Keeps a payment that does not fit, once per number, transaction, kind, amount and currency.
fn keep_misfit(change: &mut Change<'_>, payment: &Payment, kind: AnomalyKind) -> Receipt {
    let acknowledge = acknowledges(&kind, change.context.policy.strict);
    let is_this = |a: &Anomaly| a.kind.is_like(&kind) && a.is_told(payment);
    if change.anomalies().iter().any(is_this) {
        return Receipt::new(Confirmed::Duplicate, acknowledge);
    }
    if !change.make_room() {
        return Receipt::new(Confirmed::RecordFull, false);
    }
    let confirmed = named(&kind, change.no());
    change.raise(kind, Some(payment));
    Receipt::new(confirmed, acknowledge)
}

/// A strict shop lets the channel repeat what does not fit; a double payment is a fact
/// that no repeat can mend.
fn acknowledges(kind: &AnomalyKind, strict: bool) -> bool {
    !strict || matches!(kind, AnomalyKind::DoublePayment { .. })
}

/// The answer that goes with a misfit.
fn named(kind: &AnomalyKind, own: OrderNo) -> Confirmed {
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
        _ => Confirmed::DoublePayment, // guard 7, the one that is left
    }
}
