//! Injected faults in the writes of a batch, for tests.

use super::journal::frame::HEAD_LEN;
use super::write::batch::{WriteBatch, take_entry};
use crate::error::StorageError;
use crate::format::tables::Table;

/// Copies a batch of writes: encodes it as a frame and decodes this frame.
pub(crate) fn copied(writes: &WriteBatch) -> Result<WriteBatch, StorageError> {
    WriteBatch::decode(payload(writes))
}

/// Removes the first entry that the writes add to the status index. Returns the writes
/// unchanged if the remaining entries cannot be decoded.
pub(crate) fn without_an_entry(writes: WriteBatch) -> WriteBatch {
    let mut rest = payload(&writes);
    let (mut kept, mut is_skipped) = (Vec::new(), false);
    loop {
        let before = rest;
        let Some((tag, _, value)) = take_entry(&mut rest) else {
            break;
        };
        if !is_skipped && tag == Table::Status.tag() && value.is_some() {
            is_skipped = true;
            continue;
        }
        let len = before.len() - rest.len();
        kept.extend_from_slice(before.get(..len).unwrap_or_default());
    }
    WriteBatch::decode(&kept).unwrap_or(writes)
}

fn payload(writes: &WriteBatch) -> &[u8] {
    writes.frame.get(HEAD_LEN..).unwrap_or_default()
}
