//! The bytes of every stored value.
//!
//! - A value is its format byte, its payload, and a checksum of 4 bytes, little-endian, over
//!   the table's tag, the length and the bytes of the key, the format byte and the payload.
//!   What was moved to another key or table is damaged as what was changed is.
//! - Nothing that was written cannot be read back: the limit on writing is below the one on
//!   reading, by more than the reader can over-count.
//! - An error names the table and the place, never a value.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::keys::{self, KeyBytes};
use super::table::Table;
use crate::engine::{Counts, Stored};
use crate::error::{StorageError, StorageErrorKind};
use crate::order::{Event, Order, Record, Waiting};
use crate::value::OrderNo;

/// The format that is written; it is the only one there is.
const FORMAT: u8 = 1;

/// The longest payload that is written.
const PAYLOAD_MAX: usize = 1 << 20;

/// What a reader may count up to. It counts 8 bytes for an integer that took 1.
const COUNTED_MAX: usize = PAYLOAD_MAX * 8;

const CHECKSUM_LEN: usize = 4;

const CONFIG: Configuration<LittleEndian, Varint, Limit<COUNTED_MAX>> =
    bincode::config::standard().with_limit::<COUNTED_MAX>();

/// What is wrong with a stored value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum DamageKind {
    #[error("it is too short")]
    Short,
    #[error("it has format {0}; this version reads {FORMAT}")]
    Format(u8),
    #[error("its checksum does not fit")]
    Checksum,
    #[error("it cannot be decoded")]
    Undecodable,
    #[error("bytes follow it")]
    Trailing,
    #[error("it is not there")]
    Missing,
    #[error("it is not what its key says")]
    Misplaced,
    #[error("its key is none")]
    Key,
}

/// Damage, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("table {}, {place}: {kind}", table.name())]
pub(super) struct Damage {
    table: Table,
    place: String,
    kind: DamageKind,
}

/// The error that says so.
pub(super) fn damaged(table: Table, key: &[u8], kind: DamageKind) -> StorageError {
    let place = place(table, key);
    StorageError::corrupted(Damage { table, place, kind })
}

/// A key in words. Hashes stay out: they stand for what a customer is known by.
fn place(table: Table, key: &[u8]) -> String {
    let named = match table {
        Table::Orders => OrderNo::from_bytes(key)
            .ok()
            .map(|no| format!("order {no}")),
        Table::Rows => keys::read_row(key).map(|row| format!("row {row}")),
        Table::Events => keys::read_event(key).map(|seq| format!("event {seq}")),
        Table::History => {
            let read = keys::read_history(key);
            read.map(|(row, version)| format!("row {row}, version {version}"))
        }
        Table::Meta => Some(String::from_utf8_lossy(key).into_owned()),
        _ => keys::read_position(table, key).map(|place| {
            let (time, row, sub) = (place.time.as_millis(), place.row, place.sub);
            format!("time {time}, row {row}, sub {sub}")
        }),
    };
    named.unwrap_or_else(|| format!("a key of {} bytes", key.len()))
}

fn encode<T: Serialize>(table: Table, key: &KeyBytes, value: T) -> Result<Vec<u8>, StorageError> {
    let mut bytes = Vec::with_capacity(usual_len(table));
    bytes.push(FORMAT);
    bincode::serde::encode_into_std_write(value, &mut bytes, CONFIG)
        .map_err(|error| StorageError::new(StorageErrorKind::Internal, error))?;
    if bytes.len() > PAYLOAD_MAX {
        let why = format!(
            "a value of table {} has {} bytes",
            table.name(),
            bytes.len()
        );
        return Err(StorageError::new(StorageErrorKind::TooLarge, why));
    }
    let checksum = checksum(table, key.as_slice(), &bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// What most values of a table fit into: many of them wait in memory.
const fn usual_len(table: Table) -> usize {
    match table {
        Table::Orders => 384,
        Table::Events => 256,
        Table::History => 16,
        _ => 64,
    }
}

fn decode<T: DeserializeOwned>(table: Table, key: &[u8], bytes: &[u8]) -> Result<T, StorageError> {
    read(table, key, bytes).map_err(|kind| damaged(table, key, kind))
}

fn read<T: DeserializeOwned>(table: Table, key: &[u8], bytes: &[u8]) -> Result<T, DamageKind> {
    let (body, sum) = bytes
        .split_last_chunk::<CHECKSUM_LEN>()
        .ok_or(DamageKind::Short)?;
    let (format, payload) = body.split_first().ok_or(DamageKind::Short)?;
    if *format != FORMAT {
        return Err(DamageKind::Format(*format));
    }
    if checksum(table, key, body) != u32::from_le_bytes(*sum) {
        return Err(DamageKind::Checksum);
    }
    let (value, read) =
        bincode::serde::decode_from_slice(payload, CONFIG).map_err(|_| DamageKind::Undecodable)?;
    if read != payload.len() {
        return Err(DamageKind::Trailing);
    }
    Ok(value)
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

/// A record as it is written, without a copy of it.
#[derive(Serialize)]
enum Lent<'a> {
    Order(&'a Order),
    Waiting(&'a Waiting),
}

/// A record as it is read.
#[derive(Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives until the record is in its Arc"
)]
enum Owned {
    Order(Order),
    Waiting(Waiting),
}

/// The value under a number.
pub(super) fn record(key: &KeyBytes, row: u64, record: &Record) -> Result<Vec<u8>, StorageError> {
    let lent = match record {
        Record::Order(order) => Lent::Order(order),
        Record::Waiting(waiting) => Lent::Waiting(waiting),
    };
    encode(Table::Orders, key, (row, lent))
}

/// Reads the value under a number, and that it is that number's.
pub(super) fn read_record(key: &[u8], bytes: &[u8]) -> Result<Stored, StorageError> {
    let (row, owned) = decode(Table::Orders, key, bytes)?;
    let record = match owned {
        Owned::Order(order) => Record::Order(order.into()),
        Owned::Waiting(waiting) => Record::Waiting(waiting.into()),
    };
    if record.no().as_bytes() != key {
        return Err(damaged(Table::Orders, key, DamageKind::Misplaced));
    }
    Ok(Stored { record, row })
}

/// The number of a row.
pub(super) fn number(key: &KeyBytes, no: &OrderNo) -> Result<Vec<u8>, StorageError> {
    encode(Table::Rows, key, no)
}

pub(super) fn read_number(key: &[u8], bytes: &[u8]) -> Result<OrderNo, StorageError> {
    decode(Table::Rows, key, bytes)
}

pub(super) fn event(key: &KeyBytes, event: &Event) -> Result<Vec<u8>, StorageError> {
    encode(Table::Events, key, event)
}

pub(super) fn read_event(key: &[u8], bytes: &[u8]) -> Result<Event, StorageError> {
    decode(Table::Events, key, bytes)
}

/// The sequence of a row's event.
pub(super) fn sequence(key: &KeyBytes, seq: u64) -> Result<Vec<u8>, StorageError> {
    encode(Table::History, key, seq)
}

pub(super) fn read_sequence(key: &[u8], bytes: &[u8]) -> Result<u64, StorageError> {
    decode(Table::History, key, bytes)
}

/// The last lsn of the journal that the base holds.
pub(super) fn applied(key: &KeyBytes, lsn: u64) -> Result<Vec<u8>, StorageError> {
    encode(Table::Meta, key, lsn)
}

pub(super) fn read_applied(key: &[u8], bytes: &[u8]) -> Result<u64, StorageError> {
    decode(Table::Meta, key, bytes)
}

/// What the base says that it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) store_id: [u8; 16],
    pub(super) incarnation: u64,
}

pub(super) fn mark(key: &KeyBytes, mark: Mark) -> Result<Vec<u8>, StorageError> {
    encode(Table::Meta, key, mark)
}

pub(super) fn read_mark(key: &[u8], bytes: &[u8]) -> Result<Mark, StorageError> {
    decode(Table::Meta, key, bytes)
}

/// The store's counters, kept with every write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// The row of the next new record.
    pub(super) next_row: u64,
    /// The sequence of the last event.
    pub(super) last_seq: u64,
    /// The first value of the number counter that nobody has.
    pub(super) counter: u64,
    pub(super) counts: Counts,
}

impl State {
    /// Of a store without a record.
    pub(super) const NEW: Self = Self {
        next_row: 1,
        last_seq: 0,
        counter: 0,
        counts: Counts {
            by_status: [0; 6],
            unclaimed: 0,
            open_anomalies: 0,
        },
    };
}

#[derive(Serialize, Deserialize)]
struct StoredState {
    next_row: u64,
    last_seq: u64,
    counter: u64,
    by_status: [u64; 6],
    unclaimed: u64,
    open_anomalies: u64,
}

pub(super) fn state(key: &KeyBytes, state: &State) -> Result<Vec<u8>, StorageError> {
    let stored = StoredState {
        next_row: state.next_row,
        last_seq: state.last_seq,
        counter: state.counter,
        by_status: state.counts.by_status,
        unclaimed: state.counts.unclaimed,
        open_anomalies: state.counts.open_anomalies,
    };
    encode(Table::Meta, key, stored)
}

pub(super) fn read_state(key: &[u8], bytes: &[u8]) -> Result<State, StorageError> {
    let stored: StoredState = decode(Table::Meta, key, bytes)?;
    Ok(State {
        next_row: stored.next_row,
        last_seq: stored.last_seq,
        counter: stored.counter,
        counts: Counts {
            by_status: stored.by_status,
            unclaimed: stored.unclaimed,
            open_anomalies: stored.open_anomalies,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::local::tests::{fixture, no};

    fn records() -> Vec<Record> {
        vec![fixture::paid(no(1)), fixture::waiting(no(2))]
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        for kept in records() {
            let key = keys::order(&kept.no());
            let bytes = record(&key, 7, &kept).unwrap();
            let read = read_record(key.as_slice(), &bytes).unwrap();
            assert_eq!((read.record, read.row), (kept, 7));
        }
    }

    #[test]
    fn no_byte_of_a_record_can_change_unseen() {
        for kept in records() {
            let key = keys::order(&kept.no());
            let bytes = record(&key, 7, &kept).unwrap();
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= 1 << bit;
                    let error = read_record(key.as_slice(), &damaged).unwrap_err();
                    assert_eq!(error.kind(), StorageErrorKind::Corrupted);
                }
                read_record(key.as_slice(), &bytes[..at]).unwrap_err();
            }
            let longer = [&bytes[..], &[0]].concat();
            read_record(key.as_slice(), &longer).unwrap_err();
        }
    }

    #[test]
    fn a_value_under_another_key_or_in_another_table_is_damaged() {
        let key = keys::event(1);
        let bytes = encode(Table::Events, &key, 5_u64).unwrap();
        assert_eq!(
            decode::<u64>(Table::Events, key.as_slice(), &bytes).unwrap(),
            5
        );
        let other = keys::event(2);
        decode::<u64>(Table::Events, other.as_slice(), &bytes).unwrap_err();
        decode::<u64>(Table::Rows, key.as_slice(), &bytes).unwrap_err();
    }

    #[test]
    fn a_record_under_another_number_is_refused_even_with_a_checksum_that_fits() {
        let kept = fixture::paid(no(1));
        let key = keys::order(&no(2));
        let bytes = record(&key, 7, &kept).unwrap();
        read_record(key.as_slice(), &bytes).unwrap_err();
    }

    #[test]
    fn what_follows_a_value_is_damage() {
        let key = keys::event(1);
        let bytes = encode(Table::Events, &key, (5_u64, 6_u64)).unwrap();
        let error = read::<u64>(Table::Events, key.as_slice(), &bytes).unwrap_err();
        assert_eq!(error, DamageKind::Trailing);
    }

    #[test]
    fn an_unknown_format_is_named() {
        let key = keys::order(&no(1));
        let mut bytes = record(&key, 7, &fixture::paid(no(1))).unwrap();
        bytes[0] = 2;
        let error = read_record(key.as_slice(), &bytes).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        let place = "table orders, order ORDER0000001";
        assert_eq!(
            source,
            format!("{place}: it has format 2; this version reads 1")
        );
    }

    #[test]
    fn damage_names_no_person() {
        for table in Table::EVERY {
            let error = damaged(table, b"a-customer-of-ours", DamageKind::Checksum);
            let source = std::error::Error::source(&error).unwrap().to_string();
            let is_public = matches!(table, Table::Orders | Table::Meta);
            assert!(is_public || !source.contains("customer"), "{source}");
        }
    }

    #[test]
    fn what_may_be_written_can_be_read() {
        let key = keys::event(1);
        let smallest = vec![1_u64; PAYLOAD_MAX - 16];
        let bytes = encode(Table::Events, &key, &smallest).unwrap();
        let read: Vec<u64> = decode(Table::Events, key.as_slice(), &bytes).unwrap();
        assert_eq!(read, smallest);
        let error = encode(Table::Events, &key, vec![1_u64; PAYLOAD_MAX]).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::TooLarge);
    }

    #[test]
    fn a_length_beyond_the_value_is_damage_and_allocates_nothing() {
        let key = keys::event(1);
        let mut bytes = vec![FORMAT, 253];
        bytes.extend_from_slice(&u64::MAX.to_le_bytes());
        let sum = checksum(Table::Events, key.as_slice(), &bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        let error = read::<String>(Table::Events, key.as_slice(), &bytes).unwrap_err();
        assert_eq!(error, DamageKind::Undecodable);
    }

    #[test]
    fn counters_and_marks_come_back() {
        let mut kept = State::NEW;
        kept.counts.by_status = [1, 2, 3, 4, 5, u64::MAX];
        kept.counter = 9;
        let key = keys::meta(keys::STATE);
        let bytes = state(&key, &kept).unwrap();
        assert_eq!(read_state(keys::STATE, &bytes).unwrap(), kept);
        let kept = Mark {
            store_id: [3; 16],
            incarnation: 5,
        };
        let key = keys::meta(keys::MARK);
        let bytes = mark(&key, kept).unwrap();
        assert!(read_mark(keys::MARK, &bytes).unwrap() == kept);
    }
}
