//! The stored bytes of single records and events, for engines that keep them elsewhere: the
//! same format, and a checksum that binds them to their number or version.

use super::codec;
use super::codec::{Held, Origin};
use super::keys;
use crate::contract::StoredRecord;
use crate::error::StorageError;
use crate::order::{Event, Record};
use crate::types::OrderNo;

/// The bytes of a record and its row.
pub(crate) fn record_bytes(stored: StoredRecord) -> Result<Vec<u8>, StorageError> {
    let key = keys::order(&stored.record.no());
    let mut bytes = Vec::new();
    // Its history is read by its number, and not from event to event.
    let last_seq = 0;
    codec::record(&mut bytes, &key, &Held { stored, last_seq })?;
    Ok(bytes)
}

/// Reads what [`record_bytes`] made, under its number.
pub(crate) fn read_record(no: &OrderNo, bytes: &[u8]) -> Result<StoredRecord, StorageError> {
    codec::read_record(keys::order(no).as_slice(), bytes).map(|held| held.stored)
}

/// The bytes of an event.
pub(crate) fn event_bytes(event: &Event) -> Result<Vec<u8>, StorageError> {
    let mut bytes = Vec::new();
    let key = keys::event(event.version);
    codec::event(&mut bytes, &key, Origin::First(event.no), event)?;
    Ok(bytes)
}

/// Reads what [`event_bytes`] made, of its number and version.
pub(crate) fn read_event(no: OrderNo, version: u64, bytes: &[u8]) -> Result<Event, StorageError> {
    let chained = codec::read_event(keys::event(version).as_slice(), bytes)?;
    if chained.origin != Origin::First(no) || chained.version() != version {
        return Err(StorageError::corrupted("an event is another record's"));
    }
    Ok(chained.of(no))
}

/// The stored bytes of a record, and the record that they give back: for benches, which see
/// no bytes otherwise.
///
/// # Errors
/// Where a value is too large to be stored.
#[cfg(feature = "testing")]
pub(crate) fn stored_and_read(record: &Record) -> Result<(Vec<u8>, Record), StorageError> {
    let key = keys::order(&record.no());
    let stored = StoredRecord {
        record: record.clone(),
        row: 1,
    };
    let last_seq = 1;
    let mut bytes = Vec::new();
    codec::record(&mut bytes, &key, &Held { stored, last_seq })?;
    let held = codec::read_record(keys::KeyBytes::as_slice(&key), &bytes)?;
    Ok((bytes, held.stored.record))
}
