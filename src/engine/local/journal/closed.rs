//! Segments to which the journal no longer appends.

use parking_lot::Mutex;

use super::segment::Folder;

/// A segment to which the journal no longer appends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClosedSegment {
    pub(crate) first_lsn: u64,
    pub(crate) last_lsn: u64,
    pub(crate) bytes: u64,
}

/// Closed segments that the B-tree or the archive still needs.
#[derive(Debug)]
pub(crate) struct ClosedSegments {
    folder: Folder,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    segments: Vec<ClosedSegment>,
    /// Last LSN that the B-tree durably holds.
    applied: u64,
    /// Last LSN that the archive holds. `u64::MAX` if there is no archive.
    archived: u64,
    /// Maximum size of the segments that only the archive needs, in bytes.
    archive_bytes_max: u64,
}

impl State {
    /// Removes and returns the segments that are not needed any more.
    fn take_unneeded(&mut self) -> Vec<ClosedSegment> {
        self.segments
            .sort_unstable_by_key(|closed| closed.first_lsn);
        let mut bytes = self.bytes_for_archive();
        let (applied, archived, max) = (self.applied, self.archived, self.archive_bytes_max);
        // Of too many segments that only the archive needs, drop the oldest ones.
        let is_unneeded = |closed: &mut ClosedSegment| {
            let is_unneeded =
                closed.last_lsn <= applied && (closed.last_lsn <= archived || bytes > max);
            if is_unneeded && closed.last_lsn > archived {
                bytes = bytes.saturating_sub(closed.bytes);
            }
            is_unneeded
        };
        self.segments.extract_if(.., is_unneeded).collect()
    }

    fn bytes_for_archive(&self) -> u64 {
        let held = self.segments.iter();
        let held = held
            .filter(|closed| closed.last_lsn <= self.applied && closed.last_lsn > self.archived);
        held.map(|closed| closed.bytes).sum()
    }
}

impl ClosedSegments {
    pub(crate) fn new(folder: Folder) -> Self {
        let state = Mutex::new(State {
            segments: Vec::new(),
            applied: 0,
            archived: u64::MAX,
            archive_bytes_max: u64::MAX,
        });
        Self { folder, state }
    }

    pub(crate) fn add(&self, closed: ClosedSegment) {
        self.state.lock().segments.push(closed);
    }

    /// Number of segments whose frames are not all in the B-tree.
    pub(crate) fn count(&self) -> usize {
        let state = self.state.lock();
        let needed = state.segments.iter();
        needed
            .filter(|closed| closed.last_lsn > state.applied)
            .count()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes_after(0)
    }

    /// Size of the segments with frames after an LSN, in bytes.
    pub(crate) fn bytes_after(&self, lsn: u64) -> u64 {
        let state = self.state.lock();
        let after = state.segments.iter().filter(|closed| closed.last_lsn > lsn);
        after.map(|closed| closed.bytes).sum()
    }

    /// Size of the segments that only the archive needs, in bytes.
    pub(crate) fn bytes_for_archive(&self) -> u64 {
        self.state.lock().bytes_for_archive()
    }

    /// Removes all segments that are not needed any more, now that the B-tree durably holds the
    /// frames up to the LSN `applied`.
    pub(crate) fn remove_up_to(&self, applied: u64) {
        let mut state = self.state.lock();
        state.applied = state.applied.max(applied);
        drop(state);
        self.remove_unneeded();
    }

    /// Keeps at most `bytes_max` bytes of segments that only the archive needs.
    pub(crate) fn keep_for_archive(&self, bytes_max: u64) {
        let mut state = self.state.lock();
        state.archive_bytes_max = bytes_max;
        state.archived = 0;
    }

    /// Drops the segments that only the archive needs.
    pub(crate) fn drop_for_archive(&self) {
        let mut state = self.state.lock();
        let bytes_max = std::mem::take(&mut state.archive_bytes_max);
        let dropped = state.take_unneeded();
        state.archive_bytes_max = bytes_max;
        drop(state);
        self.remove(dropped);
    }

    /// Keeps the segments with frames after the LSN `archived`, which the archive does not hold yet.
    pub(crate) fn note_archived(&self, archived: u64) {
        self.state.lock().archived = archived;
        self.remove_unneeded();
    }

    fn remove_unneeded(&self) {
        let unneeded = self.state.lock().take_unneeded();
        // Let the journal close segments while the files are removed.
        self.remove(unneeded);
    }

    /// If a file cannot be removed, the next call tries again. Meanwhile the file only takes disk
    /// space.
    fn remove(&self, segments: Vec<ClosedSegment>) {
        for closed in segments {
            if self.folder.remove(closed.first_lsn).is_err() {
                self.add(closed);
            }
        }
    }
}
