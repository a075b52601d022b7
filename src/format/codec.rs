//! Encoding of every stored value.
//!
//! - A value consists of a format byte, a payload, and a little-endian checksum of 4 bytes.
//! - The checksum covers the tag of the table, the length and the bytes of the key, the format
//!   byte, and the payload. It therefore also detects a value under a wrong key or in a wrong
//!   table.
//! - Every written value can be read again. The writer limits the length of a value. The reader
//!   only checks lengths against the number of available bytes.
//! - An error names the table and the key. It never contains the value, or a text in an index.

use thiserror::Error;

use super::keys;
use super::keys::KeyBytes;
use super::tables::Table;
use super::v1::{self, Stored, Undecodable};
pub(crate) use super::v1::{Ancestor, EventLink, State, StoreMark, StoredEvent};
use crate::contract::StoredRecord;
use crate::error::{StorageError, StorageErrorKind};
use crate::number::u64_of;
use crate::order::Event;
use crate::types::OrderNo;

/// Format number in the format byte of each stored value. No other number exists yet.
const FORMAT: u8 = 1;

/// Maximum length of a stored value's format byte and payload together, in bytes.
const PAYLOAD_MAX: usize = 1 << 20;

const CHECKSUM_LEN: usize = 4;

/// Kind of corruption of a stored value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CorruptionKind {
    #[error("value is too short")]
    Short,
    #[error("value has format {0}; this version reads {FORMAT}")]
    Format(u8),
    #[error("checksum mismatch")]
    Checksum,
    #[error("value cannot be decoded")]
    Undecodable,
    #[error("unexpected bytes after the value")]
    Trailing,
    #[error("value is missing")]
    Missing,
    #[error("value does not match its key")]
    Misplaced,
    #[error("key cannot be decoded")]
    Key,
}

/// Corruption of a stored value, with its table and its key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("table {}, {place}: {kind}", table.name())]
pub(crate) struct Corruption {
    table: Table,
    place: String,
    kind: CorruptionKind,
}

/// Creates the error for a corrupt value.
pub(crate) fn damaged(table: Table, key: &[u8], kind: CorruptionKind) -> StorageError {
    let place = place(table, key);
    StorageError::corrupted(Corruption { table, place, kind })
}

/// Description of a key for an error. It omits the hash in an index key, because the hash is
/// derived from personal data such as an openid.
fn place(table: Table, key: &[u8]) -> String {
    let named = match table {
        Table::Orders => OrderNo::from_bytes(key)
            .ok()
            .map(|no| format!("order {no}")),
        Table::Events => keys::read_event(key).map(|seq| format!("event {seq}")),
        Table::Meta => Some(String::from_utf8_lossy(key).into_owned()),
        _ => keys::read_position(table, key).map(|place| {
            let (time, row, sub) = (place.time.as_millis(), place.row, place.sub);
            format!("time {time}, row {row}, sub {sub}")
        }),
    };
    named.unwrap_or_else(|| format!("a key of {} bytes", key.len()))
}

/// Appends an encoded value to `out`.
fn encode(
    out: &mut Vec<u8>,
    table: Table,
    key: &KeyBytes,
    value: impl FnOnce(&mut v1::Output<'_>) -> Result<(), v1::EncodeError>,
) -> Result<(), StorageError> {
    let start = out.len();
    out.push(FORMAT);
    v1::append(out, value).map_err(|error| StorageError::new(StorageErrorKind::Internal, error))?;
    let body = out.get(start..).unwrap_or_default();
    if body.len() > PAYLOAD_MAX {
        let (name, len) = (table.name(), body.len());
        let why = format!("value of table {name} has {len} bytes, more than {PAYLOAD_MAX}");
        return Err(StorageError::new(StorageErrorKind::TooLarge, why));
    }
    let checksum = checksum(table, key.as_slice(), body);
    out.extend_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Encodes a value into a new buffer.
fn encoded(table: Table, key: &KeyBytes, value: &impl Stored) -> Result<Vec<u8>, StorageError> {
    let mut out = Vec::new();
    encode(&mut out, table, key, |to| value.encode(to))?;
    Ok(out)
}

fn decode<T: Stored>(table: Table, key: &[u8], bytes: &[u8]) -> Result<T, StorageError> {
    read(table, key, bytes).map_err(|kind| damaged(table, key, kind))
}

fn read<T: Stored>(table: Table, key: &[u8], bytes: &[u8]) -> Result<T, CorruptionKind> {
    let (value, is_whole) = read_front(table, key, bytes)?;
    if !is_whole {
        return Err(CorruptionKind::Trailing);
    }
    Ok(value)
}

/// Decodes a type from the front of a value, and returns whether nothing follows it. First verifies
/// the checksum of the complete value.
fn read_front<T: Stored>(
    table: Table,
    key: &[u8],
    bytes: &[u8],
) -> Result<(T, bool), CorruptionKind> {
    let (body, sum) = bytes
        .split_last_chunk::<CHECKSUM_LEN>()
        .ok_or(CorruptionKind::Short)?;
    let (format, payload) = body.split_first().ok_or(CorruptionKind::Short)?;
    if *format != FORMAT {
        return Err(CorruptionKind::Format(*format));
    }
    if checksum(table, key, body) != u32::from_le_bytes(*sum) {
        return Err(CorruptionKind::Checksum);
    }
    v1::read_front(payload).map_err(|Undecodable| CorruptionKind::Undecodable)
}

fn checksum(table: Table, key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let len = u64_of(key.len());
    hasher.update(&[table.tag()]);
    hasher.update(&len.to_le_bytes());
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

/// Appends an encoded record.
pub(crate) fn record(
    out: &mut Vec<u8>,
    key: &KeyBytes,
    held: &StoredRecord,
) -> Result<(), StorageError> {
    encode(out, Table::Orders, key, |to| held.encode(to))
}

/// Decodes a record, and checks that its order number matches the key.
pub(crate) fn read_record(key: &[u8], bytes: &[u8]) -> Result<StoredRecord, StorageError> {
    let held: StoredRecord = decode(Table::Orders, key, bytes)?;
    if held.record.no().as_bytes() != key {
        return Err(damaged(Table::Orders, key, CorruptionKind::Misplaced));
    }
    Ok(held)
}

/// Appends an encoded event.
pub(crate) fn event(
    out: &mut Vec<u8>,
    key: &KeyBytes,
    origin: EventLink,
    event: &Event,
) -> Result<(), StorageError> {
    encode(out, Table::Events, key, |to| {
        v1::encode_event(&origin, event, to)
    })
}

pub(crate) fn read_event(key: &[u8], bytes: &[u8]) -> Result<StoredEvent, StorageError> {
    decode(Table::Events, key, bytes)
}

/// Decodes only the link of an event to its record and to the previous event.
pub(crate) fn read_origin(key: &[u8], bytes: &[u8]) -> Result<EventLink, StorageError> {
    let front = read_front(Table::Events, key, bytes);
    let (origin, _) = front.map_err(|kind| damaged(Table::Events, key, kind))?;
    Ok(origin)
}

/// Encodes the log sequence number (LSN) of the last journal frame that the B-tree holds.
pub(crate) fn applied(key: &KeyBytes, lsn: u64) -> Result<Vec<u8>, StorageError> {
    encoded(Table::Meta, key, &lsn)
}

pub(crate) fn read_applied(key: &[u8], bytes: &[u8]) -> Result<u64, StorageError> {
    decode(Table::Meta, key, bytes)
}

pub(crate) fn mark(key: &KeyBytes, mark: StoreMark) -> Result<Vec<u8>, StorageError> {
    encoded(Table::Meta, key, &mark)
}

pub(crate) fn read_mark(key: &[u8], bytes: &[u8]) -> Result<StoreMark, StorageError> {
    decode(Table::Meta, key, bytes)
}

pub(crate) fn ancestors(
    key: &KeyBytes,
    ancestors: &Vec<Ancestor>,
) -> Result<Vec<u8>, StorageError> {
    encoded(Table::Meta, key, ancestors)
}

pub(crate) fn read_ancestors(key: &[u8], bytes: &[u8]) -> Result<Vec<Ancestor>, StorageError> {
    decode(Table::Meta, key, bytes)
}

pub(crate) fn state(out: &mut Vec<u8>, key: &KeyBytes, state: &State) -> Result<(), StorageError> {
    encode(out, Table::Meta, key, |to| state.encode(to))
}

pub(crate) fn read_state(key: &[u8], bytes: &[u8]) -> Result<State, StorageError> {
    decode(Table::Meta, key, bytes)
}

/// Value with an arbitrary payload and a valid checksum.
#[cfg(feature = "testing")]
pub(crate) fn with_checksum(table: Table, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let body = [&[FORMAT], payload].concat();
    let sum = checksum(table, key, &body).to_le_bytes();
    [&body[..], &sum].concat()
}

/// Order number in the payload of a record; `None` if the payload cannot be decoded.
#[cfg(feature = "testing")]
pub(crate) fn number_in(payload: &[u8]) -> Option<OrderNo> {
    let (held, _) = v1::read_front::<StoredRecord>(payload).ok()?;
    Some(held.record.no())
}

/// Decodes a payload as each kind of value, and encodes and decodes the result again.
///
/// # Panics
/// If a value changes.
#[cfg(feature = "testing")]
pub(crate) fn check_payload(payload: &[u8]) {
    fn check<T: Stored + PartialEq + std::fmt::Debug>(payload: &[u8]) {
        if let Ok((value, _)) = v1::read_front::<T>(payload) {
            let mut again = Vec::new();
            assert!(v1::append(&mut again, |to| value.encode(to)).is_ok());
            assert_eq!(v1::read_front(&again), Ok((value, true)), "{payload:?}");
        }
    }
    check::<StoredRecord>(payload);
    check::<StoredEvent>(payload);
    check::<State>(payload);
    check::<StoreMark>(payload);
    check::<Vec<Ancestor>>(payload);
}

/// Encodes and decodes a record, and returns the bytes and the result. Benchmarks use it to
/// measure the encoding.
///
/// # Errors
/// If the record is too large.
#[cfg(feature = "testing")]
pub(crate) fn stored_and_read(
    of: &crate::order::Record,
) -> Result<(Vec<u8>, crate::order::Record), StorageError> {
    let key = keys::order(&of.no());
    let stored = StoredRecord {
        record: of.clone(),
        row: 1,
        last_seq: 1,
    };
    let mut bytes = Vec::new();
    record(&mut bytes, &key, &stored)?;
    let held = read_record(key.as_slice(), &bytes)?;
    Ok((bytes, held.record))
}

#[cfg(test)]
mod tests;
