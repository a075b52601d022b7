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

/// Closed segments that a checkpoint has not made obsolete yet.
#[derive(Debug)]
pub(crate) struct ClosedSegments {
    folder: Folder,
    segments: Mutex<Vec<ClosedSegment>>,
}

impl ClosedSegments {
    pub(crate) fn new(folder: Folder) -> Self {
        let segments = Mutex::default();
        Self { folder, segments }
    }

    pub(crate) fn add(&self, closed: ClosedSegment) {
        self.segments.lock().push(closed);
    }

    pub(crate) fn count(&self) -> usize {
        self.segments.lock().len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.lock().iter().map(|closed| closed.bytes).sum()
    }

    /// Removes all segments without frames after the LSN `applied`.
    ///
    /// The caller must first make `applied` durable in the B-tree. If a file cannot be removed,
    /// the next call tries again. Meanwhile the file only takes disk space.
    pub(crate) fn remove_up_to(&self, applied: u64) {
        let is_held = |closed: &mut ClosedSegment| closed.last_lsn <= applied;
        let held: Vec<ClosedSegment> = self.segments.lock().extract_if(.., is_held).collect();
        for closed in held {
            if self.folder.remove(closed.first_lsn).is_err() {
                self.add(closed);
            }
        }
    }
}
