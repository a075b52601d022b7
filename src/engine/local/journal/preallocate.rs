//! The next segment, filled with real zeros before it is needed: an append into written
//! blocks changes no metadata, and its sync is one write to the disk.
//!
//! One thread makes it; whoever rolls takes it, and waits only where it is not ready.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::super::disk::{self, DiskFile, FaultInjection, Task, is_sabotaged};
use super::segment::Folder;
use crate::error::{StorageError, StorageErrorKind};

/// So much is written at a time, and synced, so that nobody else's sync waits for more.
const STEP: usize = 1 << 20;

/// What is left to others on the disk.
const ROOM: u64 = 8 << 20;

const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A segment's file before it has a header.
#[derive(Debug)]
pub(in crate::engine::local) struct Blank {
    pub(in crate::engine::local) file: Box<dyn DiskFile>,
    pub(in crate::engine::local) len: u64,
}

/// The spare segment of a journal.
#[derive(Debug)]
pub(in crate::engine::local) struct Preallocated {
    folder: Folder,
    len: u64,
    state: Mutex<State>,
    changed: Condvar,
    closing: AtomicBool,
}

#[derive(Debug)]
enum State {
    Wanted,
    /// The last one bears the draft's name still: no other may be made.
    Taken,
    Ready(Blank),
    Failed(StorageError),
}

impl Preallocated {
    pub(in crate::engine::local) fn new(folder: Folder, len: u64) -> Self {
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

    /// Takes the spare. Fails as long as none can be made; then nothing was changed.
    pub(super) fn take(&self) -> Result<Blank, StorageError> {
        let mut state = self.ready()?;
        match std::mem::replace(&mut *state, State::Taken) {
            State::Ready(blank) => Ok(blank),
            _ => Err(closing()),
        }
    }

    /// Asks for the next one, once the last has its own name.
    pub(super) fn want_next(&self) {
        *self.state.lock() = State::Wanted;
        self.changed.notify_all();
    }

    /// The one that was taken could not be begun, and none of the journal's files knows of it.
    pub(super) fn give_up(&self, why: StorageError) {
        *self.state.lock() = State::Failed(why);
        self.changed.notify_all();
    }

    /// Waits until there is one to take.
    pub(in crate::engine::local) fn wait_until_ready(&self) -> Result<(), StorageError> {
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

    fn wait(&self, state: &mut MutexGuard<'_, State>) {
        match self.folder.disk.crew() {
            Some(crew) => MutexGuard::unlocked(state, || crew.finish(Task::Spare)),
            None => self.changed.wait(state),
        }
    }

    /// Why there is none, if the last try failed.
    pub(in crate::engine::local) fn failed(&self) -> Option<StorageError> {
        match &*self.state.lock() {
            State::Failed(error) => Some(error.clone()),
            State::Wanted | State::Taken | State::Ready(_) => None,
        }
    }

    /// The disk had no room for it at the last try.
    pub(in crate::engine::local) fn is_out_of_room(&self) -> bool {
        let failed = self.failed();
        failed.is_some_and(|error| error.kind() == StorageErrorKind::DiskFull)
    }

    pub(in crate::engine::local) fn close(&self) {
        let state = self.state.lock();
        self.closing.store(true, Ordering::Relaxed);
        self.changed.notify_all();
        drop(state);
    }

    /// The life of the thread that makes spares.
    pub(in crate::engine::local) fn run(&self) {
        while self.wait_until_wanted() {
            self.make_one();
        }
    }

    /// One is to be made, or was to be and could not.
    pub(in crate::engine::local) fn is_wanted(&self) -> bool {
        let is_closing = self.closing.load(Ordering::Relaxed);
        !is_closing && matches!(&*self.state.lock(), State::Wanted | State::Failed(_))
    }

    /// Makes one; nobody else does meanwhile.
    pub(in crate::engine::local) fn make_one(&self) {
        let made = self.make().map_err(StorageError::from);
        let mut state = self.state.lock();
        *state = match made {
            Ok(blank) => State::Ready(blank),
            Err(error) => State::Failed(error),
        };
        self.changed.notify_all();
    }

    /// Whether to make one; not when the journal is being closed.
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

    fn make(&self) -> std::io::Result<Blank> {
        let free = self.folder.disk.free_bytes(&self.folder.path)?;
        disk::check_room(free, self.len.saturating_add(ROOM))?;
        let file = self.folder.draft()?;
        if !is_sabotaged(&*self.folder.disk, FaultInjection::RecycleSegment) {
            fill(&*file, self.len, &self.closing)?;
        }
        let len = self.len;
        Ok(Blank { file, len })
    }
}

/// Writes zeros, step by step, each made durable before the next.
pub(super) fn fill(file: &dyn DiskFile, len: u64, closing: &AtomicBool) -> std::io::Result<()> {
    let zeros = vec![0; STEP];
    let mut done = 0;
    while done < len && !closing.load(Ordering::Relaxed) {
        let left = usize::try_from(len.saturating_sub(done)).unwrap_or(STEP);
        let part = zeros.get(..left.min(STEP)).unwrap_or_default();
        file.write_at(done, part)?;
        file.sync()?;
        done = done.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn closing() -> StorageError {
    StorageError::new(StorageErrorKind::Io, "closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::local::tests::fixture;

    #[test]
    fn a_spare_is_zeros_up_to_its_length_and_an_ending_journal_does_not_wait_for_it() {
        let place = tempfile::tempdir().unwrap();
        let disk = fixture::options().disk;
        let len = 2 * (1 << 20) + 4096;
        for (name, is_closing, written) in [("whole", false, len), ("left", true, 0)] {
            let file = disk.create(&place.path().join(name)).unwrap();
            fill(&*file, len, &AtomicBool::new(is_closing)).unwrap();
            let bytes = std::fs::read(place.path().join(name)).unwrap();
            assert_eq!(u64::try_from(bytes.len()).unwrap(), written);
            assert!(bytes.iter().all(|byte| *byte == 0));
        }
    }
}
