//! Dry run: predicts the outcomes of an import without writing.
//!
//! The store answers each command against its current state. This module adds the effects of the
//! earlier records of the same import: their order numbers and their unique keys.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::order::{
    Command, CommandKind, Conflict, ImportRefusal, Imported, Order, Outcome, Payment, Record,
};
use crate::rules::{UniqueKey, refusal_for_key, unique_keys};
use crate::types::OrderNo;

/// Order numbers and unique keys that a real import would have written so far.
#[derive(Debug, Default)]
pub(super) struct DryRun {
    /// Hash of each order's facts, by order number.
    numbers: HashMap<OrderNo, u64>,
    hashing: RandomState,
    /// Order number that owns each unique key.
    owners: HashMap<UniqueKey, OrderNo>,
}

impl DryRun {
    /// Returns the outcome that the command would have after the earlier records of this dry run.
    /// `outcome` is the store's outcome without them.
    pub(super) fn weigh(&mut self, command: &Command, outcome: Outcome) -> Outcome {
        let CommandKind::Import { order, conflict } = &command.kind else {
            return outcome;
        };
        let facts = self.hashing.hash_one(facts(order));
        if let Some(earlier) = self.numbers.get(&command.no) {
            return Outcome::Import(match conflict {
                _ if *earlier != facts => Imported::SkippedDiffers,
                Conflict::Skip => Imported::Skipped,
                Conflict::Advance => Imported::Exists,
            });
        }
        // Remember only an order that the import would create: later records could repeat its order
        // number or a unique key.
        if outcome != Outcome::Import(Imported::Imported) {
            return outcome;
        }
        if let Some(refusal) = self.taken(order) {
            return Outcome::Import(Imported::Refused(refusal));
        }
        self.numbers.insert(command.no, facts);
        self.owners.extend(keys(order).map(|key| (key, command.no)));
        outcome
    }

    /// Returns the refusal if an earlier record of this dry run owns one of the order's unique
    /// keys.
    fn taken(&self, order: &Order) -> Option<ImportRefusal> {
        keys(order).find_map(|key| {
            let by = *self.owners.get(&key)?;
            Some(refusal_for_key(&key, by))
        })
    }
}

/// Serializes the facts that two records with one order number must share: the immutable fields,
/// the payments and the refunds.
fn facts(order: &Order) -> Option<Vec<u8>> {
    let payment = |paid: &Payment| (paid.transaction_id.clone(), paid.paid_fee, paid.currency);
    let doubtful = order
        .anomalies
        .iter()
        .filter_map(|anomaly| anomaly.payment.as_ref());
    let payments: Vec<_> = order.payment.iter().chain(doubtful).map(payment).collect();
    let refunds = order.refunds.iter();
    let refunds: Vec<_> = refunds
        .map(|r| (&r.refund_no, &r.transaction_id, r.amount, r.status))
        .collect();
    let identity = (order.channel, &order.appid, &order.mch_id, &order.openid);
    let asked = (order.total_fee, order.currency, &order.reference);
    let texts = (&order.description, &order.attach);
    serde_json::to_vec(&(identity, asked, texts, payments, refunds)).ok()
}

/// Returns the unique keys of the order, such as its transactions and refund numbers.
fn keys(order: &Order) -> impl Iterator<Item = UniqueKey> {
    let record = Record::Order(std::sync::Arc::new(order.clone()));
    unique_keys(&record).collect::<Vec<_>>().into_iter()
}
