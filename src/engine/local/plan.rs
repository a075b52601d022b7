//! What a batch of mutations comes to: a verdict for each, and one set of writes for all
//! that apply.
//!
//! - A mutation is looked at against the base and what the batch did before it.
//! - What is refused leaves no trace: its writes are made when no verdict can stop it any
//!   more. An error fails the batch, and all of its writes with it.
//! - An index changes by the difference between what the record was found under and what it
//!   is found under now, compared as keys: two texts of one hash are one entry.

use std::collections::{HashMap, HashSet};

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

/// A frame that holds so much is ended.
const FRAME_ENOUGH: usize = FRAME_MAX / 2;

/// The most that one mutation may add to a frame; what is left is for head and counters.
const MUTATION_MAX: usize = FRAME_MAX - FRAME_ENOUGH - 4096;

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

    /// Takes a mutation into the frame. What fails here fails the whole batch.
    fn take(&mut self, mutation: &Mutation, stored: Option<&Stored>) -> Result<(), StorageError> {
        let len = self.writes.len();
        let row = match stored {
            Some(stored) => stored.row,
            None => self.put_row(&mutation.no)?,
        };
        let record = mutation.after.clone();
        self.writes.put_record(Stored { record, row })?;
        self.put_events(mutation, row)?;
        let before = stored.map(|stored| &stored.record);
        self.put_entries(before, &mutation.after, row)?;
        self.state.counts = self.state.counts.after(before, &mutation.after);
        self.changed.insert(mutation.no);
        self.check_len(len)
    }

    /// Ends a frame that is long enough; what one mutation adds to it must fit, too.
    fn check_len(&mut self, before: usize) -> Result<(), StorageError> {
        let added = self.writes.len().saturating_sub(before);
        if added > MUTATION_MAX {
            let why = format!("a change has {added} bytes");
            return Err(StorageError::new(StorageErrorKind::TooLarge, why));
        }
        if self.writes.len() > FRAME_ENOUGH {
            self.close_frame()?;
        }
        Ok(())
    }

    /// Gives a new record the next row.
    fn put_row(&mut self, no: &OrderNo) -> Result<u64, StorageError> {
        let row = self.state.next_row;
        let key = keys::row(row)?;
        self.writes.put(Table::Rows, key, codec::number(&key, no)?);
        self.state.next_row = row.saturating_add(1);
        Ok(row)
    }

    fn put_events(&mut self, mutation: &Mutation, row: u64) -> Result<(), StorageError> {
        for event in &mutation.events {
            let seq = self.state.last_seq.saturating_add(1);
            let key = keys::event(seq);
            let value = codec::event(&key, event)?;
            self.writes.put(Table::Events, key, value);
            let key = keys::history(row, event.version)?;
            let value = codec::sequence(&key, seq)?;
            self.writes.put(Table::History, key, value);
            self.state.last_seq = seq;
        }
        Ok(())
    }

    fn put_entries(
        &mut self,
        before: Option<&Record>,
        after: &Record,
        row: u64,
    ) -> Result<(), StorageError> {
        let old = before.map_or_else(|| Ok(Vec::new()), |old| self.entries(old, row))?;
        let new = self.entries(after, row)?;
        for (table, key) in old.iter().filter(|entry| new.binary_search(entry).is_err()) {
            self.writes.remove(*table, *key);
        }
        for (table, key) in new.iter().filter(|entry| old.binary_search(entry).is_err()) {
            self.writes.put(*table, *key, Vec::new());
        }
        Ok(())
    }

    /// Where a record stands, each place once and in order.
    fn entries(&self, record: &Record, row: u64) -> Result<Vec<(Table, KeyBytes)>, StorageError> {
        let layout = &self.view.layout;
        let entries = index_entries(record);
        let places = entries.iter().map(|entry| layout.entry(entry, row));
        let mut places: Vec<_> = places.collect::<Result<_, _>>()?;
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }
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
