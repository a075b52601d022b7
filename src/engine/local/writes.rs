//! Changes of tables in the making: what one frame of the journal, and one step of the
//! memtable, is to hold.
//!
//! A frame holds the bytes that the base will hold, table by table, and the counters as
//! they stand after it:
//! ```text
//! table's tag u8 | entries u32 | entries …
//! entry: length of key u8 | length of value u32, all ones: removed | key | value
//! ```
//! Replay so needs neither the base nor the rules: what was decided once is written down,
//! and no later version of a rule can come to another end.

use super::codec::{self, State};
use super::keys::{self, KeyBytes};
use super::table::Table;
use crate::engine::Stored;
use crate::error::StorageError;

/// Stands where the length of a value would.
const REMOVED: u32 = u32::MAX;

const ENTRY_HEAD_LEN: usize = 5;
const TABLE_HEAD_LEN: usize = 5;

/// Changes of tables, to be made all at once.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) records: Vec<Kept>,
    /// By tag.
    by_table: [Vec<(KeyBytes, Change)>; Table::EVERY.len()],
    /// The counters after it, where they change.
    pub(super) state: Option<State>,
    len: usize,
}

/// A record and its bytes.
pub(super) struct Kept {
    pub(super) key: KeyBytes,
    pub(super) stored: Stored,
    pub(super) bytes: Vec<u8>,
}

pub(super) enum Change {
    Put(Vec<u8>),
    Remove,
}

impl Change {
    pub(super) fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Put(value) => Some(value),
            Self::Remove => None,
        }
    }
}

impl Writes {
    /// Puts a value. A key is named at most once in all of the writes.
    pub(super) fn put(&mut self, table: Table, key: KeyBytes, value: Vec<u8>) {
        self.push(table, key, Change::Put(value));
    }

    pub(super) fn remove(&mut self, table: Table, key: KeyBytes) {
        self.push(table, key, Change::Remove);
    }

    /// Puts a record, which stays decoded beside its bytes.
    pub(super) fn put_record(&mut self, stored: Stored) -> Result<(), StorageError> {
        let key = keys::order(&stored.record.no());
        let bytes = codec::record(&key, stored.row, &stored.record)?;
        self.count(&key, bytes.len());
        self.records.push(Kept { key, stored, bytes });
        Ok(())
    }

    /// Puts the store's counters.
    pub(super) fn put_state(&mut self, state: State) -> Result<(), StorageError> {
        let key = keys::meta(keys::STATE);
        self.put(Table::Meta, key, codec::state(&key, &state)?);
        self.state = Some(state);
        Ok(())
    }

    fn push(&mut self, table: Table, key: KeyBytes, change: Change) {
        self.count(&key, change.value().map_or(0, <[u8]>::len));
        if let Some(changes) = self.by_table.get_mut(usize::from(table.tag())) {
            changes.push((key, change));
        }
    }

    /// The changes, table by table.
    pub(super) fn by_table(&self) -> impl Iterator<Item = (Table, &Vec<(KeyBytes, Change)>)> {
        let tables = Table::EVERY.into_iter().zip(&self.by_table);
        tables.filter(|(_, changes)| !changes.is_empty())
    }

    /// The changes, table by table; the records are to be taken before.
    pub(super) fn into_tables(self) -> impl Iterator<Item = (Table, Vec<(KeyBytes, Change)>)> {
        Table::EVERY.into_iter().zip(self.by_table)
    }

    fn count(&mut self, key: &KeyBytes, value: usize) {
        let entry = key.as_slice().len().saturating_add(ENTRY_HEAD_LEN);
        self.len = self.len.saturating_add(entry).saturating_add(value);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most bytes that they take in a frame.
    pub(super) const fn len(&self) -> usize {
        self.len
            .saturating_add(Table::EVERY.len().saturating_mul(TABLE_HEAD_LEN))
    }

    /// Appends their bytes to a frame.
    pub(super) fn encode(&self, frame: &mut Vec<u8>) {
        frame.reserve(self.len());
        if !self.records.is_empty() {
            encode_table(frame, Table::Orders, self.records.len());
            for kept in &self.records {
                encode_entry(frame, &kept.key, Some(&kept.bytes));
            }
        }
        for (table, changes) in self.by_table() {
            encode_table(frame, table, changes.len());
            for (key, change) in changes {
                encode_entry(frame, key, change.value());
            }
        }
    }

    /// Reads what [`Writes::encode`] wrote.
    pub(super) fn decode(mut bytes: &[u8]) -> Result<Self, StorageError> {
        let mut writes = Self::default();
        while !bytes.is_empty() {
            let (table, mut left) = take_table(&mut bytes).ok_or_else(undecodable)?;
            while left > 0 {
                let (key, value) = take_entry(&mut bytes).ok_or_else(undecodable)?;
                writes.take(table, key, value)?;
                left = left.saturating_sub(1);
            }
        }
        Ok(writes)
    }

    fn take(
        &mut self,
        table: Table,
        key: KeyBytes,
        value: Option<&[u8]>,
    ) -> Result<(), StorageError> {
        match value {
            Some(bytes) if table == Table::Orders => {
                let stored = codec::read_record(key.as_slice(), bytes)?;
                let bytes = bytes.to_vec();
                self.records.push(Kept { key, stored, bytes });
            }
            Some(value) => {
                if table == Table::Meta && key.as_slice() == keys::STATE {
                    self.state = Some(codec::read_state(keys::STATE, value)?);
                }
                self.put(table, key, value.to_vec());
            }
            None => self.remove(table, key),
        }
        Ok(())
    }
}

fn encode_table(frame: &mut Vec<u8>, table: Table, entries: usize) {
    frame.push(table.tag());
    let entries = u32::try_from(entries).unwrap_or(u32::MAX);
    frame.extend_from_slice(&entries.to_le_bytes());
}

fn encode_entry(frame: &mut Vec<u8>, key: &KeyBytes, value: Option<&[u8]>) {
    let key = key.as_slice();
    frame.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
    let len = value.map_or(REMOVED, |value| {
        u32::try_from(value.len()).unwrap_or(u32::MAX)
    });
    frame.extend_from_slice(&len.to_le_bytes());
    frame.extend_from_slice(key);
    frame.extend_from_slice(value.unwrap_or_default());
}

fn take_table(bytes: &mut &[u8]) -> Option<(Table, u32)> {
    let (tag, rest) = bytes.split_first()?;
    let (entries, rest) = rest.split_first_chunk::<4>()?;
    *bytes = rest;
    Some((Table::of(*tag)?, u32::from_le_bytes(*entries)))
}

fn take_entry<'a>(bytes: &mut &'a [u8]) -> Option<(KeyBytes, Option<&'a [u8]>)> {
    let (key_len, rest) = bytes.split_first()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(usize::from(*key_len))?;
    let len = u32::from_le_bytes(*len);
    let value_len = if len == REMOVED { 0 } else { len };
    let (value, rest) = rest.split_at_checked(usize::try_from(value_len).ok()?)?;
    *bytes = rest;
    Some((KeyBytes::read(key)?, (len != REMOVED).then_some(value)))
}

fn undecodable() -> StorageError {
    StorageError::corrupted("a frame of the journal cannot be decoded")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::local::tests::{fixture, no};

    #[test]
    fn writes_come_back_as_they_were_and_no_cut_makes_others() {
        let mut writes = Writes::default();
        let record = fixture::paid(no(1));
        writes.put_record(Stored { record, row: 7 }).unwrap();
        writes.put(Table::Events, keys::event(3), b"event".to_vec());
        writes.remove(Table::Due, keys::event(4));
        writes.put_state(State::NEW).unwrap();
        let mut bytes = Vec::new();
        writes.encode(&mut bytes);
        assert!(bytes.len() <= writes.len());
        let read = Writes::decode(&bytes).unwrap();
        assert_eq!(read.records[0].stored, writes.records[0].stored);
        assert_eq!(read.state, Some(State::NEW));
        let mut again = Vec::new();
        read.encode(&mut again);
        assert_eq!(again, bytes);
        for at in 1..bytes.len() {
            if let Ok(part) = Writes::decode(&bytes[..at]) {
                let mut again = Vec::new();
                part.encode(&mut again);
                assert_eq!(again, bytes[..at]);
            }
        }
    }
}
