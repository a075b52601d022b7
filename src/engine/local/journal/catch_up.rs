//! Replays the frames of a journal into a B-tree that lags behind, while the journal is in use.

use super::frame::Kind;
use super::merged::JournalCorruption;
use super::reader::JournalPosition;
use super::segment::Folder;
use crate::engine::Identity;
use crate::engine::local::memtable::Memtable;
use crate::engine::local::write::batch::WriteBatch;
use crate::error::StorageError;

/// Number of bytes of frames that are read at a time: 4 MiB.
const PART: usize = 4 << 20;

/// Collects the writes of the frames after the LSN `applied`, up to the LSN `until`. Stops earlier
/// when the memtable has `bytes_max` bytes. Also returns the LSN of the last of these frames.
pub(crate) fn replay_part(
    folder: &Folder,
    identity: Identity,
    applied: u64,
    until: u64,
    bytes_max: usize,
) -> Result<(Memtable, u64), StorageError> {
    let position = JournalPosition::after(folder, identity, applied)?;
    let mut position = position.ok_or(JournalCorruption::Missing(applied.saturating_add(1)))?;
    let mut memtable = Memtable::default();
    while memtable.bytes() < bytes_max
        && let Some((frames, after)) = position.read(folder, identity, until, PART)?
    {
        frames.each(|frame| {
            if frame.head.kind == Kind::Writes {
                memtable.add(WriteBatch::decode(frame.payload)?);
            }
            Ok(())
        })?;
        position = after;
    }
    Ok((memtable, position.end.lsn))
}
