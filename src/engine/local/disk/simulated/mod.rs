//! Simulated disk in memory with power losses, failed calls and a limited size.
//!
//! - The disk counts every call. It can take a [`Snapshot`] before each call that changes
//!   something. From a snapshot, a test creates the disk after a kill of the process, which keeps
//!   all writes, or the disk after a power loss, which may drop unsynced writes.
//! - The `Scheduler` runs the background tasks of a store on this disk. Each call to the journal
//!   may advance a task by a number of calls that the seed selects. Two threads never run at the
//!   same time. One seed therefore gives one order of all calls.

#![expect(
    clippy::indexing_slicing,
    reason = "a disk for tests may panic on an invalid index"
)]

mod content;
mod faults;
mod file;
mod rng;
mod scheduler;
mod sim;
mod snapshot;
mod state;

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

pub use self::faults::{DiskFault, Loss};
use self::file::SimulatedFile;
pub use self::rng::SeededRng;
use self::scheduler::Scheduler;
use self::sim::{Call, Control, Planned, Sim};
pub use self::snapshot::Snapshot;
use self::state::{Change, Naming, State};
use super::{DirectoryLock, Disk, DiskFile, Executor, FaultInjection, LockedDir, Task};

/// Disk in memory. All clones share the same contents.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    sim: Arc<Sim>,
}

impl SimulatedDisk {
    /// Root directory of the disk.
    pub const ROOT: &'static str = "/disk";

    /// Creates an empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::of(State::new(Path::new(Self::ROOT)), seed)
    }

    fn of(state: State, seed: u64) -> Self {
        let control = Control {
            rng: SeededRng::new(seed),
            calls: 0,
            fault: None,
            marks: (0, 0),
            one_in: 0,
            taken: Vec::new(),
            injected: None,
            free: u64::MAX,
            is_weak: false,
        };
        let sim = Sim {
            state: Mutex::new(state),
            control: Mutex::new(control),
            scheduler: Scheduler::new(seed),
        };
        Self { sim: Arc::new(sim) }
    }

    /// Number of disk calls so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.sim.control.lock().calls
    }

    /// Sets the two numbers that later snapshots contain as [`Snapshot::marks`].
    pub fn mark(&self, first: usize, second: usize) {
        self.sim.control.lock().marks = (first, second);
    }

    /// Makes the disk take a snapshot before one in `n` calls that change something, or before none
    /// if `n` is 0. The seed selects the calls.
    pub fn snapshot_one_in(&self, n: usize) {
        self.sim.control.lock().one_in = n;
    }

    /// Removes and returns the snapshots that [`Self::snapshot_one_in`] took.
    #[must_use]
    pub fn take_snapshots(&self) -> Vec<Snapshot> {
        std::mem::take(&mut self.sim.control.lock().taken)
    }

    /// Takes a snapshot of the current state.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let control = self.sim.control.lock();
        self.sim.snapshot(&control)
    }

    /// Makes call number `at` fail. If `for_good` is true, all later calls fail, too.
    pub fn fail(&self, at: u64, fault: DiskFault, for_good: bool) {
        self.fail_in(Path::new("/"), at, fault, for_good);
    }

    /// Makes a call fail like [`Self::fail`], if it concerns a path in this directory. If `for_good`
    /// is true, all later calls in the directory fail, too.
    pub fn fail_in(&self, dir: &Path, at: u64, fault: DiskFault, for_good: bool) {
        let planned = Planned {
            at,
            fault,
            for_good,
            dir: dir.to_path_buf(),
        };
        self.sim.control.lock().fault = Some(planned);
    }

    /// Ends the effect of [`Self::fail`].
    pub fn heal(&self) {
        self.sim.control.lock().fault = None;
    }

    /// Sets the number of free bytes that the disk reports. Writes do not change this number.
    pub fn set_free(&self, bytes: u64) {
        self.sim.control.lock().free = bytes;
    }

    /// Makes the disk report that a power loss may drop synced names.
    pub fn set_weak_names(&self) {
        self.sim.control.lock().is_weak = true;
    }

    /// Injects a fault into the stores on this disk, or removes it.
    pub fn inject_fault(&self, fault: Option<FaultInjection>) {
        self.sim.control.lock().injected = fault;
    }

    /// Runs random background tasks for a few steps, or none. A test calls this between two
    /// commands.
    pub fn run_some_tasks(&self) {
        self.sim.scheduler.run_some_tasks();
    }

    /// Ships the published frames of the open store to its archive.
    pub fn ship(&self) {
        self.sim.scheduler.executor().run_to_end(Task::Ship);
    }

    /// Paths and lengths of all files.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, usize)> {
        let state = self.sim.state.lock();
        let file = |(path, node): (&PathBuf, &u64)| {
            let node = state.nodes.get(node).filter(|node| !node.is_dir)?;
            Some((path.clone(), node.seen.len()))
        };
        state.names.iter().filter_map(file).collect()
    }

    /// Byte of a file; `None` if the file or the byte does not exist.
    #[must_use]
    pub fn byte(&self, path: &Path, at: usize) -> Option<u8> {
        let mut byte = [0];
        let mut state = self.sim.state.lock();
        state.node(path)?.seen.read(at, &mut byte)?;
        Some(byte[0])
    }

    /// Bytes of a file; `None` if the file does not exist.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let mut state = self.sim.state.lock();
        let node = state.node(path).filter(|node| !node.is_dir)?;
        let mut bytes = vec![0; node.seen.len()];
        node.seen.read(0, &mut bytes)?;
        Some(bytes)
    }

    /// Creates or replaces a file durably. Its directory must exist.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.sim.state.lock();
        let node = state.link(path, false);
        if let Some(node) = state.nodes.get_mut(&node) {
            node.change(Change::Write(0, bytes.into()));
            node.sync();
        }
        if let Some(dir) = path.parent() {
            state.sync_dir(dir);
        }
    }

    /// Removes a file durably.
    pub fn remove(&self, path: &Path) {
        let mut state = self.sim.state.lock();
        state.name(Naming::Unlink(path.to_path_buf()));
        if let Some(dir) = path.parent() {
            state.sync_dir(dir);
        }
    }

    /// Corrupts a byte of a file durably: flips the bits that are set in `bits`.
    pub fn corrupt_byte(&self, path: &Path, at: usize, bits: u8) {
        let Some(byte) = self.byte(path, at) else {
            return;
        };
        if let Some(node) = self.sim.state.lock().node(path) {
            node.change(Change::Write(at, Arc::new([byte ^ bits])));
            node.sync();
        }
    }
}

fn not_found() -> io::Error {
    ErrorKind::NotFound.into()
}

impl Snapshot {
    /// Disk after the process was killed: it keeps all writes, synced or not.
    #[must_use]
    pub fn kill(&self, seed: u64) -> SimulatedDisk {
        let mut state = self.state.clone();
        state.locks.clear();
        SimulatedDisk::of(state, seed)
    }

    /// Disk after a power loss.
    #[must_use]
    pub fn lose_power(&self, loss: Loss, seed: u64) -> SimulatedDisk {
        let mut rng = SeededRng::new(seed);
        let state = self.state.clone().lose_power(loss, &mut rng);
        SimulatedDisk::of(state, rng.next())
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.sim.pass(Call::Grow, path)?;
        let mut state = self.sim.state.lock();
        if state.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if !path
            .parent()
            .is_some_and(|dir| state.names.contains_key(dir))
        {
            return Err(not_found());
        }
        let node = state.link(path, false);
        Ok(self.file(node, path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.sim.pass(Call::Read, path)?;
        let mut state = self.sim.state.lock();
        let is_dir = state.node(path).ok_or_else(not_found)?.is_dir;
        if is_dir {
            return Err(ErrorKind::IsADirectory.into());
        }
        let node = state.names.get(path).copied().ok_or_else(not_found)?;
        Ok(self.file(node, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.sim.pass(Call::Other, from)?;
        let mut state = self.sim.state.lock();
        let node = state.names.get(from).copied().ok_or_else(not_found)?;
        state.name(Naming::Rename(from.to_path_buf(), to.to_path_buf(), node));
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.sim.pass(Call::Other, path)?;
        let mut state = self.sim.state.lock();
        state.node(path).ok_or_else(not_found)?;
        state.name(Naming::Unlink(path.to_path_buf()));
        Ok(())
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.sim.pass(Call::Grow, path)?;
        let mut state = self.sim.state.lock();
        if state.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.link(path, true);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.sim.pass(Call::Read, dir)?;
        let mut state = self.sim.state.lock();
        if !state.node(dir).ok_or_else(not_found)?.is_dir {
            return Err(ErrorKind::NotADirectory.into());
        }
        let names = state.names.keys().filter(|path| path.parent() == Some(dir));
        let names = names.filter_map(|path| path.file_name().map(ToOwned::to_owned));
        Ok(names.collect())
    }

    /// Makes the names in a directory durable. After a failed sync, the names stay pending until
    /// the next sync. A real file system that cannot write its own journal becomes read-only.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.sim.pass(Call::Other, &dir.join("."))?;
        self.sim.state.lock().sync_dir(dir);
        Ok(())
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Option<LockedDir>> {
        self.sim.pass(Call::Read, dir)?;
        let mut state = self.sim.state.lock();
        state.node(dir).ok_or_else(not_found)?;
        if !state.locks.insert(dir.to_path_buf()) {
            return Ok(None);
        }
        let lock = SimulatedLock {
            sim: Arc::clone(&self.sim),
            path: dir.to_path_buf(),
        };
        Ok(Some(LockedDir {
            lock: Box::new(lock),
            disk: Arc::new(self.clone()),
        }))
    }

    fn keeps_synced_names(&self) -> bool {
        !self.sim.control.lock().is_weak
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.sim.pass(Call::Read, dir)?;
        Ok(self.sim.control.lock().free)
    }

    fn executor(&self) -> Option<Arc<dyn Executor>> {
        Some(self.sim.scheduler.executor())
    }

    fn injected_fault(&self) -> Option<FaultInjection> {
        self.sim.control.lock().injected
    }
}

impl SimulatedDisk {
    fn file(&self, node: u64, path: &Path) -> Box<dyn DiskFile> {
        Box::new(SimulatedFile {
            sim: Arc::clone(&self.sim),
            node,
            path: path.to_path_buf(),
        })
    }
}

#[derive(Debug)]
struct SimulatedLock {
    sim: Arc<Sim>,
    path: PathBuf,
}

impl DirectoryLock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.sim.state.lock().locks.remove(&self.path);
    }
}
