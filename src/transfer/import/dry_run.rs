//! An import that writes nothing: what earlier records would have taken is remembered.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::order::{
    Command, CommandKind, Conflict, ImportRefusal, Imported, Order, Outcome, Payment, Record,
};
use crate::rules::{UniqueKey, taken_by, unique_keys};
use crate::types::OrderNo;

/// The numbers that would be there, and who would own what.
#[derive(Debug, Default)]
pub(super) struct DryRun {
    numbers: HashMap<OrderNo, u64>,
    hashing: RandomState,
    owners: HashMap<UniqueKey, OrderNo>,
}

impl DryRun {
    /// The outcome against the store, and against what would have been imported before.
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

    fn taken(&self, order: &Order) -> Option<ImportRefusal> {
        keys(order).find_map(|key| {
            let by = *self.owners.get(&key)?;
            Some(taken_by(&key, by))
        })
    }
}

/// The facts by which two records of one number differ: what is immutable, and the money.
fn facts(order: &Order) -> Option<Vec<u8>> {
    let payment = |paid: &Payment| (paid.transaction_id.clone(), paid.paid_fee, paid.currency);
    let doubtful = order.anomalies.iter().filter_map(|a| a.payment.as_ref());
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

fn keys(order: &Order) -> impl Iterator<Item = UniqueKey> {
    let record = Record::Order(std::sync::Arc::new(order.clone()));
    unique_keys(&record).collect::<Vec<_>>().into_iter()
}
