//! Working set of a group: the records that its commands read. The set contains the changes of the
//! commands that are already decided.
//!
//! A command keeps the places of its record and of the keys that it names, so later steps need not
//! find them again.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use smallvec::SmallVec;

use crate::contract::{Lookup, Mutation, StoredRecord};
use crate::engine::{Engine, EngineError};
use crate::error::{StorageError, StorageErrorKind};
use crate::order::{Command, Event, Record};
use crate::rules::{Decision, KeyChanges, UniqueKey, needs, needs_depend_on_record};
use crate::types::OrderNo;

/// Records loaded from the engine, with the group's decisions applied. The next group reuses it.
#[derive(Default)]
pub(super) struct WorkingSet {
    cells: IndexMap<OrderNo, Cell, RandomState>,
    /// Owner of each unique key that was looked up or changed, by its place in `cells`; `None` for
    /// a key without an owner.
    owners: IndexMap<UniqueKey, Option<usize>, RandomState>,
    /// Places of the changed records in `cells`, in the order of their first change.
    changed: Vec<usize>,
    /// Mark of the engine before the first lookup.
    read_mark: Option<u64>,
    /// Owners for the decision of one command.
    context_owners: Vec<(UniqueKey, Option<Record>)>,
    /// Lookups that the engine has not answered yet.
    missing: Vec<Lookup>,
    /// Place in `cells` or `owners` for the result of each missing lookup.
    missing_places: Vec<usize>,
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
    /// Whether a decision freed a unique key of the record.
    has_freed: bool,
}

/// Command of a group, with the places of what it needs.
pub(super) struct Placed<'a> {
    pub(super) command: &'a Command,
    /// Place of the command's record in `cells`.
    cell: usize,
    /// Places in `owners` of the keys that the command itself names.
    keys: SmallVec<[usize; 2]>,
}

impl Cell {
    fn of(stored: Option<StoredRecord>) -> Self {
        Self {
            now: stored.as_ref().map(|stored| stored.record.clone()),
            before: stored,
            ..Self::default()
        }
    }
}

impl WorkingSet {
    /// Loads the records that the commands need, with at most two calls of the engine. The first
    /// call loads the records and key owners that the commands name. The second call loads the
    /// owners of keys that these records contain, because they are known only then.
    pub(super) fn load<'a>(
        &mut self,
        engine: &dyn Engine,
        commands: impl Iterator<Item = &'a Command>,
    ) -> Result<Vec<Placed<'a>>, EngineError> {
        // An earlier group has left its records, and perhaps more because it failed.
        self.cells.clear();
        self.owners.clear();
        self.changed.clear();
        self.missing.clear();
        self.missing_places.clear();
        self.read_mark = engine.read_mark();
        // The commands are filtered, so only the upper bound is known.
        let mut placed = Vec::with_capacity(commands.size_hint().1.unwrap_or_default());
        for command in commands {
            placed.push(Placed {
                command,
                cell: self.cell_of(command.no),
                keys: needs(command, None).map(|key| self.place_of(key)).collect(),
            });
        }
        self.fetch(engine)?;
        for placed in &placed {
            let record = self.record(placed);
            if record.is_some() && needs_depend_on_record(placed.command) {
                for key in needs(placed.command, record) {
                    self.place_of(key);
                }
            }
        }
        self.fetch(engine)?;
        Ok(placed)
    }

    /// Returns the place of a record. Adds an empty cell if it is new. If the load fails, the
    /// caller must load again: an empty cell would look like a missing record.
    fn cell_of(&mut self, no: OrderNo) -> usize {
        let entry = self.cells.entry(no);
        let place = entry.index();
        if let indexmap::map::Entry::Vacant(entry) = entry {
            entry.insert(Cell::default());
            self.missing.push(Lookup::No(no));
            self.missing_places.push(place);
        }
        place
    }

    /// Returns the place of a unique key. Adds it without an owner if it is new, as
    /// [`WorkingSet::cell_of`] does.
    fn place_of(&mut self, key: UniqueKey) -> usize {
        let entry = self.owners.entry(key);
        let place = entry.index();
        if let indexmap::map::Entry::Vacant(entry) = entry {
            self.missing.push(Lookup::Owner(entry.key().clone()));
            self.missing_places.push(place);
            entry.insert(None);
        }
        place
    }

    /// Loads the results of the missing lookups.
    fn fetch(&mut self, engine: &dyn Engine) -> Result<(), EngineError> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let found = engine.load(&self.missing)?;
        if found.len() != self.missing.len() {
            let why = "the engine did not return one result for each lookup";
            let cause = StorageError::new(StorageErrorKind::Internal, why);
            return Err(EngineError::Retry(cause));
        }
        let Self { cells, owners, .. } = self;
        let missing = self.missing.drain(..).zip(self.missing_places.drain(..));
        for ((lookup, place), stored) in missing.zip(found) {
            match (lookup, stored) {
                (Lookup::No(_), stored) => {
                    if let Some((_, cell)) = cells.get_index_mut(place) {
                        *cell = Cell::of(stored);
                    }
                }
                (Lookup::Owner(_), None) => {}
                (Lookup::Owner(_), Some(stored)) => {
                    let entry = cells.entry(stored.record.no());
                    if let Some((_, owner)) = owners.get_index_mut(place) {
                        *owner = Some(entry.index());
                    }
                    // If the set already contains the record, it may have changes of this group. The
                    // state from the engine must not replace these changes.
                    entry.or_insert_with(|| Cell::of(Some(stored)));
                }
            }
        }
        Ok(())
    }

    fn record_at(&self, cell: usize) -> Option<&Record> {
        let (_, cell) = self.cells.get_index(cell)?;
        cell.now.as_ref()
    }

    /// Returns the record of a command in its current state.
    pub(super) fn record(&self, placed: &Placed<'_>) -> Option<&Record> {
        self.record_at(placed.cell)
    }

    /// Returns the record with this order number in its current state, if the set contains it.
    pub(super) fn find(&self, no: &OrderNo) -> Option<&Record> {
        self.cells.get(no).and_then(|cell| cell.now.as_ref())
    }

    /// Collects the current owners of the keys that a decision on the command needs, for
    /// [`WorkingSet::owners`]. Loads the owners that are missing: an earlier command of the group
    /// may have added a key to the record.
    pub(super) fn collect_owners(
        &mut self,
        engine: &dyn Engine,
        placed: &Placed<'_>,
    ) -> Result<(), EngineError> {
        let record = self.record(placed);
        let mut keys = placed.keys.clone();
        if record.is_some() && needs_depend_on_record(placed.command) {
            let needed = needs(placed.command, record);
            keys = needed.map(|key| self.place_of(key)).collect();
            self.fetch(engine)?;
        }
        let mut owners = std::mem::take(&mut self.context_owners);
        owners.clear();
        owners.extend(keys.into_iter().filter_map(|place| {
            let (key, owner) = self.owners.get_index(place)?;
            let owner = owner.and_then(|cell| self.record_at(cell));
            Some((key.clone(), owner.cloned()))
        }));
        self.context_owners = owners;
        Ok(())
    }

    /// Returns what the last call of [`WorkingSet::collect_owners`] found.
    pub(super) fn owners(&self) -> &[(UniqueKey, Option<Record>)] {
        &self.context_owners
    }

    /// Applies the decision of a command to its record, the key owners and the list of changes.
    pub(super) fn apply_decision(&mut self, placed: &Placed<'_>, decision: &mut Decision) {
        let Some(after) = decision.after.take() else {
            return;
        };
        let Some((_, cell)) = self.cells.get_index_mut(placed.cell) else {
            return;
        };
        if cell.events.is_empty() {
            self.changed.push(placed.cell);
            cell.events = std::mem::take(&mut decision.events);
        } else {
            cell.events.append(&mut decision.events);
        }
        let keys = KeyChanges::between(cell.now.as_ref(), &after);
        cell.has_freed |= !keys.freed.is_empty();
        cell.now = Some(after);
        let freed = keys.freed.into_iter().map(|key| (key, None));
        let claimed = keys.claimed.into_iter();
        let claimed = claimed.map(|key| (key, Some(placed.cell)));
        self.owners.extend(freed.chain(claimed));
    }

    /// Returns one mutation for each changed record, or `None` if no order of the mutations works.
    ///
    /// The engine checks the mutations in order. A key that moves to another record of the group must be
    /// free before that record claims it. No order works if records exchange keys.
    pub(super) fn take_mutations(&mut self) -> Option<Vec<Mutation>> {
        let (mut freeing, mut others) = (Vec::new(), Vec::with_capacity(self.changed.len()));
        for place in self.changed.drain(..) {
            let Some((no, cell)) = self.cells.get_index_mut(place) else {
                continue;
            };
            let cell = std::mem::take(cell);
            let Some(after) = cell.now else { continue };
            let mutation = Mutation {
                no: *no,
                before: cell.before,
                read_mark: self.read_mark,
                after,
                events: cell.events,
            };
            // A later command may have claimed the freed key again, so look at the whole change.
            match cell.has_freed.then(|| mutation.key_changes()) {
                Some(keys) if !keys.freed.is_empty() => freeing.push((mutation, keys)),
                _ => others.push(mutation),
            }
        }
        if freeing.is_empty() {
            return Some(others);
        }
        let mut ordered = in_order(freeing)?;
        ordered.append(&mut others);
        Some(ordered)
    }
}

/// Orders mutations that free keys: each one comes after those that free the keys that it claims. `None`
/// if there is no such order.
fn in_order(mut left: Vec<(Mutation, KeyChanges)>) -> Option<Vec<Mutation>> {
    let freed: HashSet<&UniqueKey> = left.iter().flat_map(|(_, keys)| &keys.freed).collect();
    let mut claimed = left.iter().flat_map(|(_, keys)| &keys.claimed);
    // Most keys are only freed.
    if !claimed.any(|key| freed.contains(key)) {
        return Some(left.into_iter().map(|(mutation, _)| mutation).collect());
    }
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let is_first = |(_, own): &(Mutation, KeyChanges)| {
            let is_freed = |key| left.iter().any(|(_, other)| other.freed.contains(key));
            !own.claimed.iter().any(is_freed)
        };
        let first = left.iter().position(is_first)?;
        ordered.push(left.remove(first).0);
    }
    Some(ordered)
}

#[cfg(test)]
mod tests;
