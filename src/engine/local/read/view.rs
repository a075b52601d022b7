//! Reading: records, lists, histories and the feed, from the memtables and the base.
//!
//! - A view is one triple of active table, frozen table and snapshot of the base. Only the
//!   active table changes beneath it, and only by what is durable.
//! - A list's entry is a hint, and the record it leads to has the last word: whoever only
//!   shares a hash with what was asked for is never shown.
//! - A page is read without the lock. Where a record moved away meanwhile it is read again,
//!   at last under the lock: a page shows what stood at one moment, but for what records
//!   learned since without leaving their places.

use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;

use super::merge::{Copied, Reading};
use super::record_cache::RecordCache;
use crate::contract::{
    Direction, FeedCursor, FeedEvent, IndexPage, IndexQuery, IndexRow, Lookup, Position,
};
use crate::engine::EngineError;
use crate::engine::local::btree::Snapshot;
use crate::engine::local::failure::unread;
use crate::engine::local::memtable::{Memtable, SharedMemtable};
use crate::error::StorageError;
use crate::format::codec;
use crate::format::codec::{DamageKind, Held, Origin, State, damaged};
use crate::format::keys;
use crate::format::keys::{KeyBytes, Layout};
use crate::format::tables::Table;
use crate::order::{Event, Record};
use crate::rules::{UniqueKey, each_entry, unique_keys};
use crate::types::{OrderNo, Timestamp};

/// How often a page is read without the lock.
const TRIES: usize = 3;

/// What readers read.
#[derive(Debug, Clone)]
pub(in crate::engine::local) struct ReadView {
    pub(in crate::engine::local) active: Arc<SharedMemtable>,
    pub(in crate::engine::local) frozen: Option<Arc<SharedMemtable>>,
    pub(in crate::engine::local) snapshot: Arc<Snapshot>,
    /// What was read of the snapshot.
    pub(in crate::engine::local) hot: Arc<RecordCache>,
    pub(in crate::engine::local) layout: Layout,
}

/// What became of an entry that was shown.
enum Shown {
    Taken,
    /// The record does not stand there, or not any more.
    Strange,
    Enough,
}

/// A record moved away while its place was looked at.
struct Moved;

impl ReadView {
    /// The base alone.
    pub(in crate::engine::local) fn of_base(
        snapshot: Snapshot,
        hot: RecordCache,
        layout: Layout,
    ) -> Self {
        Self {
            active: Arc::default(),
            frozen: None,
            snapshot: Arc::new(snapshot),
            hot: Arc::new(hot),
            layout,
        }
    }

    /// What the upper of the memtables that has it says.
    fn in_memory<T>(&self, look: impl Fn(&Memtable) -> Option<T>) -> Option<T> {
        let found = look(&self.active.read());
        found.or_else(|| look(&self.frozen.as_ref()?.read()))
    }

    /// The record under a number, if it is in memory.
    pub(in crate::engine::local) fn held_at_hand(&self, no: &OrderNo) -> Option<Held> {
        let found = self.in_memory(|table| table.record(no).cloned());
        found.or_else(|| {
            // What memory spoilt is not there: the base is asked.
            let bytes = self.hot.record(no)?;
            codec::read_record(keys::order(no).as_slice(), &bytes).ok()
        })
    }

    /// The record under a number.
    pub(in crate::engine::local) fn held(
        &self,
        no: &OrderNo,
    ) -> Result<Option<Held>, StorageError> {
        if let Some(held) = self.held_at_hand(no) {
            return Ok(Some(held));
        }
        self.snapshot.get_order(&keys::order(no), |key, bytes| {
            let held = codec::read_record(key, bytes)?;
            self.hot.keep_record(*no, bytes);
            Ok(held)
        })
    }

    /// What `read` makes of the bytes of an event; an event that is not there is damage.
    fn chained<T>(
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
        found.ok_or_else(|| damaged(Table::Events, key.as_slice(), DamageKind::Missing))
    }

    /// The number of a row: the one that the row's first event bears.
    pub(in crate::engine::local) fn number(&self, row: u64) -> Result<OrderNo, StorageError> {
        if let Some(no) = self.hot.number(row) {
            return Ok(no);
        }
        match self.chained(row, codec::read_origin)? {
            Origin::First(no) => {
                self.hot.keep_number(row, no);
                Ok(no)
            }
            Origin::Later { .. } => Err(misplaced(row)),
        }
    }

    /// The record of a row; an entry that leads to none is damage.
    pub(in crate::engine::local) fn row(&self, row: u64) -> Result<Held, StorageError> {
        let no = self.number(row)?;
        let held = self.held(&no)?.filter(|held| held.stored.row == row);
        held.ok_or_else(|| {
            let key = keys::order(&no);
            damaged(Table::Orders, key.as_slice(), DamageKind::Missing)
        })
    }

    pub(in crate::engine::local) fn load(
        &self,
        lookup: &Lookup,
    ) -> Result<Option<Held>, StorageError> {
        match lookup {
            Lookup::No(no) => self.held(no),
            Lookup::Owner(key) => Ok(self.owners(key, 1)?.pop()),
        }
    }

    /// The records that own a key, at most `limit` of them. More than one is damage.
    pub(in crate::engine::local) fn owners(
        &self,
        key: &UniqueKey,
        limit: usize,
    ) -> Result<Vec<Held>, StorageError> {
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
                if unique_keys(&held.stored.record).all(|owned| owned != *key) {
                    return Shown::Strange;
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

    /// Nothing stands in a stretch: most keys that are asked for are new ones. What stands
    /// there moves down only, and this looks from above.
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

    /// A part of a list.
    pub(in crate::engine::local) fn scan(
        &self,
        query: &IndexQuery,
        limit: usize,
    ) -> Result<IndexPage, StorageError> {
        self.settled(|| {
            let mut found = IndexPage::default();
            let visited = self.visit(query, limit, &mut |position, held| {
                let record = held.stored.record;
                if !stands_there(&record, query, position) {
                    return Shown::Strange;
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

    /// Tries until nothing moved meanwhile, the last time with the active table held.
    fn settled<T>(
        &self,
        attempt: impl Fn() -> Result<Result<T, Moved>, StorageError>,
    ) -> Result<T, StorageError> {
        for _ in 0..TRIES {
            if let Ok(settled) = attempt()? {
                return Ok(settled);
            }
        }
        let _held = self.active.read();
        let moved = |Moved| StorageError::corrupted("a table changed while it was held");
        attempt()?.map_err(moved)
    }

    /// Shows the places of a stretch and what stands there, as long as `next` says.
    fn visit(
        &self,
        query: &IndexQuery,
        wanted: usize,
        next: &mut dyn FnMut(Position, Held) -> Shown,
    ) -> Result<Result<(), Moved>, StorageError> {
        let (table, first, last) = self.layout.stretch(query);
        let mut reading = Reading {
            table,
            stretch: (first, last),
            direction: query.direction,
        };
        let (mut changes, mut shown) = (None, None);
        while reading.stretch.0 <= reading.stretch.1 {
            let copied = Copied::of(&self.active, &reading, wanted);
            let end = copied.end;
            let at_first = *changes.get_or_insert(copied.changes);
            if copied.changes != at_first {
                return Ok(Err(Moved));
            }
            let mut moved = false;
            let mut show = |key: &KeyBytes| {
                if shown == Some(*key) {
                    return Ok(Continue(()));
                }
                shown = Some(*key);
                let position = keys::read_position(table, key.as_slice())
                    .ok_or_else(|| damaged(table, key.as_slice(), DamageKind::Key))?;
                if !is_behind(position, query) {
                    return Ok(Continue(()));
                }
                Ok(match next(position, self.row(position.row)?) {
                    Shown::Taken => Continue(()),
                    Shown::Enough => Break(()),
                    Shown::Strange => {
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
            if reading.stretch.0 == reading.stretch.1 {
                break;
            }
        }
        Ok(Ok(()))
    }

    /// Every event of a number.
    pub(in crate::engine::local) fn history(
        &self,
        no: &OrderNo,
    ) -> Result<Vec<Event>, StorageError> {
        self.held(no)?
            .map_or_else(|| Ok(Vec::new()), |held| self.history_of(&held))
    }

    /// Every event of a record, read backwards from its last one.
    pub(in crate::engine::local) fn history_of(
        &self,
        held: &Held,
    ) -> Result<Vec<Event>, StorageError> {
        let (no, row) = (held.stored.record.no(), held.stored.row);
        let (mut found, mut next) = (Vec::new(), Some(held.last_seq));
        while let Some(seq) = next {
            let chained = self.chained(seq, codec::read_event)?;
            next = match chained.origin {
                Origin::First(of) if of == no && seq == row => None,
                Origin::Later { row: of, previous } if of == row && previous < seq => {
                    Some(previous)
                }
                _ => return Err(misplaced(seq)),
            };
            found.push(chained.of(no));
        }
        found.reverse();
        Ok(found)
    }

    pub(in crate::engine::local) fn event(&self, seq: u64) -> Result<Event, StorageError> {
        let chained = self.chained(seq, codec::read_event)?;
        let no = match chained.origin {
            Origin::First(no) => no,
            Origin::Later { row, .. } => self.number(row)?,
        };
        Ok(chained.of(no))
    }

    /// When the last event happened.
    pub(in crate::engine::local) fn last_event_at(
        &self,
    ) -> Result<Option<Timestamp>, StorageError> {
        match self.state()?.last_seq {
            0 => Ok(None),
            last => Ok(Some(self.event(last)?.at)),
        }
    }

    /// The events behind a place in the feed.
    pub(in crate::engine::local) fn events(
        &self,
        incarnation: u64,
        after: FeedCursor,
        limit: usize,
    ) -> Result<Vec<FeedEvent>, EngineError> {
        if after != FeedCursor::START && after.incarnation != incarnation {
            return Err(EngineError::Cursor("it is of another incarnation"));
        }
        let last = self.state().map_err(unread)?.last_seq;
        if after.seq > last {
            return Err(EngineError::Cursor("it is beyond the end"));
        }
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX);
        let until = after.seq.saturating_add(wanted).min(last);
        let read = |seq| {
            let cursor = FeedCursor { incarnation, seq };
            Ok(FeedEvent::new(cursor, self.event(seq)?))
        };
        let seqs = after.seq.saturating_add(1)..=until;
        seqs.map(read).collect::<Result<_, _>>().map_err(unread)
    }

    /// The store's counters.
    pub(in crate::engine::local) fn state(&self) -> Result<State, StorageError> {
        if let Some(state) = self.in_memory(Memtable::state) {
            return Ok(state);
        }
        let found = self
            .snapshot
            .get(Table::Meta, keys::STATE, codec::read_state)?;
        found.ok_or_else(|| damaged(Table::Meta, keys::STATE, DamageKind::Missing))
    }

    /// The last lsn that the base holds.
    pub(in crate::engine::local) fn applied(&self) -> Result<u64, StorageError> {
        let found = self
            .snapshot
            .get(Table::Meta, keys::APPLIED, codec::read_applied)?;
        found.ok_or_else(|| damaged(Table::Meta, keys::APPLIED, DamageKind::Missing))
    }

    /// What the base says that it belongs to.
    pub(in crate::engine::local) fn mark(&self) -> Result<codec::Mark, StorageError> {
        let found = self
            .snapshot
            .get(Table::Meta, keys::MARK, codec::read_mark)?;
        found.ok_or_else(|| damaged(Table::Meta, keys::MARK, DamageKind::Missing))
    }
}

/// The record is to be found in the list that is read, at this place.
fn stands_there(record: &Record, query: &IndexQuery, position: Position) -> bool {
    let mut stands = false;
    each_entry(record, |entry| {
        let is_place = entry.time == position.time && entry.sub == position.sub;
        stands |= is_place && entry.index == query.index;
    });
    stands
}

/// Whether a place is strictly behind where the reading begins.
fn is_behind(position: Position, query: &IndexQuery) -> bool {
    match (query.after, query.direction) {
        (None, _) => true,
        (Some(after), Direction::Forward) => position > after,
        (Some(after), Direction::Backward) => position < after,
    }
}

/// An event is not one of those that should lead to it.
fn misplaced(seq: u64) -> StorageError {
    let key = keys::event(seq);
    damaged(Table::Events, key.as_slice(), DamageKind::Misplaced)
}
