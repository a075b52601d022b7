//! Stored bytes of single records and events, for engines without the local tables.
//!
//! The format is the same as in the local engine. The checksum covers the order number of a
//! record, or the version of an event.

use super::codec;
use super::codec::EventLink;
use super::keys;
use crate::contract::StoredRecord;
use crate::error::StorageError;
use crate::order::Event;
use crate::types::OrderNo;

/// Encodes a record with its numbers.
pub(crate) fn record_bytes(stored: &StoredRecord) -> Result<Vec<u8>, StorageError> {
    let key = keys::order(&stored.record.no());
    let mut bytes = Vec::new();
    codec::record(&mut bytes, &key, stored)?;
    Ok(bytes)
}

/// Decodes the result of [`record_bytes`]. Fails if the record has another order number.
pub(crate) fn read_record(no: &OrderNo, bytes: &[u8]) -> Result<StoredRecord, StorageError> {
    codec::read_record(keys::order(no).as_slice(), bytes)
}

/// Encodes an event.
pub(crate) fn event_bytes(event: &Event) -> Result<Vec<u8>, StorageError> {
    let mut bytes = Vec::new();
    let key = keys::event(event.version);
    codec::event(&mut bytes, &key, EventLink::First(event.no), event)?;
    Ok(bytes)
}

/// Decodes the result of [`event_bytes`]. Fails if the event has another order number or version.
pub(crate) fn read_event(no: OrderNo, version: u64, bytes: &[u8]) -> Result<Event, StorageError> {
    let chained = codec::read_event(keys::event(version).as_slice(), bytes)?;
    if chained.origin != EventLink::First(no) || chained.version() != version {
        let why = "event belongs to another record or has another version";
        return Err(StorageError::corrupted(why));
    }
    Ok(chained.of(no))
}
