//! The current segment of the journal in each directory of a mirrored store.
//!
//! - A store without a mirror has one copy, and a mirrored store has two. The copies of a segment
//!   have the same name, the same header and the same frames.
//! - A frame is durable when every copy is synced. The syncs run at the same time.
//! - The journal never writes again to a copy that failed. The step succeeds if another copy
//!   succeeded. Before the caller acknowledges anything, it must record the loss in the remaining
//!   directory.
//! - If both directories are required, the failure of one copy is the failure of the step.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::closed::ClosedSegments;
use super::preallocate::Preallocated;
use super::segment::Folder;
use crate::engine::local::disk::{DiskFile, FaultInjection, is_injected};
use crate::error::StorageError;

/// Failed write to the journal.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The journal wrote nothing. The next attempt may succeed.
    NotWritten(StorageError),
    /// The frame is certainly not in the journal, and the journal is poisoned.
    Poisoned(StorageError),
    /// The frame may or may not be in the journal, and the journal is poisoned.
    Unknown(StorageError),
}

impl AppendError {
    pub(crate) const fn cause(&self) -> &StorageError {
        match self {
            Self::NotWritten(cause) | Self::Poisoned(cause) | Self::Unknown(cause) => cause,
        }
    }

    pub(crate) fn into_cause(self) -> StorageError {
        match self {
            Self::NotWritten(cause) | Self::Poisoned(cause) | Self::Unknown(cause) => cause,
        }
    }
}

/// Directory of a mirrored store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Directory with which the store is opened.
    Main,
    /// Directory of the mirror.
    Mirror,
}

impl Place {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Main => Self::Mirror,
            Self::Mirror => Self::Main,
        }
    }
}

/// Journal files of one directory.
#[derive(Debug, Clone)]
pub(crate) struct JournalFiles {
    pub(crate) place: Place,
    pub(crate) spare: Arc<Preallocated>,
    pub(crate) old: Arc<ClosedSegments>,
}

impl JournalFiles {
    pub(super) fn folder(&self) -> &Folder {
        self.spare.folder()
    }
}

/// Current segment in one directory.
#[derive(Debug)]
pub(super) struct SegmentCopy {
    pub(super) files: JournalFiles,
    pub(super) file: Arc<dyn DiskFile>,
    /// Whether the mirror is still being filled. Its failure is then no loss.
    pub(super) is_filling: bool,
}

/// Current segment in every directory.
#[derive(Debug)]
pub(super) struct SegmentCopies {
    copies: Vec<SegmentCopy>,
    needs_both: bool,
    lost: Vec<(Place, StorageError)>,
    syncer: Option<Syncer>,
}

impl SegmentCopies {
    /// `needs_both`: whether every directory must store a frame.
    pub(super) const fn new(needs_both: bool) -> Self {
        Self {
            copies: Vec::new(),
            needs_both,
            lost: Vec::new(),
            syncer: None,
        }
    }

    /// Removes and returns the directories that failed since the last call. The journal no longer
    /// writes to them.
    pub(super) fn take_lost(&mut self) -> Vec<(Place, StorageError)> {
        std::mem::take(&mut self.lost)
    }

    pub(super) const fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SegmentCopy> {
        self.copies.iter()
    }

    /// Adds the current segment in another directory.
    pub(super) fn add(&mut self, copy: SegmentCopy) {
        let is_simulated = copy.files.folder().disk.executor().is_some();
        self.copies.push(copy);
        if self.copies.len() > 1 && self.syncer.is_none() && !is_simulated {
            // Without the thread, the syncs run one after the other.
            self.syncer = Syncer::start().ok();
        }
    }

    /// Starts the first segment in every directory. `start` returns its file.
    pub(super) fn start(
        &mut self,
        files: Vec<JournalFiles>,
        start: impl Fn(&JournalFiles) -> Result<Box<dyn DiskFile>, AppendError>,
    ) -> Result<(), AppendError> {
        let count = files.len();
        let mut error: Option<AppendError> = None;
        for files in files {
            match start(&files) {
                Ok(file) => self.add(SegmentCopy {
                    files,
                    file: file.into(),
                    is_filling: false,
                }),
                Err(failed) => {
                    self.lost.push((files.place, failed.cause().clone()));
                    error = Some(failed);
                }
            }
        }
        let is_enough = !self.copies.is_empty() && (self.copies.len() == count || !self.needs_both);
        error.filter(|_| !is_enough).map_or(Ok(()), Err)
    }

    /// Replaces the current segment by the next one. `files` has its file in each directory.
    pub(super) fn replace_files(&mut self, files: Vec<(Place, Arc<dyn DiskFile>)>) {
        for (place, file) in files {
            let copies = self.copies.iter_mut();
            for copy in copies.filter(|copy| copy.files.place == place) {
                copy.file = Arc::clone(&file);
            }
        }
    }

    /// Whether a test has injected this fault into the disk.
    pub(super) fn has_fault(&self, fault: FaultInjection) -> bool {
        let mut copies = self.copies.iter();
        copies.any(|copy| is_injected(&*copy.files.folder().disk, fault))
    }

    /// Marks the mirror as complete: from now on its failure is a loss.
    pub(super) fn finish_filling(&mut self) {
        for copy in &mut self.copies {
            copy.is_filling = false;
        }
    }

    /// Leaves a directory out that is being filled.
    pub(super) fn remove_filling(&mut self) {
        self.copies.retain(|copy| !copy.is_filling);
    }

    /// Leaves a directory out.
    pub(super) fn remove(&mut self, place: Place) {
        self.copies.retain(|copy| copy.files.place != place);
    }

    /// Runs a step in every directory. Succeeds if the journal can go on without the directories
    /// in which the step failed.
    pub(super) fn each<E: Failure>(
        &mut self,
        mut step: impl FnMut(&mut SegmentCopy) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut results: Vec<Result<(), E>> = self.copies.iter_mut().map(&mut step).collect();
        self.settle(&mut results)
    }

    /// Decides on the results of a step, one for each copy. Leaves out the copies that failed, if
    /// the journal can go on without them.
    fn settle<E: Failure>(&mut self, results: &mut Vec<Result<(), E>>) -> Result<(), E> {
        if results.iter().all(Result::is_ok) {
            return Ok(());
        }
        let copies = self.copies.iter().zip(results.iter());
        let complete = copies.filter(|(copy, _)| !copy.is_filling);
        let (mut works, mut fails) = (false, false);
        complete.for_each(|(_, result)| match result {
            Ok(()) => works = true,
            Err(_) => fails = true,
        });
        if !works || (fails && self.needs_both) {
            let errors = results.drain(..).filter_map(Result::err);
            return match errors.reduce(E::worse) {
                Some(error) => Err(error),
                None => Ok(()),
            };
        }
        let mut results = results.drain(..);
        let lost = &mut self.lost;
        self.copies.retain(|copy| match results.next() {
            Some(Err(error)) => {
                // A directory that is being filled was never complete.
                if !copy.is_filling {
                    lost.push((copy.files.place, error.into_cause()));
                }
                false
            }
            _ => true,
        });
        Ok(())
    }

    /// Writes bytes into every copy and syncs them, unless `is_synced` is false.
    pub(super) fn write(
        &mut self,
        offset: u64,
        bytes: &[u8],
        is_synced: bool,
    ) -> Result<(), StorageError> {
        let write = |copy: &SegmentCopy| Ok(copy.file.write_at(offset, bytes)?);
        let mut results: Vec<_> = self.copies.iter().map(write).collect();
        if is_synced {
            self.sync(&mut results);
        }
        self.settle(&mut results)
    }

    /// Syncs every copy whose write succeeded. The thread of the syncer syncs the second copy while
    /// this thread syncs the first.
    fn sync(&self, results: &mut [Result<(), StorageError>]) {
        let copies = self.copies.iter().zip(results);
        let mut written = copies.filter(|(_, result)| result.is_ok());
        let Some((first, first_result)) = written.next() else {
            return;
        };
        let Some((second, second_result)) = written.next() else {
            *first_result = first.file.sync().map_err(StorageError::from);
            return;
        };
        let syncer = self.syncer.as_ref();
        let begun = syncer.filter(|syncer| syncer.begin(&second.file));
        *first_result = first.file.sync().map_err(StorageError::from);
        let disk = &*second.files.folder().disk;
        if is_injected(disk, FaultInjection::AnswerBeforeMirror) {
            return;
        }
        let synced = match begun {
            Some(syncer) => syncer.end(),
            None => second.file.sync(),
        };
        *second_result = synced.map_err(StorageError::from);
    }

    /// Syncs every copy, one after the other.
    pub(super) fn sync_all(&mut self) -> Result<(), StorageError> {
        self.each(|copy| copy.file.sync().map_err(StorageError::from))
    }
}

/// Error of a step in one directory.
pub(super) trait Failure {
    fn into_cause(self) -> StorageError;

    /// The error after which more may have been written.
    fn worse(self, other: Self) -> Self;
}

impl Failure for StorageError {
    fn into_cause(self) -> StorageError {
        self
    }

    fn worse(self, _: Self) -> Self {
        self
    }
}

impl Failure for AppendError {
    fn into_cause(self) -> StorageError {
        Self::into_cause(self)
    }

    fn worse(self, other: Self) -> Self {
        match &self {
            Self::NotWritten(_) => other,
            Self::Poisoned(_) | Self::Unknown(_) => self,
        }
    }
}

/// Thread that syncs the second copy of a frame.
#[derive(Debug)]
struct Syncer {
    requests: Sender<Arc<dyn DiskFile>>,
    results: Receiver<io::Result<()>>,
}

impl Syncer {
    /// Starts the thread. It ends when the syncer is dropped.
    fn start() -> io::Result<Self> {
        let (requests, files) = channel::<Arc<dyn DiskFile>>();
        let (reply, results) = channel();
        let run = move || {
            while let Ok(file) = files.recv() {
                let result = file.sync();
                // Release the file first: the journal may close it right after the reply.
                drop(file);
                if reply.send(result).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new()
            .name("orderstore-mirror-sync".to_owned())
            .spawn(run)?;
        Ok(Self { requests, results })
    }

    /// Starts a sync. Returns whether it was started.
    fn begin(&self, file: &Arc<dyn DiskFile>) -> bool {
        self.requests.send(Arc::clone(file)).is_ok()
    }

    /// Waits for the sync that was started.
    fn end(&self) -> io::Result<()> {
        let ended = || io::Error::other("the thread that syncs the mirror has ended");
        self.results.recv().unwrap_or_else(|_| Err(ended()))
    }
}
