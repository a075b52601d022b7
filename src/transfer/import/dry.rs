//! An import that writes nothing: what earlier records would have taken is remembered.

use std::collections::{HashMap, HashSet};

use crate::order::{Asked, Command, Conflict, ImportRefusal, Imported, Order, Outcome, Record};
use crate::rules::{UniqueKey, taken_by, unique_keys};
use crate::value::OrderNo;

/// The numbers that would be there, and who would own what.
#[derive(Debug, Default)]
pub(super) struct Trial {
    numbers: HashSet<OrderNo>,
    owners: HashMap<UniqueKey, OrderNo>,
}

impl Trial {
    /// The outcome against the store, and against what would have been imported before.
    pub(super) fn weigh(&mut self, command: &Command, outcome: Outcome) -> Outcome {
        let Asked::Import { order, conflict } = &command.ask else {
            return outcome;
        };
        if self.numbers.contains(&command.no) {
            return Outcome::Import(match conflict {
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
        self.numbers.insert(command.no);
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

fn keys(order: &Order) -> impl Iterator<Item = UniqueKey> {
    let record = Record::Order(std::sync::Arc::new(order.clone()));
    unique_keys(&record).collect::<Vec<_>>().into_iter()
}
