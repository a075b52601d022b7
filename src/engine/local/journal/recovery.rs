//! Recovery: replays the journal frames that the B-tree does not hold yet.
//!
//! Each time a store is opened, recovery runs before the store serves its first request.
//!
//! - Each frame has a log sequence number (LSN). If a segment has a successor, every frame before
//!   the first LSN of the successor must be valid. Recovery ignores all bytes after these frames.
//! - In the last segment, invalid bytes are a torn write if no valid frame with the same salt
//!   follows them. The store never acknowledged this write. Recovery drops the bytes and reports
//!   their number. Every other mismatch is corruption, and the error names the segment and the
//!   byte.
//! - Recovery makes all replayed frames durable before the store serves them. If the earlier
//!   process was killed, the page cache may hold frames that the disk does not hold.
//! - A sync is not enough for the last segment with frames. If an earlier sync failed, the kernel
//!   may have dropped the unwritten pages, and the next sync still succeeds. Recovery copies this
//!   segment to a new file, syncs it, and renames it over the old one. The copy is sealed as soon
//!   as the next segment exists.
//! - A file that is shorter than the length in its header was truncated. Recovery rejects it
//!   even if all remaining frames are valid.
//! - Recovery changes no file before it has checked all the segments it needs.

use thiserror::Error;

use super::ClosedSegment;
use super::frame;
use super::frame::{BOUNDARY, Frame, HEAD_LEN, Head, Kind, Salted, written_len};
use super::segment::{End, Folder, HEADER_LEN, Header};
use crate::engine::local::disk;
use crate::engine::local::disk::{DiskFile, FaultInjection, is_injected};
use crate::engine::local::memtable::Memtable;
use crate::engine::local::write::batch::WriteBatch;
use crate::engine::{Identity, Progress};
use crate::error::{StorageError, StorageErrorKind, with_causes};
use crate::number::u64_of;

/// Result of reading the journal when a store is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Number of replayed frames: all frames with writes that the B-tree did not hold yet.
    pub frames: u64,
    /// Length of the torn write at the end of the journal, in bytes; 0 if there is none. The
    /// store never acknowledged this write.
    pub dropped_bytes: u64,
    /// Log sequence number (LSN) of the last frame of the journal.
    pub last_lsn: u64,
    /// Whether the journal ends with the mark of a clean close.
    pub was_closed: bool,
}

/// Corruption of a journal.
#[derive(Debug, Error)]
enum JournalCorruption {
    #[error("no segment of the journal holds frame {0}")]
    Missing(u64),
    #[error("segment {first_lsn} of the journal, byte {offset}: {what}")]
    At {
        first_lsn: u64,
        offset: u64,
        what: String,
    },
}

impl From<JournalCorruption> for StorageError {
    fn from(damage: JournalCorruption) -> Self {
        Self::corrupted(damage)
    }
}

/// A recovered journal.
pub(crate) struct Recovered {
    pub(crate) memtable: Memtable,
    pub(crate) recovery: Recovery,
    pub(crate) end: End,
    /// All segments with frames, and the segments whose frames the B-tree already holds. The
    /// journal appends to none of these segments.
    pub(crate) segments: Vec<ClosedSegment>,
    /// Last segment, which recovery has rewritten. `None` if there is none. Opening the store adds
    /// a seal to this segment when the next segment exists.
    pub(crate) tail: Option<Tail>,
}

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

/// Replays all frames with a higher LSN than `applied`, the last LSN that the B-tree holds.
pub(crate) fn recover(
    folder: Folder,
    identity: Identity,
    applied: u64,
    progress: Option<&Progress>,
) -> Result<Recovered, StorageError> {
    let first_lsns = match folder.list() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        listed => listed?,
    };
    // Start at the last segment whose first LSN is at most `applied + 1`. The B-tree already
    // contains the frames of all segments before it: recovery skips these segments, and the engine
    // later removes them. If every segment starts at a later LSN, frames are missing.
    let end = End {
        lsn: applied,
        ..End::default()
    };
    let next = end.next_lsn()?;
    let held = first_lsns.partition_point(|first| *first <= next);
    let (Some(from), true) = (held.checked_sub(1), held > 0) else {
        return Err(JournalCorruption::Missing(next).into());
    };
    let (stale, needed) = first_lsns.split_at(from);
    let mut replay = Replay {
        folder,
        identity,
        applied,
        end: None,
        recovered: Recovered {
            memtable: Memtable::default(),
            recovery: Recovery::default(),
            end: End::default(),
            // A last LSN of 0 makes these segments obsolete, so the engine removes them right after
            // recovery.
            segments: stale
                .iter()
                .map(|first_lsn| closed(*first_lsn, 0, 0))
                .collect(),
            tail: None,
        },
        last: None,
        tail: None,
    };
    replay.read_all(needed, progress)?;
    replay.finish(needed)
}

const fn closed(first_lsn: u64, last_lsn: u64, bytes: u64) -> ClosedSegment {
    ClosedSegment {
        first_lsn,
        last_lsn,
        bytes,
    }
}

struct Replay {
    folder: Folder,
    identity: Identity,
    applied: u64,
    /// LSN and checksum of the last frame so far; `None` before the first segment.
    end: Option<End>,
    recovered: Recovered,
    /// Kind of the last frame in the current segment; `None` if it has no frame.
    last: Option<Kind>,
    /// The last segment that has a frame, and the offset after its last frame.
    tail: Option<(Segment, usize)>,
}

/// Contents of one segment.
struct Segment {
    first_lsn: u64,
    header: Header,
    bytes: Vec<u8>,
    salted: Salted,
}

impl Segment {
    fn damage(&self, offset: usize, what: impl Into<String>) -> StorageError {
        JournalCorruption::At {
            first_lsn: self.first_lsn,
            offset: u64_of(offset),
            what: what.into(),
        }
        .into()
    }

    /// Adds the segment and the offset to an error about the payload of a valid frame.
    fn locate(&self, offset: usize, error: StorageError) -> StorageError {
        match error.kind() {
            StorageErrorKind::Corrupted => self.damage(offset, with_causes(&error)),
            _ => error,
        }
    }

    fn frame(&self, offset: usize) -> Option<Frame<'_>> {
        frame::read(&self.salted, self.bytes.get(offset..)?)
    }

    /// Length of the torn write at `offset`, in bytes. Fails if a valid frame follows.
    fn torn(&self, offset: usize) -> Result<u64, StorageError> {
        let rest = self.bytes.get(offset..).unwrap_or_default();
        // Search for a valid frame after the invalid bytes. The journal syncs each frame before it
        // appends the next one, so a crash can tear only the last frame. If a valid frame follows,
        // the invalid bytes were a durable frame, and this is corruption. Frames start at multiples
        // of `BOUNDARY`.
        for distance in (0..rest.len()).step_by(BOUNDARY).skip(1) {
            let at = offset + distance;
            if self.frame(at).is_some() {
                let what = format!("no valid frame, but a valid frame follows at byte {at}");
                return Err(self.damage(offset, what));
            }
        }
        Ok(u64_of(written_len(rest)))
    }
}

impl Replay {
    fn read_all(
        &mut self,
        needed: &[u64],
        progress: Option<&Progress>,
    ) -> Result<(), StorageError> {
        let size = |first: &u64| {
            let file = self.folder.open(*first);
            file.and_then(|file| file.len()).unwrap_or(0)
        };
        let total: u64 = needed.iter().map(size).sum();
        let mut done = 0;
        let successors = needed.iter().skip(1).copied().map(Some);
        for (first_lsn, successor) in needed.iter().zip(successors.chain([None])) {
            done += u64_of(self.segment(*first_lsn, successor)?);
            if let Some(progress) = progress {
                progress.report(done, total);
            }
        }
        Ok(())
    }

    /// Replays one segment and returns the length of its file, in bytes.
    fn segment(&mut self, first_lsn: u64, successor: Option<u64>) -> Result<usize, StorageError> {
        let segment = self.open(first_lsn)?;
        let header = segment.header;
        // The header holds the LSN and the checksum of the last frame in the previous segment.
        // If they do not match, a segment between the two is missing or was replaced.
        if self.end.is_some_and(|end| end != header.before) {
            // `first_lsn` is at least 1, because `open` has compared it with the header.
            return Err(JournalCorruption::Missing(first_lsn.saturating_sub(1)).into());
        }
        let mut end = header.before;
        let mut offset = HEADER_LEN;
        // The subtraction never saturates: a successor has a larger number than this segment.
        let last_lsn = successor.map(|first| first.saturating_sub(1));
        self.last = None;
        while last_lsn.is_none_or(|last| end.lsn < last) {
            let Some(frame) = segment.frame(offset) else {
                // An invalid frame in a segment with a successor is never a torn write, because the
                // journal syncs the last frame before it starts a successor.
                if last_lsn.is_some() {
                    return Err(segment.damage(offset, "no valid frame"));
                }
                self.recovered.recovery.dropped_bytes = segment.torn(offset)?;
                break;
            };
            self.last = Some(frame.head.kind);
            let next = end.next_lsn()?;
            // In a complete segment, the loop ends before the seal. If it reads a seal, the
            // successor is missing, or starts at a later LSN.
            if frame.head.kind == Kind::Sealed {
                return Err(JournalCorruption::Missing(next).into());
            }
            let is_next = frame.head.lsn == next;
            if !is_next || frame.head.previous != end.checksum {
                let what = "frame is out of sequence: wrong LSN or wrong previous checksum";
                return Err(segment.damage(offset, what));
            }
            let taken = self.take(&frame);
            taken.map_err(|error| segment.locate(offset, error))?;
            end = End {
                lsn: frame.head.lsn,
                checksum: frame.checksum,
            };
            offset += frame.len;
        }
        self.end = Some(end);
        if end != header.before {
            let closed = closed(first_lsn, end.lsn, u64_of(offset));
            self.recovered.segments.push(closed);
        }
        let len = segment.bytes.len();
        if self.last.is_some() {
            self.tail = Some((segment, offset));
        }
        Ok(len)
    }

    fn open(&self, first_lsn: u64) -> Result<Segment, StorageError> {
        let path = self.folder.segment(first_lsn);
        let bytes = disk::read(&*self.folder.disk, &path, u64::MAX)?;
        let at_header = |what: String| {
            let offset = 0;
            StorageError::from(JournalCorruption::At {
                first_lsn,
                offset,
                what,
            })
        };
        let header = Header::read(&bytes).map_err(at_header)?;
        let is_own = header.store_id == self.identity.store_id
            && header.incarnation == self.identity.incarnation;
        if !is_own {
            return Err(at_header("segment belongs to another store".to_owned()));
        }
        let follows = header.before.lsn.checked_add(1) == Some(first_lsn);
        if header.first_lsn != first_lsn || !follows {
            let what = "file name does not match the first LSN in the header";
            return Err(at_header(what.to_owned()));
        }
        let salted = Salted::new(&header.salt);
        let segment = Segment {
            first_lsn,
            header,
            bytes,
            salted,
        };
        if header.is_cut_off(segment.bytes.len()) {
            let what = format!("file is truncated; its header records {} bytes", header.len);
            return Err(segment.damage(segment.bytes.len(), what));
        }
        Ok(segment)
    }

    /// Adds the writes of a frame to the memtable, unless the B-tree already holds them.
    fn take(&mut self, frame: &Frame<'_>) -> Result<(), StorageError> {
        if frame.head.kind == Kind::Writes && frame.head.lsn > self.applied {
            let recovery = &mut self.recovered.recovery;
            recovery.frames += 1;
            let writes = WriteBatch::decode(frame.payload)?;
            let memtable = &mut self.recovered.memtable;
            if !memtable.is_followed_by(&writes) {
                return Err(StorageError::corrupted(
                    "frame leaves a gap in the event numbers",
                ));
            }
            memtable.add(writes);
        }
        Ok(())
    }

    /// Makes the replayed segments durable and returns the result.
    fn finish(mut self, needed: &[u64]) -> Result<Recovered, StorageError> {
        let end = self.end.unwrap_or_default();
        // The B-tree holds writes up to `applied`. If the journal ends before that LSN, the journal
        // is an old copy, or its end is lost.
        if end.lsn < self.applied {
            return Err(JournalCorruption::Missing(self.applied).into());
        }
        self.recovered.tail = self.make_durable(needed, end)?;
        self.recovered.end = end;
        self.recovered.recovery.last_lsn = end.lsn;
        self.recovered.recovery.was_closed = self.last == Some(Kind::Closed);
        Ok(self.recovered)
    }

    /// Replaces a segment with a durable copy. `offset` is the end of its last frame.
    ///
    /// The copy is written and synced under the draft's name, and then renamed over the
    /// segment. One complete file therefore has the segment's name at every moment.
    fn rewrite(&self, segment: &Segment, offset: usize, end: End) -> Result<Tail, StorageError> {
        let file = self.folder.draft()?;
        // Keep the bytes of a torn write, and make room for the seal. If the process is killed
        // before it writes the seal, the next recovery reports the torn bytes again.
        let len = written_len(&segment.bytes).max(offset + BOUNDARY);
        let mut bytes = segment.bytes.clone();
        bytes.resize(len, 0);
        // Record the new length in the header: with the old length, the next recovery would reject
        // the copy as truncated.
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
        self.folder.name_draft(segment.first_lsn)?;
        Ok(Tail {
            file,
            salted: segment.salted.clone(),
            offset: u64_of(offset),
            end,
        })
    }

    /// Makes the replayed segments and their names durable. Returns the rewritten last segment.
    fn make_durable(&self, needed: &[u64], end: End) -> Result<Option<Tail>, StorageError> {
        if is_injected(&*self.folder.disk, FaultInjection::RecoverWithoutSync) {
            return Ok(None);
        }
        let tail = self.tail.as_ref();
        let tail = tail.map(|(segment, offset)| self.rewrite(segment, *offset, end));
        let tail = tail.transpose()?;
        // Sync every segment again. The journal did so when it wrote them, but the files of a
        // copied directory may be in the page cache only. Then sync the directory: the process may
        // have been killed between the rename of a segment and the sync of its new name.
        for first_lsn in needed {
            self.folder.open(*first_lsn)?.sync()?;
        }
        self.folder.sync()?;
        Ok(tail)
    }
}
