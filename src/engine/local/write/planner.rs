//! What a batch of mutations comes to: a verdict for each, and one set of writes for all
//! that apply.
//!
//! - A mutation is looked at against the base and what the batch did before it.
//! - What is refused leaves no trace: its writes are made when no verdict can stop it any
//!   more. An error fails the batch, and all of its writes with it.
//! - An index changes by the difference between what the record was found under and what it
//!   is found under now, compared as keys: two texts of one hash are one entry.

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::batch::WriteBatch;
use super::loaded::Found;
use crate::contract::{Mutation, StoredRecord, Verdict};
use crate::engine::local::journal::frame::FRAME_MAX;
use crate::engine::local::read::view::ReadView;
use crate::error::{StorageError, StorageErrorKind};
use crate::format::codec::{Held, Origin, State};
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;
use crate::order::{Event, Record};
use crate::rules::{UniqueKey, each_entry, unique_keys};
use crate::types::OrderNo;

/// A frame that holds so much is ended.
const FRAME_ENOUGH: usize = FRAME_MAX / 2;

/// The most that one mutation may add to a frame; what is left is for head and counters.
const MUTATION_MAX: usize = FRAME_MAX - FRAME_ENOUGH - 4096;

/// What a mutation adds to a frame, by and large.
const MUTATION_USUAL: usize = 1024;

/// The writes of a batch in the making.
pub(in crate::engine::local) struct WritePlanner<'a> {
    view: &'a ReadView,
    /// What was looked up for this batch already.
    found: Found,
    state: State,
    writes: WriteBatch,
    /// How many mutations are still to come.
    left: usize,
    /// Writes that fill a frame.
    full: Vec<WriteBatch>,
    changed: HashSet<OrderNo>,
    /// Who owns the keys that changed hands in this batch; `None`: nobody any more.
    owners: HashMap<UniqueKey, Option<OrderNo>>,
    /// Room to compare where a record stood and where it stands.
    places: [Vec<(Table, KeyBytes)>; 2],
}

impl<'a> WritePlanner<'a> {
    /// Of so many mutations.
    pub(in crate::engine::local) fn new(
        view: &'a ReadView,
        found: Found,
        count: usize,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            view,
            found,
            state: view.state()?,
            writes: WriteBatch::with_room(room(count)),
            left: count,
            full: Vec::new(),
            changed: HashSet::with_capacity(count),
            owners: HashMap::with_capacity(count),
            places: Default::default(),
        })
    }

    /// Looks at one mutation, and takes it in if it applies.
    pub(in crate::engine::local) fn add(
        &mut self,
        mutation: &Mutation,
    ) -> Result<Verdict, StorageError> {
        self.left = self.left.saturating_sub(1);
        let held = match self.found.take_held(&mutation.no) {
            Some(held) => held,
            None => self.view.held(&mutation.no)?,
        };
        let stored = held.as_ref().map(|held| &held.stored);
        if self.changed.contains(&mutation.no) || !is_expected(mutation, stored) {
            return Ok(Verdict::Mismatch);
        }
        check_events(mutation)?;
        let before = stored.map(|stored| &stored.record);
        let had: Vec<UniqueKey> = before.into_iter().flat_map(unique_keys).collect();
        let has: Vec<UniqueKey> = unique_keys(&mutation.after).collect();
        for key in has.iter().filter(|key| !had.contains(key)) {
            if let Some(by) = self.owner(key)?.filter(|by| *by != mutation.no) {
                let key = key.clone();
                return Ok(Verdict::Taken { key, by });
            }
        }
        self.take(mutation, held.as_ref())?;
        let lost = had.iter().filter(|key| !has.contains(key));
        self.owners.extend(lost.map(|key| (key.clone(), None)));
        let owned = has.into_iter().map(|key| (key, Some(mutation.no)));
        self.owners.extend(owned);
        Ok(Verdict::Applied)
    }

    /// The writes, frame by frame, counters included; none where nothing applies.
    pub(in crate::engine::local) fn finish(mut self) -> Result<Vec<WriteBatch>, StorageError> {
        if !self.writes.is_empty() {
            self.close_frame()?;
        }
        Ok(self.full)
    }

    fn close_frame(&mut self) -> Result<(), StorageError> {
        let next = WriteBatch::with_room(room(self.left));
        let mut writes = std::mem::replace(&mut self.writes, next);
        writes.put_state(self.state)?;
        self.full.push(writes);
        Ok(())
    }

    fn owner(&self, key: &UniqueKey) -> Result<Option<OrderNo>, StorageError> {
        let known = self.owners.get(key).or_else(|| self.found.owner(key));
        if let Some(owner) = known {
            return Ok(*owner);
        }
        let owners = self.view.owners(key, 1)?;
        Ok(owners.first().map(|owner| owner.stored.record.no()))
    }

    /// Takes a mutation into the frame. What fails here fails the whole batch.
    fn take(&mut self, mutation: &Mutation, held: Option<&Held>) -> Result<(), StorageError> {
        let len = self.writes.len();
        let stored = held.map(|held| &held.stored);
        // A new record's row is the sequence of its first event.
        let next = self.state.last_seq.saturating_add(1);
        let row = stored.map_or(next, |stored| stored.row);
        self.put_events(&mutation.events, held)?;
        let record = mutation.after.clone();
        self.writes.put_record(Held {
            stored: StoredRecord { record, row },
            last_seq: self.state.last_seq,
        })?;
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

    /// Puts the events, each with the one before it, from that of the record as it was on.
    fn put_events(&mut self, events: &[Event], held: Option<&Held>) -> Result<(), StorageError> {
        let mut chain = held.map(|held| (held.stored.row, held.last_seq));
        for event in events {
            let seq = self.state.last_seq.saturating_add(1);
            let origin = match chain {
                None => Origin::First(event.no),
                Some((row, previous)) => Origin::Later { row, previous },
            };
            self.writes.put_event(seq, origin, event)?;
            self.state.last_seq = seq;
            chain = Some((chain.map_or(seq, |(row, _)| row), seq));
        }
        Ok(())
    }

    fn put_entries(
        &mut self,
        before: Option<&Record>,
        after: &Record,
        row: u64,
    ) -> Result<(), StorageError> {
        let mut old = std::mem::take(&mut self.places[0]);
        let mut new = std::mem::take(&mut self.places[1]);
        self.places_of(before, row, &mut old)?;
        self.places_of(Some(after), row, &mut new)?;
        for (table, key) in old.iter().filter(|entry| new.binary_search(entry).is_err()) {
            self.writes.set_entry(*table, *key, false);
        }
        for (table, key) in new.iter().filter(|entry| old.binary_search(entry).is_err()) {
            self.writes.set_entry(*table, *key, true);
        }
        self.places = [old, new];
        Ok(())
    }

    /// Where a record stands, each place once and in order.
    fn places_of(
        &self,
        record: Option<&Record>,
        row: u64,
        places: &mut Vec<(Table, KeyBytes)>,
    ) -> Result<(), StorageError> {
        places.clear();
        let mut failure = None;
        if let Some(record) = record {
            each_entry(record, |entry| match self.view.layout.entry(&entry, row) {
                Ok(place) => places.push(place),
                Err(error) => failure = Some(error),
            });
        }
        places.sort_unstable();
        places.dedup();
        failure.map_or(Ok(()), Err)
    }
}

/// The room for what so many mutations add, as far as one frame takes them.
fn room(mutations: usize) -> usize {
    let usual = mutations.saturating_mul(MUTATION_USUAL);
    usual.min(FRAME_ENOUGH + MUTATION_USUAL)
}

/// What stands is what the mutation was decided on.
fn is_expected(mutation: &Mutation, stored: Option<&StoredRecord>) -> bool {
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
