//! Plans a group of mutations: finds the verdict of each, and collects the writes of those that
//! apply.
//!
//! - The planner checks each mutation against the read view and the earlier mutations of the group.
//! - A refused mutation has no effect: the planner adds writes only after all checks have passed.
//!   An error fails the whole group with all of its writes.
//! - An index changes by the difference between the old and the new entries of a record. Entries
//!   are compared by their keys: two texts with the same hash are one entry.

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::batch::WriteBatch;
use super::owner_cache::KnownOwners;
use crate::contract::{Mutation, StoredRecord, Verdict};
use crate::engine::local::journal::frame::FRAME_MAX;
use crate::engine::local::read::view::ReadView;
use crate::error::{StorageError, StorageErrorKind};
use crate::format::codec::{EventLink, State};
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;
use crate::order::{Event, Record};
use crate::rules::UniqueKey;
use crate::types::OrderNo;

/// Length of a frame, in bytes, above which the planner starts the next frame.
const FRAME_ENOUGH: usize = FRAME_MAX / 2;

/// Maximum length that one mutation may add to a frame, in bytes. The remaining 4 KiB are for the
/// head and the counters.
const MUTATION_MAX: usize = FRAME_MAX - FRAME_ENOUGH - 4096;

/// Approximate length that a mutation adds to a frame, in bytes.
const MUTATION_USUAL: usize = 1024;

/// Planner of the table changes for one group of mutations.
pub(crate) struct WritePlanner<'a> {
    view: &'a ReadView,
    /// Owners that were looked up before planning.
    known_owners: KnownOwners,
    /// Current read mark.
    read_mark: u64,
    state: State,
    writes: WriteBatch,
    /// Number of mutations that are not planned yet.
    left: usize,
    /// Writes of the frames that are long enough, one batch per frame.
    full: Vec<WriteBatch>,
    /// Records that an earlier mutation of the group changed.
    changed: HashSet<OrderNo>,
    /// Owners of the unique keys that an earlier mutation of the group claimed or freed. `None`:
    /// the key has no owner any more.
    changed_owners: HashMap<UniqueKey, Option<OrderNo>>,
    /// Buffers for the old and the new index entries of a record, kept for reuse.
    places: [Vec<(Table, KeyBytes)>; 2],
}

impl<'a> WritePlanner<'a> {
    /// Plans the writes of a group. Returns the verdict of each mutation, and the writes and the new
    /// counters in one batch per frame. There is no frame if no mutation applies.
    pub(crate) fn plan(
        view: &'a ReadView,
        read_mark: u64,
        known_owners: KnownOwners,
        group: &[Mutation],
    ) -> Result<(Vec<Verdict>, Vec<WriteBatch>), StorageError> {
        let count = group.len();
        let mut plan = Self {
            view,
            known_owners,
            read_mark,
            state: view.state()?,
            writes: batch_for(count),
            left: count,
            full: Vec::new(),
            changed: HashSet::with_capacity(count),
            changed_owners: HashMap::with_capacity(count),
            places: Default::default(),
        };
        let mut verdicts = Vec::with_capacity(count);
        for mutation in group {
            plan.left -= 1;
            verdicts.push(plan.add(mutation)?);
        }
        if !plan.writes.is_empty() {
            plan.close_frame()?;
        }
        Ok((verdicts, plan.full))
    }

    /// Checks one mutation, and adds its writes if it applies.
    fn add(&mut self, mutation: &Mutation) -> Result<Verdict, StorageError> {
        if self.changed.contains(&mutation.no) || !self.is_expected(mutation)? {
            return Ok(Verdict::Mismatch);
        }
        check_events(mutation)?;
        // Check only the keys that the record newly claims: it already owns all other keys.
        let keys = mutation.key_changes();
        for key in &keys.claimed {
            if let Some(by) = self.owner(key)?.filter(|by| *by != mutation.no) {
                let key = key.clone();
                return Ok(Verdict::Taken { key, by });
            }
        }
        self.take(mutation)?;
        // Remember the new owners for later mutations of this batch, because the read view does not
        // contain them yet.
        let freed = keys.freed.into_iter().map(|key| (key, None));
        let claimed = keys.claimed.into_iter();
        let claimed = claimed.map(|key| (key, Some(mutation.no)));
        self.changed_owners.extend(freed.chain(claimed));
        Ok(Verdict::Applied)
    }

    /// Returns whether the stored record is the record on which the mutation was decided.
    fn is_expected(&self, mutation: &Mutation) -> Result<bool, StorageError> {
        let before = mutation.before.as_ref();
        if mutation.read_mark == Some(self.read_mark) {
            // Compare only what is in memory: a debug build must do no I/O that a release build does
            // not do.
            debug_assert!(
                self.view
                    .held_in_memory(&mutation.no)
                    .is_none_or(|held| Some(&held) == before),
                "a record changed, but the read mark did not"
            );
            return Ok(true);
        }
        Ok(self.view.held(&mutation.no)?.as_ref() == before)
    }

    fn close_frame(&mut self) -> Result<(), StorageError> {
        let next = batch_for(self.left);
        let mut writes = std::mem::replace(&mut self.writes, next);
        writes.put_state(self.state)?;
        self.full.push(writes);
        Ok(())
    }

    fn owner(&self, key: &UniqueKey) -> Result<Option<OrderNo>, StorageError> {
        let known = self.changed_owners.get(key);
        let known = known.or_else(|| self.known_owners.get(key));
        if let Some(owner) = known {
            return Ok(*owner);
        }
        let owners = self.view.owners(key, 1)?;
        Ok(owners.first().map(|owner| owner.record.no()))
    }

    /// Adds the writes of a mutation to the frame. An error here fails the whole group.
    fn take(&mut self, mutation: &Mutation) -> Result<(), StorageError> {
        let len = self.writes.len();
        let stored = mutation.before.as_ref();
        // The row number of a new record is the sequence number of its first event.
        let next = self.next_seq()?;
        let row = stored.map_or(next, |stored| stored.row);
        self.put_events(&mutation.events, stored)?;
        self.writes.put_record(StoredRecord {
            record: mutation.after.clone(),
            row,
            last_seq: self.state.last_seq,
        })?;
        let before = stored.map(|stored| &stored.record);
        self.put_entries(before, &mutation.after, row)?;
        self.state.counts = self.state.counts.after(before, &mutation.after);
        self.changed.insert(mutation.no);
        self.check_len(len)
    }

    /// Sequence number of the next event.
    fn next_seq(&self) -> Result<u64, StorageError> {
        let next = self.state.last_seq.checked_add(1);
        next.ok_or_else(|| StorageError::corrupted("the last sequence number has no successor"))
    }

    /// Starts a new frame if the current one is long enough. Fails if one mutation added so much
    /// that the frame might exceed its maximum length.
    fn check_len(&mut self, before: usize) -> Result<(), StorageError> {
        let added = self.writes.len() - before;
        if added > MUTATION_MAX {
            let why =
                format!("a change of one order has {added} bytes; the maximum is {MUTATION_MAX}");
            return Err(StorageError::new(StorageErrorKind::TooLarge, why));
        }
        if self.writes.len() > FRAME_ENOUGH {
            self.close_frame()?;
        }
        Ok(())
    }

    /// Adds the events to the writes. Each event links to the previous event of the record.
    fn put_events(
        &mut self,
        events: &[Event],
        held: Option<&StoredRecord>,
    ) -> Result<(), StorageError> {
        let mut chain = held.map(|held| (held.row, held.last_seq));
        for event in events {
            let seq = self.next_seq()?;
            let origin = match chain {
                None => EventLink::First(event.no),
                Some((row, previous)) => EventLink::Later { row, previous },
            };
            self.writes.put_event(seq, origin, event)?;
            self.state.last_seq = seq;
            chain = Some((chain.map_or(seq, |(row, _)| row), seq));
        }
        Ok(())
    }

    /// Removes the index entries that the record loses, and adds those that it gains.
    fn put_entries(
        &mut self,
        before: Option<&Record>,
        after: &Record,
        row: u64,
    ) -> Result<(), StorageError> {
        let mut old = std::mem::take(&mut self.places[0]);
        let mut new = std::mem::take(&mut self.places[1]);
        old.clear();
        if let Some(before) = before {
            self.view.layout.places(before, row, &mut old)?;
        }
        self.view.layout.places(after, row, &mut new)?;
        for (table, key) in old.iter().filter(|entry| new.binary_search(entry).is_err()) {
            self.writes.set_entry(*table, *key, false);
        }
        for (table, key) in new.iter().filter(|entry| old.binary_search(entry).is_err()) {
            self.writes.set_entry(*table, *key, true);
        }
        self.places = [old, new];
        Ok(())
    }
}

/// Creates an empty batch with room for the usual writes of the given number of mutations. At most
/// one frame.
fn batch_for(mutations: usize) -> WriteBatch {
    let count = mutations.min(FRAME_ENOUGH / MUTATION_USUAL + 1);
    WriteBatch::with_room(count * MUTATION_USUAL, count)
}

/// Checks that the events lead, version by version, from the old record to the new one. Two events
/// with the same version would make the history ambiguous.
fn check_events(mutation: &Mutation) -> Result<(), StorageError> {
    let before = mutation.before.as_ref();
    let mut version = before.map_or(0, |stored| stored.record.version());
    let mut fits = mutation.after.no() == mutation.no;
    for event in &mutation.events {
        fits &= version.checked_add(1) == Some(event.version) && event.no == mutation.no;
        version = event.version;
    }
    if fits && version == mutation.after.version() {
        return Ok(());
    }
    let why = format!(
        "internal error: the events of order {} do not end at the version of its record",
        mutation.no
    );
    Err(StorageError::new(StorageErrorKind::Internal, why))
}
