//! The records that a group looks at, as they stand after the commands decided so far.

use foldhash::{HashMap, HashMapExt};

use crate::contract::{Lookup, Mutation, StoredRecord};
use crate::engine::{Engine, EngineError};
use crate::order::{Command, Event, Record};
use crate::rules::{Decision, UniqueKey, needs, unique_keys};
use crate::types::OrderNo;

/// What the engine holds, and over it what the group has decided.
pub(super) struct WorkingSet {
    cells: HashMap<OrderNo, Cell>,
    owners: HashMap<UniqueKey, Option<OrderNo>>,
    /// The numbers that change, in the order of their first change.
    changed: Vec<OrderNo>,
}

#[derive(Default)]
struct Cell {
    before: Option<StoredRecord>,
    now: Option<Record>,
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
    /// Loads what the commands look at, in at most two rounds: what they name, then what
    /// the records that they name hold.
    pub(super) fn load<'a>(
        engine: &dyn Engine,
        commands: impl Iterator<Item = &'a Command> + Clone,
    ) -> Result<Self, EngineError> {
        let (count, _) = commands.size_hint();
        let mut overlay = Self {
            cells: HashMap::with_capacity(count),
            owners: HashMap::with_capacity(count),
            changed: Vec::with_capacity(count),
        };
        let numbers = commands.clone().map(|command| Lookup::No(command.no));
        let named = commands.clone().flat_map(|command| needs(command, None));
        overlay.fetch(engine, numbers.chain(named.map(Lookup::Owner)))?;
        let held = commands.flat_map(|command| needs(command, overlay.record(&command.no)));
        let held: Vec<Lookup> = held.map(Lookup::Owner).collect();
        overlay.fetch(engine, held.into_iter())?;
        Ok(overlay)
    }

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

    /// Whether this was never asked for; from now on it was. Where a load fails nothing of
    /// the overlay is used any more.
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

    fn keep(&mut self, lookup: Lookup, stored: Option<StoredRecord>) {
        match lookup {
            Lookup::No(no) => drop(self.cells.insert(no, Cell::of(stored))),
            Lookup::Owner(key) => {
                let Some(stored) = stored else { return };
                let no = stored.record.no();
                self.owners.insert(key, Some(no));
                self.cells
                    .entry(no)
                    .or_insert_with(|| Cell::of(Some(stored)));
            }
        }
    }

    /// The record as it stands now.
    pub(super) fn record(&self, no: &OrderNo) -> Option<&Record> {
        self.cells.get(no).and_then(|cell| cell.now.as_ref())
    }

    /// The owners that a decision on `command` looks at, as they stand now.
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

    /// Takes a decision in.
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
        let before = cell.now.replace(after.clone());
        for released in before.iter().flat_map(unique_keys) {
            self.owners.insert(released, None);
        }
        for owned in unique_keys(&after) {
            self.owners.insert(owned, Some(no));
        }
    }

    /// One mutation for each record that changed. A key that moves within the group is
    /// released before it is taken: the engine looks at one mutation after another.
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

/// The record owned a key that it does not own any more. Only references are ever
/// released, and none is taken by a record that had one: so nothing waits in a circle.
fn releases(mutation: &Mutation) -> bool {
    let before = mutation.before.iter();
    let mut owned = before.flat_map(|stored| unique_keys(&stored.record));
    owned.any(|key| !unique_keys(&mutation.after).any(|kept| kept == key))
}
