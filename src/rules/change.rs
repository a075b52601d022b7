//! A decision in the making: events pushed one after another, each seen by the next guard.

use std::sync::Arc;

use super::decision::{Claim, Context, Decision, Shows};
use super::evolve::evolve;
use crate::order::{
    Anomaly, AnomalyEndKind, AnomalyKind, AnomalyRaised, Event, EventKind, MAX_ANOMALIES,
    MAX_FOLDED, MAX_REFUNDS, MAX_WAITING, Order, Outcome, Payment, Record, Refund, RefundStatus,
};
use crate::types::{Note, OrderNo, Timestamp};

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
    pub(super) fn push(&mut self, what: EventKind) {
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
    pub(super) fn push_payment(&mut self, payment: &Payment, what: fn(Box<Payment>) -> EventKind) {
        self.push(what(Box::new(self.stamped(payment))));
    }

    pub(super) fn raise(&mut self, kind: AnomalyKind, payment: Option<&Payment>) {
        let payment = payment.map(|payment| self.stamped(payment));
        self.push(EventKind::AnomalyRaised(Box::new(AnomalyRaised {
            kind,
            payment,
            refund: None,
        })));
    }

    /// Keeps a refund that does not fit. Nobody is asked about it: its anomaly is a person's.
    pub(super) fn raise_refund(&mut self, kind: AnomalyKind, mut refund: Refund) {
        refund.next_check = None;
        self.push(EventKind::AnomalyRaised(Box::new(AnomalyRaised {
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

    /// Whose money the payment is, where that is another record.
    pub(super) fn claimed_elsewhere(&self, payment: &Payment) -> Option<Claim> {
        let (channel, transaction) = (payment.channel, &payment.transaction_id);
        self.context
            .claimed_elsewhere(self.no, channel, transaction)
    }

    pub(super) fn anomalies(&self) -> &[Anomaly] {
        self.record.as_ref().map_or(&[], Record::anomalies)
    }

    /// Makes room for another anomaly; false where there is none. Ended anomalies are folded
    /// only when room is needed: until then they are shown whole.
    pub(super) fn make_room(&mut self) -> bool {
        let unfolded = self.record.as_ref().map_or(0, Record::unfolded);
        let folded = self.anomalies().len().saturating_sub(unfolded);
        let mut whole = self.anomalies().iter().filter(|a| !a.folded);
        let can_fold = folded < MAX_FOLDED && whole.any(|anomaly| !anomaly.is_open());
        if unfolded >= MAX_ANOMALIES && can_fold {
            self.push(EventKind::AnomaliesFolded);
            return true;
        }
        unfolded < MAX_ANOMALIES
    }

    /// Writes that a refund ended without holding money, and opens the anomalies again that
    /// it had ended: their money is here and nobody else is told. Under an order that exists
    /// by now nothing is unclaimed any more.
    pub(super) fn end_refund(&mut self, refund: &Refund, status: RefundStatus) {
        let ended = refund.ended(status, self.stamp(), self.now());
        self.push(EventKind::RefundMoved(Box::new(ended)));
        let decided = self.anomalies().iter();
        let decided = decided.filter(|anomaly| anomaly.is_ended_by_refund(refund));
        let decided: Vec<_> = decided.map(|a| (a.id, a.kind.clone())).collect();
        for (id, kind) in decided {
            if kind == AnomalyKind::Unclaimed && self.order().is_some() {
                let kind = AnomalyKind::GivenBack { by: None };
                self.push(EventKind::AnomalyReclassified { id, kind });
            }
            let refund_no = refund.refund_no.clone();
            self.push(EventKind::AnomalyReopened { id, refund_no });
        }
        self.ask_about_exceeding(refund);
    }

    /// Money of a transaction is free: the channel is asked again about its closed refunds that
    /// had been told when there was too little of it.
    fn ask_about_exceeding(&mut self, freed: &Refund) {
        let now = self.now();
        let open = self.anomalies().iter().filter(|a| a.is_open());
        let exceeding = open.filter(|a| matches!(a.kind, AnomalyKind::RefundExceeds { .. }));
        let told = exceeding.filter_map(|anomaly| anomaly.refund.as_ref());
        let numbers: Vec<_> = told
            .filter(|told| told.is_of_same(freed) && !told.is_same(freed))
            .map(|told| told.refund_no.clone())
            .collect();
        for refund_no in numbers {
            let known = self.record().and_then(|record| record.refund(&refund_no));
            let is_closed = |known: &&Refund| {
                known.status == RefundStatus::Closed && known.next_check.is_none()
            };
            if let Some(known) = known.filter(is_closed) {
                self.push(EventKind::RefundChecked {
                    channel: known.channel,
                    refund_no,
                    next_check: Some(now),
                    counted: false,
                });
            }
        }
    }

    /// Ends the anomalies again that this refund's failure had opened: it holds money now.
    pub(super) fn end_reopened(&mut self, refund: &Refund) {
        let by_it = |anomaly: &&Anomaly| {
            let last = anomaly.reopening.as_ref();
            let payment = anomaly.payment.as_ref();
            let is_whole = payment.is_some_and(|payment| refund.held() >= payment.paid_fee);
            anomaly.is_open()
                && last.is_some_and(|last| is_whole || last.refund_no == refund.refund_no)
                && payment.is_some_and(|payment| refund.is_of(payment))
        };
        let open: Vec<_> = self
            .anomalies()
            .iter()
            .filter(by_it)
            .map(|a| a.id)
            .collect();
        for id in open {
            let refund_no = refund.refund_no.clone();
            self.push(EventKind::AnomalyEnded {
                id,
                how: AnomalyEndKind::Refunded { refund_no },
                note: Note::default(),
            });
        }
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
