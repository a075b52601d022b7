//! Decision under construction. The rules append events one after another. Each rule sees the
//! record after the earlier events.

use std::sync::Arc;

use super::decision::{Claim, Context, Decision, ReplyOrder};
use super::evolve::evolve_with;
use super::spare::Spare;
use crate::order::{
    Anomaly, AnomalyEndKind, AnomalyKind, AnomalyRaised, Event, EventKind, MAX_ANOMALIES,
    MAX_FOLDED, MAX_REFUNDS, MAX_WAITING, Order, OrderCreated, Outcome, Payment, Record, Refund,
    RefundStatus,
};
use crate::types::{Note, OrderNo, Timestamp};

/// Decision that is not finished: its events so far, and the record after these events.
pub(super) struct Change<'a> {
    no: OrderNo,
    record: Option<Record>,
    events: Vec<Event>,
    pub(super) context: &'a Context<'a>,
    /// Memory for the events and the record.
    spare: &'a mut Spare,
}

impl<'a> Change<'a> {
    pub(super) fn new(
        no: OrderNo,
        record: Option<&Record>,
        context: &'a Context<'a>,
        spare: &'a mut Spare,
    ) -> Self {
        Self {
            no,
            record: record.cloned(),
            events: Vec::new(),
            context,
            spare,
        }
    }

    /// Returns the time for comparisons with expiries and due times: the store's clock as read,
    /// even if it went back.
    pub(super) const fn now(&self) -> Timestamp {
        self.context.now
    }

    pub(super) const fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    pub(super) fn order(&self) -> Option<&Arc<Order>> {
        self.record.as_ref().and_then(Record::as_order)
    }

    /// Returns the time of the next event: the store's clock, but never a time before the record's
    /// last update. A clock that goes back must not give events decreasing times.
    pub(super) fn stamp(&self) -> Timestamp {
        let last = self.record.as_ref().map(Record::update_time);
        last.map_or(self.now(), |last| last.max(self.now()))
    }

    /// Appends an event and applies it to the record.
    pub(super) fn push(&mut self, what: EventKind) {
        let version = self.record.as_ref().map_or(0, Record::version);
        let event = Event {
            no: self.no,
            version: version.saturating_add(1),
            at: self.stamp(),
            what,
        };
        self.record = Some(evolve_with(self.record.take(), &event, self.spare));
        if self.events.is_empty() {
            self.events = self.spare.events();
        }
        self.events.push(event);
    }

    pub(super) fn push_created(&mut self, created: OrderCreated) {
        let created = self.spare.created(created);
        self.push(EventKind::Created(created));
    }

    /// Appends the event of a payment and sets the payment's `recorded_at`.
    pub(super) fn push_payment(&mut self, payment: &Payment, what: fn(Box<Payment>) -> EventKind) {
        let payment = self.spare.payment(self.stamped(payment));
        self.push(what(payment));
    }

    pub(super) fn raise(&mut self, kind: AnomalyKind, payment: Option<&Payment>) {
        let payment = payment.map(|payment| self.stamped(payment));
        self.push(EventKind::AnomalyRaised(Box::new(AnomalyRaised {
            kind,
            payment,
            refund: None,
        })));
    }

    /// Raises an anomaly for a refund that does not fit its order, so that a person decides. The
    /// refund in the anomaly has no scheduled check.
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

    /// Returns whether the record has no room for another refund.
    pub(super) fn has_no_room_for_a_refund(&self) -> bool {
        let max = match self.record {
            Some(Record::Order(_)) => MAX_REFUNDS,
            Some(Record::Waiting(_)) | None => MAX_WAITING,
        };
        self.refunds().len() >= max
    }

    /// Returns whether no event was pushed yet.
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

    /// Returns the other record that the payment's transaction paid, or that refunds the
    /// transaction; `None` if there is none.
    pub(super) fn claimed_elsewhere(&self, payment: &Payment) -> Option<Claim> {
        let (channel, transaction) = (payment.channel, &payment.transaction_id);
        self.context
            .claimed_elsewhere(self.no, channel, transaction)
    }

    pub(super) fn anomalies(&self) -> &[Anomaly] {
        self.record.as_ref().map_or(&[], Record::anomalies)
    }

    /// Makes room for another anomaly. If the record is full, folds its ended anomalies: removes
    /// their notes and payment details. It does not fold them earlier, so that readers see the
    /// details as long as possible. Returns `false` if the record is still full.
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

    /// Ends a refund: `status` is one in which the refund holds no money. Reopens the anomalies
    /// that this refund had ended, because their payments are no longer refunded, and only open
    /// anomalies are listed for a person. If the order exists by now, an `Unclaimed` anomaly
    /// becomes `GivenBack`.
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

    /// Schedules a query for each closed refund of the same transaction as `freed` that has an open
    /// `RefundExceeds` anomaly. When the channel reported such a refund, too little of the
    /// transaction was left. Now that `freed` has released its amount, enough may be left.
    fn ask_about_exceeding(&mut self, freed: &Refund) {
        let now = self.now();
        let open = self.anomalies().iter().filter(|a| a.is_open());
        let exceeding = open.filter(|a| matches!(a.kind, AnomalyKind::RefundExceeds { .. }));
        let reported = exceeding.filter_map(|anomaly| anomaly.refund.as_ref());
        let numbers: Vec<_> = reported
            .filter(|refund| refund.is_of_same(freed) && !refund.is_same(freed))
            .map(|refund| refund.refund_no.clone())
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

    /// Ends each reopened anomaly whose payment this refund returns: the failure of this refund had
    /// reopened the anomaly, or the refund covers at least the whole payment of the anomaly.
    pub(super) fn end_reopened(&mut self, refund: &Refund) {
        let is_covered = |anomaly: &&Anomaly| {
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
            .filter(is_covered)
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

    /// Returns whether an anomaly of this kind was ever raised for the record, even if it has
    /// ended.
    pub(super) fn has_raised(&self, kind: &AnomalyKind) -> bool {
        self.anomalies().iter().any(|a| a.kind.is_like(kind))
    }

    /// Returns the decision with this outcome. The reply contains the order that the command names.
    pub(super) fn answer(self, outcome: Outcome, acknowledge: bool) -> Decision {
        self.answer_showing(outcome, acknowledge, ReplyOrder::This)
    }

    /// Returns a decision without events, for a change that is refused as a whole.
    pub(super) fn refuse(mut self, outcome: Outcome) -> Decision {
        self.events.clear();
        self.answer(outcome, false)
    }

    pub(super) fn answer_showing(
        self,
        outcome: Outcome,
        acknowledge: bool,
        shows: ReplyOrder,
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
            reply_order: shows,
        }
    }
}
