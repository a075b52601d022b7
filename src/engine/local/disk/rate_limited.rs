//! Rate-limited disk for long background work, such as a backup of an open store.
//!
//! The disk works for at least 1 ms. If the store had new writes during that time, the disk then
//! pauses for five times as long. Without such writes, the disk does not pause.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Disk, DiskFile, LockedDir};

/// Time that a long job may use the disk before it checks for new writes of the store. Callers of
/// the store do not notice such a short delay.
const SLICE: Duration = Duration::from_millis(1);

/// Length of a pause, as a multiple of the working time before it.
///
/// With two busy cores, the work takes one twelfth of the CPU time and one sixth of the disk time.
/// The rate of 64 writers does not change: see `cargo bench --bench durable -- --backup`. With a
/// factor of three, their rate fell by 28 %.
const REST: u32 = 5;

/// Callback that returns a number that changes with every write of the store.
type Written = Box<dyn Fn() -> u64 + Send + Sync>;

/// Disk that pauses while a store is written to.
#[derive(Debug)]
pub(crate) struct RateLimited {
    disk: Arc<dyn Disk>,
    throttle: Arc<Throttle>,
}

struct Throttle {
    written: Written,
    state: Mutex<State>,
}

struct State {
    /// Time at which the current working period began.
    since: Instant,
    /// Result of the callback when the throttle last looked for new writes.
    written: u64,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}

impl RateLimited {
    /// Wraps a disk. `written` returns a number that changes with every write of the store.
    pub(crate) fn new(disk: Arc<dyn Disk>, written: Written) -> Self {
        let state = Mutex::new(State {
            since: Instant::now(),
            written: written(),
        });
        let throttle = Arc::new(Throttle { written, state });
        Self { disk, throttle }
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        let throttle = Arc::clone(&self.throttle);
        Box::new(RateLimitedFile { file, throttle })
    }
}

impl Throttle {
    /// Pauses if the working period is over and the store had new writes.
    fn step(&self) {
        // Hold the lock during the pause, so that all threads that share this limit pause together.
        let mut state = self.state.lock();
        let worked = state.since.elapsed();
        if worked < SLICE {
            return;
        }
        let written = (self.written)();
        if std::mem::replace(&mut state.written, written) != written {
            // The work took one slice or a little more, so the pause takes a few seconds at most.
            thread::sleep(worked.saturating_mul(REST));
        }
        state.since = Instant::now();
    }
}

impl Disk for RateLimited {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.create(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(path).map(|file| self.file(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.unlink(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.make_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.disk.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Option<LockedDir>> {
        let held = self.disk.lock_dir(dir)?;
        Ok(held.map(|LockedDir { lock, disk }| LockedDir {
            lock,
            disk: Arc::new(Self {
                disk,
                throttle: Arc::clone(&self.throttle),
            }),
        }))
    }

    fn keeps_synced_names(&self) -> bool {
        self.disk.keeps_synced_names()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.disk.free_bytes(dir)
    }
}

#[derive(Debug)]
struct RateLimitedFile {
    file: Box<dyn DiskFile>,
    throttle: Arc<Throttle>,
}

impl DiskFile for RateLimitedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.throttle.step();
        self.file.read_at(offset, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.throttle.step();
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.throttle.step();
        self.file.sync()
    }
}
