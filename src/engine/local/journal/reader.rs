//! Reads frames of a journal that is in use.

use super::frame::{self, BOUNDARY, FRAME_MAX, Frame, Kind, Salted};
use super::merged::{JournalCorruption, OUT_OF_SEQUENCE};
use super::segment::{End, Folder, HEADER_LEN, Header};
use crate::engine::Identity;
use crate::engine::local::disk::DiskFile;
use crate::error::StorageError;
use crate::number::u64_of;

/// Number of bytes that the first read of a segment takes. Each further read doubles it.
const WINDOW: usize = 64 << 10;

/// Position between two frames of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JournalPosition {
    /// First LSN of the segment.
    segment: u64,
    /// Offset of the next frame in the segment, in bytes.
    offset: u64,
    /// Frame before the position.
    pub(crate) end: End,
}

/// Consecutive frames of one segment.
pub(crate) struct Frames {
    pub(crate) salt: [u8; 16],
    /// Frame before the first one.
    pub(crate) before: End,
    /// Last frame.
    pub(crate) end: End,
    pub(crate) bytes: Vec<u8>,
}

impl Frames {
    /// Passes each frame to `take`, in order, until `take` fails. Fails if a frame is invalid.
    pub(crate) fn each(
        &self,
        mut take: impl FnMut(&Frame<'_>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let salted = Salted::new(&self.salt);
        let mut rest = &*self.bytes;
        while !rest.is_empty() {
            let frame = frame::read(&salted, rest);
            let frame = frame.ok_or_else(|| StorageError::corrupted("invalid frame"))?;
            take(&frame)?;
            rest = rest.get(frame.len..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Part of an open segment.
struct SegmentReader {
    header: Header,
    salted: Salted,
    file: Box<dyn DiskFile>,
    len: u64,
    /// Bytes from `start` on.
    bytes: Vec<u8>,
    start: u64,
}

impl SegmentReader {
    fn open(folder: &Folder, identity: Identity, first_lsn: u64) -> Result<Self, StorageError> {
        let file = folder.disk.open_to_read(&folder.segment(first_lsn))?;
        let damage = |what: String| {
            let offset = 0;
            JournalCorruption::At {
                first_lsn,
                offset,
                what,
            }
        };
        let mut bytes = vec![0; HEADER_LEN];
        file.read_at(0, &mut bytes)?;
        let header = Header::read(&bytes).map_err(damage)?;
        let is_own = header.store_id == identity.store_id
            && header.incarnation == identity.incarnation
            && header.first_lsn == first_lsn;
        if !is_own {
            return Err(damage("segment belongs to another store or position".to_owned()).into());
        }
        Ok(Self {
            salted: Salted::new(&header.salt),
            header,
            len: file.len()?,
            file,
            bytes: Vec::new(),
            start: 0,
        })
    }

    /// Frame at an offset, with its bytes; `None` if there is no valid frame.
    fn frame(&mut self, offset: u64) -> Result<Option<(Frame<'_>, &[u8])>, StorageError> {
        let read = |this: &Self| {
            let bytes = this.bytes.get(this.index(offset)?..)?;
            let frame = frame::read(&this.salted, bytes)?;
            // The padding of the last frame of a file may be missing.
            (frame.len <= bytes.len()).then_some(())
        };
        while read(self).is_none() {
            if !self.extend(offset)? {
                return Ok(None);
            }
        }
        let bytes = self.index(offset).and_then(|index| self.bytes.get(index..));
        let bytes = bytes.unwrap_or_default();
        let frame = frame::read(&self.salted, bytes);
        Ok(frame.map(|frame| {
            let len = frame.len;
            (frame, bytes.get(..len).unwrap_or_default())
        }))
    }

    fn index(&self, offset: u64) -> Option<usize> {
        usize::try_from(offset.checked_sub(self.start)?).ok()
    }

    /// Reads more bytes, from `offset` on. Returns `false` if a frame there would be complete.
    fn extend(&mut self, offset: u64) -> Result<bool, StorageError> {
        let kept = self.index(offset).and_then(|index| self.bytes.get(index..));
        let mut bytes = kept.unwrap_or_default().to_vec();
        let end = offset.saturating_add(u64_of(bytes.len()));
        let left = usize::try_from(self.len.saturating_sub(end)).unwrap_or(usize::MAX);
        let more = bytes.len().max(WINDOW).min(left);
        if more == 0 || bytes.len() >= FRAME_MAX + BOUNDARY {
            return Ok(false);
        }
        let old = bytes.len();
        bytes.resize(old + more, 0);
        if let Some(room) = bytes.get_mut(old..) {
            self.file.read_at(end, room)?;
        }
        (self.bytes, self.start) = (bytes, offset);
        Ok(true)
    }
}

impl JournalPosition {
    /// Position before the first frame of a journal.
    pub(crate) fn oldest(folder: &Folder, identity: Identity) -> Result<Self, StorageError> {
        let first = folder.list()?.into_iter().next();
        let first = first.ok_or(JournalCorruption::Missing(0))?;
        Ok(Self::start_of(&SegmentReader::open(
            folder, identity, first,
        )?))
    }

    /// Position before the first frame of the newest segment.
    pub(crate) fn newest(folder: &Folder, identity: Identity) -> Result<Self, StorageError> {
        let last = folder.list()?.pop();
        let last = last.ok_or(JournalCorruption::Missing(0))?;
        Ok(Self::start_of(&SegmentReader::open(
            folder, identity, last,
        )?))
    }

    const fn start_of(segment: &SegmentReader) -> Self {
        Self {
            segment: segment.header.first_lsn,
            offset: HEADER_LEN as u64,
            end: segment.header.before,
        }
    }

    /// Position after the frame `lsn`; `None` if the journal no longer holds the frame after it.
    pub(crate) fn after(
        folder: &Folder,
        identity: Identity,
        lsn: u64,
    ) -> Result<Option<Self>, StorageError> {
        let first_lsns = folder.list()?;
        // A saturated number is larger than that of any segment.
        let held = first_lsns.partition_point(|first| *first <= lsn.saturating_add(1));
        let Some(first_lsn) = held.checked_sub(1).and_then(|last| first_lsns.get(last)) else {
            return Ok(None);
        };
        let mut segment = SegmentReader::open(folder, identity, *first_lsn)?;
        let mut position = Self::start_of(&segment);
        while position.end.lsn < lsn {
            match position.next(&mut segment)? {
                Some((next, _)) => position = next,
                None => return Err(JournalCorruption::Missing(lsn).into()),
            }
        }
        Ok(Some(position))
    }

    /// Position after the next frame in the same segment, with the bytes of the frame.
    fn next(self, segment: &mut SegmentReader) -> Result<Option<(Self, &[u8])>, StorageError> {
        let Some((frame, bytes)) = segment.frame(self.offset)? else {
            return Ok(None);
        };
        if frame.head.kind == Kind::Sealed {
            return Ok(None);
        }
        let end = frame
            .end_after(self.end)?
            .ok_or_else(|| JournalCorruption::At {
                first_lsn: self.segment,
                offset: self.offset,
                what: OUT_OF_SEQUENCE.to_owned(),
            })?;
        let next = Self {
            offset: self.offset.saturating_add(u64_of(bytes.len())),
            end,
            ..self
        };
        Ok(Some((next, bytes)))
    }

    /// Reads frames up to the LSN `until`, of one segment and of about `bytes_max` bytes. Returns
    /// them with the position after them. `None`: there is no frame before `until`.
    ///
    /// The journal must have synced the frames up to `until`.
    pub(crate) fn read(
        self,
        folder: &Folder,
        identity: Identity,
        until: u64,
        bytes_max: usize,
    ) -> Result<Option<(Frames, Self)>, StorageError> {
        let mut position = self;
        while position.end.lsn < until {
            // The segment is gone if its last frame was archived.
            let opened = match SegmentReader::open(folder, identity, position.segment) {
                Err(_) if !folder.list()?.contains(&position.segment) => None,
                opened => Some(opened?),
            };
            if let Some(mut segment) = opened {
                let mut frames = Frames {
                    salt: segment.header.salt,
                    before: position.end,
                    end: position.end,
                    bytes: Vec::new(),
                };
                while position.end.lsn < until
                    && frames.bytes.len() < bytes_max
                    && let Some((next, bytes)) = position.next(&mut segment)?
                {
                    frames.bytes.extend_from_slice(bytes);
                    position = next;
                }
                if !frames.bytes.is_empty() {
                    frames.end = position.end;
                    return Ok(Some((frames, position)));
                }
            }
            // The segment has no further frame: the next one begins here.
            let next_lsn = position.end.next_lsn()?;
            if position.segment == next_lsn || !folder.list()?.contains(&next_lsn) {
                return Err(JournalCorruption::Missing(next_lsn).into());
            }
            let next = Self::start_of(&SegmentReader::open(folder, identity, next_lsn)?);
            if next.end != position.end {
                return Err(JournalCorruption::Missing(next_lsn).into());
            }
            position = next;
        }
        Ok(None)
    }
}
