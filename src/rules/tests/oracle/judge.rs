//! Checks of the store's records against the channel's ledger.

use super::super::*;
use super::server::{Acknowledged, Server};
use crate::order::{Anomaly, AnomalyEndKind, AnomalyKind, Record, Refund, RefundStatus, Status};
use crate::rules::{Index, index_entries};

impl Server {
    /// Checks all conditions that the records must meet after each step.
    pub(super) fn check_all(&self) {
        self.no_money_goes_back_twice();
        self.acknowledged_facts_are_found();
        for record in self.store.records.values() {
            is_listed(record);
            decided_refunds_hold_money(record);
        }
        self.transactions_have_one_owner();
    }

    fn no_money_goes_back_twice(&self) {
        for (transaction, paid) in &self.channel.paid {
            let out = self.channel.out(transaction);
            assert!(
                out <= paid.amount(),
                "{transaction}: {out} fen of {paid:?} were refunded"
            );
        }
    }

    fn acknowledged_facts_are_found(&self) {
        for fact in &self.acknowledged {
            let found = match fact {
                Acknowledged::Paid(text, payment) => {
                    holds_payment(self.store.record(text).unwrap(), payment)
                }
                Acknowledged::Refunded(text, fact) => {
                    holds_refund(self.store.record(text).unwrap(), fact)
                }
            };
            assert!(found, "acknowledged fact is lost: {fact:?}");
        }
    }

    /// Checks that at most one record uses each transaction: the transaction paid its order, or its
    /// refunds have reserved or paid back money of the transaction.
    fn transactions_have_one_owner(&self) {
        for transaction in self.channel.paid.keys() {
            let claims = self.store.records.values().filter(|record| {
                let pays = record.as_order().and_then(|order| order.transaction_id());
                let pays = pays.is_some_and(|id| id.as_str() == transaction);
                let mut back = refunds_of(record, transaction);
                pays || back.any(|refund| refund.status.holds_money())
            });
            assert!(claims.count() <= 1, "{transaction} has two owners");
        }
    }

    /// Checks after the last step that no action is due, and that the store's successful refunds
    /// equal the refunds in the channel's ledger.
    pub(super) fn check_final_state(&self) {
        for record in self.store.records.values() {
            let due = |entry: &crate::rules::IndexEntry| entry.index == Index::Due;
            let due = index_entries(record).into_iter().find(due);
            assert_eq!(due, None, "an action is still due at the end: {record:?}");
        }
        for transaction in self.channel.paid.keys() {
            let refunds = self.store.records.values();
            let refunds = refunds.flat_map(|record| refunds_of(record, transaction));
            let succeeded = refunds.filter(|refund| refund.status == RefundStatus::Success);
            let back: u64 = succeeded.map(|refund| refund.amount.as_u64()).sum();
            let out = self.channel.out(transaction);
            let has_anomaly = || {
                self.store
                    .records
                    .values()
                    .any(|r| asks_about(r, transaction))
            };
            assert!(
                back == out || has_anomaly(),
                "{transaction}: refunds are {back} fen in the store, {out} in the ledger: {:#?}",
                self.store.history
            );
        }
    }
}

fn refunds_of<'a>(record: &'a Record, transaction: &'a str) -> impl Iterator<Item = &'a Refund> {
    let refunds = record.refunds().iter();
    refunds.filter(move |refund| refund.transaction_id.as_str() == transaction)
}

/// Returns whether a refund of the transaction has an open anomaly, or an accepted `RefundDiffers`
/// anomaly. After such an acceptance, the store's amount may differ from the ledger's.
fn asks_about(record: &Record, transaction: &str) -> bool {
    let is_accepted = |a: &Anomaly| {
        let differs = matches!(a.kind, AnomalyKind::RefundDiffers { .. });
        let how = a.end.as_ref().map(|end| &end.how);
        differs && how == Some(&AnomalyEndKind::Accepted)
    };
    let anomalies = record.anomalies().iter();
    let mut known = anomalies.filter(|a| a.is_open() || is_accepted(a));
    known.any(|anomaly| {
        let refund = anomaly.refund.as_ref();
        refund.is_some_and(|refund| refund.transaction_id.as_str() == transaction)
    })
}

fn holds_payment(record: &Record, acknowledged: &Payment) -> bool {
    let standing = record.as_order().and_then(|order| order.payment.as_ref());
    let doubtful = record.anomalies().iter().filter_map(|a| a.payment.as_ref());
    let facts = |payment: &Payment| (payment.transaction_id.clone(), payment.paid_fee);
    let mut known = standing.into_iter().chain(doubtful);
    known.any(|known| facts(known) == facts(acknowledged))
}

/// Returns whether the record contains the refund that the server acknowledged. A successful
/// refund must have the reported amount; for other states the refund number is enough.
fn holds_refund(record: &Record, acknowledged: &RefundFact) -> bool {
    let doubtful = record.anomalies().iter().filter_map(|a| a.refund.as_ref());
    let mut known = record.refunds().iter().chain(doubtful);
    let went_out = |status| matches!(status, RefundStatus::Success | RefundStatus::Returned);
    known.any(|known| {
        let same = known.refund_no == *acknowledged.refund_no();
        let whole = known.amount == acknowledged.amount() && went_out(known.status);
        same && (acknowledged.state() != RefundState::Success || whole)
    })
}

/// Checks that every order, refund and open anomaly of the record has an entry in its list.
fn is_listed(record: &Record) {
    let entries = index_entries(record);
    let has = |index: Index, sub| entries.iter().any(|e| e.index == index && e.sub == sub);
    let open = record.anomalies().iter().filter(|a| a.is_open());
    for anomaly in open.clone() {
        assert!(has(Index::Anomalies, anomaly.id.0), "unlisted: {anomaly:?}");
    }
    if let Some(order) = record.as_order() {
        assert!(has(Index::Status(order.status), 0));
        let can_be_paid = matches!(order.status, Status::Pending | Status::Closing);
        let waits = open.clone().next().is_some();
        assert!(
            !can_be_paid || waits || has(Index::Due, 0),
            "neither due nor waiting for a person: {order:?}"
        );
    }
    for (refund, sub) in record.refunds().iter().zip(1..) {
        let index = match refund.status {
            RefundStatus::Success => Index::Refunded,
            RefundStatus::Returned => Index::Returned,
            RefundStatus::Closed => Index::ClosedRefunds,
            _ => Index::Due,
        };
        let number = Some(&refund.refund_no);
        let mut about = open.clone();
        let has_anomaly = about.any(|anomaly| anomaly.kind.refund_no() == number);
        assert!(has_anomaly || has(index, sub), "unlisted: {refund:?}");
    }
}

/// Checks each refund that a person decided on: the refund must be open or successful. If it
/// failed, an open `GivenBack` anomaly must show the payment to a person again.
fn decided_refunds_hold_money(record: &Record) {
    for Anomaly { id, kind, end, .. } in record.anomalies() {
        let how = end.as_ref().map(|end| &end.how);
        if let Some(AnomalyEndKind::Refunded { refund_no }) = how {
            let refund = record.refund(refund_no).unwrap();
            let asks = |a: &Anomaly| a.is_open() && matches!(a.kind, AnomalyKind::GivenBack { .. });
            let again = record.anomalies().iter().any(asks);
            let held = refund.status.holds_money();
            assert!(
                held || again,
                "{id} {kind:?}: no open anomaly shows the failure of {refund:?}"
            );
        }
    }
}
