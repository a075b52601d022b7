//! Preallocation of the journal's next segment.
//!
//! - A background thread fills the file with zeros before the journal needs it. An append into
//!   written blocks changes no metadata, so its sync costs one write to the disk.
//! - The journal takes the file when it starts a new segment. It waits only if the file is not
//!   ready.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::super::disk::{self, DiskFile, FaultInjection, Task, is_injected};
use super::segment::Folder;
use crate::error::{StorageError, StorageErrorKind};
use crate::number::u64_of;

/// Number of bytes that the thread writes before each sync: 1 MiB. The limit keeps the syncs of
/// commits short, because a sync may wait for all unwritten bytes of the disk.
const STEP: usize = 1 << 20;

/// Number of bytes that the thread writes before it offers its core to other threads.
const PIECE: usize = 128 << 10;

/// Number of bytes that preallocation leaves free on the disk.
const ROOM: u64 = 8 << 20;

/// Delay between a failed attempt to create the file and the next attempt.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The preallocated next segment of a journal.
#[derive(Debug)]
pub(crate) struct Preallocated {
    folder: Folder,
    len: u64,
    state: Mutex<State>,
    changed: Condvar,
    closing: AtomicBool,
}

#[derive(Debug)]
enum State {
    /// The thread must create the next file.
    Wanted,
    /// The journal has taken the file, which is still a draft. A new draft would replace the file,
    /// so the thread waits.
    Taken,
    /// The next file is complete, and the journal can take it.
    Ready(Box<dyn DiskFile>),
    /// The last attempt to create the file failed.
    Failed(StorageError),
}

impl Preallocated {
    pub(crate) fn new(folder: Folder, len: u64) -> Self {
        Self {
            folder,
            len,
            state: Mutex::new(State::Wanted),
            changed: Condvar::new(),
            closing: AtomicBool::new(false),
        }
    }

    pub(super) const fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Waits for the preallocated file and takes it. Fails, without any change, if the last attempt
    /// to create a file failed.
    pub(super) fn take(&self) -> Result<Box<dyn DiskFile>, StorageError> {
        let mut state = self.ready()?;
        match std::mem::replace(&mut *state, State::Taken) {
            State::Ready(blank) => Ok(blank),
            _ => Err(closing()),
        }
    }

    /// Requests the next file. The journal must rename the previous file before this call.
    pub(super) fn request_next(&self) {
        *self.state.lock() = State::Wanted;
        self.changed.notify_all();
    }

    /// Reports that the journal could not turn the taken file into a segment. The file is still
    /// a draft.
    pub(super) fn report_failure(&self, why: StorageError) {
        *self.state.lock() = State::Failed(why);
        self.changed.notify_all();
    }

    /// Waits until the next journal segment is preallocated. Fails if the last attempt to create
    /// it failed, or if the store closes.
    pub(crate) fn wait_until_ready(&self) -> Result<(), StorageError> {
        self.ready().map(drop)
    }

    fn ready(&self) -> Result<MutexGuard<'_, State>, StorageError> {
        let mut state = self.state.lock();
        loop {
            if self.closing.load(Ordering::Relaxed) {
                return Err(closing());
            }
            match &*state {
                State::Ready(_) => return Ok(state),
                State::Failed(error) => return Err(error.clone()),
                State::Wanted | State::Taken => self.wait(&mut state),
            }
        }
    }

    /// Waits for a change of the state. On a simulated disk, runs the task itself instead.
    fn wait(&self, state: &mut MutexGuard<'_, State>) {
        match self.folder.disk.executor() {
            Some(executor) => {
                MutexGuard::unlocked(state, || executor.run_to_end(Task::Preallocate))
            }
            None => self.changed.wait(state),
        }
    }

    /// Error of the last attempt to create a file, if it failed.
    pub(crate) fn failed(&self) -> Option<StorageError> {
        match &*self.state.lock() {
            State::Failed(error) => Some(error.clone()),
            State::Wanted | State::Taken | State::Ready(_) => None,
        }
    }

    /// Whether the last attempt failed because the disk is full.
    pub(crate) fn is_out_of_room(&self) -> bool {
        let failed = self.failed();
        failed.is_some_and(|error| error.kind() == StorageErrorKind::DiskFull)
    }

    pub(crate) fn close(&self) {
        let state = self.state.lock();
        self.closing.store(true, Ordering::Relaxed);
        self.changed.notify_all();
        drop(state);
    }

    /// Main loop of the preallocation thread.
    pub(crate) fn run(&self) {
        while self.wait_until_wanted() {
            self.make_one();
        }
    }

    /// Whether a file must be created, for the first time or after a failed attempt.
    pub(crate) fn is_wanted(&self) -> bool {
        let is_closing = self.closing.load(Ordering::Relaxed);
        !is_closing && matches!(&*self.state.lock(), State::Wanted | State::Failed(_))
    }

    /// Creates the next file. Only one thread may call this at a time.
    pub(crate) fn make_one(&self) {
        let made = self.make().map_err(StorageError::from);
        let mut state = self.state.lock();
        *state = match made {
            Ok(blank) => State::Ready(blank),
            Err(error) => State::Failed(error),
        };
        self.changed.notify_all();
    }

    /// Waits until a file must be created. Returns `false` when the journal closes.
    fn wait_until_wanted(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if self.closing.load(Ordering::Relaxed) {
                return false;
            }
            match &*state {
                State::Wanted => return true,
                State::Ready(_) | State::Taken => self.changed.wait(&mut state),
                State::Failed(_) => {
                    self.changed.wait_for(&mut state, AGAIN_AFTER);
                    return !self.closing.load(Ordering::Relaxed);
                }
            }
        }
    }

    fn make(&self) -> std::io::Result<Box<dyn DiskFile>> {
        let free = self.folder.disk.free_bytes(&self.folder.path)?;
        // A saturated sum is more than any disk has, so the check fails.
        disk::check_free_space(free, self.len.saturating_add(ROOM))?;
        let file = self.folder.draft()?;
        if !is_injected(&*self.folder.disk, FaultInjection::RecycleSegment) {
            fill(&*file, self.len, &self.closing)?;
        }
        Ok(file)
    }
}

/// Fills a file with zeros, and syncs each step before the next one. Stops early, without an
/// error, when `closing` is set.
pub(super) fn fill(file: &dyn DiskFile, len: u64, closing: &AtomicBool) -> std::io::Result<()> {
    let zeros = vec![0; STEP];
    let mut done = 0;
    while done < len && !closing.load(Ordering::Relaxed) {
        // If the number does not fit into `usize`, it is more than `STEP`, so write a whole step.
        let left = usize::try_from(len - done).map_or(STEP, |left| left.min(STEP));
        let part = zeros.get(..left).unwrap_or_default();
        for piece in part.chunks(PIECE) {
            file.write_at(done, piece)?;
            done += u64_of(piece.len());
            thread::yield_now();
        }
        file.sync()?;
    }
    Ok(())
}

fn closing() -> StorageError {
    StorageError::new(StorageErrorKind::Io, "the store is closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::local::tests::fixture;

    #[test]
    fn preallocation_fills_zeros_and_stops_on_close() {
        let dir = tempfile::tempdir().unwrap();
        let disk = fixture::options().disk;
        let len = 2 * (1 << 20) + 4096;
        for (name, is_closing, written) in [("whole", false, len), ("left", true, 0)] {
            let file = disk.create(&dir.path().join(name)).unwrap();
            fill(&*file, len, &AtomicBool::new(is_closing)).unwrap();
            let bytes = std::fs::read(dir.path().join(name)).unwrap();
            assert_eq!(u64::try_from(bytes.len()).unwrap(), written);
            assert!(bytes.iter().all(|byte| *byte == 0));
        }
    }
}
