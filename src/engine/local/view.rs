//! Reading: records, lists, histories and the feed, as they stood when the view was taken.
//!
//! A list's entry is a hint, and the record it leads to has the last word: whoever only
//! shares a hash with what was asked for is never shown.

use std::ops::ControlFlow::{Break, Continue};

use super::base::Snapshot;
use super::codec::{self, DamageKind, State, damaged};
use super::keys::{self, Layout};
use super::table::Table;
use crate::engine::{
    Direction, EngineError, FeedCursor, IndexQuery, Lookup, Position, Row, Rows, Sequenced, Stored,
};
use crate::error::StorageError;
use crate::order::{Event, Record};
use crate::rules::{IndexEntry, UniqueKey, index_entries, unique_keys};
use crate::value::{OrderNo, Timestamp};

/// A snapshot of the base, read as what it means.
#[derive(Debug)]
pub(super) struct View {
    pub(super) snapshot: Snapshot,
    pub(super) layout: Layout,
}

impl View {
    pub(super) const fn new(snapshot: Snapshot, layout: Layout) -> Self {
        Self { snapshot, layout }
    }

    /// The record under a number.
    pub(super) fn stored(&self, no: &OrderNo) -> Result<Option<Stored>, StorageError> {
        let key = keys::order(no);
        self.snapshot
            .get(Table::Orders, key.as_slice(), codec::read_record)
    }

    /// The number of a row.
    pub(super) fn number(&self, row: u64) -> Result<Option<OrderNo>, StorageError> {
        let key = keys::row(row)?;
        self.snapshot
            .get(Table::Rows, key.as_slice(), codec::read_number)
    }

    /// The record of a row; an entry that leads to none is damage.
    pub(super) fn row(&self, row: u64) -> Result<Stored, StorageError> {
        let key = keys::row(row)?;
        let missing = || damaged(Table::Rows, key.as_slice(), DamageKind::Missing);
        let no = self.number(row)?.ok_or_else(missing)?;
        let stored = self.stored(&no)?.filter(|stored| stored.row == row);
        stored.ok_or_else(|| {
            let key = keys::order(&no);
            damaged(Table::Orders, key.as_slice(), DamageKind::Missing)
        })
    }

    pub(super) fn load(&self, lookup: &Lookup) -> Result<Option<Stored>, StorageError> {
        match lookup {
            Lookup::No(no) => self.stored(no),
            Lookup::Owner(key) => Ok(self.owners(key, 1)?.pop()),
        }
    }

    /// The records that own a key, at most `limit` of them. More than one is damage.
    pub(super) fn owners(
        &self,
        key: &UniqueKey,
        limit: usize,
    ) -> Result<Vec<Stored>, StorageError> {
        let query = IndexQuery {
            index: key.index(),
            from: Timestamp::MAX,
            until: Timestamp::MAX,
            direction: Direction::Forward,
            after: None,
        };
        let mut owners = Vec::new();
        self.visit(&query, &mut |_, stored| {
            if owners.len() < limit && unique_keys(&stored.record).any(|owned| owned == *key) {
                owners.push(stored);
            }
            owners.len() < limit
        })?;
        Ok(owners)
    }

    /// A part of a list.
    pub(super) fn scan(&self, query: &IndexQuery, limit: usize) -> Result<Rows, StorageError> {
        let mut found = Rows::default();
        self.visit(query, &mut |position, stored| {
            let entry = IndexEntry {
                index: query.index.clone(),
                time: position.time,
                sub: position.sub,
            };
            if !index_entries(&stored.record).contains(&entry) {
                return true;
            }
            found.more = found.rows.len() >= limit;
            if !found.more {
                let record = stored.record;
                found.rows.push(Row { position, record });
            }
            !found.more
        })?;
        Ok(found)
    }

    /// Shows the places of a stretch and what stands there, as long as `next` says.
    fn visit(
        &self,
        query: &IndexQuery,
        next: &mut dyn FnMut(Position, Stored) -> bool,
    ) -> Result<(), StorageError> {
        let (table, first, last) = self.layout.stretch(query);
        let mut show = |key: &[u8], _: &[u8]| {
            let position = keys::read_position(table, key)
                .ok_or_else(|| damaged(table, key, DamageKind::Key))?;
            let goes_on = !is_behind(position, query) || next(position, self.row(position.row)?);
            Ok(if goes_on { Continue(()) } else { Break(()) })
        };
        let stretch = Some(&(first, last));
        self.snapshot
            .walk(table, stretch, query.direction, &mut show)
    }

    /// Every event of a number.
    pub(super) fn history(&self, no: &OrderNo) -> Result<Vec<Event>, StorageError> {
        let Some(stored) = self.stored(no)? else {
            return Ok(Vec::new());
        };
        let read = |seq| {
            let event = self.event(seq)?;
            let key = keys::event(seq);
            let misplaced = || damaged(Table::Events, key.as_slice(), DamageKind::Misplaced);
            (event.no == *no).then_some(event).ok_or_else(misplaced)
        };
        self.sequences(stored.row)?.into_iter().map(read).collect()
    }

    /// The sequences of a row's events, in the order of their versions.
    pub(super) fn sequences(&self, row: u64) -> Result<Vec<u64>, StorageError> {
        let mut found = Vec::new();
        let mut show = |key: &[u8], value: &[u8]| {
            found.push(codec::read_sequence(key, value)?);
            Ok(Continue(()))
        };
        let stretch = keys::history_of(row)?;
        self.snapshot.walk(
            Table::History,
            Some(&stretch),
            Direction::Forward,
            &mut show,
        )?;
        Ok(found)
    }

    pub(super) fn event(&self, seq: u64) -> Result<Event, StorageError> {
        let key = keys::event(seq);
        let found = self
            .snapshot
            .get(Table::Events, key.as_slice(), codec::read_event)?;
        found.ok_or_else(|| damaged(Table::Events, key.as_slice(), DamageKind::Missing))
    }

    /// The events behind a place in the feed.
    pub(super) fn events(
        &self,
        incarnation: u64,
        after: FeedCursor,
        limit: usize,
    ) -> Result<Vec<Sequenced>, EngineError> {
        if after != FeedCursor::START && after.incarnation != incarnation {
            return Err(EngineError::Cursor("it is of another incarnation"));
        }
        let last = self.state().map_err(EngineError::Fatal)?.last_seq;
        if after.seq > last {
            return Err(EngineError::Cursor("it is beyond the end"));
        }
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX);
        let until = after.seq.saturating_add(wanted).min(last);
        let read = |seq| {
            let cursor = FeedCursor { incarnation, seq };
            Ok(Sequenced::new(cursor, self.event(seq)?))
        };
        let seqs = after.seq.saturating_add(1)..=until;
        seqs.map(read)
            .collect::<Result<_, _>>()
            .map_err(EngineError::Fatal)
    }

    /// The store's counters.
    pub(super) fn state(&self) -> Result<State, StorageError> {
        let found = self
            .snapshot
            .get(Table::Meta, keys::STATE, codec::read_state)?;
        found.ok_or_else(|| damaged(Table::Meta, keys::STATE, DamageKind::Missing))
    }

    /// What the base says that it belongs to.
    pub(super) fn mark(&self) -> Result<codec::Mark, StorageError> {
        let found = self
            .snapshot
            .get(Table::Meta, keys::MARK, codec::read_mark)?;
        found.ok_or_else(|| damaged(Table::Meta, keys::MARK, DamageKind::Missing))
    }
}

/// Whether a place is strictly behind where the reading begins.
fn is_behind(position: Position, query: &IndexQuery) -> bool {
    match (query.after, query.direction) {
        (None, _) => true,
        (Some(after), Direction::Forward) => position > after,
        (Some(after), Direction::Backward) => position < after,
    }
}

/// The record alone.
pub(super) fn into_record(stored: Option<Stored>) -> Option<Record> {
    stored.map(|stored| stored.record)
}
