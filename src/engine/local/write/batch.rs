//! Batch of table changes: the content of one journal frame and of one update of the memtable.
//!
//! A frame holds the bytes that the B-tree will hold, and the counters after the batch. It consists
//! of entries with this layout; a value length of `0xffff_ffff` marks a removed entry:
//! ```text
//! entry: tag of the table u8 | length of key u8 | length of value u32 | key | value
//! ```
//! - Thus replay needs neither the B-tree nor the rules. The frame holds the result of the rules,
//!   so a later version of a rule cannot change what replay produces.
//! - Each value is written once, into the frame. The memtable keeps the frame and the position of
//!   each value in it.

use crate::contract::StoredRecord;
use crate::engine::local::journal::frame::HEAD_LEN;
use crate::error::{StorageError, StorageErrorKind};
use crate::format::codec;
use crate::format::codec::{EventLink, State};
use crate::format::keys;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;
use crate::number::{u64_of, usize_of};
use crate::order::Event;

/// Value length that marks a removed entry.
const REMOVED: u32 = u32::MAX;

const LENGTH_LEN: usize = size_of::<u32>();

/// Table changes that are applied atomically. Each key occurs at most once in a batch.
pub(crate) struct WriteBatch {
    /// Bytes of the frame: space for its head, then the entries.
    pub(crate) frame: Vec<u8>,
    pub(crate) records: Vec<(StoredRecord, ValueSpan)>,
    /// Positions of the events, whose sequence numbers are consecutive.
    pub(crate) events: Vec<ValueSpan>,
    /// Sequence number of the first event.
    pub(crate) first_seq: u64,
    /// Index entries that are added (`true`) or removed (`false`).
    pub(crate) entries: Vec<(Table, KeyBytes, bool)>,
    /// Counters of the store after the batch. `None`: they do not change.
    pub(crate) state: Option<State>,
}

/// Position of a value in a frame, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueSpan {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl ValueSpan {
    /// Position of the value between two offsets; `None` if the frame is longer than 4 GiB.
    fn of_value(start: usize, end: usize) -> Option<Self> {
        let len = u32::try_from(end.checked_sub(start)?).ok()?;
        let start = u32::try_from(start).ok()?;
        Some(Self { start, len })
    }

    pub(crate) fn of(self, frame: &[u8]) -> &[u8] {
        let rest = frame.get(usize_of(self.start)..).unwrap_or_default();
        rest.get(..usize_of(self.len)).unwrap_or_default()
    }
}

impl Default for WriteBatch {
    fn default() -> Self {
        Self::with_room(0, 0)
    }
}

impl WriteBatch {
    /// Creates an empty batch with space for `bytes` bytes of entries, and for `records` records,
    /// each with one event and four index entries.
    pub(crate) fn with_room(bytes: usize, records: usize) -> Self {
        let mut frame = Vec::with_capacity(HEAD_LEN + bytes);
        frame.resize(HEAD_LEN, 0);
        Self {
            frame,
            records: Vec::with_capacity(records),
            events: Vec::with_capacity(records),
            first_seq: 0,
            entries: Vec::with_capacity(records * 4),
            state: None,
        }
    }

    /// Adds a record to the batch, in encoded and in decoded form.
    pub(crate) fn put_record(&mut self, held: StoredRecord) -> Result<(), StorageError> {
        let key = keys::order(&held.record.no());
        let span = self.value(Table::Orders, &key, |out| codec::record(out, &key, &held))?;
        self.records.push((held, span));
        Ok(())
    }

    /// Adds an event to the batch. `seq` must be one more than the previous event's number.
    pub(crate) fn put_event(
        &mut self,
        seq: u64,
        origin: EventLink,
        event: &Event,
    ) -> Result<(), StorageError> {
        let key = keys::event(seq);
        let write = |out: &mut Vec<u8>| codec::event(out, &key, origin, event);
        let span = self.value(Table::Events, &key, write)?;
        self.keep_event(seq, span);
        Ok(())
    }

    /// Adds a change to the batch: a new index entry, or a removed one if `is_there` is false.
    pub(crate) fn set_entry(&mut self, table: Table, key: KeyBytes, is_there: bool) {
        self.head(table, &key, if is_there { 0 } else { REMOVED });
        self.entries.push((table, key, is_there));
    }

    /// Adds the new counters of the store to the batch.
    pub(crate) fn put_state(&mut self, state: State) -> Result<(), StorageError> {
        let key = keys::meta(keys::STATE);
        self.value(Table::Meta, &key, |out| codec::state(out, &key, &state))?;
        self.state = Some(state);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frame.len() == HEAD_LEN
    }

    /// Length of the frame in bytes, head included.
    pub(crate) const fn len(&self) -> usize {
        self.frame.len()
    }

    fn keep_event(&mut self, seq: u64, span: ValueSpan) {
        if self.events.is_empty() {
            self.first_seq = seq;
        }
        self.events.push(span);
    }

    /// Appends an entry without its value.
    fn head(&mut self, table: Table, key: &KeyBytes, value_len: u32) {
        put_head(&mut self.frame, table, key, value_len);
    }

    /// Appends an entry with its value to the frame. The closure `write` appends the value's bytes.
    fn value(
        &mut self,
        table: Table,
        key: &KeyBytes,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), StorageError>,
    ) -> Result<ValueSpan, StorageError> {
        // The value's length is known only once the value is written: write 0 for now and fill it
        // in below. Its place is 2 bytes into the entry, after the table's tag and the key's length.
        let at = self.frame.len() + 2;
        self.head(table, key, 0);
        let start = self.frame.len();
        write(&mut self.frame)?;
        let span = ValueSpan::of_value(start, self.frame.len()).ok_or_else(too_long)?;
        let room = self.frame.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
        *room.ok_or_else(too_long)? = span.len.to_le_bytes();
        Ok(span)
    }

    /// Decodes the payload of a frame.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, StorageError> {
        let mut writes = Self::with_room(payload.len(), 0);
        writes.frame.extend_from_slice(payload);
        let mut rest = payload;
        while !rest.is_empty() {
            let (tag, key, value) = take_entry(&mut rest).ok_or_else(undecodable)?;
            let table = Table::from_tag(tag).ok_or_else(undecodable)?;
            // `rest` is the end of `payload`, so the subtraction cannot underflow.
            let end = HEAD_LEN + (payload.len() - rest.len());
            writes.take(table, key, value, end)?;
        }
        Ok(writes)
    }

    /// Adds a decoded entry. Its value ends at offset `end` of the frame.
    fn take(
        &mut self,
        table: Table,
        key: KeyBytes,
        value: Option<&[u8]>,
        end: usize,
    ) -> Result<(), StorageError> {
        let start = end.checked_sub(value.map_or(0, <[u8]>::len));
        let span = start.and_then(|start| ValueSpan::of_value(start, end));
        let span = span.ok_or_else(undecodable)?;
        match (table, value) {
            (Table::Orders, Some(bytes)) => {
                let held = codec::read_record(key.as_slice(), bytes)?;
                self.records.push((held, span));
            }
            (Table::Events, Some(_)) => {
                let seq = keys::read_event(key.as_slice()).ok_or_else(undecodable)?;
                let count = u64_of(self.events.len());
                if count > 0 && self.first_seq.checked_add(count) != Some(seq) {
                    return Err(undecodable());
                }
                self.keep_event(seq, span);
            }
            (Table::Meta, Some(bytes)) if key.as_slice() == keys::STATE => {
                self.state = Some(codec::read_state(keys::STATE, bytes)?);
            }
            (table, value) if table.is_index() && value.is_none_or(<[u8]>::is_empty) => {
                self.entries.push((table, key, value.is_some()));
            }
            _ => return Err(undecodable()),
        }
        Ok(())
    }
}

fn put_head(out: &mut Vec<u8>, table: Table, key: &KeyBytes, value_len: u32) {
    out.push(table.tag());
    out.push(key.len());
    out.extend_from_slice(&value_len.to_le_bytes());
    out.extend_from_slice(key.as_slice());
}

/// Appends an entry with its value.
pub(crate) fn put_entry(
    out: &mut Vec<u8>,
    table: Table,
    key: &KeyBytes,
    value: &[u8],
) -> Result<(), StorageError> {
    let len = u32::try_from(value.len()).map_err(|_| too_long())?;
    put_head(out, table, key, len);
    out.extend_from_slice(value);
    Ok(())
}

/// Splits the next entry off a payload: tag of the table, key, and value. The value is `None` if
/// the entry is removed.
pub(crate) fn take_entry<'a>(bytes: &mut &'a [u8]) -> Option<(u8, KeyBytes, Option<&'a [u8]>)> {
    let ([tag, key_len], rest) = bytes.split_first_chunk::<2>()?;
    let (len, rest) = rest.split_first_chunk::<LENGTH_LEN>()?;
    let (key, rest) = rest.split_at_checked(usize::from(*key_len))?;
    let len = u32::from_le_bytes(*len);
    let value_len = if len == REMOVED { 0 } else { len };
    let (value, rest) = rest.split_at_checked(usize_of(value_len))?;
    *bytes = rest;
    Some((
        *tag,
        KeyBytes::read(key)?,
        (len != REMOVED).then_some(value),
    ))
}

fn too_long() -> StorageError {
    let why = "a journal frame is longer than 4 GiB";
    StorageError::new(StorageErrorKind::Internal, why)
}

fn undecodable() -> StorageError {
    StorageError::corrupted("a journal frame has a valid checksum but cannot be decoded")
}

#[cfg(test)]
mod tests {
    use crate::engine::local::tests::{fixture, no};
    use crate::engine::local::write::batch::*;
    use crate::order::EventKind;

    fn event(version: u64) -> Event {
        let (no, at, what) = (no(1), fixture::at(1), EventKind::Closed);
        Event {
            no,
            version,
            at,
            what,
        }
    }

    /// Batch with a record, two events, an added and a removed index entry, and counters.
    fn filled() -> WriteBatch {
        let mut writes = WriteBatch::default();
        let record = fixture::paid(no(1));
        let stored = StoredRecord {
            record,
            row: 7,
            last_seq: 8,
        };
        writes.put_record(stored).unwrap();
        writes
            .put_event(7, EventLink::First(no(1)), &event(1))
            .unwrap();
        let later = EventLink::Later {
            row: 7,
            previous: 7,
        };
        writes.put_event(8, later, &event(2)).unwrap();
        writes.set_entry(Table::Due, keys::event(4), false);
        writes.set_entry(Table::All, keys::event(5), true);
        writes.put_state(State::NEW).unwrap();
        writes
    }

    /// Encoded values of the records, then of the events, of a batch.
    fn values(writes: &WriteBatch) -> Vec<&[u8]> {
        let records = writes.records.iter().map(|(_, span)| span);
        let spans = records.chain(&writes.events);
        spans.map(|span| span.of(&writes.frame)).collect()
    }

    #[test]
    fn encoded_batch_decodes_to_equal_batch() {
        let writes = filled();
        let read = WriteBatch::decode(&writes.frame[HEAD_LEN..]).unwrap();
        assert_eq!(read.frame, writes.frame);
        assert_eq!(read.records[0].0, writes.records[0].0);
        assert_eq!(values(&read), values(&writes));
        assert_eq!(read.first_seq, 7);
        assert_eq!(read.entries, writes.entries);
        assert_eq!(read.state, Some(State::NEW));
        let key = keys::event(8);
        let second = values(&read)[2];
        let second = codec::read_event(key.as_slice(), second).unwrap();
        assert_eq!(second.of(no(1)), event(2));
    }

    #[test]
    fn truncated_batch_decodes_to_fewer_entries() {
        let writes = filled();
        let payload = &writes.frame[HEAD_LEN..];
        for at in 1..payload.len() {
            if let Ok(part) = WriteBatch::decode(&payload[..at]) {
                let entries = |writes: &WriteBatch| {
                    let others = writes.entries.len() + usize::from(writes.state.is_some());
                    values(writes).len() + others
                };
                assert!(entries(&part) < entries(&writes), "{at}");
            }
        }
    }

    #[test]
    fn batch_with_event_sequence_gap_is_rejected() {
        let mut writes = WriteBatch::default();
        writes
            .put_event(7, EventLink::First(no(1)), &event(1))
            .unwrap();
        writes
            .put_event(9, EventLink::First(no(1)), &event(1))
            .unwrap();
        assert!(WriteBatch::decode(&writes.frame[HEAD_LEN..]).is_err());
    }

    #[test]
    fn only_index_entries_can_be_removed() {
        let valued = |table| {
            let mut writes = WriteBatch::default();
            let value = |out: &mut Vec<u8>| {
                out.push(1);
                Ok(())
            };
            writes.value(table, &keys::event(4), value).unwrap();
            writes
        };
        let removed = |table| {
            let mut writes = WriteBatch::default();
            writes.head(table, &keys::event(4), REMOVED);
            writes
        };
        for table in Table::ALL {
            let read = WriteBatch::decode(&removed(table).frame[HEAD_LEN..]);
            assert_eq!(read.is_ok(), table.is_index(), "{table:?}");
            if table.is_index() {
                assert!(WriteBatch::decode(&valued(table).frame[HEAD_LEN..]).is_err());
            }
        }
    }
}
