//! Working set of a group: the records that its commands read. The set contains the changes of the
//! commands that are already decided.

use foldhash::{HashMap, HashMapExt};

use crate::contract::{Lookup, Mutation, StoredRecord};
use crate::engine::{Engine, EngineError};
use crate::order::{Command, Event, Record};
use crate::rules::{Decision, UniqueKey, needs, unique_keys};
use crate::types::OrderNo;

/// Records loaded from the engine, with the group's decisions applied.
pub(super) struct WorkingSet {
    cells: HashMap<OrderNo, Cell>,
    /// Owner of each unique key that was looked up or changed; `None` for a key without an owner.
    owners: HashMap<UniqueKey, Option<OrderNo>>,
    /// Order numbers of the changed records, in the order of their first change.
    changed: Vec<OrderNo>,
}

/// Record in the working set.
#[derive(Default)]
struct Cell {
    /// State in the engine; `None` if there is no record.
    before: Option<StoredRecord>,
    /// State after the group's decisions so far; `None` if there is no record.
    now: Option<Record>,
    /// Events of the group's decisions so far.
    events: Vec<Event>,
}

impl Cell {
    fn of(stored: Option<StoredRecord>) -> Self {
        Self {
            now: stored.as_ref().map(|stored| stored.record.clone()),
            before: stored,
            events: Vec::new(),
        }
    }
}

impl WorkingSet {
    /// Loads the records that the commands need, with at most two calls of the engine. The first
    /// call loads the records and key owners that the commands name. The second call loads the
    /// owners of keys that these records contain, because they are known only then.
    pub(super) fn load<'a>(
        engine: &dyn Engine,
        commands: impl Iterator<Item = &'a Command> + Clone,
    ) -> Result<Self, EngineError> {
        let (count, _) = commands.size_hint();
        let mut set = Self {
            cells: HashMap::with_capacity(count),
            owners: HashMap::with_capacity(count),
            changed: Vec::with_capacity(count),
        };
        let numbers = commands.clone().map(|command| Lookup::No(command.no));
        let named = commands.clone().flat_map(|command| needs(command, None));
        set.fetch(engine, numbers.chain(named.map(Lookup::Owner)))?;
        let held = commands.flat_map(|command| needs(command, set.record(&command.no)));
        let held: Vec<Lookup> = held.map(Lookup::Owner).collect();
        set.fetch(engine, held.into_iter())?;
        Ok(set)
    }

    /// Loads the results of the lookups that are not in the set yet.
    fn fetch(
        &mut self,
        engine: &dyn Engine,
        lookups: impl Iterator<Item = Lookup>,
    ) -> Result<(), EngineError> {
        let unknown: Vec<Lookup> = lookups.filter(|lookup| self.is_new(lookup)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let found = engine.load(&unknown)?;
        for (lookup, stored) in unknown.into_iter().zip(found) {
            self.keep(lookup, stored);
        }
        Ok(())
    }

    /// Returns whether this lookup is new, and adds an empty entry for it. If the load fails, the
    /// caller must discard the set: an empty entry would look like a missing record.
    fn is_new(&mut self, lookup: &Lookup) -> bool {
        match lookup {
            Lookup::No(no) => {
                let count = self.cells.len();
                self.cells.entry(*no).or_default();
                self.cells.len() > count
            }
            Lookup::Owner(key) => {
                let is_new = !self.owners.contains_key(key);
                if is_new {
                    self.owners.insert(key.clone(), None);
                }
                is_new
            }
        }
    }

    /// Stores the result of a lookup from the engine in the set.
    fn keep(&mut self, lookup: Lookup, stored: Option<StoredRecord>) {
        match lookup {
            Lookup::No(no) => drop(self.cells.insert(no, Cell::of(stored))),
            Lookup::Owner(key) => {
                let Some(stored) = stored else { return };
                let no = stored.record.no();
                self.owners.insert(key, Some(no));
                // If the set already contains the record, it may have changes of this group. The
                // state from the engine must not replace these changes.
                self.cells
                    .entry(no)
                    .or_insert_with(|| Cell::of(Some(stored)));
            }
        }
    }

    /// Returns the record in its current state.
    pub(super) fn record(&self, no: &OrderNo) -> Option<&Record> {
        self.cells.get(no).and_then(|cell| cell.now.as_ref())
    }

    /// Returns the current owners of the keys that a decision on `command` needs. Loads the owners
    /// that are missing: an earlier command of the group may have added a key to the record.
    pub(super) fn owners(
        &mut self,
        engine: &dyn Engine,
        command: &Command,
    ) -> Result<Vec<(UniqueKey, Option<Record>)>, EngineError> {
        let keys = needs(command, self.record(&command.no));
        self.fetch(engine, keys.iter().cloned().map(Lookup::Owner))?;
        let owner = |key: &UniqueKey| {
            let no = self.owners.get(key).copied().flatten()?;
            self.record(&no).cloned()
        };
        Ok(keys
            .into_iter()
            .map(|key| (key.clone(), owner(&key)))
            .collect())
    }

    /// Applies a decision to the record, the key owners and the list of changes.
    pub(super) fn decided(&mut self, no: OrderNo, decision: &mut Decision) {
        let Some(after) = decision.after.take() else {
            return;
        };
        let cell = self.cells.entry(no).or_default();
        if cell.events.is_empty() {
            self.changed.push(no);
            cell.events = std::mem::take(&mut decision.events);
        } else {
            cell.events.append(&mut decision.events);
        }
        // Release the old keys before claiming the new ones. Most keys are in both states, and
        // would end up without an owner in the opposite order.
        let before = cell.now.replace(after.clone());
        for released in before.iter().flat_map(unique_keys) {
            self.owners.insert(released, None);
        }
        for owned in unique_keys(&after) {
            self.owners.insert(owned, Some(no));
        }
    }

    /// Returns one mutation for each changed record.
    ///
    /// Records that release a key come first. The engine checks the mutations in order, so a key
    /// that moves to another record of the group must be free before that record claims it.
    pub(super) fn into_mutations(mut self) -> Vec<Mutation> {
        let cells = &mut self.cells;
        let mutation = |no| {
            let cell = cells.remove(&no)?;
            Some(Mutation {
                no,
                before: cell.before,
                after: cell.now?,
                events: cell.events,
            })
        };
        let mutations = self.changed.into_iter().filter_map(mutation);
        let (mut ordered, others): (Vec<_>, Vec<_>) = mutations.partition(releases);
        ordered.extend(others);
        ordered
    }
}

/// Returns whether the record owned a key before and does not own it any more.
///
/// An order releases its reference when it ends. A record releases a transaction when none of its
/// refunds holds the transaction's money any more. If two records of a group swapped keys, the
/// engine would refuse both mutations in every round, because no order of the mutations works.
fn releases(mutation: &Mutation) -> bool {
    let before = mutation.before.iter();
    let mut owned = before.flat_map(|stored| unique_keys(&stored.record));
    owned.any(|key| !unique_keys(&mutation.after).any(|kept| kept == key))
}
