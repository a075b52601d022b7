//! Application of events to records. Every event gives a record, even if the event contradicts the
//! record, so that no stored data can make a reader fail. `verify` reports such contradictions.

use std::sync::Arc;

use super::spare::Spare;
use crate::order::{
    Anomaly, AnomalyEnd, AnomalyEndKind, AnomalyId, AnomalyKind, AnomalyRaised, Event, EventKind,
    Order, OrderCreated, Payment, Record, Refund, RefundStatus, Reopening, Status, Waiting,
};
use crate::types::{Note, RefundNo, Timestamp};

/// Returns the record after `event`. Pure: the event contains every time, so no clock is read.
///
/// Changes the record in place if nobody else shares it, and otherwise changes a copy.
#[must_use]
pub fn evolve(record: Option<Record>, event: &Event) -> Record {
    evolve_with(record, event, &mut Spare::default())
}

/// Does the same as [`evolve`], and takes the memory of a new record from `spare` if it has any.
pub(super) fn evolve_with(record: Option<Record>, event: &Event, spare: &mut Spare) -> Record {
    match (&event.what, record) {
        (EventKind::Created(creation), before) => {
            Record::Order(spare.order(born(before.as_ref(), event, creation)))
        }
        (EventKind::Imported(order), before) => {
            Record::Order(spare.order(taken_over(before.as_ref(), event, order)))
        }
        (_, Some(Record::Order(mut order))) => {
            order_after(spare.make_mut(&mut order), event);
            Record::Order(order)
        }
        (_, Some(Record::Waiting(mut waiting))) => {
            waiting_after(Arc::make_mut(&mut waiting), event);
            Record::Waiting(waiting)
        }
        (_, None) => {
            let mut waiting = nothing_yet(event);
            waiting_after(&mut waiting, event);
            Record::Waiting(Arc::new(waiting))
        }
    }
}

fn nothing_yet(event: &Event) -> Waiting {
    Waiting {
        no: event.no,
        anomalies: Vec::new(),
        refunds: Vec::new(),
        update_time: event.at,
        version: 0,
    }
}

/// Builds a new order, with the payments and refunds that arrived before it.
fn born(before: Option<&Record>, event: &Event, creation: &OrderCreated) -> Order {
    let creation = creation.clone();
    Order {
        no: event.no,
        channel: creation.channel,
        appid: creation.appid,
        mch_id: creation.mch_id,
        openid: creation.openid,
        total_fee: creation.total_fee,
        currency: creation.currency,
        description: creation.description,
        attach: creation.attach,
        reference: creation.reference,
        metadata: creation.metadata,
        status: Status::Pending,
        late: false,
        create_time: event.at,
        update_time: event.at,
        expires_at: creation.expires_at,
        ended_at: None,
        prepay: None,
        next: Some(creation.next),
        checks: 0,
        payment: None,
        refunds: before.map_or_else(Vec::new, |waiting| waiting.refunds().to_vec()),
        anomalies: before.map_or_else(Vec::new, |waiting| waiting.anomalies().to_vec()),
        hidden_at: None,
        version: event.version,
    }
}

/// Builds an imported order. Existing anomalies keep their numbers, and the imported anomalies get
/// the next numbers. If the store and the import have the same refund, the imported state replaces
/// the store's unless [`is_ahead`] returns true.
fn taken_over(before: Option<&Record>, event: &Event, imported: &Order) -> Order {
    let mut order = imported.clone();
    let waited = before.map_or(&[][..], Record::anomalies);
    order.anomalies.splice(0..0, waited.iter().cloned());
    for (anomaly, id) in order.anomalies.iter_mut().zip(1..) {
        anomaly.id = AnomalyId(id);
    }
    for waited in before.map_or(&[][..], Record::refunds) {
        match order.refunds.iter_mut().find(|own| own.is_same(waited)) {
            Some(own) if is_ahead(waited, own) => *own = waited.clone(),
            Some(_) => {}
            None => order.refunds.push(waited.clone()),
        }
    }
    order.version = event.version;
    if let Some(before) = before {
        order.update_time = order.update_time.max(before.update_time());
    }
    order
}

/// Returns whether this store's refund takes precedence over the imported refund of the same
/// transaction:
///
/// - This store's refund has a later attempt, or its money was returned.
/// - This store's refund is under way, and the imported one has failed. An import has no date, so
///   the failure may be old.
fn is_ahead(here: &Refund, imported: &Refund) -> bool {
    let has_failed = imported.status == RefundStatus::Closed && here.status.is_open();
    let is_newer = here.attempt > imported.attempt || here.status == RefundStatus::Returned;
    here.is_of_same(imported) && (is_newer || has_failed)
}

fn waiting_after(waiting: &mut Waiting, event: &Event) {
    waiting.version = event.version;
    if !is_check(&event.what) {
        waiting.update_time = event.at;
    }
    match &event.what {
        EventKind::AnomalyRaised(raised) => push_anomaly(&mut waiting.anomalies, raised, event.at),
        EventKind::AnomalyEnded { id, how, note } => {
            end_anomaly(&mut waiting.anomalies, *id, how, note, event.at);
        }
        EventKind::AnomalyReopened { id, refund_no } => {
            reopen(&mut waiting.anomalies, *id, refund_no, event.at);
        }
        EventKind::AnomaliesFolded => fold(&mut waiting.anomalies),
        EventKind::RefundOpened(refund) => waiting.refunds.push(Refund::clone(refund)),
        EventKind::RefundMoved(refund) => replace_refund(&mut waiting.refunds, refund),
        EventKind::RefundChecked { .. } => check_refund(&mut waiting.refunds, &event.what),
        _ => {} // the other events need an order
    }
}

fn order_after(order: &mut Order, event: &Event) {
    order.version = event.version;
    if !is_check(&event.what) {
        order.update_time = event.at;
    }
    match &event.what {
        EventKind::Created(_) | EventKind::Imported(_) => {} // `evolve` handles them
        EventKind::Annotated(metadata) => order.metadata = metadata.clone(),
        EventKind::PrepayRecorded(prepay) => order.prepay = Some(prepay.clone()),
        EventKind::Checked { next, counted } => {
            order.next = *next;
            order.checks = order.checks.saturating_add(u32::from(*counted));
        }
        EventKind::CloseBegan { next } => {
            order.status = Status::Closing;
            order.next = Some(*next);
        }
        EventKind::CloseAborted { next } => {
            order.status = Status::Pending;
            order.next = Some(*next);
        }
        EventKind::Closed | EventKind::EndedByPerson { .. } => {
            end_order(order, Status::Closed, event.at);
        }
        EventKind::Failed => end_order(order, Status::Failed, event.at),
        EventKind::Paid(payment) => pay(order, Status::Success, payment, event.at),
        EventKind::PaidLate(payment) => pay_late(order, payment, event.at),
        EventKind::AnomalyRaised(raised) => push_anomaly(&mut order.anomalies, raised, event.at),
        EventKind::AnomalyReclassified { id, kind } => reclassify(&mut order.anomalies, *id, kind),
        EventKind::AnomalyEnded { id, how, note } => {
            accept_if_late(order, *id, how);
            end_anomaly(&mut order.anomalies, *id, how, note, event.at);
        }
        EventKind::AnomalyReopened { id, refund_no } => {
            reopen(&mut order.anomalies, *id, refund_no, event.at);
        }
        EventKind::AnomaliesFolded => fold(&mut order.anomalies),
        EventKind::Hidden => order.hidden_at = Some(event.at),
        EventKind::Unhidden => order.hidden_at = None,
        EventKind::RefundOpened(refund) => order.refunds.push(Refund::clone(refund)),
        EventKind::RefundMoved(refund) => replace_refund(&mut order.refunds, refund),
        EventKind::RefundChecked { .. } => check_refund(&mut order.refunds, &event.what),
    }
}

/// Returns whether the event only reschedules a check. Such an event leaves `update_time`
/// unchanged.
const fn is_check(what: &EventKind) -> bool {
    matches!(
        what,
        EventKind::Checked { .. } | EventKind::RefundChecked { .. }
    )
}

fn end_order(order: &mut Order, status: Status, at: Timestamp) {
    order.status = status;
    order.ended_at = Some(at);
    order.next = None;
}

fn pay(order: &mut Order, status: Status, payment: &Payment, at: Timestamp) {
    order.status = status;
    order.next = None;
    order.payment = Some(payment.clone());
    for anomaly in &mut order.anomalies {
        // The payment now pays the order, so every open anomaly of this payment ends. Only a payer
        // mismatch stays open for a person, because a message without a payer does not prove who
        // paid.
        let is_answered = !matches!(anomaly.kind, AnomalyKind::IdentityMismatch { .. });
        if is_answered && anomaly.is_open() && anomaly.concerns(payment) {
            anomaly.end = Some(ended(at, AnomalyEndKind::Settled, Note::default()));
        }
    }
}

fn pay_late(order: &mut Order, payment: &Payment, at: Timestamp) {
    pay(order, Status::LatePaid, payment, at);
    order.late = true;
    order.hidden_at = None;
    let raised = AnomalyRaised {
        kind: AnomalyKind::LatePayment,
        payment: Some(payment.clone()),
        refund: None,
    };
    push_anomaly(&mut order.anomalies, &raised, at);
}

/// Changes a `LatePaid` order to `Success` if a person accepts the late payment. The field `late`
/// stays true.
fn accept_if_late(order: &mut Order, id: AnomalyId, how: &AnomalyEndKind) {
    let is_late = |a: &&Anomaly| a.id == id && a.kind == AnomalyKind::LatePayment;
    if *how == AnomalyEndKind::Accepted && order.anomalies.iter().any(|a| is_late(&a)) {
        order.status = Status::Success;
    }
}

fn push_anomaly(anomalies: &mut Vec<Anomaly>, raised: &AnomalyRaised, at: Timestamp) {
    let last = anomalies.last().map_or(0, |anomaly| anomaly.id.0);
    anomalies.push(Anomaly {
        id: AnomalyId(last.saturating_add(1)),
        kind: raised.kind.clone(),
        payment: raised.payment.clone(),
        refund: raised.refund.clone(),
        raised_at: at,
        reopening: None,
        folded: false,
        end: None,
    });
}

fn reclassify(anomalies: &mut [Anomaly], id: AnomalyId, kind: &AnomalyKind) {
    if let Some(anomaly) = anomalies.iter_mut().find(|anomaly| anomaly.id == id) {
        anomaly.kind = kind.clone();
    }
}

fn end_anomaly(
    anomalies: &mut [Anomaly],
    id: AnomalyId,
    how: &AnomalyEndKind,
    note: &Note,
    at: Timestamp,
) {
    if let Some(anomaly) = anomalies.iter_mut().find(|anomaly| anomaly.id == id) {
        anomaly.end = Some(ended(at, how.clone(), note.clone()));
    }
}

fn reopen(anomalies: &mut [Anomaly], id: AnomalyId, refund_no: &RefundNo, at: Timestamp) {
    if let Some(anomaly) = anomalies.iter_mut().find(|anomaly| anomaly.id == id) {
        anomaly.reopening = Some(Reopening {
            count: anomaly.reopenings().saturating_add(1),
            at,
            refund_no: refund_no.clone(),
        });
        anomaly.end = None;
    }
}

fn fold(anomalies: &mut [Anomaly]) {
    let ended = anomalies.iter_mut().filter(|anomaly| !anomaly.is_open());
    ended.for_each(Anomaly::fold);
}

const fn ended(at: Timestamp, how: AnomalyEndKind, note: Note) -> AnomalyEnd {
    AnomalyEnd { at, how, note }
}

fn replace_refund(refunds: &mut [Refund], moved: &Refund) {
    let known = refunds.iter_mut().find(|refund| refund.is_same(moved));
    if let Some(refund) = known {
        *refund = moved.clone();
    }
}

fn check_refund(refunds: &mut [Refund], what: &EventKind) {
    let EventKind::RefundChecked {
        channel,
        refund_no,
        next_check,
        counted,
    } = what
    else {
        return;
    };
    let is_same = |r: &&mut Refund| r.channel == *channel && r.refund_no == *refund_no;
    if let Some(refund) = refunds.iter_mut().find(is_same) {
        refund.next_check = *next_check;
        refund.checks = refund.checks.saturating_add(u32::from(*counted));
    }
}
