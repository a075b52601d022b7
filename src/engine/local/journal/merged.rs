//! Reads one segment of the journal. In a mirrored store, merges the copies of both directories.
//!
//! - The copies have the same salt, and each frame is at the same offset in both. If a frame is
//!   invalid in one copy, the merge takes it from the other. The length of a copy decides nothing.
//! - A frame that is valid in only one copy is damaged in the other copy, or was never acknowledged.
//!   A directory that was used alone has another generation, and is not merged.

use thiserror::Error;

use super::frame::{self, BOUNDARY, Frame, Salted, written_len};
use super::segment::{End, Folder, HEADER_LEN, Header};
use crate::engine::Identity;
use crate::engine::local::disk;
use crate::error::{StorageError, StorageErrorKind, with_causes};
use crate::number::u64_of;

/// Corruption of a journal.
#[derive(Debug, Error)]
pub(super) enum JournalCorruption {
    #[error("no segment of the journal holds frame {0}")]
    Missing(u64),
    #[error("segment {first_lsn} of the journal, byte {offset}: {what}")]
    At {
        first_lsn: u64,
        offset: u64,
        what: String,
    },
}

/// What is wrong with a frame that does not follow the one before it.
pub(super) const OUT_OF_SEQUENCE: &str =
    "frame is out of sequence: wrong LSN or wrong previous checksum";

impl From<JournalCorruption> for StorageError {
    fn from(damage: JournalCorruption) -> Self {
        Self::corrupted(damage)
    }
}

/// Contents of one segment.
pub(super) struct Segment {
    pub(super) first_lsn: u64,
    pub(super) header: Header,
    /// Bytes of the file, with the valid frames of all copies.
    pub(super) bytes: Vec<u8>,
    pub(super) salted: Salted,
    /// Bytes of each further copy. Empty if it cannot be read.
    others: Vec<Vec<u8>>,
    /// Whether each copy, in the order of the directories, holds all of these frames.
    is_whole: Vec<bool>,
}

/// Copy of a segment in one directory.
struct SegmentFile {
    header: Header,
    bytes: Vec<u8>,
    /// Error for a truncated file.
    truncated: Option<StorageError>,
}

impl Segment {
    /// Reads a segment from every directory in which it is readable. Fails if there is none.
    pub(super) fn read(
        folders: &[&Folder],
        identity: Identity,
        first_lsn: u64,
    ) -> Result<Self, StorageError> {
        let read = |folder: &&Folder| SegmentFile::read(folder, identity, first_lsn);
        let mut files: Vec<_> = folders.iter().map(read).collect();
        drop_empty_strangers(&mut files, first_lsn)?;
        let is_whole = |file: &Result<SegmentFile, _>| {
            let file = file.as_ref();
            file.is_ok_and(|file| file.truncated.is_none())
        };
        let is_whole: Vec<bool> = files.iter().map(is_whole).collect();
        if !is_whole.contains(&true) {
            let errors = files.into_iter().map(|file| match file {
                Ok(SegmentFile { truncated, .. }) => truncated,
                Err(error) => Some(error),
            });
            let none = || JournalCorruption::Missing(first_lsn).into();
            return Err(errors.flatten().next().unwrap_or_else(none));
        }
        let mut header = None;
        let mut others = Vec::new();
        for file in files {
            let bytes = file.map_or_else(
                |_| Vec::new(),
                |file| {
                    header.get_or_insert(file.header);
                    file.bytes
                },
            );
            others.push(bytes);
        }
        let header = header.ok_or(JournalCorruption::Missing(first_lsn))?;
        let bytes = match &*others {
            // Without a mirror there is nothing to merge.
            [_] => others.pop().unwrap_or_default(),
            _ => others
                .iter()
                .find(|bytes| !bytes.is_empty())
                .cloned()
                .unwrap_or_default(),
        };
        let mut segment = Self {
            first_lsn,
            salted: Salted::new(&header.salt),
            header,
            bytes,
            others,
            is_whole,
        };
        segment.merge()?;
        Ok(segment)
    }

    /// Takes each frame from the first copy in which it is valid.
    fn merge(&mut self) -> Result<(), StorageError> {
        let mut offset = HEADER_LEN;
        if self.others.is_empty() {
            return Ok(());
        }
        loop {
            let end = |bytes: &Vec<u8>| {
                let frame = frame::read(&self.salted, bytes.get(offset..)?)?;
                Some((offset + frame.len, frame.checksum))
            };
            let ends: Vec<_> = self.others.iter().map(end).collect();
            let Some((end, checksum)) = ends.iter().flatten().next().copied() else {
                return Ok(());
            };
            for (found, is_whole) in ends.iter().zip(&mut self.is_whole) {
                match found {
                    None => *is_whole = false,
                    Some(found) if *found != (end, checksum) => {
                        let what = "the two directories hold different frames";
                        return Err(self.damage(offset, what));
                    }
                    Some(_) => {}
                }
            }
            let valid = self.others.iter().zip(&ends).find(|(_, end)| end.is_some());
            if let Some((bytes, _)) = valid {
                let frame = bytes.get(offset..end).unwrap_or_default();
                self.bytes.resize(self.bytes.len().max(end), 0);
                if let Some(place) = self.bytes.get_mut(offset..end) {
                    place.copy_from_slice(frame);
                }
            }
            offset = end;
        }
    }

    /// Whether the copy in a directory, given by its index, holds every frame of this segment.
    pub(super) fn is_whole_in(&self, index: usize) -> bool {
        self.is_whole.get(index).copied().unwrap_or(false)
    }

    pub(super) fn damage(&self, offset: usize, what: impl Into<String>) -> StorageError {
        JournalCorruption::At {
            first_lsn: self.first_lsn,
            offset: u64_of(offset),
            what: what.into(),
        }
        .into()
    }

    /// Adds the segment and the offset to an error about the payload of a valid frame.
    pub(super) fn locate(&self, offset: usize, error: StorageError) -> StorageError {
        match error.kind() {
            StorageErrorKind::Corrupted => self.damage(offset, with_causes(&error)),
            _ => error,
        }
    }

    pub(super) fn frame(&self, offset: usize) -> Option<Frame<'_>> {
        frame::read(&self.salted, self.bytes.get(offset..)?)
    }

    /// Returns the end of the journal after a frame. Fails unless the frame at `offset` follows `end`.
    pub(super) fn end_after(
        &self,
        offset: usize,
        frame: &Frame<'_>,
        end: End,
    ) -> Result<End, StorageError> {
        let after = frame.end_after(end)?;
        after.ok_or_else(|| self.damage(offset, OUT_OF_SEQUENCE))
    }

    /// Length of the torn write at `offset`, in bytes. Fails if a valid frame follows.
    pub(super) fn torn(&self, offset: usize) -> Result<u64, StorageError> {
        let mut torn = 0;
        for bytes in std::iter::once(&self.bytes).chain(&self.others) {
            let rest = bytes.get(offset..).unwrap_or_default();
            // Search for a valid frame after the invalid bytes. The journal syncs each frame before
            // it appends the next one, so a crash can tear only the last frame. If a valid frame
            // follows, the invalid bytes were a durable frame, and this is corruption. Frames start
            // at multiples of `BOUNDARY`.
            for distance in (0..rest.len()).step_by(BOUNDARY).skip(1) {
                let is_frame = |bytes: &[u8]| frame::read(&self.salted, bytes).is_some();
                if rest.get(distance..).is_some_and(is_frame) {
                    let at = offset + distance;
                    let what = format!("no valid frame, but a valid frame follows at byte {at}");
                    return Err(self.damage(offset, what));
                }
            }
            torn = torn.max(u64_of(written_len(rest)));
        }
        Ok(torn)
    }
}

impl SegmentFile {
    fn read(folder: &Folder, identity: Identity, first_lsn: u64) -> Result<Self, StorageError> {
        let bytes = disk::read(&*folder.disk, &folder.segment(first_lsn), u64::MAX)?;
        let damage = |offset: usize, what: String| {
            let offset = u64_of(offset);
            StorageError::from(JournalCorruption::At {
                first_lsn,
                offset,
                what,
            })
        };
        let header = Header::read(&bytes).map_err(|what| damage(0, what))?;
        let is_own =
            header.store_id == identity.store_id && header.incarnation == identity.incarnation;
        if !is_own {
            return Err(damage(0, "segment belongs to another store".to_owned()));
        }
        let follows = header.before.lsn.checked_add(1) == Some(first_lsn);
        if header.first_lsn != first_lsn || !follows {
            let what = "file name does not match the first LSN in the header";
            return Err(damage(0, what.to_owned()));
        }
        let truncated = header.is_cut_off(bytes.len()).then(|| {
            let what = format!("file is truncated; its header records {} bytes", header.len);
            damage(bytes.len(), what)
        });
        Ok(Self {
            header,
            bytes,
            truncated,
        })
    }

    fn has_frame(&self) -> bool {
        let first = self.bytes.get(HEADER_LEN..);
        first.is_some_and(|bytes| frame::read(&Salted::new(&self.header.salt), bytes).is_some())
    }
}

/// Replaces by an error each copy that has no frames and another salt than the copy with the frames.
///
/// A crash leaves such copies when it interrupts the start of a segment between the directories.
fn drop_empty_strangers(
    files: &mut [Result<SegmentFile, StorageError>],
    first_lsn: u64,
) -> Result<(), StorageError> {
    let readable = || files.iter().flatten();
    let with_frames = readable().find(|file| file.has_frame());
    let Some(leader) = with_frames.or_else(|| readable().next()) else {
        return Ok(());
    };
    let (salt, before) = (leader.header.salt, leader.header.before);
    for file in files {
        let Ok(found) = file else { continue };
        if found.header.salt == salt && found.header.before == before {
            continue;
        }
        let error = StorageError::from(JournalCorruption::At {
            first_lsn,
            offset: 0,
            what: "the two directories hold different segments".to_owned(),
        });
        if found.has_frame() {
            return Err(error);
        }
        *file = Err(error);
    }
    Ok(())
}
