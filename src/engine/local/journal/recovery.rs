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

use super::ClosedSegment;
use super::frame::{Frame, Kind};
use super::merged::{JournalCorruption, Segment};
use super::segment::{End, Folder, HEADER_LEN};
use super::tail::{Tail, rewrite};
use crate::engine::local::disk::{FaultInjection, is_injected};
use crate::engine::local::memtable::Memtable;
use crate::engine::local::write::batch::WriteBatch;
use crate::engine::{Identity, Progress};
use crate::error::StorageError;
use crate::log::event;
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

/// Journal of one directory.
pub(crate) struct Source {
    pub(crate) folder: Folder,
    /// Last LSN that the B-tree of this directory holds.
    pub(crate) applied: u64,
}

/// A recovered journal.
pub(crate) struct Recovered {
    /// Writes that no B-tree holds.
    pub(crate) memtable: Memtable,
    /// Writes that only one of two B-trees holds.
    pub(crate) lag: Memtable,
    pub(crate) recovery: Recovery,
    pub(crate) end: End,
    /// Result for each source.
    pub(crate) copies: Vec<Result<RecoveredCopy, StorageError>>,
}

/// A recovered journal in one directory.
pub(crate) struct RecoveredCopy {
    /// All segments with frames, and the segments whose frames the B-tree already holds. The
    /// journal appends to none of these segments.
    pub(crate) segments: Vec<ClosedSegment>,
    /// Last segment, which recovery has rewritten. `None` if there is none. Opening the store adds
    /// a seal to this segment when the next segment exists.
    pub(crate) tail: Option<Tail>,
}

/// Failed recovery.
#[derive(Debug)]
pub(crate) struct FailedRecovery {
    /// Index of the source without which recovery may succeed, if it is known.
    pub(crate) source: Option<usize>,
    pub(crate) cause: StorageError,
}

impl From<StorageError> for FailedRecovery {
    fn from(cause: StorageError) -> Self {
        let source = None;
        Self { source, cause }
    }
}

/// Replays all frames with a higher LSN than the last one that each B-tree holds.
///
/// The sources are the directories of one store. Fails if none of them can be used.
pub(crate) fn recover(
    sources: Vec<Source>,
    identity: Identity,
    progress: Option<&Progress>,
) -> Result<Recovered, FailedRecovery> {
    let listed = sources.iter().enumerate().map(|(source, listed)| {
        let source = Some(source);
        list(listed).map_err(|cause| FailedRecovery { source, cause })
    });
    let listed: Vec<Vec<u64>> = listed.collect::<Result<_, _>>()?;
    let mut first_lsns = listed.concat();
    first_lsns.sort_unstable();
    first_lsns.dedup();
    let applied = || sources.iter().map(|source| source.applied);
    let (held_by_all, held_by_one) = (applied().min(), applied().max());
    // Start at the last segment whose first LSN is at most `held_by_all + 1`. The B-trees already
    // contain the frames of all segments before it: recovery skips these segments, and the engine
    // later removes them. If every segment starts at a later LSN, frames are missing.
    let end = End {
        lsn: held_by_all.unwrap_or_default(),
        ..End::default()
    };
    let next = end.next_lsn()?;
    let held = first_lsns.partition_point(|first| *first <= next);
    let (Some(from), true) = (held.checked_sub(1), held > 0) else {
        return Err(StorageError::from(JournalCorruption::Missing(next)).into());
    };
    let (stale, needed) = first_lsns.split_at(from);
    let mut replay = Replay {
        sources,
        identity,
        held_by_all: end.lsn,
        held_by_one: held_by_one.unwrap_or_default(),
        end: None,
        memtable: Memtable::default(),
        lag: Memtable::default(),
        recovery: Recovery::default(),
        segments: Vec::new(),
        last: None,
        tail: None,
    };
    replay.read_all(needed, progress).map_err(|cause| {
        // Only one B-tree lacks the frames so far. The others do not need them.
        let end = replay.end.map_or(0, |end| end.lsn);
        let lags = |source: &Source| source.applied < replay.held_by_one;
        let source = replay.sources.iter().position(lags);
        let source = source.filter(|_| end < replay.held_by_one);
        FailedRecovery { source, cause }
    })?;
    Ok(replay.finish(stale, &listed)?)
}

fn list(source: &Source) -> Result<Vec<u64>, StorageError> {
    match source.folder.list() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => Ok(listed?),
    }
}

const fn closed(first_lsn: u64, last_lsn: u64, bytes: u64) -> ClosedSegment {
    ClosedSegment {
        first_lsn,
        last_lsn,
        bytes,
    }
}

struct Replay {
    sources: Vec<Source>,
    identity: Identity,
    /// Last LSN that every B-tree holds.
    held_by_all: u64,
    /// Last LSN that at least one B-tree holds.
    held_by_one: u64,
    /// LSN and checksum of the last frame so far; `None` before the first segment.
    end: Option<End>,
    memtable: Memtable,
    lag: Memtable,
    recovery: Recovery,
    segments: Vec<ReadSegment>,
    /// Kind of the last frame in the current segment; `None` if it has no frame.
    last: Option<Kind>,
    /// Index of the last segment that has a frame.
    tail: Option<usize>,
}

/// A segment that was read.
struct ReadSegment {
    closed: ClosedSegment,
    /// Offset after the last frame.
    end: usize,
    has_frames: bool,
    /// Contents of the segment, if it must be written again: it is the last one with frames, or a
    /// directory lacks frames of it.
    contents: Option<Segment>,
}

impl Replay {
    fn read_all(
        &mut self,
        needed: &[u64],
        progress: Option<&Progress>,
    ) -> Result<(), StorageError> {
        let size = |first: &u64| {
            let mut files = self.sources.iter().map(|source| source.folder.open(*first));
            let len = files.find_map(|file| file.and_then(|file| file.len()).ok());
            len.unwrap_or(0)
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
        let folders: Vec<&Folder> = self.sources.iter().map(|source| &source.folder).collect();
        let segment = Segment::read(&folders, self.identity, first_lsn)?;
        let header = segment.header;
        // The header holds the LSN and the checksum of the last frame in the previous segment.
        // If they do not match, a segment between the two is missing or was replaced.
        if self.end.is_some_and(|end| end != header.before) {
            // `first_lsn` is at least 1, because `read` has compared it with the header.
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
                self.recovery.dropped_bytes = segment.torn(offset)?;
                break;
            };
            self.last = Some(frame.head.kind);
            let next = end.next_lsn()?;
            // In a complete segment, the loop ends before the seal. If it reads a seal, the
            // successor is missing, or starts at a later LSN.
            if frame.head.kind == Kind::Sealed {
                return Err(JournalCorruption::Missing(next).into());
            }
            let after = segment.end_after(offset, &frame, end)?;
            let taken = self.take(&frame);
            taken.map_err(|error| segment.locate(offset, error))?;
            end = after;
            offset += frame.len;
        }
        self.end = Some(end);
        let len = segment.bytes.len();
        let is_whole = |segment: &Segment| {
            let mut indexes = 0..self.sources.len();
            indexes.all(|index| segment.is_whole_in(index))
        };
        let has_frames = self.last.is_some();
        if has_frames {
            // The tail so far has a successor now. Keep its contents only if a directory lacks some.
            let tail = self.tail.and_then(|tail| self.segments.get_mut(tail));
            if let Some(tail) = tail {
                tail.contents = tail.contents.take().filter(|tail| !is_whole(tail));
            }
            self.tail = Some(self.segments.len());
        }
        let is_kept = has_frames || !is_whole(&segment);
        self.segments.push(ReadSegment {
            closed: closed(first_lsn, end.lsn, u64_of(offset)),
            end: offset,
            has_frames,
            contents: Some(segment).filter(|_| is_kept),
        });
        Ok(len)
    }

    /// Adds the writes of a frame to the memtable, unless every B-tree already holds them.
    fn take(&mut self, frame: &Frame<'_>) -> Result<(), StorageError> {
        if frame.head.kind == Kind::Writes && frame.head.lsn > self.held_by_all {
            self.recovery.frames += 1;
            let writes = WriteBatch::decode(frame.payload)?;
            let memtable = match frame.head.lsn > self.held_by_one {
                true => &mut self.memtable,
                false => &mut self.lag,
            };
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
    fn finish(mut self, stale: &[u64], listed: &[Vec<u64>]) -> Result<Recovered, StorageError> {
        let end = self.end.unwrap_or_default();
        // A B-tree holds writes up to `held_by_one`. If the journal ends before that LSN, the
        // journal is an old copy, or its end is lost.
        if end.lsn < self.held_by_one {
            return Err(JournalCorruption::Missing(self.held_by_one).into());
        }
        let first_read = self.segments.first().map(|read| read.closed.first_lsn);
        let durable = self.sources.iter().zip(listed).enumerate();
        let durable = durable.map(|(index, (source, listed))| {
            let tail = self.make_durable(index, source, listed, end)?;
            let held = stale.iter().filter(|first_lsn| listed.contains(first_lsn));
            // The B-tree holds these segments, but maybe the archive lacks them.
            let mut segments: Vec<_> = held
                .map(|first_lsn| {
                    // A segment ends before the next one begins.
                    let next = stale.iter().find(|other| *other > first_lsn).copied();
                    let next = next.or(first_read).unwrap_or(u64::MAX);
                    let len = source.folder.open(*first_lsn).and_then(|file| file.len());
                    closed(*first_lsn, next.saturating_sub(1), len.unwrap_or(0))
                })
                .collect();
            let read = self.segments.iter().filter(|read| read.has_frames);
            segments.extend(read.map(|read| read.closed));
            Ok(RecoveredCopy { segments, tail })
        });
        let mut copies: Vec<Result<RecoveredCopy, StorageError>> = durable.collect();
        if copies.iter().all(Result::is_err)
            && let Some(Err(error)) = copies.pop()
        {
            return Err(error);
        }
        self.recovery.last_lsn = end.lsn;
        self.recovery.was_closed = self.last == Some(Kind::Closed);
        Ok(Recovered {
            memtable: self.memtable,
            lag: self.lag,
            recovery: self.recovery,
            end,
            copies,
        })
    }

    /// Makes the replayed segments and their names durable in one directory. Returns the rewritten
    /// last segment.
    fn make_durable(
        &self,
        index: usize,
        source: &Source,
        listed: &[u64],
        end: End,
    ) -> Result<Option<Tail>, StorageError> {
        let folder = &source.folder;
        if is_injected(&*folder.disk, FaultInjection::RecoverWithoutSync) {
            return Ok(None);
        }
        let mut tail = None;
        for (position, read) in self.segments.iter().enumerate() {
            let first_lsn = read.closed.first_lsn;
            let is_there = listed.contains(&first_lsn);
            let is_tail = self.tail == Some(position);
            // The B-tree of this directory may hold all frames of a segment that is missing here.
            let is_needed = is_there || read.closed.last_lsn > source.applied;
            let is_whole = |segment: &Segment| segment.is_whole_in(index);
            if let Some(segment) = &read.contents
                && (is_tail || (read.has_frames && is_needed && !is_whole(segment)))
            {
                if !is_whole(segment) {
                    let dir = folder.path.display().to_string();
                    event!(
                        warn,
                        "repaired journal from the mirror",
                        dir = dir,
                        segment = first_lsn
                    );
                }
                let rewritten = rewrite(folder, segment, read.end, end)?;
                tail = Some(rewritten).filter(|_| is_tail).or(tail);
            }
            // Sync every segment again. The journal did so when it wrote them, but the files of a
            // copied directory may be in the page cache only.
            if is_there || is_tail {
                folder.open(first_lsn)?.sync()?;
            }
        }
        // Sync the directory: the process may have been killed between the rename of a segment and
        // the sync of its new name.
        folder.sync()?;
        Ok(tail)
    }
}
