//! The disk beneath the engine, in the fewest words that journal, base and directory need.
//!
//! - All that the engine does to files passes through here: what stands in for the disk in a
//!   test stands in for all of it.
//! - A short read or write is an error, never less than was asked for.
//! - A name is durable only after its directory was synced, bytes only after their file was.

mod executor;
mod fault_injection;
#[cfg(unix)]
mod held;
mod rate_limited;
mod real;
#[cfg(feature = "testing")]
mod simulated;

pub(super) use executor::{Background, Executor, Task};
#[cfg_attr(
    not(feature = "testing"),
    expect(unreachable_pub, reason = "nobody can ask for one")
)]
pub use fault_injection::FaultInjection;
pub(super) use fault_injection::is_on as is_sabotaged;
pub(super) use rate_limited::RateLimited;
pub(super) use real::RealDisk;
#[cfg(feature = "testing")]
pub use simulated::{DiskFault, Loss, SeededRng, SimulatedDisk, Snapshot};

use std::ffi::OsString;
use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// A file system.
pub(crate) trait Disk: Debug + Send + Sync + 'static {
    /// A new file that only the server itself may read; its name must be free.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// For reading alone: the file may lie where nobody may write.
    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open(path)
    }

    /// Gives a file another name; whatever bore that is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// A new directory that only the server itself may look into.
    fn make_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the lock of a directory; `None` if another handle has it.
    fn hold(&self, dir: &Path) -> io::Result<Option<Hold>>;

    /// A name that was synced outlasts a power loss, as the bytes of a file do.
    fn outlasts_power_loss(&self) -> bool {
        true
    }

    /// The bytes that may be written to the disk of this directory.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// Who does the chores of a store on this disk; `None`: threads of the store.
    fn crew(&self) -> Option<Arc<dyn Executor>> {
        None
    }

    /// A fault that is built in on purpose.
    #[cfg(feature = "testing")]
    fn sabotage(&self) -> Option<FaultInjection> {
        None
    }
}

/// A file that is read and written at places, from any number of threads.
pub(crate) trait DiskFile: Debug + Send + Sync {
    fn len(&self) -> io::Result<u64>;

    fn set_len(&self, len: u64) -> io::Result<()>;

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the bytes durable, and the length where it changed.
    fn sync(&self) -> io::Result<()>;

    /// Fails if this path no longer leads to this file: a later opening would not find it.
    fn check_name(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        Ok(())
    }
}

/// A directory whose lock was taken.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) lock: Lock,
    /// Finds what is in the directory, and nothing else.
    pub(crate) disk: Arc<dyn Disk>,
}

/// A lock that is held; letting go of it releases it.
pub(crate) type Lock = Box<dyn Held>;

/// What holds a lock.
pub(crate) trait Held: Debug + Send + Sync {}

/// Removes a file that may be gone already.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.unlink(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The bytes of a file, at most so many.
pub(super) fn read(disk: &dyn Disk, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = disk.open_to_read(path)?;
    let len = usize::try_from(file.len()?.min(limit)).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Fails as a full disk does where fewer than `wanted` bytes are free, so that it fails
/// before anything was written.
pub(super) fn check_room(free: u64, wanted: u64) -> io::Result<()> {
    if free < wanted {
        let why = format!("fewer than {wanted} bytes are free");
        return Err(io::Error::new(ErrorKind::StorageFull, why));
    }
    Ok(())
}
