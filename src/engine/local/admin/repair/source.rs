//! Reads the values of a corrupt store. If B-tree and journal differ, the newer value counts.
//!
//! A corrupt value counts as missing. A failing disk is no corruption: it ends the repair with an
//! error.

use std::ops::ControlFlow::{Break, Continue};

use super::frames::Frames;
use crate::contract::{Direction, StoredRecord};
use crate::engine::Identity;
use crate::engine::local::admin::layout::Dir;
use crate::engine::local::btree::{ReadMode, Salvage, Snapshot};
use crate::error::StorageError;
use crate::format::codec;
use crate::format::codec::{EventLink, State, StoredEvent};
use crate::format::keys;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;
use crate::order::{Event, Record};
use crate::order_no::COUNTERS;
use crate::rules::evolve;
use crate::types::OrderNo;

/// Number of keys that are read from the table of records at a time.
const PORTION: usize = 4096;

/// Open corrupt store: a copy of its B-tree, and its journal.
pub(super) struct Source {
    base: Snapshot,
    pub(super) frames: Frames,
    pub(super) state: Option<State>,
    /// Highest sequence number that an event of the store may have.
    pub(super) last_seq: u64,
}

impl Source {
    /// Opens the copy of the B-tree in `place`, and reads the journal of `dir`. Fails if redb
    /// cannot open the copy.
    pub(super) fn open(
        dir: &Dir,
        place: &Dir,
        identity: Identity,
        page_bytes: usize,
    ) -> Result<Self, StorageError> {
        let (disk, path) = (&**place.disk(), place.repair_copy_path());
        let mut source = Self {
            base: Salvage::open(disk, &path, page_bytes, ReadMode::Salvage)?.snapshot,
            frames: Frames::default(),
            state: None,
            last_seq: 0,
        };
        let applied = source.single(keys::APPLIED, codec::read_applied)?;
        source.frames = Frames::read(&dir.journal(), identity, applied.unwrap_or_default())?;
        let state = source.single(keys::STATE, codec::read_state)?;
        source.state = source.frames.state.or(state);
        source.last_seq = source.last_event()?;
        Ok(source)
    }

    /// Returns the bytes of a value in the B-tree.
    fn value(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let value = self.base.get(table, key, |_, value| Ok(value.to_vec()));
        Ok(kept(value)?.flatten())
    }

    /// Reads a value that exists once per store.
    fn single<T>(
        &self,
        key: &'static [u8],
        read: impl Fn(&[u8], &[u8]) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let value = self.value(Table::Meta, key)?;
        Ok(value.and_then(|value| read(key, &value).ok()))
    }

    /// Returns the highest sequence number that the B-tree, the journal or the counters know.
    fn last_event(&self) -> Result<u64, StorageError> {
        let last = kept(self.base.last(Table::Events))?.flatten();
        let in_base = last.and_then(|key| keys::read_event(key.as_slice()));
        let in_journal = self.frames.events.keys().next_back().copied();
        let in_counters = self.state.map(|state| state.last_seq);
        let all = [in_base, in_journal, in_counters];
        Ok(all.into_iter().flatten().max().unwrap_or_default())
    }

    /// Returns whether the journal has no lost frames, no lost segments and no truncated segments.
    pub(super) const fn is_journal_whole(&self) -> bool {
        self.frames.found.is_whole()
    }

    /// Order-number counter of the store. If the counter is lost, returns half of the counter
    /// range, so that new numbers are unlikely to repeat old ones.
    pub(super) fn counter(&self) -> u64 {
        self.state.map_or(COUNTERS / 2, |state| state.counter)
    }

    /// Number of entries of a table according to redb, or `None` if this number is unreadable.
    pub(super) fn len(&self, table: Table) -> Result<Option<u64>, StorageError> {
        kept(self.base.len(table))
    }

    /// Returns the event with a sequence number, or `None` if it is missing or corrupt.
    pub(super) fn event(&self, seq: u64) -> Result<Option<StoredEvent>, StorageError> {
        let key = keys::event(seq);
        let read = |bytes: &[u8]| codec::read_event(key.as_slice(), bytes).ok();
        if let Some(event) = self.frames.events.get(&seq).and_then(|bytes| read(bytes)) {
            return Ok(Some(event));
        }
        let value = self.value(Table::Events, key.as_slice())?;
        Ok(value.and_then(|value| read(&value)))
    }

    /// Returns the order number in the event with the sequence number `row`. `None` if this event
    /// is missing, corrupt, or not the first event of a history.
    pub(super) fn first(&self, row: u64) -> Result<Option<OrderNo>, StorageError> {
        Ok(self.event(row)?.and_then(|event| match event.origin {
            EventLink::First(no) => Some(no),
            EventLink::Later { .. } => None,
        }))
    }

    /// Returns the record with an order number, in the highest version found.
    pub(super) fn record(&self, no: &OrderNo) -> Result<Option<StoredRecord>, StorageError> {
        let key = keys::order(no);
        let value = self.value(Table::Orders, key.as_slice())?;
        let in_base = value.and_then(|value| codec::read_record(key.as_slice(), &value).ok());
        let in_journal = self.frames.records.get(no).cloned();
        let version = |held: &StoredRecord| held.record.version();
        let both = in_base.into_iter().chain(in_journal);
        Ok(both.max_by_key(version))
    }

    /// Returns the record that the events of a history produce. Reads the history from its last
    /// event back to its first. `None` if one of these events is missing.
    pub(super) fn folded(
        &self,
        no: OrderNo,
        row: u64,
        last_seq: u64,
    ) -> Result<Option<Record>, StorageError> {
        let (mut found, mut next) = (Vec::new(), Some(last_seq));
        while let Some(seq) = next {
            let Some(chained) = self.event(seq)? else {
                return Ok(None);
            };
            next = match chained.origin {
                EventLink::First(of) if of == no && seq == row => None,
                EventLink::Later { row: of, previous } if of == row && previous < seq => {
                    Some(previous)
                }
                _ => return Ok(None),
            };
            found.push(chained.of(no));
        }
        found.reverse();
        Ok(fold(&found))
    }

    /// Passes the order number of every reachable record to `show`, some of them perhaps twice.
    /// Returns whether every record was reachable.
    pub(super) fn numbers(
        &self,
        show: &mut dyn FnMut(OrderNo) -> Result<(), StorageError>,
    ) -> Result<bool, StorageError> {
        let mut shown = 0;
        let walked = kept(self.walk(&mut shown, show))?;
        self.frames.records.keys().copied().try_for_each(show)?;
        Ok(walked.is_some() && self.len(Table::Orders)? == Some(shown))
    }

    /// Passes the order numbers in the B-tree to `show`, and counts all keys in `shown`.
    fn walk(
        &self,
        shown: &mut u64,
        show: &mut dyn FnMut(OrderNo) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut from = KeyBytes::default();
        loop {
            let mut keys = Vec::new();
            let mut take = |key: &[u8], _: &[u8]| {
                keys.extend(KeyBytes::read(key));
                Ok(if keys.len() < PORTION {
                    Continue(())
                } else {
                    Break(())
                })
            };
            let stretch = (from, KeyBytes::MAX);
            self.base
                .walk(Table::Orders, Some(&stretch), Direction::Forward, &mut take)?;
            let is_end = keys.len() < PORTION;
            let seen = from;
            for key in keys.into_iter().filter(|key| *key != seen) {
                from = key;
                *shown += 1;
                if let Ok(no) = OrderNo::from_bytes(key.as_slice()) {
                    show(no)?;
                }
            }
            if is_end {
                return Ok(());
            }
        }
    }
}

/// Converts a corruption error to `None`. Returns other errors unchanged.
fn kept<T>(found: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match found {
        Err(error) if error.is_corrupt() => Ok(None),
        found => found.map(Some),
    }
}

/// Returns the record that the events produce. `None` if their versions do not count up from 1.
pub(super) fn fold(events: &[Event]) -> Option<Record> {
    let counts_up = events
        .iter()
        .zip(1..)
        .all(|(event, version)| event.version == version);
    let folded = events.iter().fold(None, |record: Option<Record>, event| {
        Some(evolve(record, event))
    });
    folded.filter(|_| counts_up)
}
