//! List entries and unique keys of a record. Both are pure functions of the record, so an update
//! only writes the difference between the old and the new entries.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::order::{Order, Payment, Record, Refund, RefundStatus, Status};
use crate::types::{Channel, OpenId, Reference, RefundNo, Timestamp, TransactionId};

/// Index: a list of records, ordered by time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Index {
    /// All orders, by creation time.
    All,
    /// Orders that a user created or paid, by creation time.
    OpenId(OpenId),
    /// Orders in a status. `Pending` and `Closing` orders are sorted by creation time, `Success`
    /// and `LatePaid` orders by the channel's payment time, `Closed` and `Failed` orders by end
    /// time.
    Status(Status),
    /// Records that contain a transaction. The entry of the record that owns the transaction has
    /// the time [`Timestamp::MAX`].
    Transaction(Channel, TransactionId),
    /// Records that contain a refund number. The entry of the record that owns the refund number
    /// has the time [`Timestamp::MAX`].
    RefundNo(Channel, RefundNo),
    /// Orders with the same merchant reference, by creation time. The entry of the order that owns
    /// the reference has the time [`Timestamp::MAX`].
    Reference(Reference),
    /// Open anomalies, by the time at which they were raised or last reopened; `sub` is the
    /// anomaly's number.
    Anomalies,
    /// Successful refunds, by success time. `sub` is the refund's position in its record, from 1.
    /// Refunds whose money returned later stay in the list.
    Refunded,
    /// Refunds that ended without success, by end time. `sub` is the refund's position in its
    /// record, from 1.
    ClosedRefunds,
    /// Refunds whose money returned after their success, by the time of the return. `sub` is the
    /// refund's position in its record, from 1.
    Returned,
    /// Next actions for orders and refunds, by due time. `sub` is 0 for the order, and 1 or more
    /// for its refunds.
    Due,
}

/// Entry of a record in a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexEntry {
    /// List that contains the entry.
    pub index: Index,
    /// Sort key within the list; [`Timestamp::MAX`] for the owner of a unique key.
    pub time: Timestamp,
    /// Number that distinguishes several entries of one record in one list.
    pub sub: u32,
}

/// Key that at most one record owns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UniqueKey {
    /// A transaction. Its owner is the order that the transaction paid, or the record whose refunds
    /// have reserved or paid back its money.
    Transaction(Channel, TransactionId),
    /// A refund number of a channel. Its owner is the record that has the refund.
    RefundNo(Channel, RefundNo),
    /// The merchant's own order id. At most one pending, closing or paid order owns it. An order
    /// that was paid late does not own it, even after a person accepts the payment.
    Reference(Reference),
}

impl UniqueKey {
    pub(crate) fn transaction_of(payment: &Payment) -> Self {
        Self::Transaction(payment.channel, payment.transaction_id.clone())
    }

    pub(crate) fn refund_no_of(refund: &Refund) -> Self {
        Self::RefundNo(refund.channel, refund.refund_no.clone())
    }

    /// Returns the list of all records that contain this key. The owner's entry has the time
    /// [`Timestamp::MAX`].
    #[must_use]
    pub fn index(&self) -> Index {
        match self {
            Self::Transaction(channel, id) => Index::Transaction(*channel, id.clone()),
            Self::RefundNo(channel, no) => Index::RefundNo(*channel, no.clone()),
            Self::Reference(reference) => Index::Reference(reference.clone()),
        }
    }
}

/// Returns the keys that this record owns. An order owns the transaction that paid it, and a record
/// owns a transaction whose money its refunds hold. Both cases use the same key. One process can
/// therefore not apply a transaction to an order while another process refunds it from another
/// record. A payment in an anomaly owns no key.
pub fn unique_keys(record: &Record) -> impl Iterator<Item = UniqueKey> + '_ {
    let order = record.as_order();
    let paid = order.and_then(|order| order.payment.as_ref());
    let reference = order
        .filter(|order| order.owns_reference())
        .and_then(|order| order.reference.clone());
    let refunds = record.refunds().iter();
    paid.map(UniqueKey::transaction_of)
        .into_iter()
        .chain(given_back(record, paid))
        .chain(refunds.map(UniqueKey::refund_no_of))
        .chain(reference.map(UniqueKey::Reference))
}

/// Unique keys that a record claims and frees by a change.
#[derive(Debug, Default)]
pub(crate) struct KeyChanges {
    pub(crate) claimed: SmallVec<[UniqueKey; 1]>,
    pub(crate) freed: SmallVec<[UniqueKey; 1]>,
}

impl KeyChanges {
    pub(crate) fn between(before: Option<&Record>, after: &Record) -> Self {
        let mut changes = Self::default();
        // On a chain of iterators, `for_each` is faster than `for`.
        if let Some(before) = before {
            unique_keys(before).for_each(|key| changes.freed.push(key));
        }
        unique_keys(after).for_each(|key| {
            match changes.freed.iter().position(|owned| *owned == key) {
                Some(kept) => drop(changes.freed.swap_remove(kept)),
                None => changes.claimed.push(key),
            }
        });
        changes
    }
}

/// Returns the keys of the transactions of which this record has reserved or refunded money, each
/// key once. Leaves out the transaction that paid the order.
fn given_back<'a>(
    record: &'a Record,
    paid: Option<&'a Payment>,
) -> impl Iterator<Item = UniqueKey> + 'a {
    let holding = |refund: &&Refund| refund.status.holds_money();
    let others = move |refund: &&Refund| !paid.is_some_and(|paid| refund.is_of(paid));
    let refunds = record.refunds();
    let first = move |(position, refund): &(usize, &Refund)| {
        let mut earlier = refunds.iter().take(*position).filter(holding);
        !earlier.any(|earlier| earlier.is_of_same(refund))
    };
    let each = refunds.iter().enumerate();
    each.filter(move |(_, refund)| holding(refund) && others(refund))
        .filter(first)
        .map(|(_, refund)| UniqueKey::Transaction(refund.channel, refund.transaction_id.clone()))
}

/// Returns the list entries of this record, sorted and without duplicates.
#[must_use]
pub fn index_entries(record: &Record) -> Vec<IndexEntry> {
    let mut entries = Vec::with_capacity(8);
    each_entry(record, |entry| entries.push(entry));
    entries.sort_unstable();
    entries.dedup();
    entries
}

/// Calls `show` with each list entry of this record, in no fixed sequence. An entry may occur
/// twice.
pub(crate) fn each_entry(record: &Record, mut show: impl FnMut(IndexEntry)) {
    let mut add = |index, time, sub| show(IndexEntry { index, time, sub });
    if let Some(order) = record.as_order() {
        add_order(order, &mut add);
    }
    unique_keys(record).for_each(|key| add(key.index(), Timestamp::MAX, 0));
    add_anomalies(record, &mut add);
    add_refunds(record, &mut add);
    add_due(record, &mut add);
}

fn add_order(order: &Order, add: &mut impl FnMut(Index, Timestamp, u32)) {
    add(Index::All, order.create_time, 0);
    add(Index::Status(order.status), status_time(order), 0);
    let payer = order
        .payment
        .as_ref()
        .and_then(|payment| payment.openid.as_ref());
    for openid in order.openid.iter().chain(payer) {
        add(Index::OpenId(openid.clone()), order.create_time, 0);
    }
    let attempt = order.reference.as_ref().filter(|_| !order.owns_reference());
    if let Some(reference) = attempt {
        add(Index::Reference(reference.clone()), order.create_time, 0);
    }
}

/// Returns the order's sort key in the list of its status.
fn status_time(order: &Order) -> Timestamp {
    let time = match order.status {
        Status::Pending | Status::Closing => None,
        Status::Success | Status::LatePaid => order.paid_at(),
        Status::Closed | Status::Failed => order.ended_at,
    };
    time.unwrap_or(order.create_time)
}

/// Adds the open anomalies, and every transaction and refund number that an anomaly contains and
/// the record does not own.
fn add_anomalies(record: &Record, add: &mut impl FnMut(Index, Timestamp, u32)) {
    let own = record.as_order().and_then(|order| order.payment.as_ref());
    let owns = |payment: &Payment| {
        let holds = |refund: &Refund| refund.status.holds_money() && refund.is_of(payment);
        own.is_some_and(|own| own.is_same(payment)) || record.refunds().iter().any(holds)
    };
    for (anomaly, position) in record.anomalies().iter().zip(0..) {
        if anomaly.is_open() {
            add(Index::Anomalies, anomaly.opened_at(), anomaly.id.0);
        }
        // Several anomalies may contain the same transaction. The index of this transaction gets
        // one entry, at the time of the first anomaly.
        let mut earlier = record.anomalies().iter().take(position);
        if let Some(payment) = &anomaly.payment
            && !owns(payment)
            && !earlier.any(|earlier| earlier.concerns(payment))
        {
            let key = UniqueKey::transaction_of(payment);
            add(key.index(), anomaly.raised_at, 0);
        }
        let mut earlier = record.anomalies().iter().take(position);
        if let Some(refund) = &anomaly.refund
            && !record.refunds().iter().any(|own| own.is_same(refund))
            && !earlier.any(|earlier| earlier.refund.as_ref().is_some_and(|r| r.is_same(refund)))
        {
            let key = UniqueKey::refund_no_of(refund);
            add(key.index(), anomaly.raised_at, 0);
        }
    }
}

fn add_refunds(record: &Record, add: &mut impl FnMut(Index, Timestamp, u32)) {
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

/// Adds the next actions of the order and its refunds. An order with an open anomaly waits for a
/// person: it has no entry for its own action, but its refunds have theirs.
fn add_due(record: &Record, add: &mut impl FnMut(Index, Timestamp, u32)) {
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
