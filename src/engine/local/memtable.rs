//! Memtable: writes that are in the journal but not in the B-tree yet.
//!
//! - The memtable receives only durable writes.
//! - The memtable keeps the journal frames. Its tables store the location of each value in a frame,
//!   so values are not copied. The memtable also keeps records in decoded form.
//! - The memtable holds an index entry only if the entry differs from the layer below, which is the
//!   frozen memtable or the B-tree. If an entry is added and later removed, or removed and later
//!   added, the two changes cancel. This works because writers add only absent entries and remove
//!   only present ones.
//! - Records, events and counters are never removed.

mod index;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use foldhash::{HashMap, HashMapExt};
use parking_lot::{RwLock, RwLockReadGuard};

use self::index::MemIndex;
use super::background::{COMPARISONS, ENTRIES, Steps};
use super::btree::typed::Entry;
use super::write::batch::{ValueSpan, WriteBatch};
use crate::contract::{Direction, StoredRecord};
use crate::format::codec::State;
use crate::format::keys;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;
use crate::number::u64_of;
use crate::types::OrderNo;

/// Estimated memory of a decoded record, in bytes, in addition to its encoded bytes.
const RECORD_BYTES: usize = size_of::<crate::order::Order>() + 256;

/// Memtable with many readers and one writer.
#[derive(Default)]
pub(super) struct SharedMemtable {
    table: RwLock<Memtable>,
}

impl std::fmt::Debug for SharedMemtable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedMemtable").finish_non_exhaustive()
    }
}

impl SharedMemtable {
    pub(super) fn new(table: Memtable) -> Self {
        let table = RwLock::new(table);
        Self { table }
    }

    /// Creates an empty memtable. Its hash tables have room for as many records and hashes as this
    /// one has: a hash table that grows moves all its entries, and the writer would wait for that.
    /// `bytes` does not count this room.
    pub(super) fn next(&self) -> Self {
        let full = self.read();
        let index = |table: Table| full.index(table).map_or(0, MemIndex::hash_count);
        Self::new(Memtable::with_room(full.records.len(), index))
    }

    /// Frees the memtable in small steps.
    pub(super) fn free(self) {
        self.table.into_inner().free();
    }

    /// Locks the memtable for reading. The same thread may already hold the lock.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Memtable> {
        self.table.read_recursive()
    }

    /// Makes durable writes visible to readers.
    pub(super) fn publish(&self, mut writes: WriteBatch) {
        // The planner reserves more than most frames need, and the memtable keeps the frame.
        writes.frame.shrink_to_fit();
        self.table.write().add(writes);
    }
}

/// Location of a value in one of the frames.
#[derive(Debug, Clone, Copy)]
struct ValueLocation {
    frame: usize,
    span: ValueSpan,
}

/// Decoded record, and the location of its bytes.
struct MemRecord {
    held: StoredRecord,
    place: ValueLocation,
}

/// Contents of a memtable.
pub(super) struct Memtable {
    frames: Vec<Vec<u8>>,
    records: HashMap<OrderNo, MemRecord>,
    /// Events with consecutive sequence numbers, the first of which is `first_seq`.
    events: Vec<ValueLocation>,
    first_seq: u64,
    /// Index changes of each table, by table tag.
    indexes: [MemIndex; Table::ALL.len()],
    state: Option<State>,
    bytes: usize,
    changes: u64,
}

impl Default for Memtable {
    fn default() -> Self {
        Self::with_room(0, |_| 0)
    }
}

impl Memtable {
    /// Creates an empty memtable with room for `records` records, and for `hashes` different hashes
    /// in each index.
    fn with_room(records: usize, hashes: impl Fn(Table) -> usize) -> Self {
        Self {
            frames: Vec::new(),
            records: HashMap::with_capacity(records),
            events: Vec::with_capacity(records),
            first_seq: 0,
            indexes: Table::ALL.map(|table| MemIndex::new(table, hashes(table))),
            state: None,
            bytes: 0,
            changes: 0,
        }
    }

    /// Estimated memory of the memtable, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.changes == 0
    }

    /// Number of batches added so far. While it does not change, the contents do not change either.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) const fn state(&self) -> Option<State> {
        self.state
    }

    pub(super) fn record(&self, no: &OrderNo) -> Option<&StoredRecord> {
        self.records.get(no).map(|kept| &kept.held)
    }

    /// Order numbers of all records in the memtable.
    pub(super) fn numbers(&self) -> impl Iterator<Item = &OrderNo> {
        self.records.keys()
    }

    /// Encoded event with the sequence number `seq`.
    pub(super) fn event(&self, seq: u64) -> Option<&[u8]> {
        let position = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        self.events.get(position).map(|place| self.value(*place))
    }

    /// Changes in a range of an index, in the given direction. The flag is `true` for an added
    /// entry and `false` for a removed one.
    pub(super) fn walk(
        &self,
        table: Table,
        range: RangeInclusive<KeyBytes>,
        direction: Direction,
    ) -> impl Iterator<Item = (KeyBytes, bool)> {
        let index = self.index(table).into_iter();
        index.flat_map(move |index| index.walk(range.clone(), direction))
    }

    /// All changes of a table, in key order. Removed entries have no value. `table` must not be
    /// [`Table::Meta`].
    pub(super) fn sorted(&self, table: Table) -> Box<dyn Iterator<Item = Entry<'_>> + '_> {
        match table {
            Table::Orders => {
                let mut records: Vec<_> = self.records.iter().collect();
                let steps = Steps::every(COMPARISONS);
                records.sort_unstable_by(|(no, _), (other, _)| {
                    steps.step();
                    no.cmp(other)
                });
                let entry = |(no, kept): (&OrderNo, &MemRecord)| {
                    (keys::order(no), Some(self.value(kept.place)))
                };
                Box::new(records.into_iter().map(entry))
            }
            Table::Events => {
                let events = (self.first_seq..).zip(&self.events);
                let entry = |(seq, place): (u64, &ValueLocation)| {
                    (keys::event(seq), Some(self.value(*place)))
                };
                Box::new(events.map(entry))
            }
            _ => {
                let entries = self.walk(
                    table,
                    KeyBytes::default()..=KeyBytes::MAX,
                    Direction::Forward,
                );
                let value = |is_there: bool| is_there.then_some(&[][..]);
                Box::new(entries.map(move |(key, is_there)| (key, value(is_there))))
            }
        }
    }

    /// Whether the sequence numbers of the next writes continue those of the memtable.
    pub(super) fn is_followed_by(&self, writes: &WriteBatch) -> bool {
        let next = self.first_seq.checked_add(u64_of(self.events.len()));
        self.events.is_empty() || writes.events.is_empty() || next == Some(writes.first_seq)
    }

    /// Adds the writes of a batch.
    pub(super) fn add(&mut self, writes: WriteBatch) {
        self.changes += 1;
        self.state = writes.state.or(self.state);
        let frame = self.frames.len();
        self.bytes += writes.frame.capacity();
        self.frames.push(writes.frame);
        if self.events.is_empty() {
            self.first_seq = writes.first_seq;
        }
        let place = |span| ValueLocation { frame, span };
        self.events.extend(writes.events.into_iter().map(place));
        for (held, span) in writes.records {
            let no = held.record.no();
            let place = ValueLocation { frame, span };
            if self.records.insert(no, MemRecord { held, place }).is_none() {
                self.bytes += RECORD_BYTES;
            }
        }
        for (table, key, is_there) in writes.entries {
            self.set_entry(table, key, is_there);
        }
    }

    fn set_entry(&mut self, table: Table, key: KeyBytes, is_there: bool) {
        if let Some(index) = self.indexes.get_mut(usize::from(table.tag())) {
            self.bytes = self.bytes.saturating_add_signed(index.set(key, is_there));
        }
    }

    fn free(mut self) {
        let steps = Steps::every(ENTRIES);
        self.records.drain().for_each(|_| steps.step());
        self.frames.drain(..).for_each(|_| steps.step());
    }

    fn value(&self, place: ValueLocation) -> &[u8] {
        let frame = self.frames.get(place.frame);
        frame.map_or(&[], |frame| place.span.of(frame))
    }

    fn index(&self, table: Table) -> Option<&MemIndex> {
        self.indexes.get(usize::from(table.tag()))
    }
}
