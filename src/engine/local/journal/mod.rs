//! The journal (write-ahead log). The engine appends each batch as frames and syncs them before it
//! acknowledges the batch.
//!
//! - Each frame has a log sequence number (LSN), one more than that of the frame before it. Only a
//!   seal repeats the LSN of the frame before it.
//! - The journal syncs each frame before it appends the next one. A crash can tear only the last
//!   frame.
//! - The header and the name of the next segment (the successor) are durable before the journal
//!   seals a segment. The seal is durable before the journal appends to the successor.
//! - After a failed write or sync, the journal accepts no more writes. The contents of the disk
//!   are then unknown, and a second sync may succeed without writing the lost pages.
//! - A new segment has a temporary name (a draft) until its header is durable. If the start of a
//!   segment fails while the file certainly is a draft, the journal stays usable. Recovery ignores
//!   drafts, and the next attempt creates a new one.
//! - The journal never reuses a segment.

pub(super) mod catch_up;
mod closed;
pub(super) mod copies;
pub(super) mod frame;
mod merged;
pub(super) mod preallocate;
pub(super) mod reader;
pub(super) mod recovery;
pub(super) mod segment;
mod tail;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(super) use self::closed::{ClosedSegment, ClosedSegments};
pub(super) use self::copies::AppendError;
use self::copies::{JournalFiles, Place, SegmentCopies, SegmentCopy};
use self::frame::{HEAD_LEN, Head, Kind, Salted};
use self::segment::{End, Folder, HEADER_LEN, Header};
use super::disk::{DiskFile, FaultInjection, is_injected};
use super::write::batch::WriteBatch;
use crate::engine::Identity;
use crate::error::StorageError;
use crate::log::event;
use crate::number::u64_of;

/// Maximum length of the first segment after the store is opened, in bytes: 1 MiB. The thread that
/// opens the store fills this segment with zeros. A background thread preallocates all later
/// segments.
const FIRST_LEN_MAX: u64 = 1 << 20;

/// Files of the next segment, which the journal begins in each directory.
type Successors = Vec<(Place, Arc<dyn DiskFile>)>;

/// The open journal.
#[derive(Debug)]
pub(super) struct Journal {
    identity: Identity,
    copies: SegmentCopies,
    current: Current,
    end: End,
    /// Length of a segment, in bytes, except the first after the store is opened.
    segment_len: u64,
    /// Whether the last frame needs no idle mark: it is a mark itself, or the current segment
    /// has no frame.
    pub(super) is_quiet: bool,
    /// Whether an injected fault left the last frame unsynced.
    is_unsynced: bool,
}

/// The segment to which the journal appends.
#[derive(Debug)]
struct Current {
    header: Header,
    salted: Salted,
    offset: u64,
}

impl Current {
    fn new(header: Header) -> Self {
        Self {
            header,
            salted: Salted::new(&header.salt),
            offset: u64_of(HEADER_LEN),
        }
    }
}

impl Journal {
    /// Starts a new segment after `end`. The segment replaces an existing one with the same name
    /// that has no frames. On return, the segment and all names in the directory are durable.
    ///
    /// `files` are the directories of the store. `needs_both`: whether every one of them must store
    /// a frame before it is acknowledged. See [`Self::take_lost`] for directories that fail.
    pub(super) fn begin(
        identity: Identity,
        end: End,
        files: Vec<JournalFiles>,
        needs_both: bool,
    ) -> Result<Self, StorageError> {
        let lens = files.iter().map(|files| files.spare.len());
        let segment_len = lens.min().unwrap_or(FIRST_LEN_MAX);
        let len = segment_len.min(FIRST_LEN_MAX);
        let header = Header::new_after(identity, end, len)?;
        let mut copies = SegmentCopies::new(needs_both);
        copies
            .start(files, |files| {
                let blank = files.folder().draft().map_err(StorageError::from);
                let blank = blank.and_then(|file| {
                    preallocate::fill(&*file, len, &AtomicBool::new(false))?;
                    Ok(file)
                });
                let blank = blank.map_err(AppendError::NotWritten)?;
                start(files.folder(), &header, blank)
            })
            .map_err(AppendError::into_cause)?;
        Ok(Self {
            identity,
            copies,
            current: Current::new(header),
            end,
            segment_len,
            is_quiet: true,
            is_unsynced: false,
        })
    }

    /// Removes and returns the directories that failed since the last call. The journal no longer
    /// writes to them. The caller must record their loss before it acknowledges anything.
    pub(super) fn take_lost(&mut self) -> Vec<(Place, StorageError)> {
        self.copies.take_lost()
    }

    pub(super) const fn has_lost(&self) -> bool {
        self.copies.has_lost()
    }

    /// Whether the journal writes to a directory.
    pub(super) fn has(&self, place: Place) -> bool {
        self.copies.iter().any(|copy| copy.files.place == place)
    }

    /// Leaves a directory out: the journal no longer writes to it.
    pub(super) fn remove(&mut self, place: Place) {
        self.copies.remove(place);
    }

    /// Adds an empty mirror, and returns the end of the journal before its first segment. All later
    /// frames are written to it, too. Fails, without effect on the other directory, if the mirror
    /// cannot store a segment.
    pub(super) fn add_mirror(&mut self, files: JournalFiles) -> Result<End, AppendError> {
        self.roll()?;
        let blank = files.spare.take().map_err(AppendError::NotWritten)?;
        let file = start(files.folder(), &self.current.header, blank);
        let file = file.map_err(|error| AppendError::NotWritten(error.into_cause()))?;
        files.spare.request_next();
        let is_filling = true;
        self.copies.add(SegmentCopy {
            files,
            file: file.into(),
            is_filling,
        });
        Ok(self.current.header.before)
    }

    /// Declares the mirror complete: from now on, each frame needs it.
    pub(super) fn finish_filling(&mut self) {
        self.copies.finish_filling();
    }

    /// LSN of the last frame.
    pub(super) const fn last_lsn(&self) -> u64 {
        self.end.lsn
    }

    /// Length of the header and all frames of the current segment, in bytes.
    pub(super) const fn bytes(&self) -> u64 {
        self.current.offset
    }

    /// Waits until frames of `len` bytes fit into the current segment or a preallocated next one.
    ///
    /// Without this check, a batch of several frames could fail after its first frame.
    pub(super) fn prepare(&mut self, len: usize) -> Result<(), AppendError> {
        // The margin of 64 KiB covers the padding of frames and the seal.
        if self.has_room(len + frame::FRAME_MAX / 64) {
            return Ok(());
        }
        self.copies.each(|copy| {
            let ready = copy.files.spare.wait_until_ready();
            ready.map_err(AppendError::NotWritten)
        })
    }

    /// Fails if recovery would not find the current segment: somebody removed the segment, or moved
    /// or replaced its directory.
    pub(super) fn check_name(&mut self) -> Result<(), StorageError> {
        let first_lsn = self.current.header.first_lsn;
        self.copies.each(|copy| {
            let path = copy.files.folder().segment(first_lsn);
            Ok(copy.file.check_name(&path)?)
        })
    }

    /// Appends the writes as one frame. The frame is durable on return.
    pub(super) fn append(&mut self, writes: &mut WriteBatch) -> Result<(), AppendError> {
        if writes.len() > frame::FRAME_MAX {
            let (len, max) = (writes.len(), frame::FRAME_MAX);
            let why = format!("journal frame of {len} bytes exceeds the limit of {max} bytes");
            let kind = crate::error::StorageErrorKind::TooLarge;
            return Err(AppendError::NotWritten(StorageError::new(kind, why)));
        }
        if !self.has_room(writes.len()) {
            if self.is_empty() {
                // The current segment is too short and has no frames, so it needs no seal. The new
                // segment starts at the same LSN and replaces it under the same name.
                let next = self.begin_next()?;
                self.go_on_in(next);
            } else {
                self.roll()?;
            }
        }
        self.is_quiet = false;
        let put = self.append_frame(Kind::Writes, &mut writes.frame);
        put.map_err(AppendError::Unknown)
    }

    /// Appends a frame without a payload. If the segment is full, the frame extends the file.
    pub(super) fn mark(&mut self, kind: Kind) -> Result<(), AppendError> {
        self.is_quiet = true;
        let put = self.append_frame(kind, &mut vec![0; HEAD_LEN]);
        put.map_err(AppendError::Unknown)
    }

    /// Switches to a new segment. All existing frames are then in older segments. Does nothing
    /// if the current segment has no frame.
    pub(super) fn roll(&mut self) -> Result<(), AppendError> {
        if self.is_empty() {
            return Ok(());
        }
        // The order matters. First, `begin_next` makes the successor's header and name
        // durable. Then the seal ends the current segment. Then appends go to the successor.
        // A crash before the seal leaves a successor without frames, which recovery accepts.
        // If the seal came first, a crash could leave a sealed segment without a successor,
        // and recovery would report a missing segment.
        let next = self.begin_next()?;
        let put = self.append_frame(Kind::Sealed, &mut vec![0; HEAD_LEN]);
        // After a failed seal, no write is lost, but the segment may or may not be sealed. Recovery
        // does not read frames after a seal, so the journal must append nothing more.
        put.map_err(AppendError::Poisoned)?;
        let closed = ClosedSegment {
            first_lsn: self.current.header.first_lsn,
            last_lsn: self.end.lsn,
            bytes: self.current.offset,
        };
        self.copies
            .iter()
            .for_each(|copy| copy.files.old.add(closed));
        event!(
            debug,
            "rolled journal",
            first_lsn = next.0.header.first_lsn,
            bytes = self.current.offset,
        );
        self.go_on_in(next);
        self.is_quiet = true;
        Ok(())
    }

    /// Turns the preallocated file into the segment after the last frame.
    fn begin_next(&mut self) -> Result<(Current, Successors), AppendError> {
        self.check_name().map_err(AppendError::NotWritten)?;
        self.copies.each(|copy| {
            let ready = copy.files.spare.wait_until_ready();
            ready.map_err(AppendError::NotWritten)
        })?;
        let mut header = Header::new_after(self.identity, self.end, self.segment_len)
            .map_err(AppendError::NotWritten)?;
        let (mut successors, mut is_begun) = (Successors::new(), false);
        let started = self.copies.each(|copy| {
            let files = &copy.files;
            if is_injected(&*files.folder().disk, FaultInjection::RecycleSegment) {
                header.salt = [0; 16];
            }
            let blank = files.spare.take().map_err(AppendError::NotWritten)?;
            let file = start(files.folder(), &header, blank);
            // After `NotWritten`, the file is still a draft: the background thread waits 200 ms and
            // replaces it. In every other case there is no draft, or the journal is poisoned.
            match &file {
                Err(AppendError::NotWritten(why)) => files.spare.report_failure(why.clone()),
                _ => files.spare.request_next(),
            }
            let file = file?;
            is_begun |= !copy.is_filling;
            successors.push((files.place, file.into()));
            Ok(())
        });
        started.map_err(|error: AppendError| {
            // A mirror that is being filled may hold the next segment now. Fill it again.
            self.copies.remove_filling();
            match is_begun {
                // One directory holds the next segment, and recovery would end the current one
                // there. So the journal must append nothing more to the current one.
                true => AppendError::Poisoned(error.into_cause()),
                false => error,
            }
        })?;
        Ok((Current::new(header), successors))
    }

    /// Makes a new segment the current one.
    fn go_on_in(&mut self, next: (Current, Successors)) {
        let (current, successors) = next;
        self.current = current;
        self.copies.replace_files(successors);
    }

    /// Whether the current segment has no frame.
    const fn is_empty(&self) -> bool {
        self.current.offset == u64_of(HEADER_LEN)
    }

    /// Whether a frame of `len` bytes and a seal fit into the current segment.
    fn has_room(&self, len: usize) -> bool {
        let frame = len.next_multiple_of(frame::BOUNDARY);
        let end = self.current.offset + u64_of(frame + frame::BOUNDARY);
        let len = self.current.header.len;
        // An empty segment of full length accepts a frame of any length; its file then grows. A new
        // segment would not be longer.
        end <= len || (self.is_empty() && len >= self.segment_len)
    }

    /// Completes the frame in the buffer, writes it, and syncs it. The buffer starts with room
    /// for the head.
    fn append_frame(&mut self, kind: Kind, frame: &mut Vec<u8>) -> Result<(), StorageError> {
        // A seal (the last frame of a full segment) gets no LSN of its own, because the header of
        // the next segment already contains the next LSN.
        let lsn = match kind {
            Kind::Sealed => self.end.lsn,
            _ => self.end.next_lsn()?,
        };
        let head = Head {
            kind,
            lsn,
            previous: self.end.checksum,
        };
        let current = &mut self.current;
        if std::mem::take(&mut self.is_unsynced) {
            self.copies.sync_all()?;
        }
        let checksum = frame::finish(&current.salted, head, frame)?;
        let is_writes = kind == Kind::Writes;
        self.is_unsynced = is_writes && self.copies.has_fault(FaultInjection::AnswerEarly);
        let is_skipped = is_writes && self.copies.has_fault(FaultInjection::SkipJournalSync);
        let is_synced = !self.is_unsynced && !is_skipped;
        self.copies.write(current.offset, frame, is_synced)?;
        current.offset += u64_of(frame.len());
        // Leave `end` unchanged for a seal. The header of the successor was written before the
        // seal, so the first frame of the successor continues the chain of checksums from the frame
        // before the seal.
        if kind != Kind::Sealed {
            self.end = End { lsn, checksum };
        }
        Ok(())
    }
}

/// Gives a preallocated file its header and its name, and makes both durable.
///
/// The error is [`AppendError::NotWritten`] if the file is certainly still a draft, which recovery
/// ignores. The error is [`AppendError::Poisoned`] if the file may already have the segment's name.
fn start(
    folder: &Folder,
    header: &Header,
    blank: Box<dyn DiskFile>,
) -> Result<Box<dyn DiskFile>, AppendError> {
    let write_header = || {
        blank.write_at(0, &header.to_bytes())?;
        blank.sync()
    };
    write_header().map_err(|error| AppendError::NotWritten(error.into()))?;
    let named = folder.name_draft(header.first_lsn);
    named.map_err(|error| match error.is_unnamed {
        true => AppendError::NotWritten(error.into()),
        false => AppendError::Poisoned(error.into()),
    })?;
    Ok(blank)
}
