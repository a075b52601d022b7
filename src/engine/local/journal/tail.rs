//! Durable copies of segments that recovery has read, and the seal of the last one.

use super::frame;
use super::frame::{BOUNDARY, HEAD_LEN, Head, Kind, Salted, written_len};
use super::merged::Segment;
use super::segment::{End, Folder, Header};
use crate::engine::local::disk::DiskFile;
use crate::error::StorageError;
use crate::number::u64_of;

/// The last segment with frames, after recovery has rewritten it.
pub(crate) struct Tail {
    file: Box<dyn DiskFile>,
    salted: Salted,
    /// Offset of the byte after the last frame.
    offset: u64,
    /// LSN and checksum of the last frame.
    end: End,
}

impl Tail {
    /// Appends the seal and syncs it. The seal is a frame that announces a successor.
    ///
    /// Without the seal, a journal that later loses its last segment looks as if it ended here. The
    /// caller must make the successor durable first. If power failed after the seal and before the
    /// successor is durable, the next recovery would report a missing segment.
    pub(crate) fn seal(self) -> Result<(), StorageError> {
        let head = Head {
            kind: Kind::Sealed,
            lsn: self.end.lsn,
            previous: self.end.checksum,
        };
        let mut bytes = vec![0; HEAD_LEN];
        frame::finish(&self.salted, head, &mut bytes)?;
        self.file.write_at(self.offset, &bytes)?;
        Ok(self.file.sync()?)
    }
}

/// Replaces a segment with a durable copy.
///
/// The copy is written and synced under the draft's name, and then renamed over the segment. One
/// complete file therefore has the segment's name at every moment. `offset` is the end of its last
/// frame, and `end` that of the journal.
pub(super) fn rewrite(
    folder: &Folder,
    segment: &Segment,
    offset: usize,
    end: End,
) -> Result<Tail, StorageError> {
    let file = folder.draft()?;
    // Keep the bytes of a torn write, and make room for the seal. If the process is killed before it
    // writes the seal, the next recovery reports the torn bytes again.
    let mut bytes = segment.bytes.clone();
    let len = written_len(&bytes).max(offset + BOUNDARY);
    bytes.resize(len, 0);
    // Record the new length in the header: with the old length, the next recovery would reject the
    // copy as truncated.
    let header = Header {
        len: u64_of(len),
        ..segment.header
    };
    let header = header.to_bytes();
    if let Some(place) = bytes.get_mut(..header.len()) {
        place.copy_from_slice(&header);
    }
    file.write_at(0, &bytes)?;
    file.sync()?;
    folder.name_draft(segment.first_lsn)?;
    Ok(Tail {
        file,
        salted: segment.salted.clone(),
        offset: u64_of(offset),
        end,
    })
}
