//! `create`: one order per number, and at most one payable or paid order per reference. Also
//! matches the new order with payments that arrived earlier.

use super::change::Change;
use super::confirm::{Finding, examine, is_refunded};
use super::decision::{Decision, ReplyOrder};
use super::index::UniqueKey;
use crate::order::{
    AnomalyEndKind, AnomalyId, AnomalyKind, Created, Difference, EventKind, NewOrder, Order,
    OrderCreated, Outcome, Payment, Status,
};
use crate::types::Note;

pub(super) fn create(mut change: Change<'_>, new: &NewOrder) -> Decision {
    if let Some(order) = change.order() {
        let (outcome, acknowledge) = match first_difference(order, new) {
            None => (Created::Exists, true),
            Some(field) => (Created::ExistsWithDifferent { field }, false),
        };
        return change.answer(Outcome::Create(outcome), acknowledge);
    }
    if let Some((outcome, shows)) = reference_held(&change, new) {
        let acknowledge = outcome == Created::Exists;
        return change.answer_showing(Outcome::Create(outcome), acknowledge, shows);
    }
    change.push_created(creation(&change, new));
    apply_waiting(&mut change);
    let paid = change.order().is_some_and(|order| order.status.is_paid());
    let outcome = if paid {
        Created::CreatedAndPaid
    } else {
        Created::Created
    };
    change.answer(Outcome::Create(outcome), true)
}

/// Returns the first immutable field in which `new` differs from the order. `expires_at` is not
/// compared, because a retry of `create` may set a slightly later time.
pub(super) fn first_difference(order: &Order, new: &NewOrder) -> Option<Difference> {
    let same = [
        (order.channel == new.channel, Difference::Channel),
        (order.appid == new.appid, Difference::Appid),
        (order.mch_id == new.mch_id, Difference::MchId),
        (order.openid == new.openid, Difference::Openid),
        (order.total_fee == new.total_fee, Difference::TotalFee),
        (order.currency == new.currency, Difference::Currency),
        (
            order.description == new.description,
            Difference::Description,
        ),
        (order.attach == new.attach, Difference::Attach),
        (order.reference == new.reference, Difference::Reference),
    ];
    same.into_iter()
        .find_map(|(same, field)| (!same).then_some(field))
}

/// If another payable or paid order owns the reference, returns the outcome of `create` and the
/// order for its reply.
fn reference_held(change: &Change<'_>, new: &NewOrder) -> Option<(Created, ReplyOrder)> {
    let key = UniqueKey::Reference(new.reference.clone()?);
    let holder = change.context.owner(&key)?.as_order()?;
    let no = holder.no;
    let outcome = if holder.status == Status::Success {
        Created::ReferencePaid { no }
    } else if first_difference(holder, new).is_none() {
        Created::Exists
    } else {
        let status = holder.status;
        Created::ReferenceBusy { no, status }
    };
    Some((outcome, ReplyOrder::Owner(no)))
}

fn creation(change: &Change<'_>, new: &NewOrder) -> OrderCreated {
    let policy = change.context.policy;
    let default_end = || change.now().saturating_add(policy.expires_after);
    OrderCreated {
        channel: new.channel,
        appid: new.appid.clone(),
        mch_id: new.mch_id.clone(),
        openid: new.openid.clone(),
        total_fee: new.total_fee,
        currency: new.currency,
        description: new.description.clone(),
        attach: new.attach.clone(),
        reference: new.reference.clone(),
        metadata: new.metadata.clone(),
        expires_at: new.expires_at.unwrap_or_else(default_end),
        next: policy.next_check(change.now(), 0),
    }
}

/// Applies the first unclaimed payment that matches the order, in the order of arrival. Each other
/// unclaimed payment becomes an anomaly whose kind describes its mismatch.
pub(super) fn apply_waiting(change: &mut Change<'_>) {
    let waiting: Vec<(AnomalyId, Payment)> = change
        .record()
        .into_iter()
        .flat_map(crate::order::Record::unclaimed)
        .map(|(id, payment)| (id, payment.clone()))
        .collect();
    for (id, payment) in waiting {
        adopt(change, id, &payment);
    }
}

fn adopt(change: &mut Change<'_>, id: AnomalyId, payment: &Payment) {
    let Some(order) = change.order() else { return };
    let what = match examine(order, payment, change.context) {
        Finding::Mismatch(kind) => EventKind::AnomalyReclassified { id, kind },
        // The anomaly ends if the order already has this payment, for example from an import.
        Finding::Known => EventKind::AnomalyEnded {
            id,
            how: AnomalyEndKind::Settled,
            note: Note::default(),
        },
        // The payment is being refunded, so it must not pay the order. If the refund is partial, a
        // person decides about the rest.
        _ if is_refunded(change, payment) => {
            let kind = AnomalyKind::GivenBack { by: None };
            EventKind::AnomalyReclassified { id, kind }
        }
        Finding::Applies => EventKind::Paid(Box::new(payment.clone())),
        Finding::AppliesLate => EventKind::PaidLate(Box::new(payment.clone())),
    };
    change.push(what);
}
