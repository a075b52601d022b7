//! Arbitrary stored bytes with valid checksums, for fuzz targets.
//!
//! Random changes almost never produce a valid checksum. A fuzz target needs these functions to
//! reach the code behind the checksums.

use super::journal::frame;
use super::journal::frame::{HEAD_LEN, Head, Kind, Salted};
use super::journal::segment::{HEADER_LEN, Header};
use super::write::batch::{WriteBatch, take_entry};
use crate::contract::StoredRecord;
use crate::error::StorageError;
use crate::format::codec;
use crate::format::keys;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;
use crate::order::{Event, Record};
use crate::types::OrderNo;

const CHECKSUM_LEN: usize = 4;

/// Passes the bytes to the decoders of all stored values. Asserts that none panics, and that a
/// decoded value is unchanged after it is encoded and decoded again.
pub(crate) fn read_as_anything(key: &[u8], bytes: &[u8]) {
    codec::check_payload(bytes);
    let _ = codec::read_record(key, bytes).is_ok();
    drop(codec::read_event(key, bytes));
    let _ = codec::read_origin(key, bytes).is_ok();
    drop(codec::read_applied(key, bytes));
    drop(codec::read_mark(key, bytes));
    drop(codec::read_state(key, bytes));
    drop(WriteBatch::decode(bytes));
    drop(Header::read(bytes));
    let _ = crate::engine::local::admin::header::StoreHeader::read(bytes);
    let _ = frame::read(&Salted::new(&[0; 16]), bytes);
    for table in Table::ALL {
        let _ = keys::read_position(table, key);
    }
}

/// Decodes the record in a payload. Returns this record, and the record after it was encoded and
/// decoded again.
pub(crate) fn record(payload: &[u8]) -> Option<[Record; 2]> {
    codec::check_payload(payload);
    let key = keys::order(&codec::number_in(payload)?);
    let bytes = codec::with_checksum(Table::Orders, key.as_slice(), payload);
    let held = codec::read_record(key.as_slice(), &bytes).ok()?;
    let again = codec::read_record(key.as_slice(), &written(&key, &held)).ok()?;
    Some([held.record, again.record])
}

fn written(key: &KeyBytes, held: &StoredRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Encoding fails only if the value is too long. The result is then empty or incomplete, and
    // the caller cannot read it.
    drop(codec::record(&mut bytes, key, held));
    bytes
}

/// Decodes the event in a payload. Returns this event, and the event after it was encoded and
/// decoded again.
pub(crate) fn event(no: OrderNo, payload: &[u8]) -> Option<[Event; 2]> {
    codec::check_payload(payload);
    let key = keys::event(1);
    let bytes = codec::with_checksum(Table::Events, key.as_slice(), payload);
    let chained = codec::read_event(key.as_slice(), &bytes).ok()?;
    let origin = chained.origin;
    let event = chained.of(no);
    let mut bytes = Vec::new();
    drop(codec::event(&mut bytes, &key, origin, &event));
    let again = codec::read_event(key.as_slice(), &bytes).ok()?;
    Some([event.clone(), again.of(event.no)])
}

/// Payload of a record, in the form that [`record`] accepts.
pub(crate) fn payload_of(record: &Record) -> Result<Vec<u8>, StorageError> {
    let (bytes, _) = crate::format::codec::stored_and_read(record)?;
    Ok(payload(&bytes).to_vec())
}

/// Payload of an event, in the form that [`event`] accepts.
pub(crate) fn payload_of_event(event: &Event) -> Result<Vec<u8>, StorageError> {
    let mut bytes = Vec::new();
    let origin = codec::EventLink::First(event.no);
    codec::event(&mut bytes, &keys::event(1), origin, event)?;
    Ok(payload(&bytes).to_vec())
}

/// Returns a stored value without its format byte and its checksum.
fn payload(bytes: &[u8]) -> &[u8] {
    let end = bytes.len().saturating_sub(CHECKSUM_LEN);
    bytes.get(1..end).unwrap_or_default()
}

/// Decoded journal frame that a fuzz target can change.
#[derive(Debug, Clone)]
pub(crate) struct EditableFrame {
    pub(crate) kind: u8,
    pub(crate) entries: Vec<EditableEntry>,
}

/// Change of one table entry, as a frame stores it.
#[derive(Debug, Clone)]
pub(crate) struct EditableEntry {
    pub(crate) table: u8,
    pub(crate) key: Vec<u8>,
    /// Payload of the value; `None` for a removed entry.
    pub(crate) value: Option<Vec<u8>>,
}

impl EditableEntry {
    fn write(&self, out: &mut Vec<u8>) {
        let table = Table::from_tag(self.table).filter(|table| !table.is_index());
        let value = match (&self.value, table) {
            (Some(payload), Some(table)) => Some(codec::with_checksum(table, &self.key, payload)),
            (value, _) => value.clone(),
        };
        // A forged length may be wrong: the reader has to cope with it.
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        out.push(self.table);
        out.push(u8::try_from(self.key.len()).unwrap_or(u8::MAX));
        let value_len = value.as_deref().map_or(u32::MAX, len);
        out.extend_from_slice(&value_len.to_le_bytes());
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&value.unwrap_or_default());
    }
}

/// Decodes the frames of a segment. Returns none if the header is invalid.
pub(crate) fn frames_of(segment: &[u8]) -> Vec<EditableFrame> {
    let Ok(header) = Header::read(segment) else {
        return Vec::new();
    };
    let salted = Salted::new(&header.salt);
    let mut rest = frames_part(segment);
    let mut frames = Vec::new();
    while let Some(frame) = frame::read(&salted, rest) {
        frames.push(EditableFrame {
            kind: frame.head.kind as u8,
            entries: entries_of(frame.payload),
        });
        rest = rest.get(frame.len..).unwrap_or_default();
    }
    frames
}

fn frames_part(segment: &[u8]) -> &[u8] {
    segment.get(HEADER_LEN..).unwrap_or_default()
}

fn entries_of(mut bytes: &[u8]) -> Vec<EditableEntry> {
    let mut entries = Vec::new();
    while let Some((table, key, value)) = take_entry(&mut bytes) {
        entries.push(EditableEntry {
            table,
            key: key.as_slice().to_vec(),
            value: value.map(|value| payload(value).to_vec()),
        });
    }
    entries
}

/// Replaces the frames of a segment by `frames`, with valid checksums and LSNs. Returns the
/// segment unchanged if its header is invalid.
pub(crate) fn segment_of(segment: &[u8], frames: &[EditableFrame]) -> Vec<u8> {
    let Ok(header) = Header::read(segment) else {
        return segment.to_vec();
    };
    let salted = Salted::new(&header.salt);
    let mut bytes = segment.to_vec();
    bytes.truncate(segment.len() - frames_part(segment).len());
    let (mut lsn, mut previous) = (header.before.lsn, header.before.checksum);
    for forged in frames {
        lsn = lsn.saturating_add(1);
        let kind = match forged.kind {
            2 => Kind::Sealed,
            3 => Kind::Idle,
            4 => Kind::Closed,
            _ => Kind::Writes,
        };
        let mut buffer = vec![0; HEAD_LEN];
        for entry in &forged.entries {
            entry.write(&mut buffer);
        }
        let head = Head {
            kind,
            lsn,
            previous,
        };
        let Ok(checksum) = frame::finish(&salted, head, &mut buffer) else {
            break;
        };
        previous = checksum;
        bytes.extend_from_slice(&buffer);
    }
    // Pad the file to its original length, because recovery rejects a file that is shorter than its
    // header says.
    bytes.resize(bytes.len().max(segment.len()), 0);
    bytes
}
