//! What a batch of mutations comes to: a verdict for each, and one set of writes for all
//! that apply.
//!
//! - A mutation is looked at against the base and what the batch did before it.
//! - What is refused leaves no trace: its writes are made apart and joined when nothing can
//!   stop it any more.
//! - An index changes by the difference between what the record was found under and what it
//!   is found under now, compared as keys: two texts of one hash are one entry.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::codec::{self, State};
use super::journal::frame::FRAME_MAX;
use super::keys::{self, KeyBytes};
use super::table::Table;
use super::view::View;
use super::writes::Writes;
use crate::engine::{Mutation, Stored, Verdict};
use crate::error::{StorageError, StorageErrorKind};
use crate::order::Record;
use crate::rules::{UniqueKey, index_entries, unique_keys};
use crate::value::OrderNo;

/// The most that one mutation, or all of one frame, may take; the rest of a frame is for its
/// head and the counters.
const MUTATION_MAX: usize = FRAME_MAX - 4096;

/// The writes of a batch in the making.
pub(super) struct Plan<'a> {
    view: &'a View,
    state: State,
    writes: Writes,
    /// Writes that fill a frame.
    full: Vec<Writes>,
    changed: HashSet<OrderNo>,
    /// Who owns the keys that changed hands in this batch; `None`: nobody any more.
    owners: HashMap<UniqueKey, Option<OrderNo>>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(view: &'a View) -> Result<Self, StorageError> {
        Ok(Self {
            view,
            state: view.state()?,
            writes: Writes::default(),
            full: Vec::new(),
            changed: HashSet::new(),
            owners: HashMap::new(),
        })
    }

    /// Looks at one mutation, and takes it in if it applies.
    pub(super) fn add(&mut self, mutation: &Mutation) -> Result<Verdict, StorageError> {
        let stored = self.view.stored(&mutation.no)?;
        if self.changed.contains(&mutation.no) || !is_expected(mutation, stored.as_ref()) {
            return Ok(Verdict::Mismatch);
        }
        check_events(mutation)?;
        let before = stored.as_ref().map(|stored| &stored.record);
        let had: Vec<UniqueKey> = before.into_iter().flat_map(unique_keys).collect();
        let has: Vec<UniqueKey> = unique_keys(&mutation.after).collect();
        for key in has.iter().filter(|key| !had.contains(key)) {
            if let Some(by) = self.owner(key)?.filter(|by| *by != mutation.no) {
                let key = key.clone();
                return Ok(Verdict::Taken { key, by });
            }
        }
        self.take(mutation, stored.as_ref())?;
        let lost = had.iter().filter(|key| !has.contains(key));
        self.owners.extend(lost.map(|key| (key.clone(), None)));
        let owned = has.iter().map(|key| (key.clone(), Some(mutation.no)));
        self.owners.extend(owned);
        Ok(Verdict::Applied)
    }

    /// The writes, frame by frame, counters included; none where nothing applies.
    pub(super) fn finish(mut self) -> Result<Vec<Writes>, StorageError> {
        if !self.writes.is_empty() {
            self.close_frame()?;
        }
        Ok(self.full)
    }

    fn close_frame(&mut self) -> Result<(), StorageError> {
        let mut writes = std::mem::take(&mut self.writes);
        writes.put_state(self.state)?;
        self.full.push(writes);
        Ok(())
    }

    fn owner(&self, key: &UniqueKey) -> Result<Option<OrderNo>, StorageError> {
        if let Some(owner) = self.owners.get(key) {
            return Ok(*owner);
        }
        let owners = self.view.owners(key, 1)?;
        Ok(owners.first().map(|owner| owner.record.no()))
    }

    /// Makes the writes apart, and joins them once they are whole.
    fn take(&mut self, mutation: &Mutation, stored: Option<&Stored>) -> Result<(), StorageError> {
        let mut state = self.state;
        let mut writes = Writes::default();
        let row = match stored {
            Some(stored) => stored.row,
            None => put_row(&mut writes, &mut state, &mutation.no)?,
        };
        let record = mutation.after.clone();
        writes.put_record(Stored { record, row })?;
        put_events(&mut writes, &mut state, mutation, row)?;
        let before = stored.map(|stored| &stored.record);
        self.put_entries(&mut writes, before, &mutation.after, row)?;
        state.counts = state.counts.after(before, &mutation.after);
        self.join(writes, state)?;
        self.changed.insert(mutation.no);
        Ok(())
    }

    /// Takes a mutation's writes into the frame, or into the next one where it is full.
    fn join(&mut self, writes: Writes, state: State) -> Result<(), StorageError> {
        if writes.len() > MUTATION_MAX {
            let why = format!("a change has {} bytes", writes.len());
            return Err(StorageError::new(StorageErrorKind::TooLarge, why));
        }
        let len = self.writes.len().saturating_add(writes.len());
        if len > MUTATION_MAX && !self.writes.is_empty() {
            self.close_frame()?;
        }
        self.state = state;
        self.writes.append(writes);
        Ok(())
    }

    fn put_entries(
        &self,
        writes: &mut Writes,
        before: Option<&Record>,
        after: &Record,
        row: u64,
    ) -> Result<(), StorageError> {
        let old = before.map_or_else(|| Ok(BTreeSet::new()), |old| self.entries(old, row))?;
        let new = self.entries(after, row)?;
        for (table, key) in old.difference(&new) {
            writes.remove(*table, *key);
        }
        for (table, key) in new.difference(&old) {
            writes.put(*table, *key, Vec::new());
        }
        Ok(())
    }

    fn entries(
        &self,
        record: &Record,
        row: u64,
    ) -> Result<BTreeSet<(Table, KeyBytes)>, StorageError> {
        let entries = index_entries(record);
        let layout = &self.view.layout;
        entries
            .iter()
            .map(|entry| layout.entry(entry, row))
            .collect()
    }
}

/// Gives a new record the next row.
fn put_row(writes: &mut Writes, state: &mut State, no: &OrderNo) -> Result<u64, StorageError> {
    let row = state.next_row;
    let key = keys::row(row)?;
    writes.put(Table::Rows, key, codec::number(&key, no)?);
    state.next_row = row.saturating_add(1);
    Ok(row)
}

fn put_events(
    writes: &mut Writes,
    state: &mut State,
    mutation: &Mutation,
    row: u64,
) -> Result<(), StorageError> {
    for event in &mutation.events {
        let seq = state.last_seq.saturating_add(1);
        let key = keys::event(seq);
        writes.put(Table::Events, key, codec::event(&key, event)?);
        let key = keys::history(row, event.version)?;
        writes.put(Table::History, key, codec::sequence(&key, seq)?);
        state.last_seq = seq;
    }
    Ok(())
}

/// What stands is what the mutation was decided on.
fn is_expected(mutation: &Mutation, stored: Option<&Stored>) -> bool {
    match (&mutation.before, stored) {
        (None, None) => true,
        (Some(before), Some(stored)) => {
            before.row == stored.row && before.record.version() == stored.record.version()
        }
        _ => false,
    }
}

/// The events lead from the version before to the one after: two events of one version
/// would be one entry of the history.
fn check_events(mutation: &Mutation) -> Result<(), StorageError> {
    let before = mutation.before.as_ref();
    let mut version = before.map_or(0, |stored| stored.record.version());
    let mut fits = mutation.after.no() == mutation.no;
    for event in &mutation.events {
        version = version.saturating_add(1);
        fits &= event.version == version && event.no == mutation.no;
    }
    if fits && version == mutation.after.version() {
        return Ok(());
    }
    let why = format!("the events of {} do not lead to its record", mutation.no);
    Err(StorageError::new(StorageErrorKind::Internal, why))
}
