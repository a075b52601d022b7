//! A decision in the making: events pushed one after another, each seen by the next guard.

use std::sync::Arc;

use super::decision::{Context, Decision, Shows};
use super::evolve::evolve;
use crate::order::{
    Anomaly, AnomalyKind, Event, MAX_ANOMALIES, MAX_REFUNDS, MAX_WAITING, Order, Outcome, Payment,
    Raised, Record, Refund, What,
};
use crate::value::{OrderNo, Timestamp};

/// The record as it stands after the events pushed so far.
pub(super) struct Change<'a> {
    no: OrderNo,
    record: Option<Record>,
    events: Vec<Event>,
    pub(super) context: &'a Context<'a>,
}

impl<'a> Change<'a> {
    pub(super) fn new(no: OrderNo, record: Option<&Record>, context: &'a Context<'a>) -> Self {
        Self {
            no,
            record: record.cloned(),
            events: Vec::new(),
            context,
        }
    }

    /// The moment rules compare with: the store's clock, raw.
    pub(super) const fn now(&self) -> Timestamp {
        self.context.now
    }

    pub(super) const fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    pub(super) fn order(&self) -> Option<&Arc<Order>> {
        self.record.as_ref().and_then(Record::as_order)
    }

    /// The time that the next event bears: a clock that went back does not turn history.
    pub(super) fn stamp(&self) -> Timestamp {
        let last = self.record.as_ref().map(Record::update_time);
        last.map_or(self.now(), |last| last.max(self.now()))
    }

    /// Appends an event and lets the record evolve by it.
    pub(super) fn push(&mut self, what: What) {
        let version = self.record.as_ref().map_or(0, Record::version);
        let event = Event {
            no: self.no,
            version: version.saturating_add(1),
            at: self.stamp(),
            what,
        };
        self.record = Some(evolve(self.record.as_ref(), &event));
        self.events.push(event);
    }

    /// Appends a payment's event, stamped with the time at which the store keeps it.
    pub(super) fn push_payment(&mut self, payment: &Payment, what: fn(Box<Payment>) -> What) {
        self.push(what(Box::new(self.stamped(payment))));
    }

    pub(super) fn raise(&mut self, kind: AnomalyKind, payment: Option<&Payment>) {
        let payment = payment.map(|payment| self.stamped(payment));
        self.push(What::AnomalyRaised(Box::new(Raised {
            kind,
            payment,
            refund: None,
        })));
    }

    /// Keeps a refund that does not fit. Nobody is asked about it: its anomaly is a person's.
    pub(super) fn raise_refund(&mut self, kind: AnomalyKind, mut refund: Refund) {
        refund.next_check = None;
        self.push(What::AnomalyRaised(Box::new(Raised {
            kind,
            payment: None,
            refund: Some(refund),
        })));
    }

    pub(super) fn refunds(&self) -> &[Refund] {
        self.record.as_ref().map_or(&[], Record::refunds)
    }

    /// There is no room for another refund.
    pub(super) fn has_no_room_for_a_refund(&self) -> bool {
        let most = match self.record {
            Some(Record::Order(_)) => MAX_REFUNDS,
            Some(Record::Waiting(_)) | None => MAX_WAITING,
        };
        self.refunds().len() >= most
    }

    /// Nothing happened yet.
    pub(super) const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) const fn no(&self) -> OrderNo {
        self.no
    }

    fn stamped(&self, payment: &Payment) -> Payment {
        let mut payment = payment.clone();
        payment.recorded_at = self.stamp();
        payment
    }

    /// The payment's transaction paid another order.
    pub(super) fn is_anothers(&self, payment: &Payment) -> bool {
        self.context.taken_by(self.no, payment).is_some()
    }

    pub(super) fn anomalies(&self) -> &[Anomaly] {
        self.record.as_ref().map_or(&[], Record::anomalies)
    }

    /// There is no room for another anomaly.
    pub(super) fn is_full(&self) -> bool {
        self.anomalies().len() >= MAX_ANOMALIES
    }

    /// An anomaly of this kind without a payment stands, open or ended.
    pub(super) fn has_raised(&self, kind: &AnomalyKind) -> bool {
        self.anomalies().iter().any(|a| a.kind.is_like(kind))
    }

    /// The decision, with the order itself shown.
    pub(super) fn answer(self, outcome: Outcome, acknowledge: bool) -> Decision {
        self.answer_showing(outcome, acknowledge, Shows::This)
    }

    /// The answer where the record has no room for the whole of a change: what was begun
    /// is not written.
    pub(super) fn refuse(mut self, outcome: Outcome) -> Decision {
        self.events.clear();
        self.answer(outcome, false)
    }

    pub(super) fn answer_showing(
        self,
        outcome: Outcome,
        acknowledge: bool,
        shows: Shows,
    ) -> Decision {
        Decision {
            after: if self.events.is_empty() {
                None
            } else {
                self.record
            },
            events: self.events,
            outcome,
            acknowledge,
            shows,
        }
    }
}
