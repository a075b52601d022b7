//! The memtable: what the journal holds and the base does not yet, sorted and decoded.
//!
//! - It is handed only what is durable.
//! - Values stand in the frames that brought them; the tables know where.
//! - An index entry stands here only where it differs from what lies beneath: one that was
//!   put and removed again leaves nothing behind, nor does one that was removed and put.
//!   That rests on entries being put only where there is none, and removed only where
//!   there is one.
//! - All else is only ever put.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::RangeBounds;

use foldhash::{HashMap, HashMapExt};
use parking_lot::{RwLock, RwLockReadGuard};

use super::btree::typed::Entry;
use super::write::batch::{Span, WriteBatch};
use crate::contract::Direction;
use crate::format::codec::{Held, State};
use crate::format::keys;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;
use crate::types::OrderNo;

/// What an index entry takes, by and large.
const ENTRY_BYTES: usize = size_of::<KeyBytes>() + 16;

/// What a decoded record takes besides its bytes, by and large.
const RECORD_BYTES: usize = size_of::<crate::order::Order>() + 256;

/// One memtable, read by many and written by one.
#[derive(Default)]
pub(super) struct SharedMemtable {
    table: RwLock<Memtable>,
}

impl std::fmt::Debug for SharedMemtable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

impl SharedMemtable {
    pub(super) fn new(table: Memtable) -> Self {
        let table = RwLock::new(table);
        Self { table }
    }

    /// The lock may be held by the same thread already.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Memtable> {
        self.table.read_recursive()
    }

    /// Takes in what is durable.
    pub(super) fn publish(&self, writes: WriteBatch) {
        self.table.write().take(writes);
    }
}

/// A value: where in which frame.
#[derive(Debug, Clone, Copy)]
struct Place {
    frame: usize,
    span: Span,
}

/// A record, and its bytes.
struct Kept {
    held: Held,
    place: Place,
}

/// The tables of a memtable.
pub(super) struct Memtable {
    frames: Vec<Vec<u8>>,
    records: HashMap<OrderNo, Kept>,
    /// Of consecutive sequences.
    events: Vec<Place>,
    first_seq: u64,
    /// By tag; whether the entry is there.
    indexes: [BTreeMap<KeyBytes, bool>; Table::EVERY.len()],
    state: Option<State>,
    bytes: usize,
    changes: u64,
}

impl Default for Memtable {
    fn default() -> Self {
        Self {
            frames: Vec::new(),
            records: HashMap::new(),
            events: Vec::new(),
            first_seq: 0,
            indexes: Default::default(),
            state: None,
            bytes: 0,
            changes: 0,
        }
    }
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

    pub(super) fn record(&self, no: &OrderNo) -> Option<&Held> {
        self.records.get(no).map(|kept| &kept.held)
    }

    /// The numbers of all its records.
    pub(super) fn numbers(&self) -> impl Iterator<Item = &OrderNo> {
        self.records.keys()
    }

    /// The bytes of an event.
    pub(super) fn event(&self, seq: u64) -> Option<&[u8]> {
        let place = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        self.events.get(place).map(|place| self.value(*place))
    }

    /// The changes of a stretch of an index, in the direction of reading; whether the
    /// entry is there.
    pub(super) fn walk(
        &self,
        table: Table,
        stretch: impl RangeBounds<KeyBytes>,
        direction: Direction,
    ) -> impl Iterator<Item = (KeyBytes, bool)> {
        let entries = self.index(table).map(|index| index.range(stretch));
        let (mut forward, mut backward) = match direction {
            Direction::Forward => (entries, None),
            Direction::Backward => (None, entries.map(Iterator::rev)),
        };
        let next = move || {
            let forward = forward.as_mut().and_then(Iterator::next);
            forward.or_else(|| backward.as_mut().and_then(Iterator::next))
        };
        std::iter::from_fn(next).map(|(key, is_there)| (*key, *is_there))
    }

    /// Every change of a table but that of single things, in the order of its keys; removed
    /// entries have no value.
    pub(super) fn sorted(&self, table: Table) -> Box<dyn Iterator<Item = Entry<'_>> + '_> {
        match table {
            Table::Orders => {
                let mut records: Vec<_> = self.records.iter().collect();
                records.sort_unstable_by_key(|(no, _)| **no);
                let entry =
                    |(no, kept): (&OrderNo, &Kept)| (keys::order(no), Some(self.value(kept.place)));
                Box::new(records.into_iter().map(entry))
            }
            Table::Events => {
                let events = (self.first_seq..).zip(&self.events);
                let entry =
                    |(seq, place): (u64, &Place)| (keys::event(seq), Some(self.value(*place)));
                Box::new(events.map(entry))
            }
            _ => {
                let entries = self.walk(table, .., Direction::Forward);
                let value = |is_there: bool| is_there.then_some(&[][..]);
                Box::new(entries.map(move |(key, is_there)| (key, value(is_there))))
            }
        }
    }

    /// The next writes to be taken in follow on those that were.
    pub(super) fn is_followed_by(&self, writes: &WriteBatch) -> bool {
        let count = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        let next = self.first_seq.saturating_add(count);
        self.events.is_empty() || writes.events.is_empty() || next == writes.first_seq
    }

    pub(super) fn take(&mut self, writes: WriteBatch) {
        self.changes = self.changes.saturating_add(1);
        self.state = writes.state.or(self.state);
        let frame = self.frames.len();
        self.bytes = self.bytes.saturating_add(writes.frame.capacity());
        self.frames.push(writes.frame);
        if self.events.is_empty() {
            self.first_seq = writes.first_seq;
        }
        let place = |span| Place { frame, span };
        self.events.extend(writes.events.into_iter().map(place));
        for (held, span) in writes.records {
            let no = held.stored.record.no();
            let place = Place { frame, span };
            if self.records.insert(no, Kept { held, place }).is_none() {
                self.bytes = self.bytes.saturating_add(RECORD_BYTES);
            }
        }
        for (table, key, is_there) in writes.entries {
            self.set_entry(table, key, is_there);
        }
    }

    fn set_entry(&mut self, table: Table, key: KeyBytes, is_there: bool) {
        let Some(index) = self.indexes.get_mut(usize::from(table.tag())) else {
            return;
        };
        match index.entry(key) {
            btree_map::Entry::Vacant(place) => {
                self.bytes = self.bytes.saturating_add(ENTRY_BYTES);
                place.insert(is_there);
            }
            btree_map::Entry::Occupied(place) if *place.get() != is_there => {
                self.bytes = self.bytes.saturating_sub(ENTRY_BYTES);
                place.remove();
            }
            btree_map::Entry::Occupied(_) => {}
        }
    }

    fn value(&self, place: Place) -> &[u8] {
        let frame = self.frames.get(place.frame);
        frame.map_or(&[], |frame| place.span.of(frame))
    }

    fn index(&self, table: Table) -> Option<&BTreeMap<KeyBytes, bool>> {
        self.indexes.get(usize::from(table.tag()))
    }
}
