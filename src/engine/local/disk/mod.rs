//! Disk interface of the engine: the file operations that journal, B-tree and directory need.
//!
//! - All file operations of the engine use [`Disk`]. A test can therefore replace the whole disk.
//! - A read or write either processes all its bytes or returns an error.
//! - Bytes are durable after a sync of their file. A name is durable after a sync of its
//!   directory.

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
    expect(unreachable_pub, reason = "only tests can request a fault")
)]
pub use fault_injection::FaultInjection;
pub(super) use fault_injection::is_on as is_injected;
pub(super) use rate_limited::RateLimited;
pub(super) use real::RealDisk;
#[cfg(feature = "testing")]
pub use simulated::{DiskFault, Loss, SeededRng, SimulatedDisk, Snapshot};

use std::ffi::OsString;
use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// File system operations that the engine needs.
pub(crate) trait Disk: Debug + Send + Sync + 'static {
    /// Creates a file that only the current user can read. Fails if the name exists.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading only. The file may be on a read-only file system.
    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open(path)
    }

    /// Renames a file. Replaces a file that has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Creates a directory that only the current user can access.
    fn make_dir(&self, path: &Path) -> io::Result<()>;

    /// File names in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Locks a directory. Returns `None` if another handle holds the lock.
    fn lock_dir(&self, dir: &Path) -> io::Result<Option<LockedDir>>;

    /// Whether a synced name survives a power loss. Default: `true`.
    fn keeps_synced_names(&self) -> bool {
        true
    }

    /// Free space on the disk of a directory, in bytes.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// Executor for the background tasks of a store on this disk. `None` if the store starts
    /// its own threads for them.
    fn executor(&self) -> Option<Arc<dyn Executor>> {
        None
    }

    /// Fault that a test has injected.
    #[cfg(feature = "testing")]
    fn injected_fault(&self) -> Option<FaultInjection> {
        None
    }
}

/// Open file. Any number of threads may read and write it at the same time.
pub(crate) trait DiskFile: Debug + Send + Sync {
    /// Length of the file, in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Truncates the file or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Fills `bytes` from `offset` on. Fails if the file ends earlier.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes all `bytes` at `offset`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the bytes of the file durable, and its length if it changed.
    fn sync(&self) -> io::Result<()>;

    /// Fails if `path` no longer leads to this file: the next open would not find it.
    fn check_name(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        Ok(())
    }
}

/// Locked directory.
#[derive(Debug)]
pub(crate) struct LockedDir {
    pub(crate) lock: Lock,
    /// Disk that can access this directory only.
    pub(crate) disk: Arc<dyn Disk>,
}

/// Lock that this process holds on a directory. The drop releases the lock.
pub(crate) type Lock = Box<dyn DirectoryLock>;

/// Lock of a directory, which is released on drop.
pub(crate) trait DirectoryLock: Debug + Send + Sync {}

/// Removes a file. Succeeds if the file does not exist.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.unlink(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Reads the first `limit` bytes of a file, or the whole file if it is shorter.
pub(super) fn read(disk: &dyn Disk, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = disk.open_to_read(path)?;
    let len = usize::try_from(file.len()?.min(limit)).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Fails with [`ErrorKind::StorageFull`] if fewer than `wanted` bytes are free.
///
/// A caller checks the free space first, so that its writes do not fail halfway on a full disk.
pub(super) fn check_free_space(free: u64, wanted: u64) -> io::Result<()> {
    if free < wanted {
        let why = format!("{free} bytes are free on the disk, but {wanted} bytes are needed");
        return Err(io::Error::new(ErrorKind::StorageFull, why));
    }
    Ok(())
}
