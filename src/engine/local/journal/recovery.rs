//! Recovery: what the journal holds behind the base, read back before anything is answered.
//!
//! - A segment with a successor ends where the successor's header says: up to there every
//!   frame must be whole, and nothing behind it counts.
//! - In the last segment, bytes that are no frame, with no frame of the same salt behind
//!   them, are what a crash tore: they were never acknowledged. They are dropped and told.
//!   Anything else that does not fit is damage, and its place is named.
//! - What was replayed is made durable before it is answered from: after a kill it may be
//!   readable and still not be on the disk. A sync alone does not do for the segment that
//!   ends the journal: where the last one failed, the next leaves out what that lost, and
//!   succeeds. It is written anew, beside the old one, and takes its name. When its successor
//!   is there, it is sealed.
//! - A segment that is shorter than its header says was cut off, whatever frames it has left.
//! - Nothing is changed before all of it was found sound.

use thiserror::Error;

use super::Closed;
use super::frame;
use super::frame::{BOUNDARY, Frame, HEAD_LEN, Head, Kind, Salted};
use super::segment::{End, Folder, HEADER_LEN, Header};
use crate::engine::Identity;
use crate::engine::local::disk;
use crate::engine::local::disk::{DiskFile, FaultInjection, is_sabotaged};
use crate::engine::local::memtable::Memtable;
use crate::engine::local::write::batch::WriteBatch;
use crate::error::{StorageError, StorageErrorKind};

/// What an opening found in the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The frames that were replayed: groups that the base did not hold yet.
    pub frames: u64,
    /// The bytes of a last group that a crash cut off before anybody was answered.
    pub dropped_bytes: u64,
    /// The last frame of the journal.
    pub last_lsn: u64,
    /// The journal ends as a store leaves it that was closed.
    pub was_closed: bool,
}

/// How far something long is: what was done, and what there is to do. Of a recovery, bytes.
pub type Progress = fn(u64, u64);

/// What is wrong with a journal.
#[derive(Debug, Error)]
enum Damage {
    #[error("no segment of the journal holds frame {0}")]
    Missing(u64),
    #[error("segment {first_lsn} of the journal, byte {offset}: {what}")]
    At {
        first_lsn: u64,
        offset: u64,
        what: String,
    },
}

impl From<Damage> for StorageError {
    fn from(damage: Damage) -> Self {
        Self::corrupted(damage)
    }
}

/// A journal that was read back.
pub(in crate::engine::local) struct Recovered {
    pub(in crate::engine::local) memtable: Memtable,
    pub(in crate::engine::local) recovery: Recovery,
    pub(in crate::engine::local) end: End,
    /// The segments to which nothing more is written, those that the base holds included.
    pub(in crate::engine::local) segments: Vec<Closed>,
    /// The segment that ended the journal, to be sealed once it has a successor.
    pub(in crate::engine::local) tail: Option<Tail>,
}

/// A segment that was written anew.
pub(in crate::engine::local) struct Tail {
    file: Box<dyn DiskFile>,
    salted: Salted,
    /// Where its last frame ends, and which that is.
    offset: u64,
    end: End,
}

impl Tail {
    /// Says that a successor belongs to it, as the end of every other segment does: a journal
    /// that loses its last segment later on must not look like one that ended here.
    pub(in crate::engine::local) fn seal(self) -> Result<(), StorageError> {
        let head = Head {
            kind: Kind::Sealed,
            lsn: self.end.lsn,
            previous: self.end.checksum,
        };
        let mut bytes = vec![0; HEAD_LEN];
        frame::finish(&self.salted, head, &mut bytes);
        self.file.write_at(self.offset, &bytes)?;
        Ok(self.file.sync()?)
    }
}

/// Reads the journal behind `applied`.
pub(in crate::engine::local) fn recover(
    folder: Folder,
    identity: Identity,
    applied: u64,
    progress: Option<Progress>,
) -> Result<Recovered, StorageError> {
    let first_lsns = match folder.list() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        listed => listed?,
    };
    let next = applied.saturating_add(1);
    let held = first_lsns.partition_point(|first| *first <= next);
    let (Some(from), true) = (held.checked_sub(1), held > 0) else {
        return Err(Damage::Missing(next).into());
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
            segments: stale
                .iter()
                .map(|first_lsn| closed(*first_lsn, 0, 0))
                .collect(),
            tail: None,
        },
        last: None,
        tail: None,
    };
    replay.all(needed, progress)?;
    replay.finish(needed)
}

const fn closed(first_lsn: u64, last_lsn: u64, bytes: u64) -> Closed {
    Closed {
        first_lsn,
        last_lsn,
        bytes,
    }
}

struct Replay {
    folder: Folder,
    identity: Identity,
    applied: u64,
    /// Where the segment before ended; `None` before the first.
    end: Option<End>,
    recovered: Recovered,
    /// What the last segment's last frame is for.
    last: Option<Kind>,
    /// The last segment that holds a frame, and where its last frame ends.
    tail: Option<(Segment, usize)>,
}

/// A segment that is being read.
struct Segment {
    first_lsn: u64,
    header: Header,
    bytes: Vec<u8>,
    salted: Salted,
}

impl Segment {
    fn damage(&self, offset: usize, what: impl Into<String>) -> StorageError {
        Damage::At {
            first_lsn: self.first_lsn,
            offset: u64::try_from(offset).unwrap_or(u64::MAX),
            what: what.into(),
        }
        .into()
    }

    /// A frame is whole, and what it says is damage.
    fn spoilt(&self, offset: usize, error: StorageError) -> StorageError {
        match error.kind() {
            StorageErrorKind::Corrupted => self.damage(offset, error.to_string()),
            _ => error,
        }
    }

    fn frame(&self, offset: usize) -> Option<Frame<'_>> {
        frame::read(&self.salted, self.bytes.get(offset..)?)
    }

    /// The bytes from `offset` on that were written, if no frame is among them.
    fn torn(&self, offset: usize) -> Result<u64, StorageError> {
        let rest = self.bytes.get(offset..).unwrap_or_default();
        for behind in (0..rest.len()).step_by(BOUNDARY).skip(1) {
            let at = offset.saturating_add(behind);
            if self.frame(at).is_some() {
                let what = format!("no frame, though one follows at byte {at}");
                return Err(self.damage(offset, what));
            }
        }
        let written = rest.iter().rposition(|byte| *byte != 0);
        let len = written.map_or(0, |last| last.saturating_add(1));
        Ok(u64::try_from(len).unwrap_or(u64::MAX))
    }
}

impl Replay {
    fn all(&mut self, needed: &[u64], progress: Option<Progress>) -> Result<(), StorageError> {
        let size = |first: &u64| {
            let file = self.folder.open(*first);
            file.and_then(|file| file.len()).unwrap_or(0)
        };
        let total: u64 = needed.iter().map(size).sum();
        let mut done = 0;
        let successors = needed.iter().skip(1).copied().map(Some);
        for (first_lsn, successor) in needed.iter().zip(successors.chain([None])) {
            done += size_u64(self.segment(*first_lsn, successor)?);
            if let Some(progress) = progress {
                progress(done, total);
            }
        }
        Ok(())
    }

    /// Reads one segment; tells how long it is.
    fn segment(&mut self, first_lsn: u64, successor: Option<u64>) -> Result<usize, StorageError> {
        let segment = self.open(first_lsn)?;
        let header = segment.header;
        if self.end.is_some_and(|end| end != header.before) {
            return Err(Damage::Missing(first_lsn.saturating_sub(1)).into());
        }
        let mut end = header.before;
        let mut offset = usize::try_from(HEADER_LEN).unwrap_or(usize::MAX);
        let last_lsn = successor.map(|first| first.saturating_sub(1));
        self.last = None;
        while last_lsn.is_none_or(|last| end.lsn < last) {
            let Some(frame) = segment.frame(offset) else {
                if last_lsn.is_some() {
                    return Err(segment.damage(offset, "no frame"));
                }
                self.recovered.recovery.dropped_bytes = segment.torn(offset)?;
                break;
            };
            self.last = Some(frame.head.kind);
            if frame.head.kind == Kind::Sealed {
                return Err(Damage::Missing(end.lsn.saturating_add(1)).into());
            }
            let is_next = frame.head.lsn == end.lsn.saturating_add(1);
            if !is_next || frame.head.previous != end.checksum {
                return Err(segment.damage(offset, "the frame is not the next one"));
            }
            let taken = self.take(&frame);
            taken.map_err(|error| segment.spoilt(offset, error))?;
            end = End {
                lsn: frame.head.lsn,
                checksum: frame.checksum,
            };
            offset = offset.saturating_add(frame.len);
        }
        self.end = Some(end);
        if end != header.before {
            let bytes = u64::try_from(offset).unwrap_or(u64::MAX);
            let closed = closed(first_lsn, end.lsn, bytes);
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
            StorageError::from(Damage::At {
                first_lsn,
                offset,
                what,
            })
        };
        let header = Header::read(&bytes).map_err(at_header)?;
        let is_own = header.store_id == self.identity.store_id
            && header.incarnation == self.identity.incarnation;
        if !is_own {
            return Err(at_header("it is of another store".to_owned()));
        }
        let follows = header.before.lsn.checked_add(1) == Some(first_lsn);
        if header.first_lsn != first_lsn || !follows {
            return Err(at_header("it bears the name of another one".to_owned()));
        }
        let salted = Salted::new(&header.salt);
        let segment = Segment {
            first_lsn,
            header,
            bytes,
            salted,
        };
        if header.is_cut_off(segment.bytes.len()) {
            let what = format!("the file ends here; it was made {} bytes long", header.len);
            return Err(segment.damage(segment.bytes.len(), what));
        }
        Ok(segment)
    }

    fn take(&mut self, frame: &Frame<'_>) -> Result<(), StorageError> {
        if frame.head.kind == Kind::Writes && frame.head.lsn > self.applied {
            let recovery = &mut self.recovered.recovery;
            recovery.frames = recovery.frames.saturating_add(1);
            let writes = WriteBatch::decode(frame.payload)?;
            let memtable = &mut self.recovered.memtable;
            if !memtable.is_followed_by(&writes) {
                return Err(StorageError::corrupted("its events do not follow"));
            }
            memtable.take(writes);
        }
        Ok(())
    }

    /// Nothing is answered before all of it is durable.
    fn finish(mut self, needed: &[u64]) -> Result<Recovered, StorageError> {
        let end = self.end.unwrap_or_default();
        if end.lsn < self.applied {
            return Err(Damage::Missing(self.applied).into());
        }
        self.recovered.tail = self.make_durable(needed, end)?;
        self.recovered.end = end;
        self.recovered.recovery.last_lsn = end.lsn;
        self.recovered.recovery.was_closed = self.last == Some(Kind::Closed);
        Ok(self.recovered)
    }

    /// Puts a copy in the place of a segment: at no moment is there less than one.
    fn write_anew(&self, segment: &Segment, offset: usize, end: End) -> Result<Tail, StorageError> {
        let file = self.folder.draft()?;
        let written = segment.bytes.iter().rposition(|byte| *byte != 0);
        // What is torn behind the last frame stays to be told of. The seal has room at least.
        let len = written.map_or(0, |last| last.saturating_add(1));
        let len = len.max(offset.saturating_add(BOUNDARY));
        let mut bytes = segment.bytes.clone();
        bytes.resize(len, 0);
        let header = Header {
            len: size_u64(len),
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
            offset: size_u64(offset),
            end,
        })
    }

    fn make_durable(&self, needed: &[u64], end: End) -> Result<Option<Tail>, StorageError> {
        if is_sabotaged(&*self.folder.disk, FaultInjection::RecoverWithoutSync) {
            return Ok(None);
        }
        let tail = self.tail.as_ref();
        let tail = tail.map(|(segment, offset)| self.write_anew(segment, *offset, end));
        let tail = tail.transpose()?;
        for first_lsn in needed {
            self.folder.open(*first_lsn)?.sync()?;
        }
        self.folder.sync()?;
        Ok(tail)
    }
}

fn size_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
