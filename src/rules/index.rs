//! Where a record is found. Indexes are a pure function of the record: an update writes
//! the difference between what it was found under and what it is found under now.

use crate::order::{Order, Payment, Record, Refund, RefundStatus, Status};
use crate::types::{Channel, OpenId, Reference, RefundNo, Timestamp, TransactionId};

/// One list of records, ordered by time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Index {
    /// Every order, by its creation.
    All,
    /// The orders that a user made or paid, by their creation.
    OpenId(OpenId),
    /// The orders of a status, by the time that matters in it: `Pending` and `Closing` by
    /// creation, paid ones by the channel's time of payment, ended ones by their end.
    Status(Status),
    /// The records that know a transaction; the one that it paid bears the latest time.
    Transaction(Channel, TransactionId),
    /// The records that know a refund number; the one that owns it bears the latest time.
    RefundNo(Channel, RefundNo),
    /// The attempts to pay one order of the shop, by their creation; the one that holds
    /// the reference bears the latest time.
    Reference(Reference),
    /// Open anomalies, by when they were raised; `sub` is the anomaly's number.
    Anomalies,
    /// Refunds that went through, by when; `sub` is the refund's place, from 1. Those whose
    /// money returned later stay.
    Refunded,
    /// Refunds that ended without success, by when; `sub` as in `Refunded`.
    ClosedRefunds,
    /// Refunds whose money returned after their success, by when; `sub` as in `Refunded`.
    Returned,
    /// What is to be done, by when; `sub` is 0 for the order, from 1 for its refunds.
    Due,
}

/// One place in one list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexEntry {
    /// The list.
    pub index: Index,
    /// Its place in the list.
    pub time: Timestamp,
    /// Tells several places of one record in one list apart.
    pub sub: u32,
}

/// A key that at most one record owns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UniqueKey {
    /// A transaction pays one order, and its money goes back from one record.
    Transaction(Channel, TransactionId),
    /// A refund number names one refund.
    RefundNo(Channel, RefundNo),
    /// One live order bears the shop's own id.
    Reference(Reference),
}

impl UniqueKey {
    pub(crate) fn transaction_of(payment: &Payment) -> Self {
        Self::Transaction(payment.channel, payment.transaction_id.clone())
    }

    pub(crate) fn refund_no_of(refund: &Refund) -> Self {
        Self::RefundNo(refund.channel, refund.refund_no.clone())
    }

    /// The list in which the owner stands at [`Timestamp::MAX`], beside those who only
    /// know the key.
    #[must_use]
    pub fn index(&self) -> Index {
        match self {
            Self::Transaction(channel, id) => Index::Transaction(*channel, id.clone()),
            Self::RefundNo(channel, no) => Index::RefundNo(*channel, no.clone()),
            Self::Reference(reference) => Index::Reference(reference.clone()),
        }
    }
}

/// The keys that this record owns. A transaction is owned by the order that it pays, or by
/// the record whose refunds hold its money: one key for both, so that two processes cannot
/// let it pay here and go back there. What waits, does not fit or was paid twice owns
/// nothing else.
pub fn unique_keys(record: &Record) -> impl Iterator<Item = UniqueKey> + '_ {
    let order = record.as_order();
    let paid = order.and_then(|order| order.payment.as_ref());
    let reference = order
        .filter(|order| order.holds_reference())
        .and_then(|order| order.reference.clone());
    let refunds = record.refunds().iter();
    paid.map(UniqueKey::transaction_of)
        .into_iter()
        .chain(given_back(record, paid))
        .chain(refunds.map(UniqueKey::refund_no_of))
        .chain(reference.map(UniqueKey::Reference))
}

/// The transactions other than the order's own of which refunds here hold money.
fn given_back<'a>(
    record: &'a Record,
    paid: Option<&'a Payment>,
) -> impl Iterator<Item = UniqueKey> + 'a {
    let holding = |refund: &&Refund| refund.status.holds_money();
    let others = move |refund: &&Refund| !paid.is_some_and(|paid| refund.is_of(paid));
    let refunds = record.refunds();
    let first = move |(place, refund): &(usize, &Refund)| {
        let mut earlier = refunds.iter().take(*place).filter(holding);
        !earlier.any(|earlier| earlier.is_of_same(refund))
    };
    let each = refunds.iter().enumerate();
    each.filter(move |(_, refund)| holding(refund) && others(refund))
        .filter(first)
        .map(|(_, refund)| UniqueKey::Transaction(refund.channel, refund.transaction_id.clone()))
}

/// The places at which this record is found, in order. No place is named twice.
#[must_use]
pub fn index_entries(record: &Record) -> Vec<IndexEntry> {
    let mut entries = Vec::with_capacity(8);
    each_entry(record, |entry| entries.push(entry));
    entries.sort_unstable();
    entries.dedup();
    entries
}

/// Shows the places at which this record is found, in any order, and some perhaps twice.
pub(crate) fn each_entry(record: &Record, mut show: impl FnMut(IndexEntry)) {
    let mut add = |index, time, sub| show(IndexEntry { index, time, sub });
    if let Some(order) = record.as_order() {
        order_places(order, &mut add);
    }
    for key in unique_keys(record) {
        add(key.index(), Timestamp::MAX, 0);
    }
    anomaly_places(record, &mut add);
    refund_places(record, &mut add);
    due_places(record, &mut add);
}

fn order_places(order: &Order, add: &mut impl FnMut(Index, Timestamp, u32)) {
    add(Index::All, order.create_time, 0);
    add(Index::Status(order.status), status_time(order), 0);
    let payer = order
        .payment
        .as_ref()
        .and_then(|payment| payment.openid.as_ref());
    for openid in order.openid.iter().chain(payer) {
        add(Index::OpenId(openid.clone()), order.create_time, 0);
    }
    let attempt = order
        .reference
        .as_ref()
        .filter(|_| !order.holds_reference());
    if let Some(reference) = attempt {
        add(Index::Reference(reference.clone()), order.create_time, 0);
    }
}

/// The time that matters in the order's status.
fn status_time(order: &Order) -> Timestamp {
    let time = match order.status {
        Status::Pending | Status::Closing => None,
        Status::Success | Status::LatePaid => order.paid_at(),
        Status::Closed | Status::Failed => order.ended_at,
    };
    time.unwrap_or(order.create_time)
}

/// Open anomalies, and every transaction and refund number that an anomaly knows and the
/// record does not own.
fn anomaly_places(record: &Record, add: &mut impl FnMut(Index, Timestamp, u32)) {
    let own = record.as_order().and_then(|order| order.payment.as_ref());
    let owns = |payment: &Payment| {
        let holds = |refund: &Refund| refund.status.holds_money() && refund.is_of(payment);
        own.is_some_and(|own| own.is_same(payment)) || record.refunds().iter().any(holds)
    };
    for (anomaly, place) in record.anomalies().iter().zip(0..) {
        if anomaly.is_open() {
            add(Index::Anomalies, anomaly.opened_at(), anomaly.id.0);
        }
        // A transaction that does not fit in two ways stands in its list once.
        let mut earlier = record.anomalies().iter().take(place);
        if let Some(payment) = &anomaly.payment
            && !owns(payment)
            && !earlier.any(|earlier| earlier.concerns(payment))
        {
            let key = UniqueKey::transaction_of(payment);
            add(key.index(), anomaly.raised_at, 0);
        }
        let mut earlier = record.anomalies().iter().take(place);
        if let Some(refund) = &anomaly.refund
            && !record.refunds().iter().any(|own| own.is_same(refund))
            && !earlier.any(|earlier| earlier.refund.as_ref().is_some_and(|r| r.is_same(refund)))
        {
            let key = UniqueKey::refund_no_of(refund);
            add(key.index(), anomaly.raised_at, 0);
        }
    }
}

fn refund_places(record: &Record, add: &mut impl FnMut(Index, Timestamp, u32)) {
    for (refund, sub) in record.refunds().iter().zip(1..) {
        let (succeeded, ended) = match refund.status {
            RefundStatus::Success => (true, None),
            RefundStatus::Returned => (true, Some(Index::Returned)),
            RefundStatus::Closed => (false, Some(Index::ClosedRefunds)),
            RefundStatus::Requested | RefundStatus::Processing | RefundStatus::Abnormal => {
                (false, None)
            }
        };
        if let Some(at) = refund.success_at.filter(|_| succeeded) {
            add(Index::Refunded, at, sub);
        }
        if let Some((index, at)) = ended.zip(refund.ended_at) {
            add(index, at, sub);
        }
    }
}

/// An order with an open anomaly waits for a person; its refunds go on.
fn due_places(record: &Record, add: &mut impl FnMut(Index, Timestamp, u32)) {
    if let Some(order) = record.as_order()
        && let Some(next) = order.next
        && order.open_anomalies().next().is_none()
    {
        add(Index::Due, next.at, 0);
    }
    for (refund, sub) in record.refunds().iter().zip(1..) {
        if let Some(at) = refund.next_check {
            add(Index::Due, at, sub);
        }
    }
}
