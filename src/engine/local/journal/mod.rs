//! The journal: every group as one frame, appended and synced before anybody is answered.
//!
//! - Only one frame is ever unsynced, so only the last one can be torn.
//! - A segment's successor is durable, header and name, before the segment is sealed, and
//!   the seal is durable before the successor is used.
//! - After a write or a sync that failed nothing more is written: what the disk holds then
//!   is not known, and a second sync may succeed without having written anything. A successor
//!   that could not be begun is another matter: as long as it bears the name of a draft no
//!   opening looks at it, and the next try makes another one.
//! - Segments are never used twice.

pub(super) mod frame;
pub(super) mod preallocate;
pub(super) mod recovery;
pub(super) mod segment;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use self::frame::{HEAD_LEN, Head, Kind, Salted};
use self::preallocate::{Blank, Preallocated};
use self::segment::{End, Folder, HEADER_LEN, Header};
use super::disk::{FaultInjection, is_sabotaged};
use super::write::batch::WriteBatch;
use crate::engine::Identity;
use crate::error::StorageError;

/// The most that an opening preallocates by itself; the spare is made in the background.
const FIRST_LEN_MAX: u64 = 1 << 20;

/// How a write to the journal fails.
#[derive(Debug)]
pub(super) enum AppendError {
    /// Nothing was written, and the next try may succeed.
    Refused(StorageError),
    /// Nothing of what was to be written is there, and nothing more can be.
    Stopped(StorageError),
    /// It is there or not, and nothing more can be written.
    Unknown(StorageError),
}

impl AppendError {
    pub(super) fn into_cause(self) -> StorageError {
        match self {
            Self::Refused(cause) | Self::Stopped(cause) | Self::Unknown(cause) => cause,
        }
    }
}

/// The open journal.
#[derive(Debug)]
pub(super) struct Journal {
    identity: Identity,
    spare: Arc<Preallocated>,
    old: Arc<Old>,
    current: Current,
    end: End,
    /// The last frame tells nothing of the one before it being whole.
    pub(super) is_quiet: bool,
    /// A deliberate fault left the last frame unsynced.
    is_unsynced: bool,
}

/// The segment that is written.
#[derive(Debug)]
struct Current {
    blank: Blank,
    first_lsn: u64,
    salted: Salted,
    offset: u64,
}

impl Journal {
    /// Begins a new segment behind `end`, under the name of one that holds no frame if there
    /// is one. Everything in the directory is durable when it returns.
    pub(super) fn begin(
        identity: Identity,
        end: End,
        spare: Arc<Preallocated>,
        old: Arc<Old>,
    ) -> Result<Self, StorageError> {
        let file = spare.folder().draft()?;
        let len = spare.len().min(FIRST_LEN_MAX);
        preallocate::fill(&*file, len, &AtomicBool::new(false))?;
        let current = start(spare.folder(), identity, end, Blank { file, len });
        let current = current.map_err(AppendError::into_cause)?;
        Ok(Self {
            identity,
            spare,
            old,
            current,
            end,
            is_quiet: true,
            is_unsynced: false,
        })
    }

    /// The last lsn.
    pub(super) const fn last_lsn(&self) -> u64 {
        self.end.lsn
    }

    /// The bytes that the current segment holds.
    pub(super) const fn bytes(&self) -> u64 {
        self.current.offset
    }

    /// Sees to it that frames of so many bytes find room, as far as one roll gives it: what
    /// was begun should not end for want of it.
    pub(super) fn prepare(&self, len: usize) -> Result<(), AppendError> {
        if self.has_room(len.saturating_add(frame::FRAME_MAX / 64)) {
            return Ok(());
        }
        self.spare.wait_until_ready().map_err(AppendError::Refused)
    }

    /// Fails if an opening would not find what is written now: the segment was removed, or its
    /// directory was moved or replaced.
    pub(super) fn check_name(&self) -> Result<(), StorageError> {
        let path = self.spare.folder().segment(self.current.first_lsn);
        Ok(self.current.blank.file.check_name(&path)?)
    }

    /// Appends the writes as one frame; durable on return.
    pub(super) fn append(&mut self, writes: &mut WriteBatch) -> Result<(), AppendError> {
        if writes.len() > frame::FRAME_MAX {
            let why = format!("a frame would have {} bytes", writes.len());
            let kind = crate::error::StorageErrorKind::TooLarge;
            return Err(AppendError::Refused(StorageError::new(kind, why)));
        }
        if !self.has_room(writes.len()) {
            if self.is_empty() {
                // Under the name of the one that is too short for it.
                self.current = self.begin_next()?;
            } else {
                self.roll()?;
            }
        }
        self.is_quiet = false;
        let put = self.put(Kind::Writes, &mut writes.frame);
        put.map_err(AppendError::Unknown)
    }

    /// Appends a frame that holds nothing; where the segment is full, it grows by it.
    pub(super) fn mark(&mut self, kind: Kind) -> Result<(), AppendError> {
        self.is_quiet = true;
        let put = self.put(kind, &mut vec![0; HEAD_LEN]);
        put.map_err(AppendError::Unknown)
    }

    /// Goes on in a segment without a frame. What was written up to now is in older ones.
    pub(super) fn roll(&mut self) -> Result<(), AppendError> {
        if self.is_empty() {
            return Ok(());
        }
        let next = self.begin_next()?;
        let put = self.put(Kind::Sealed, &mut vec![0; HEAD_LEN]);
        put.map_err(AppendError::Stopped)?;
        self.old.add(Closed {
            first_lsn: self.current.first_lsn,
            last_lsn: self.end.lsn,
            bytes: self.current.offset,
        });
        self.current = next;
        self.is_quiet = true;
        Ok(())
    }

    /// Makes the spare the segment behind the last frame.
    fn begin_next(&self) -> Result<Current, AppendError> {
        self.check_name().map_err(AppendError::Refused)?;
        let blank = self.spare.take().map_err(AppendError::Refused)?;
        let next = start(self.spare.folder(), self.identity, self.end, blank);
        match &next {
            Err(AppendError::Refused(why)) => self.spare.give_up(why.clone()),
            _ => self.spare.want_next(),
        }
        next
    }

    /// No frame is in the current segment.
    const fn is_empty(&self) -> bool {
        self.current.offset == HEADER_LEN
    }

    /// The seal needs room, too. A segment without a frame takes one of any length, if no
    /// longer segment is to be had: it grows.
    fn has_room(&self, len: usize) -> bool {
        let frame = len.next_multiple_of(frame::BOUNDARY);
        let wanted = frame.saturating_add(frame::BOUNDARY);
        let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
        let end = self.current.offset.saturating_add(wanted);
        let len = self.current.blank.len;
        end <= len || (self.is_empty() && len >= self.spare.len())
    }

    /// Makes a frame of room for a head and a payload, writes it and syncs it.
    fn put(&mut self, kind: Kind, frame: &mut Vec<u8>) -> Result<(), StorageError> {
        let step = u64::from(kind != Kind::Sealed);
        let head = Head {
            kind,
            lsn: self.end.lsn.saturating_add(step),
            previous: self.end.checksum,
        };
        let current = &mut self.current;
        if std::mem::take(&mut self.is_unsynced) {
            current.blank.file.sync()?;
        }
        let checksum = frame::finish(&current.salted, head, frame);
        current.blank.file.write_at(current.offset, frame)?;
        let disk = &*self.spare.folder().disk;
        if is_sabotaged(disk, FaultInjection::AnswerEarly) && kind == Kind::Writes {
            self.is_unsynced = true;
        } else if !is_sabotaged(disk, FaultInjection::SkipJournalSync) || kind != Kind::Writes {
            current.blank.file.sync()?;
        }
        let len = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        current.offset = current.offset.saturating_add(len);
        // The chain goes on in the successor, whose header was made before the seal.
        if kind != Kind::Sealed {
            let lsn = head.lsn;
            self.end = End { lsn, checksum };
        }
        Ok(())
    }
}

/// Gives a blank file its header and its name, both durable. Refused as long as it has no name:
/// then it is a draft that nothing knows of.
fn start(
    folder: &Folder,
    identity: Identity,
    before: End,
    blank: Blank,
) -> Result<Current, AppendError> {
    let header = write_header(folder, identity, before, &blank).map_err(AppendError::Refused)?;
    let named = folder.name_draft(header.first_lsn);
    named.map_err(|error| match error.is_unnamed {
        true => AppendError::Refused(error.into()),
        false => AppendError::Stopped(error.into()),
    })?;
    Ok(Current {
        blank,
        first_lsn: header.first_lsn,
        salted: Salted::new(&header.salt),
        offset: HEADER_LEN,
    })
}

fn write_header(
    folder: &Folder,
    identity: Identity,
    before: End,
    blank: &Blank,
) -> Result<Header, StorageError> {
    let mut header = Header::draw(identity, before, blank.len)?;
    if is_sabotaged(&*folder.disk, FaultInjection::RecycleSegment) {
        header.salt = [0; 16];
    }
    blank.file.write_at(0, &header.to_bytes())?;
    blank.file.sync()?;
    Ok(header)
}

/// A segment to which nothing more is written.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) first_lsn: u64,
    pub(super) last_lsn: u64,
    pub(super) bytes: u64,
}

/// The segments to which nothing more is written, until the base holds what they hold.
#[derive(Debug)]
pub(super) struct Old {
    folder: Folder,
    segments: Mutex<Vec<Closed>>,
}

impl Old {
    pub(super) fn new(folder: Folder) -> Self {
        let segments = Mutex::default();
        Self { folder, segments }
    }

    pub(super) fn add(&self, closed: Closed) {
        self.segments.lock().push(closed);
    }

    pub(super) fn count(&self) -> usize {
        self.segments.lock().len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.lock().iter().map(|closed| closed.bytes).sum()
    }

    /// Removes the segments that hold nothing behind `applied`. One that cannot be removed
    /// costs room and is tried again. Nobody waits for it.
    pub(super) fn remove_up_to(&self, applied: u64) {
        let is_held = |closed: &mut Closed| closed.last_lsn <= applied;
        let held: Vec<Closed> = self.segments.lock().extract_if(.., is_held).collect();
        for closed in held {
            if self.folder.remove(closed.first_lsn).is_err() {
                self.add(closed);
            }
        }
    }
}
