//! Encoding of every stored value.
//!
//! - A value consists of a format byte, a payload, and a little-endian checksum of 4 bytes.
//! - The checksum covers the tag of the table, the length and the bytes of the key, the format
//!   byte, and the payload. It therefore also detects a value under a wrong key or in a wrong
//!   table.
//! - Every written value can be read again. The writer limits the length of a value. The reader
//!   only checks lengths against the number of available bytes.
//! - An error names the table and the key. It never contains the value, or a text in an index.

mod reader;

use std::sync::Arc;

use bincode::config::Configuration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use self::reader::{Reader, Undecodable};
use super::keys;
use super::keys::KeyBytes;
use super::tables::Table;
use crate::contract::{Counts, StoredRecord};
use crate::error::{StorageError, StorageErrorKind};
use crate::order::{Event, EventKind, Order, Record, Waiting};
use crate::types::{OrderNo, Timestamp};

/// Format byte of written values. No other format exists.
const FORMAT: u8 = 1;

/// Maximum length of a written format byte and payload, in bytes.
const PAYLOAD_MAX: usize = 1 << 20;

const CHECKSUM_LEN: usize = 4;

const CONFIG: Configuration = bincode::config::standard();

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
    #[error("invalid key")]
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
fn encode<T: Serialize>(
    out: &mut Vec<u8>,
    table: Table,
    key: &KeyBytes,
    value: T,
) -> Result<(), StorageError> {
    let start = out.len();
    out.push(FORMAT);
    bincode::serde::encode_into_std_write(value, out, CONFIG)
        .map_err(|error| StorageError::new(StorageErrorKind::Internal, error))?;
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
fn encoded<T: Serialize>(table: Table, key: &KeyBytes, value: T) -> Result<Vec<u8>, StorageError> {
    let mut out = Vec::new();
    encode(&mut out, table, key, value)?;
    Ok(out)
}

fn decode<T: DeserializeOwned>(table: Table, key: &[u8], bytes: &[u8]) -> Result<T, StorageError> {
    read(table, key, bytes).map_err(|kind| damaged(table, key, kind))
}

fn read<T: DeserializeOwned>(table: Table, key: &[u8], bytes: &[u8]) -> Result<T, CorruptionKind> {
    let (value, rest) = read_front(table, key, bytes)?;
    if !rest.is_empty() {
        return Err(CorruptionKind::Trailing);
    }
    Ok(value)
}

/// Decodes the first part of a value, and returns it with the rest of the payload. Checks the
/// checksum of the whole value first.
fn read_front<'a, T: DeserializeOwned>(
    table: Table,
    key: &[u8],
    bytes: &'a [u8],
) -> Result<(T, &'a [u8]), CorruptionKind> {
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
    let mut reader = Reader::of(payload);
    let value = T::deserialize(&mut reader).map_err(|Undecodable| CorruptionKind::Undecodable)?;
    Ok((value, reader.rest()))
}

fn checksum(table: Table, key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let len = u64::try_from(key.len()).unwrap_or(u64::MAX);
    hasher.update(&[table.tag()]);
    hasher.update(&len.to_le_bytes());
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

/// Borrowed form of a record, for writing without a copy.
#[derive(Serialize)]
enum Lent<'a> {
    Order(&'a Order),
    Waiting(&'a Waiting),
}

/// Owned form of a record, for reading.
#[derive(Debug, PartialEq, Deserialize)]
enum Owned {
    Order(Shared<Order>),
    Waiting(Shared<Waiting>),
}

/// Value that moves into its `Arc` as soon as it is decoded. Moving the large value through the
/// callers first would cost several copies.
#[derive(Debug, PartialEq)]
struct Shared<T>(Arc<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Self(Arc::new(value)))
    }
}

/// Record as the tables store it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredOrder {
    pub(crate) stored: StoredRecord,
    /// Sequence number of the record's last event. A reader follows the history backwards from
    /// this event.
    pub(crate) last_seq: u64,
}

/// Appends an encoded record.
pub(crate) fn record(
    out: &mut Vec<u8>,
    key: &KeyBytes,
    held: &StoredOrder,
) -> Result<(), StorageError> {
    let lent = match &held.stored.record {
        Record::Order(order) => Lent::Order(order),
        Record::Waiting(waiting) => Lent::Waiting(waiting),
    };
    let value = (held.stored.row, held.last_seq, lent);
    encode(out, Table::Orders, key, value)
}

/// Decodes a record, and checks that its order number matches the key.
pub(crate) fn read_record(key: &[u8], bytes: &[u8]) -> Result<StoredOrder, StorageError> {
    let (row, last_seq, owned) = decode(Table::Orders, key, bytes)?;
    let record = match owned {
        Owned::Order(Shared(order)) => Record::Order(order),
        Owned::Waiting(Shared(waiting)) => Record::Waiting(waiting),
    };
    if record.no().as_bytes() != key {
        return Err(damaged(Table::Orders, key, CorruptionKind::Misplaced));
    }
    let stored = StoredRecord { record, row };
    Ok(StoredOrder { stored, last_seq })
}

/// Link from an event to its record and to the record's previous event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EventLink {
    /// First event of the record with this order number. Its sequence number is the record's
    /// row number.
    First(OrderNo),
    /// Row number of the record, and sequence number of the record's previous event.
    Later { row: u64, previous: u64 },
}

/// Event as the tables store it. Only the first event of a record contains the order number.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct StoredEvent {
    pub(crate) origin: EventLink,
    version: u64,
    at: Timestamp,
    what: EventKind,
}

impl StoredEvent {
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Converts it into the event of the record with the order number `no`.
    pub(crate) fn of(self, no: OrderNo) -> Event {
        let Self {
            version, at, what, ..
        } = self;
        Event {
            no,
            version,
            at,
            what,
        }
    }
}

pub(crate) fn event(
    out: &mut Vec<u8>,
    key: &KeyBytes,
    origin: EventLink,
    event: &Event,
) -> Result<(), StorageError> {
    let value = (origin, event.version, event.at, &event.what);
    encode(out, Table::Events, key, value)
}

pub(crate) fn read_event(key: &[u8], bytes: &[u8]) -> Result<StoredEvent, StorageError> {
    decode(Table::Events, key, bytes)
}

/// Decodes the origin of an event without the rest of the event.
pub(crate) fn read_origin(key: &[u8], bytes: &[u8]) -> Result<EventLink, StorageError> {
    let front = read_front(Table::Events, key, bytes);
    let (origin, _) = front.map_err(|kind| damaged(Table::Events, key, kind))?;
    Ok(origin)
}

/// Encodes the log sequence number (LSN) of the last journal frame that the B-tree holds.
pub(crate) fn applied(key: &KeyBytes, lsn: u64) -> Result<Vec<u8>, StorageError> {
    encoded(Table::Meta, key, lsn)
}

pub(crate) fn read_applied(key: &[u8], bytes: &[u8]) -> Result<u64, StorageError> {
    decode(Table::Meta, key, bytes)
}

/// Identity of the store to which a B-tree belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreMark {
    pub(crate) store_id: [u8; 16],
    pub(crate) incarnation: u64,
}

pub(crate) fn mark(key: &KeyBytes, mark: StoreMark) -> Result<Vec<u8>, StorageError> {
    encoded(Table::Meta, key, mark)
}

pub(crate) fn read_mark(key: &[u8], bytes: &[u8]) -> Result<StoreMark, StorageError> {
    decode(Table::Meta, key, bytes)
}

/// Counters of a store, which every write updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// Sequence number of the last event.
    pub(crate) last_seq: u64,
    /// First value of the order-number counter that is not reserved yet.
    pub(crate) counter: u64,
    pub(crate) counts: Counts,
}

impl State {
    /// Counters of an empty store.
    pub(crate) const NEW: Self = Self {
        last_seq: 0,
        counter: 0,
        counts: Counts {
            by_status: [0; 6],
            unclaimed: 0,
            open_anomalies: 0,
        },
    };
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct StoredState {
    last_seq: u64,
    counter: u64,
    by_status: [u64; 6],
    unclaimed: u64,
    open_anomalies: u64,
}

pub(crate) fn state(out: &mut Vec<u8>, key: &KeyBytes, state: &State) -> Result<(), StorageError> {
    let stored = StoredState {
        last_seq: state.last_seq,
        counter: state.counter,
        by_status: state.counts.by_status,
        unclaimed: state.counts.unclaimed,
        open_anomalies: state.counts.open_anomalies,
    };
    encode(out, Table::Meta, key, stored)
}

pub(crate) fn read_state(key: &[u8], bytes: &[u8]) -> Result<State, StorageError> {
    let stored: StoredState = decode(Table::Meta, key, bytes)?;
    Ok(State {
        last_seq: stored.last_seq,
        counter: stored.counter,
        counts: Counts {
            by_status: stored.by_status,
            unclaimed: stored.unclaimed,
            open_anomalies: stored.open_anomalies,
        },
    })
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
    let (_, _, owned) = <(u64, u64, Owned)>::deserialize(&mut Reader::of(payload)).ok()?;
    Some(match owned {
        Owned::Order(Shared(order)) => order.no,
        Owned::Waiting(Shared(waiting)) => waiting.no,
    })
}

/// Decodes a payload as each kind of value, with the reader of this crate and with bincode's
/// reader.
///
/// # Panics
/// If the two readers return different results.
#[cfg(feature = "testing")]
pub(crate) fn check_readers(payload: &[u8]) {
    fn both<T: DeserializeOwned + PartialEq + std::fmt::Debug>(payload: &[u8]) {
        let mut reader = Reader::of(payload);
        let read = T::deserialize(&mut reader).ok();
        let read = read.map(|value| (value, payload.len() - reader.rest().len()));
        let expected = bincode::serde::decode_from_slice(payload, CONFIG);
        assert_eq!(read, expected.ok(), "{payload:?}");
    }
    both::<(u64, u64, Owned)>(payload);
    both::<StoredEvent>(payload);
    both::<StoredState>(payload);
    both::<StoreMark>(payload);
}

#[cfg(test)]
mod tests;
