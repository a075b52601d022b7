//! Replays the frames of a journal into a B-tree that lags behind, while the journal is in use.

use super::frame::Kind;
use super::merged::{JournalCorruption, Segment};
use super::segment::{Folder, HEADER_LEN};
use crate::engine::Identity;
use crate::engine::local::memtable::Memtable;
use crate::engine::local::write::batch::WriteBatch;
use crate::error::StorageError;

/// Collects the writes of the frames after the LSN `applied`, up to the LSN `until`. Stops earlier
/// when the memtable has `bytes_max` bytes. Also returns the LSN of the last of these frames.
pub(crate) fn replay_part(
    folder: &Folder,
    identity: Identity,
    applied: u64,
    until: u64,
    bytes_max: usize,
) -> Result<(Memtable, u64), StorageError> {
    let first_lsns = folder.list()?;
    // A saturated number is larger than that of any segment.
    let from = first_lsns.partition_point(|first| *first <= applied.saturating_add(1));
    let needed = first_lsns.get(from.saturating_sub(1)..).unwrap_or_default();
    let mut memtable = Memtable::default();
    let mut reached = applied;
    for first_lsn in needed {
        let segment = Segment::read(&[folder], identity, *first_lsn)?;
        let mut end = segment.header.before;
        if end.lsn > reached {
            return Err(JournalCorruption::Missing(end.lsn).into());
        }
        let mut offset = HEADER_LEN;
        while let Some(frame) = segment.frame(offset).filter(|_| reached < until) {
            if frame.head.kind == Kind::Sealed {
                break;
            }
            end = segment.end_after(offset, &frame, end)?;
            offset += frame.len;
            if end.lsn <= applied {
                continue;
            }
            if frame.head.kind == Kind::Writes {
                memtable.add(WriteBatch::decode(frame.payload)?);
            }
            reached = end.lsn;
            if memtable.bytes() >= bytes_max {
                return Ok((memtable, reached));
            }
        }
    }
    if reached < until {
        return Err(JournalCorruption::Missing(until).into());
    }
    Ok((memtable, reached))
}
