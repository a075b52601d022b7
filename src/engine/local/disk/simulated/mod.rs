//! A disk in memory that loses power, breaks and fills up as a seed says.
//!
//! - Every call to it is counted. Before any of them it can be asked for a [`Snapshot`], and
//!   a snapshot goes on as a disk of its own: behind a kill, with all that was written, or
//!   behind a power loss, with what that left.
//! - The chores of a store on it are done by `Hands`: whenever the journal is used, by so
//!   many calls as the seed says, and never two threads at once. One seed is one order of
//!   all calls.

#![expect(
    clippy::indexing_slicing,
    reason = "a disk for tests may panic where a test asks for what is not there"
)]

mod content;
mod faults;
mod file;
mod hands;
mod rng;
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
use self::hands::Hands;
pub use self::rng::SeededRng;
use self::sim::{Call, Control, Planned, Sim};
pub use self::snapshot::Snapshot;
use self::state::{Change, Naming, State};
use super::{Disk, DiskFile, Executor, FaultInjection, Held, Hold};

/// A disk in memory. Clones are one disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    sim: Arc<Sim>,
}

impl SimulatedDisk {
    /// The directory in which everything is.
    pub const ROOT: &'static str = "/disk";

    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::of(State::new(Path::new(Self::ROOT)), seed)
    }

    fn of(state: State, seed: u64) -> Self {
        let control = Control {
            dice: SeededRng::new(seed),
            calls: 0,
            fault: None,
            marks: (0, 0),
            one_in: 0,
            taken: Vec::new(),
            sabotage: None,
            free: u64::MAX,
            is_weak: false,
        };
        let sim = Sim {
            state: Mutex::new(state),
            control: Mutex::new(control),
            hands: Hands::new(seed),
        };
        Self { sim: Arc::new(sim) }
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.sim.control.lock().calls
    }

    /// What the snapshots from here on are to be marked with.
    pub fn mark(&self, first: usize, second: usize) {
        self.sim.control.lock().marks = (first, second);
    }

    /// Takes a snapshot before one in `n` calls from here on; 0: no more.
    pub fn sample(&self, n: usize) {
        self.sim.control.lock().one_in = n;
    }

    /// The snapshots that were taken.
    #[must_use]
    pub fn take_snapshots(&self) -> Vec<Snapshot> {
        std::mem::take(&mut self.sim.control.lock().taken)
    }

    /// A snapshot as it stands now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let control = self.sim.control.lock();
        self.sim.snapshot(&control)
    }

    /// Lets the call number `at` fail, and all after it if it is for good.
    pub fn fail(&self, at: u64, fault: DiskFault, for_good: bool) {
        let planned = Planned {
            at,
            fault,
            for_good,
        };
        self.sim.control.lock().fault = Some(planned);
    }

    /// Lets nothing fail any more.
    pub fn heal(&self) {
        self.sim.control.lock().fault = None;
    }

    /// What the disk says of its room.
    pub fn set_free(&self, bytes: u64) {
        self.sim.control.lock().free = bytes;
    }

    /// Makes it a disk on which names may be lost although they were synced.
    pub fn weaken(&self) {
        self.sim.control.lock().is_weak = true;
    }

    /// Builds a fault into the stores on this disk, from here on.
    pub fn build_in(&self, fault: Option<FaultInjection>) {
        self.sim.control.lock().sabotage = fault;
    }

    /// Gives the chores of the store a chance.
    pub fn breathe(&self) {
        self.sim.hands.breathe();
    }

    /// The files, and how long they are.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, usize)> {
        let state = self.sim.state.lock();
        let file = |(path, node): (&PathBuf, &u64)| {
            let node = state.nodes.get(node).filter(|node| !node.is_dir)?;
            Some((path.clone(), node.seen.len()))
        };
        state.names.iter().filter_map(file).collect()
    }

    /// A byte of a file; `None` where there is none.
    #[must_use]
    pub fn byte(&self, path: &Path, at: usize) -> Option<u8> {
        let mut byte = [0];
        let mut state = self.sim.state.lock();
        state.node(path)?.seen.read(at, &mut byte)?;
        Some(byte[0])
    }

    /// The bytes of a file; `None` where there is none.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let mut state = self.sim.state.lock();
        let node = state.node(path).filter(|node| !node.is_dir)?;
        let mut bytes = vec![0; node.seen.len()];
        node.seen.read(0, &mut bytes)?;
        Some(bytes)
    }

    /// Puts a file where none or another was, durably. Its directory must be there.
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

    /// Takes a file away, durably.
    pub fn remove(&self, path: &Path) {
        let mut state = self.sim.state.lock();
        state.name(Naming::Unlink(path.to_path_buf()));
        if let Some(dir) = path.parent() {
            state.sync_dir(dir);
        }
    }

    /// Damages a byte of a file: `bits` of it turn.
    pub fn damage(&self, path: &Path, at: usize, bits: u8) {
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
    /// Behind a kill: all that was written is there to be read, durable or not.
    #[must_use]
    pub fn kill(&self, seed: u64) -> SimulatedDisk {
        let mut state = self.state.clone();
        state.locks.clear();
        SimulatedDisk::of(state, seed)
    }

    /// Behind a power loss.
    #[must_use]
    pub fn lose_power(&self, loss: Loss, seed: u64) -> SimulatedDisk {
        let mut dice = SeededRng::new(seed);
        let state = self.state.clone().lose_power(loss, &mut dice);
        SimulatedDisk::of(state, dice.next())
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

    /// One that fails leaves the names to the next: a journalling file system that could not
    /// write its own journal takes no more writes at all.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.sim.pass(Call::Other, &dir.join("."))?;
        self.sim.state.lock().sync_dir(dir);
        Ok(())
    }

    fn hold(&self, dir: &Path) -> io::Result<Option<Hold>> {
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
        Ok(Some(Hold {
            lock: Box::new(lock),
            disk: Arc::new(self.clone()),
        }))
    }

    fn outlasts_power_loss(&self) -> bool {
        !self.sim.control.lock().is_weak
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.sim.pass(Call::Read, dir)?;
        Ok(self.sim.control.lock().free)
    }

    fn crew(&self) -> Option<Arc<dyn Executor>> {
        Some(self.sim.hands.crew())
    }

    fn sabotage(&self) -> Option<FaultInjection> {
        self.sim.control.lock().sabotage
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

impl Held for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.sim.state.lock().locks.remove(&self.path);
    }
}
