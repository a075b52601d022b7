//! Refund facts that do not match their order, and the anomalies for them. An anomaly stays open
//! until a person or a later fact ends it.

use super::change::Change;
use super::decision::Claim;
use super::refund::{Facts, first_difference, left_of, refunds_known_of};
use crate::order::{
    AnomalyEndKind, AnomalyId, AnomalyKind, EventKind, Refund, RefundDifference, RefundFact,
    RefundRecorded, RefundState, RefundStatus,
};
use crate::types::{Fen, Note, OrderNo};

pub(super) const fn facts_of(fact: &RefundFact) -> Facts<'_> {
    (fact.channel(), fact.transaction_id(), fact.amount())
}

pub(super) const fn facts_of_refund(refund: &Refund) -> Facts<'_> {
    (refund.channel, &refund.transaction_id, refund.amount)
}

pub(super) fn is_paid_here(change: &Change<'_>, fact: &RefundFact) -> bool {
    let record = change.record();
    record.is_some_and(|r| r.paid_of(fact.channel(), fact.transaction_id()).is_some())
}

pub(super) fn differs(
    change: &mut Change<'_>,
    known: &Refund,
    fact: &RefundFact,
    field: RefundDifference,
) -> RefundRecorded {
    let refund_no = known.refund_no.clone();
    let kind = AnomalyKind::RefundDiffers { refund_no };
    keep(change, kind, fact, RefundRecorded::Differs { field })
}

/// Returns the amount left of the transaction if it is less than the amount of the fact; `None` if
/// enough is left. `own`, the amount that this refund itself has reserved, counts as left. A closed
/// refund needs no money, so its result is `None`.
pub(super) fn lacks_money(change: &Change<'_>, fact: &RefundFact, own: Fen) -> Option<Fen> {
    let left = left_of(change.record(), fact.channel(), fact.transaction_id());
    let left = left.checked_add(own).unwrap_or(Fen::MAX);
    (fact.state() != RefundState::Closed && left < fact.amount()).then_some(left)
}

/// Returns the number of another record that the fact's transaction paid, or that refunds the
/// transaction. `None` for a closed refund, because it reserves no money.
pub(super) fn belongs_elsewhere(change: &Change<'_>, fact: &RefundFact) -> Option<OrderNo> {
    let (channel, transaction) = (fact.channel(), fact.transaction_id());
    let claim = change
        .context
        .claimed_elsewhere(change.no(), channel, transaction);
    claim
        .filter(|_| fact.state() != RefundState::Closed)
        .map(Claim::by)
}

pub(super) fn elsewhere(change: &mut Change<'_>, fact: &RefundFact, by: OrderNo) -> RefundRecorded {
    let refund_no = fact.refund_no().clone();
    let kind = AnomalyKind::RefundedElsewhere { refund_no, by };
    keep(change, kind, fact, RefundRecorded::RefundedElsewhere { by })
}

pub(super) fn exceeds(
    change: &mut Change<'_>,
    fact: &RefundFact,
    available: Fen,
) -> RefundRecorded {
    let refund_no = fact.refund_no().clone();
    let kind = AnomalyKind::RefundExceeds {
        refund_no,
        available,
    };
    keep(change, kind, fact, RefundRecorded::Exceeds { available })
}

/// Returns whether an open or ended anomaly already contains exactly this fact.
pub(super) fn is_kept(change: &Change<'_>, fact: &RefundFact) -> bool {
    let number = Some(fact.refund_no());
    let of_it = change
        .anomalies()
        .iter()
        .filter(|a| a.kind.refund_no() == number);
    let mut kept = of_it.filter_map(|anomaly| anomaly.refund.as_ref());
    kept.any(|refund| is_equal(refund, fact))
}

fn is_equal(refund: &Refund, fact: &RefundFact) -> bool {
    let same = first_difference(facts_of_refund(refund), facts_of(fact)).is_none();
    same && refund.status == RefundStatus::from(fact.state())
}

/// Raises an anomaly for a fact that does not match its order. Returns `Duplicate` if an anomaly of
/// the same kind and refund already has the same channel, transaction, amount and state. Returns
/// `RecordFull` if the record has no room.
pub(super) fn keep(
    change: &mut Change<'_>,
    kind: AnomalyKind,
    fact: &RefundFact,
    outcome: RefundRecorded,
) -> RefundRecorded {
    let mut alike = change.anomalies().iter().filter(|a| a.kind.is_like(&kind));
    if alike.any(|anomaly| anomaly.refund.as_ref().is_some_and(|r| is_equal(r, fact))) {
        return RefundRecorded::Duplicate;
    }
    if !change.make_room() {
        return RefundRecorded::RecordFull;
    }
    let refund = seen(change, fact);
    change.raise_refund(kind, refund);
    outcome
}

/// Builds a refund from the channel's first report about it.
pub(super) fn seen(change: &Change<'_>, fact: &RefundFact) -> Refund {
    let status = RefundStatus::from(fact.state());
    let at = change.stamp();
    let is_success = status == RefundStatus::Success;
    Refund {
        channel: fact.channel(),
        refund_no: fact.refund_no().clone(),
        refund_id: fact.refund_id().cloned(),
        transaction_id: fact.transaction_id().clone(),
        amount: fact.amount(),
        asked: None,
        status,
        external: true,
        code: None,
        requested_at: at,
        attempt: 1,
        believed_after: is_success.then_some(change.now()),
        success_at: is_success.then(|| fact.success_at().unwrap_or(at)),
        ended_at: (status == RefundStatus::Closed).then_some(at),
        next_check: None,
        checks: 0,
    }
}

/// Ends the open `RefundExceeds` anomalies of the fact's refund, because the refund is now
/// recorded, or because it has failed and needs no money.
pub(super) fn end_exceeding(change: &mut Change<'_>, fact: &RefundFact) {
    settle(change, |kind| match kind {
        AnomalyKind::RefundExceeds { refund_no, .. } => refund_no == fact.refund_no(),
        _ => false,
    });
}

/// Ends an open `RefundUnknown` anomaly if the channel has reported a refund of the order's
/// payment. A refund that was only requested does not end the anomaly, because the channel may mean
/// another refund.
pub(super) fn end_unknown(change: &mut Change<'_>) {
    let order = change.order();
    let Some(own) = order.and_then(|order| order.payment.as_ref()) else {
        return;
    };
    let is_reported = |status| {
        use RefundStatus::{Abnormal, Processing, Success};
        matches!(status, Processing | Success | Abnormal)
    };
    if refunds_known_of(change.record(), own).any(is_reported) {
        settle(change, |kind| *kind == AnomalyKind::RefundUnknown);
    }
}

/// Ends the open anomalies whose kind matches: a later fact settled them without a person.
fn settle(change: &mut Change<'_>, is_match: impl Fn(&AnomalyKind) -> bool) {
    let open = change.anomalies().iter().filter(|a| a.is_open());
    let found: Vec<AnomalyId> = open.filter(|a| is_match(&a.kind)).map(|a| a.id).collect();
    for id in found {
        change.push(EventKind::AnomalyEnded {
            id,
            how: AnomalyEndKind::Settled,
            note: Note::default(),
        });
    }
}
