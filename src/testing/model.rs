//! Simple model of a store: one map of records, and every query scans all of them.
//!
//! The model and the real store share only the rules. The model has no index, no counters, no
//! working set and no queue. Both must return the same replies to the same commands.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::contract::Counts;
use crate::order::{
    ActionKind, Command, Event, Order, Outcome, Record, Refund, RefundStatus, Reply, Status,
};
use crate::query::{ClosedRefund, Due, OpenAnomaly, OrderQuery, Subtotal, Totals};
use crate::rules::{Context, Policy, ReplyOrder, UniqueKey, decide, evolve, needs};
use crate::types::{
    Channel, Currency, OpenId, OrderNo, Reference, RefundNo, Timestamp, TransactionId,
};

/// Model that computes the expected replies and query results.
#[derive(Debug, Clone, Default)]
pub struct Model {
    policy: Policy,
    records: BTreeMap<OrderNo, Record>,
    feed: Vec<Event>,
}

/// List of orders: the same lists as in [`OrderQuery`], but with public fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum List {
    /// The list of [`OrderQuery::all`].
    All,
    /// The list of [`OrderQuery::by_openid`].
    OpenId(OpenId),
    /// The list of [`OrderQuery::by_status`].
    Status(Status),
    /// The list of [`OrderQuery::by_transaction_of`].
    Transaction(Channel, TransactionId),
    /// The list of [`OrderQuery::by_refund_no_of`].
    RefundNo(Channel, RefundNo),
    /// The list of [`OrderQuery::by_reference`].
    Reference(Reference),
}

impl List {
    /// Returns the query for the same list in a store.
    pub fn listing(&self) -> OrderQuery {
        match self {
            Self::All => OrderQuery::all(),
            Self::OpenId(openid) => OrderQuery::by_openid(openid),
            Self::Status(status) => OrderQuery::by_status(*status),
            Self::Transaction(channel, id) => OrderQuery::by_transaction_of(*channel, id),
            Self::RefundNo(channel, no) => OrderQuery::by_refund_no_of(*channel, no),
            Self::Reference(reference) => OrderQuery::by_reference(reference),
        }
    }
}

/// Row of a list, with its sort time. Rows with the same time have an unspecified but fixed order.
pub type Timed<R> = (Timestamp, R);

impl Model {
    /// Creates an empty model that decides by this policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }

    /// Runs a command at `now` and returns the reply that a store must give.
    pub fn run(&mut self, now: Timestamp, command: &Command) -> Reply<Outcome> {
        let record = self.records.get(&command.no);
        let owner = |key: UniqueKey| {
            let owner = self.owner(&key).cloned();
            (key, owner)
        };
        let owners: Vec<_> = needs(command, record).map(owner).collect();
        let context = Context {
            now,
            policy: &self.policy,
            owners: &owners,
        };
        let decision = decide(record, command, &context);
        for event in decision.events {
            let next = evolve(self.records.remove(&event.no), &event);
            self.records.insert(event.no, next);
            self.feed.push(event);
        }
        let shown = match decision.reply_order {
            ReplyOrder::This => command.no,
            ReplyOrder::Owner(no) => no,
        };
        Reply {
            outcome: decision.outcome,
            order: self.order(shown),
            acknowledge: decision.acknowledge,
        }
    }

    fn owner(&self, key: &UniqueKey) -> Option<&Record> {
        self.records.values().find(|record| owns(record, key))
    }

    /// Returns the order with this number.
    #[must_use]
    pub fn order(&self, no: OrderNo) -> Option<Arc<Order>> {
        self.records.get(&no).and_then(Record::as_order).cloned()
    }

    /// Returns all events, in the order of the commands.
    #[must_use]
    pub fn feed(&self) -> &[Event] {
        &self.feed
    }

    /// Returns all events of an order number.
    #[must_use]
    pub fn history(&self, no: OrderNo) -> Vec<Event> {
        let is_own = |event: &&Event| event.no == no;
        self.feed.iter().filter(is_own).cloned().collect()
    }

    fn orders(&self) -> impl Iterator<Item = &Arc<Order>> {
        self.records.values().filter_map(Record::as_order)
    }

    /// Returns the orders of a list, newest first. Hidden orders are included.
    #[must_use]
    pub fn list(&self, list: &List) -> Vec<Timed<Arc<Order>>> {
        let timed = |order: &Arc<Order>| Some((time_in(list, order)?, Arc::clone(order)));
        let mut rows: Vec<_> = self.orders().filter_map(timed).collect();
        rows.sort_by_key(|(time, order)| (std::cmp::Reverse(*time), order.no));
        rows
    }

    /// Returns the actions due at `now`, oldest first.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<Timed<Due>> {
        let mut rows: Vec<Timed<Due>> = self.records.values().flat_map(dues).collect();
        rows.retain(|(at, _)| *at <= now);
        rows.sort_by_key(|(at, due)| (*at, due.no));
        rows
    }

    /// Returns the open anomalies, oldest first.
    #[must_use]
    pub fn open_anomalies(&self) -> Vec<Timed<OpenAnomaly>> {
        let open = |record: &Record| {
            let (no, order) = (record.no(), record.as_order().cloned());
            let open = record.anomalies().iter().filter(|a| a.is_open()).cloned();
            let row = |anomaly: crate::order::Anomaly| {
                let order = order.clone();
                let reopened = anomaly.reopening.as_ref();
                let at = reopened.map_or(anomaly.raised_at, |last| last.at);
                (at, OpenAnomaly { no, anomaly, order })
            };
            open.map(row).collect::<Vec<_>>()
        };
        let mut rows: Vec<Timed<OpenAnomaly>> = self.records.values().flat_map(open).collect();
        rows.sort_by_key(|(at, open)| (*at, open.no, open.anomaly.id));
        rows
    }

    /// Counts the orders in each status, the unclaimed payments and the open anomalies.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (place, status) in counts.by_status.iter_mut().zip(Status::ALL) {
            *place = count(self.orders().filter(|order| order.status == status));
        }
        let records = || self.records.values();
        counts.unclaimed = count(records().flat_map(Record::unclaimed));
        counts.open_anomalies = count(
            records()
                .flat_map(Record::anomalies)
                .filter(|anomaly| anomaly.is_open()),
        );
        counts
    }

    /// Calculates the totals of payments and refunds within `times` (end exclusive).
    #[must_use]
    pub fn totals(&self, times: &Range<Timestamp>) -> Totals {
        let mut totals = Totals::default();
        for order in self.orders() {
            if order.paid_at().is_some_and(|at| times.contains(&at)) {
                let late = order.late.then_some(&mut totals.late);
                for sums in [Some(&mut totals.paid), late].into_iter().flatten() {
                    let sum = sums.entry(order.currency).or_default();
                    sum.count += 1;
                    sum.minor_units += u128::from(order.total_fee.as_u64());
                }
            }
        }
        self.add_refunds(times, &mut totals);
        totals
    }

    fn add_refunds(&self, times: &Range<Timestamp>, totals: &mut Totals) {
        for record in self.records.values() {
            for refund in record.refunds() {
                let payment = record.payment_of(refund.channel, &refund.transaction_id);
                let currency = payment.map(|payment| payment.currency).unwrap_or_default();
                let add = |sums: &mut BTreeMap<Currency, Subtotal>, at: Option<Timestamp>| {
                    if at.is_some_and(|at| times.contains(&at)) {
                        let sum = sums.entry(currency).or_default();
                        sum.count += 1;
                        sum.minor_units += u128::from(refund.amount.as_u64());
                    }
                };
                if matches!(
                    refund.status,
                    RefundStatus::Success | RefundStatus::Returned
                ) {
                    add(&mut totals.refunded, refund.success_at);
                }
                if refund.status == RefundStatus::Returned {
                    add(&mut totals.returned, refund.ended_at);
                }
            }
        }
    }

    /// Returns the refunds that ended without success, newest first.
    #[must_use]
    pub fn closed_refunds(&self) -> Vec<Timed<ClosedRefund>> {
        let closed = |record: &Record| {
            let (no, order) = (record.no(), record.as_order().cloned());
            let closed = record.refunds().iter();
            let closed = closed.filter(|refund| refund.status == RefundStatus::Closed);
            let row = |refund: &Refund| {
                let (refund, order) = (refund.clone(), order.clone());
                Some((refund.ended_at?, ClosedRefund { no, refund, order }))
            };
            closed.filter_map(row).collect::<Vec<_>>()
        };
        let mut rows: Vec<_> = self.records.values().flat_map(closed).collect();
        rows.sort_by_key(|(at, closed)| (std::cmp::Reverse(*at), closed.no));
        rows
    }
}

fn count<T>(all: impl Iterator<Item = T>) -> u64 {
    all.fold(0, |count, _| count + 1)
}

/// Returns whether a record owns a key, by the definition of ownership.
fn owns(record: &Record, key: &UniqueKey) -> bool {
    let order = record.as_order();
    match key {
        UniqueKey::Transaction(channel, id) => {
            let paid = order.and_then(|order| order.payment.as_ref());
            let pays = paid.is_some_and(|p| p.channel == *channel && p.transaction_id == *id);
            let gives_back = |r: &Refund| {
                let is_of = r.channel == *channel && r.transaction_id == *id;
                is_of && !matches!(r.status, RefundStatus::Closed | RefundStatus::Returned)
            };
            pays || record.refunds().iter().any(gives_back)
        }
        UniqueKey::RefundNo(channel, no) => record
            .refunds()
            .iter()
            .any(|refund| refund.channel == *channel && refund.refund_no == *no),
        UniqueKey::Reference(reference) => order.is_some_and(|order| {
            order.owns_reference() && order.reference.as_ref() == Some(reference)
        }),
    }
}

/// Returns the time by which a list sorts an order, or `None` if the list does not contain the
/// order. In the list of a transaction, refund number or reference, the order that owns it gets the
/// latest possible time, so that it comes first among the newest.
fn time_in(list: &List, order: &Arc<Order>) -> Option<Timestamp> {
    let record = Record::Order(Arc::clone(order));
    let owner = |key| owns(&record, &key).then_some(Timestamp::MAX);
    match list {
        List::All => Some(order.create_time),
        List::OpenId(openid) => {
            let payer = order.payment.as_ref().and_then(|paid| paid.openid.as_ref());
            let is_his = order.openid.as_ref() == Some(openid) || payer == Some(openid);
            is_his.then_some(order.create_time)
        }
        List::Status(status) if order.status != *status => None,
        List::Status(Status::Success | Status::LatePaid) => order.paid_at(),
        List::Status(Status::Closed | Status::Failed) => order.ended_at,
        List::Status(Status::Pending | Status::Closing) => Some(order.create_time),
        List::Transaction(channel, id) => {
            let mut known = order.anomalies.iter().filter(|anomaly| {
                let payment = anomaly.payment.as_ref();
                payment.is_some_and(|p| p.channel == *channel && p.transaction_id == *id)
            });
            owner(UniqueKey::Transaction(*channel, id.clone()))
                .or_else(|| Some(known.next()?.raised_at))
        }
        List::RefundNo(channel, no) => {
            let mut known = order.anomalies.iter().filter(|anomaly| {
                let refund = anomaly.refund.as_ref();
                refund.is_some_and(|r| r.channel == *channel && r.refund_no == *no)
            });
            owner(UniqueKey::RefundNo(*channel, no.clone()))
                .or_else(|| Some(known.next()?.raised_at))
        }
        List::Reference(reference) => {
            let attempt = order.reference.as_ref() == Some(reference);
            owner(UniqueKey::Reference(reference.clone()))
                .or_else(|| attempt.then_some(order.create_time))
        }
    }
}

fn dues(record: &Record) -> Vec<Timed<Due>> {
    let (no, order) = (record.no(), record.as_order().cloned());
    let due = |at, action, refund_no| {
        let order = order.clone();
        let due = Due {
            no,
            at,
            action,
            refund_no,
            order,
        };
        (at, due)
    };
    let waits_for_a_person = record.anomalies().iter().any(|anomaly| anomaly.is_open());
    let next = record.as_order().and_then(|order| order.next);
    let next = next.filter(|_| !waits_for_a_person);
    let refunds = record.refunds().iter().filter_map(|refund| {
        let refund_no = Some(refund.refund_no.clone());
        Some(due(refund.next_check?, ActionKind::QueryRefund, refund_no))
    });
    next.map(|next| due(next.at, next.action, None))
        .into_iter()
        .chain(refunds)
        .collect()
}
