//! Reads records, indexes and histories from the memtables and the B-tree.
//!
//! - A read view combines the active memtable, the frozen memtable and a snapshot of the B-tree.
//!   Only the active memtable changes during a read, and only by durable writes.
//! - An index entry is only a hint: the reader checks the record that the entry leads to. A record
//!   that only shares a hash with the requested value is never returned.
//! - A page of an index is read without a lock. If a record moves in the index during the read, the
//!   page is read again, the last time under the lock. Thus a page shows which records the index
//!   held at one moment. A record may contain later changes that did not move it in the index.

use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;

use super::merge::{IndexRead, MemtablePart};
use super::record_cache::RecordCache;
use crate::contract::{Direction, IndexPage, IndexQuery, IndexRow, Lookup, Position, StoredRecord};
use crate::engine::local::btree::Snapshot;
use crate::engine::local::memtable::{Memtable, SharedMemtable};
use crate::error::StorageError;
use crate::format::codec;
use crate::format::codec::{CorruptionKind, EventLink, State, damaged};
use crate::format::keys;
use crate::format::keys::{KeyBytes, KeyEncoder};
use crate::format::tables::Table;
use crate::order::{Event, Record};
use crate::rules::{UniqueKey, each_entry, unique_keys};
use crate::types::{OrderNo, Timestamp};

/// Number of attempts to read a page of an index without the lock.
const TRIES: usize = 3;

/// Read view: everything that a reader needs to read the store.
#[derive(Debug, Clone)]
pub(crate) struct ReadView {
    pub(crate) active: Arc<SharedMemtable>,
    pub(crate) frozen: Option<Arc<SharedMemtable>>,
    /// LSN of the last frame whose writes the frozen memtable may hold; 0 if there was none yet.
    pub(crate) frozen_lsn: u64,
    pub(crate) snapshot: Arc<Snapshot>,
    /// Cache of values from the snapshot.
    pub(crate) cache: Arc<RecordCache>,
    pub(crate) layout: KeyEncoder,
}

/// Decision of the callback about an index entry.
enum Shown {
    /// The entry is used; the read continues.
    Taken,
    /// The index entry is not, or no longer, an entry of the record.
    Mismatch,
    /// The caller needs no more entries, so the read ends.
    Enough,
}

/// Signal that a record may have moved in the index during a read.
struct Moved;

impl ReadView {
    /// Creates a view of the B-tree alone, with empty memtables.
    pub(crate) fn of_base(snapshot: Snapshot, hot: RecordCache, layout: KeyEncoder) -> Self {
        Self {
            active: Arc::default(),
            frozen: None,
            frozen_lsn: 0,
            snapshot: Arc::new(snapshot),
            cache: Arc::new(hot),
            layout,
        }
    }

    /// Calls `look` with the active memtable, then with the frozen one. Returns the first result
    /// other than `None`.
    fn in_memory<T>(&self, look: impl Fn(&Memtable) -> Option<T>) -> Option<T> {
        let found = look(&self.active.read());
        found.or_else(|| look(&self.frozen.as_ref()?.read()))
    }

    /// Returns a record if a memtable or the record cache holds it.
    pub(crate) fn held_in_memory(&self, no: &OrderNo) -> Option<StoredRecord> {
        self.in_memtables(no).or_else(|| self.cached(no))
    }

    fn in_memtables(&self, no: &OrderNo) -> Option<StoredRecord> {
        self.in_memory(|table| table.record(no).cloned())
    }

    /// Returns a record from the record cache. Cached bytes that do not decode count as a miss. The
    /// caller then reads the B-tree.
    fn cached(&self, no: &OrderNo) -> Option<StoredRecord> {
        let bytes = self.cache.record(no)?;
        codec::read_record(keys::order(no).as_slice(), &bytes).ok()
    }

    /// Returns the record with an order number.
    pub(crate) fn held(&self, no: &OrderNo) -> Result<Option<StoredRecord>, StorageError> {
        if let Some(held) = self.in_memtables(no) {
            return Ok(Some(held));
        }
        // The cache has only values of the B-tree.
        let key = keys::order(no);
        if !self.snapshot.may_have_order(&key) {
            return Ok(None);
        }
        if let Some(held) = self.cached(no) {
            return Ok(Some(held));
        }
        self.snapshot
            .get(Table::Orders, key.as_slice(), |key, bytes| {
                let held = codec::read_record(key, bytes)?;
                self.cache.keep_record(*no, bytes);
                Ok(held)
            })
    }

    /// Passes the key and the bytes of an event to `read`. A missing event is corruption.
    pub(super) fn chained<T>(
        &self,
        seq: u64,
        read: impl Fn(&[u8], &[u8]) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let key = keys::event(seq);
        let look = |memtable: &Memtable| Some(read(key.as_slice(), memtable.event(seq)?));
        if let Some(found) = self.in_memory(look) {
            return found;
        }
        let found = self.snapshot.get(Table::Events, key.as_slice(), read)?;
        found.ok_or_else(|| damaged(Table::Events, key.as_slice(), CorruptionKind::Missing))
    }

    /// Returns the order number of the record with a row number. The row number is the sequence
    /// number of the record's first event, and this event holds the order number.
    pub(crate) fn number(&self, row: u64) -> Result<OrderNo, StorageError> {
        if let Some(no) = self.cache.number(row) {
            return Ok(no);
        }
        match self.chained(row, codec::read_origin)? {
            EventLink::First(no) => {
                self.cache.keep_number(row, no);
                Ok(no)
            }
            EventLink::Later { .. } => Err(misplaced(row)),
        }
    }

    /// Returns the record with a row number. A missing record is corruption.
    pub(crate) fn row(&self, row: u64) -> Result<StoredRecord, StorageError> {
        let no = self.number(row)?;
        let held = self.held(&no)?.filter(|held| held.row == row);
        held.ok_or_else(|| {
            let key = keys::order(&no);
            damaged(Table::Orders, key.as_slice(), CorruptionKind::Missing)
        })
    }

    pub(crate) fn load(&self, lookup: &Lookup) -> Result<Option<StoredRecord>, StorageError> {
        match lookup {
            Lookup::No(no) => self.held(no),
            Lookup::Owner(key) => Ok(self.owners(key, 1)?.pop()),
        }
    }

    /// Returns the records that own a unique key, at most `limit`. More than one is corruption.
    pub(crate) fn owners(
        &self,
        key: &UniqueKey,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        let query = IndexQuery {
            index: key.index(),
            from: Timestamp::MAX,
            until: Timestamp::MAX,
            direction: Direction::Forward,
            after: None,
        };
        if self.is_empty(&query)? {
            return Ok(Vec::new());
        }
        self.settled(|| {
            let mut owners = Vec::new();
            let visited = self.visit(&query, limit, &mut |_, held| {
                if unique_keys(&held.record).all(|owned| owned != *key) {
                    return Shown::Mismatch;
                }
                owners.push(held);
                if owners.len() < limit {
                    Shown::Taken
                } else {
                    Shown::Enough
                }
            });
            Ok(visited?.map(|()| owners))
        })
    }

    /// Returns whether the range of a query has no entry. Most keys that callers look up are new,
    /// so this check saves most of the full reads. Entries move from the active memtable to the
    /// frozen one and to the B-tree. The search has the same order and thus misses no entry.
    fn is_empty(&self, query: &IndexQuery) -> Result<bool, StorageError> {
        let (table, first, last) = self.layout.stretch(query);
        let look = |memtable: &Memtable| {
            let mut entries = memtable.walk(table, first..=last, Direction::Forward);
            entries.next().map(|_| ())
        };
        if self.in_memory(look).is_some() {
            return Ok(false);
        }
        self.snapshot.is_empty(table, &(first, last))
    }

    /// Returns one page of an index, with at most `limit` entries.
    pub(crate) fn scan(&self, query: &IndexQuery, limit: usize) -> Result<IndexPage, StorageError> {
        self.settled(|| {
            let mut found = IndexPage::default();
            let visited = self.visit(query, limit, &mut |position, held| {
                let record = held.record;
                if !is_listed_at(&record, query, position) {
                    return Shown::Mismatch;
                }
                found.more = found.rows.len() >= limit;
                if found.more {
                    return Shown::Enough;
                }
                found.rows.push(IndexRow { position, record });
                Shown::Taken
            });
            Ok(visited?.map(|()| found))
        })
    }

    /// Repeats `attempt` until no record moved during it. The last attempt runs with the active
    /// memtable locked, so that no writer can change it.
    fn settled<T>(
        &self,
        attempt: impl Fn() -> Result<Result<T, Moved>, StorageError>,
    ) -> Result<T, StorageError> {
        for _ in 0..TRIES {
            if let Ok(settled) = attempt()? {
                return Ok(settled);
            }
        }
        // `attempt` locks the memtable again. The read lock is recursive, so this cannot deadlock.
        let _held = self.active.read();
        let moved = |Moved| StorageError::corrupted("a memtable changed while it was locked");
        attempt()?.map_err(moved)
    }

    /// Passes the index entries of a query and their records to `next`, until `next` returns
    /// [`Shown::Enough`].
    ///
    /// Copies the active memtable in parts of about `wanted` entries, and merges each part with the
    /// other layers. All parts must come from the same state of the memtable. If the memtable's
    /// change counter differs between two parts, returns [`Moved`].
    fn visit(
        &self,
        query: &IndexQuery,
        wanted: usize,
        next: &mut dyn FnMut(Position, StoredRecord) -> Shown,
    ) -> Result<Result<(), Moved>, StorageError> {
        let (table, first, last) = self.layout.stretch(query);
        let mut reading = IndexRead {
            table,
            stretch: (first, last),
            direction: query.direction,
        };
        let (mut changes, mut shown) = (None, None);
        while reading.stretch.0 <= reading.stretch.1 {
            let copied = MemtablePart::of(&self.active, &reading, wanted);
            let end = copied.end;
            let at_first = *changes.get_or_insert(copied.changes);
            if copied.changes != at_first {
                return Ok(Err(Moved));
            }
            let mut moved = false;
            let mut show = |key: &KeyBytes| {
                // Skip the first key of a part if the previous part ended with it.
                if shown == Some(*key) {
                    return Ok(Continue(()));
                }
                shown = Some(*key);
                let position = keys::read_position(table, key.as_slice())
                    .ok_or_else(|| damaged(table, key.as_slice(), CorruptionKind::Key))?;
                if !is_after_cursor(position, query) {
                    return Ok(Continue(()));
                }
                Ok(match next(position, self.row(position.row)?) {
                    Shown::Taken => Continue(()),
                    Shown::Enough => Break(()),
                    // The record is not at the copied position. If the memtable has changed since,
                    // the record may have moved. Otherwise the entry is a hash collision and does
                    // not belong to the query.
                    Shown::Mismatch => {
                        moved = self.active.read().changes() != at_first;
                        if moved { Break(()) } else { Continue(()) }
                    }
                })
            };
            let part = end.map_or(reading, |end| reading.up_to(end));
            let frozen = self.frozen.as_deref();
            let flow = copied.merge(frozen, &self.snapshot, &part, &mut show)?;
            if moved {
                return Ok(Err(Moved));
            }
            match end {
                Some(end) if flow.is_continue() => reading = reading.from(end),
                _ => break,
            }
            // Stop if one key is left: each part begins with the last key of the part before, which
            // was just shown.
            if reading.stretch.0 == reading.stretch.1 {
                break;
            }
        }
        Ok(Ok(()))
    }

    /// Returns every event of an order number, the oldest first.
    pub(crate) fn history(&self, no: &OrderNo) -> Result<Vec<Event>, StorageError> {
        self.held(no)?
            .map_or_else(|| Ok(Vec::new()), |held| self.history_of(&held))
    }

    /// Returns every event of a record, the oldest first.
    pub(crate) fn history_of(&self, held: &StoredRecord) -> Result<Vec<Event>, StorageError> {
        let (no, row) = (held.record.no(), held.row);
        // Each event links to the previous event of the record. Follow these links from the last
        // event back to the first, whose sequence number is the row number. Reject a link that does
        // not lead backwards, because the loop might otherwise never end.
        let (mut found, mut next) = (Vec::new(), Some(held.last_seq));
        while let Some(seq) = next {
            let chained = self.chained(seq, codec::read_event)?;
            next = match chained.origin {
                EventLink::First(of) if of == no && seq == row => None,
                EventLink::Later { row: of, previous } if of == row && previous < seq => {
                    Some(previous)
                }
                _ => return Err(misplaced(seq)),
            };
            found.push(chained.of(no));
        }
        found.reverse();
        Ok(found)
    }

    /// Returns the counters of the store.
    pub(crate) fn state(&self) -> Result<State, StorageError> {
        if let Some(state) = self.in_memory(Memtable::state) {
            return Ok(state);
        }
        let found = self
            .snapshot
            .get(Table::Meta, keys::STATE, codec::read_state)?;
        found.ok_or_else(|| damaged(Table::Meta, keys::STATE, CorruptionKind::Missing))
    }

    /// Returns the log sequence number (LSN) up to which the B-tree holds all journal frames.
    pub(crate) fn applied(&self) -> Result<u64, StorageError> {
        let found = self
            .snapshot
            .get(Table::Meta, keys::APPLIED, codec::read_applied)?;
        found.ok_or_else(|| damaged(Table::Meta, keys::APPLIED, CorruptionKind::Missing))
    }

    /// Returns the store and the incarnation that the B-tree file belongs to.
    pub(crate) fn mark(&self) -> Result<codec::StoreMark, StorageError> {
        let found = self
            .snapshot
            .get(Table::Meta, keys::MARK, codec::read_mark)?;
        found.ok_or_else(|| damaged(Table::Meta, keys::MARK, CorruptionKind::Missing))
    }
}

/// Returns whether a record has an entry at this position in the index of the query.
fn is_listed_at(record: &Record, query: &IndexQuery, position: Position) -> bool {
    let mut is_listed = false;
    each_entry(record, |entry| {
        let is_position = entry.time == position.time && entry.sub == position.sub;
        is_listed |= is_position && entry.index == query.index;
    });
    is_listed
}

/// Returns whether a position is strictly after the start of the query, in its direction.
fn is_after_cursor(position: Position, query: &IndexQuery) -> bool {
    match (query.after, query.direction) {
        (None, _) => true,
        (Some(after), Direction::Forward) => position > after,
        (Some(after), Direction::Backward) => position < after,
    }
}

/// Error for an event whose links do not match the chain of its record's events.
fn misplaced(seq: u64) -> StorageError {
    let key = keys::event(seq);
    damaged(Table::Events, key.as_slice(), CorruptionKind::Misplaced)
}
