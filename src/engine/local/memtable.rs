//! The memtable: what the journal holds and the base does not yet, sorted and decoded.
//!
//! - It is handed only what is durable.
//! - An index entry stands here only where it differs from what lies beneath: one that was
//!   put and removed again leaves nothing behind, nor does one that was removed and put.
//!   That rests on entries being put only where there is none, and removed only where
//!   there is one.
//! - All else is only ever put.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeBounds;

use parking_lot::{RwLock, RwLockReadGuard};

use super::codec::State;
use super::keys::KeyBytes;
use super::table::Table;
use super::writes::{Change, Kept, Writes};
use crate::engine::{Direction, Stored};
use crate::value::OrderNo;

/// What an entry takes besides its key and value, by and large.
const ENTRY_BYTES: usize = 64;

/// What a decoded record takes besides its bytes, by and large.
const RECORD_BYTES: usize = 768;

/// One memtable, read by many and written by one.
#[derive(Default)]
pub(super) struct Shelf {
    table: RwLock<Memtable>,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

impl Shelf {
    pub(super) fn new(table: Memtable) -> Self {
        let table = RwLock::new(table);
        Self { table }
    }

    /// The lock may be held by the same thread already.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Memtable> {
        self.table.read_recursive()
    }

    /// Takes in what is durable.
    pub(super) fn publish(&self, writes: Writes) {
        self.table.write().take(writes);
    }
}

/// The tables of a memtable.
#[derive(Default)]
pub(super) struct Memtable {
    records: HashMap<OrderNo, Kept>,
    tables: [BTreeMap<KeyBytes, Change>; Table::EVERY.len()],
    state: Option<State>,
    bytes: usize,
    changes: u64,
}

impl Memtable {
    /// Roughly what it takes in memory.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.changes == 0
    }

    /// How often it was written: two readings between which it stays the same saw the same.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) const fn state(&self) -> Option<State> {
        self.state
    }

    pub(super) fn record(&self, no: &OrderNo) -> Option<&Stored> {
        self.records.get(no).map(|kept| &kept.stored)
    }

    /// The value under a key; for other tables than that of the records.
    pub(super) fn get(&self, table: Table, key: &KeyBytes) -> Option<&[u8]> {
        self.table(table)?.get(key).and_then(Change::value)
    }

    /// The changes of a stretch, in the direction of reading; removed entries have no value.
    pub(super) fn walk(
        &self,
        table: Table,
        stretch: impl RangeBounds<KeyBytes>,
        direction: Direction,
    ) -> impl Iterator<Item = (&KeyBytes, Option<&[u8]>)> {
        let entries = self.table(table).map(|table| table.range(stretch));
        let (mut forward, mut backward) = match direction {
            Direction::Forward => (entries, None),
            Direction::Backward => (None, entries.map(Iterator::rev)),
        };
        let next = move || {
            let forward = forward.as_mut().and_then(Iterator::next);
            forward.or_else(|| backward.as_mut().and_then(Iterator::next))
        };
        std::iter::from_fn(next).map(|(key, change)| (key, change.value()))
    }

    /// Everything in a table, in the order of its keys; removed entries have no value.
    pub(super) fn sorted(&self, table: Table) -> Vec<(&[u8], Option<&[u8]>)> {
        if table != Table::Orders {
            let all = self.walk(table, .., Direction::Forward);
            return all.map(|(key, value)| (key.as_slice(), value)).collect();
        }
        let records = self.records.values();
        let entries = records.map(|kept| (kept.key.as_slice(), Some(kept.bytes.as_slice())));
        let mut all: Vec<_> = entries.collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    pub(super) fn take(&mut self, mut writes: Writes) {
        self.changes = self.changes.saturating_add(1);
        self.state = writes.state.or(self.state);
        for kept in std::mem::take(&mut writes.records) {
            self.take_record(kept);
        }
        for (table, changes) in writes.into_tables() {
            for (key, change) in changes {
                self.take_change(table, key, change);
            }
        }
    }

    fn take_record(&mut self, kept: Kept) {
        let own = |kept: &Kept| kept.bytes.len().saturating_add(RECORD_BYTES);
        self.bytes = self.bytes.saturating_add(own(&kept));
        if let Some(old) = self.records.insert(kept.stored.record.no(), kept) {
            self.bytes = self.bytes.saturating_sub(own(&old));
        }
    }

    fn take_change(&mut self, table: Table, key: KeyBytes, change: Change) {
        let Some(entries) = self.tables.get_mut(usize::from(table.tag())) else {
            return;
        };
        match entries.entry(key) {
            Entry::Vacant(place) => {
                self.bytes = self.bytes.saturating_add(footprint(&change));
                place.insert(change);
            }
            Entry::Occupied(mut place) => {
                let gone = footprint(place.get());
                self.bytes = self.bytes.saturating_sub(gone);
                let is_undone =
                    table.is_index() && place.get().value().is_some() != change.value().is_some();
                if is_undone {
                    place.remove();
                } else {
                    self.bytes = self.bytes.saturating_add(footprint(&change));
                    place.insert(change);
                }
            }
        }
    }

    fn table(&self, table: Table) -> Option<&BTreeMap<KeyBytes, Change>> {
        self.tables.get(usize::from(table.tag()))
    }
}

fn footprint(change: &Change) -> usize {
    let value = change.value().map_or(0, <[u8]>::len);
    value.saturating_add(size_of::<KeyBytes>() + ENTRY_BYTES)
}
