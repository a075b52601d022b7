//! Locked directory that the engine accesses by a descriptor instead of a path.
//!
//! - The lock is on the directory itself. There is no lock file that somebody could remove.
//! - All operations affect the locked directory, even if somebody moves it and puts another
//!   directory in its place.
//! - The descriptors of the directory and of its subdirectories stay open. A sync of their
//!   names therefore needs no new descriptor.
//! - A forked process shares the descriptors. All its reads and writes through them fail.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::retry_on_intr;

use super::{DirectoryLock, Disk, DiskFile, LockedDir};
use crate::process::Process;

/// Mode of new files: only the current user can read and write them.
const FILE: Mode = Mode::from_raw_mode(0o600);

/// Mode of new directories: only the current user can access them.
const DIRECTORY: Mode = Mode::from_raw_mode(0o700);

/// Disk that accesses only a locked directory and its subdirectories, and rejects every other path.
#[derive(Debug)]
pub(super) struct LockedDirDisk(Arc<OpenDirs>);

/// Locked directory and its open descriptors.
#[derive(Debug)]
struct OpenDirs {
    path: PathBuf,
    dir: File,
    /// Open subdirectories, by name.
    beneath: Mutex<HashMap<OsString, Arc<File>>>,
    process: Process,
}

/// Locks a directory. Returns `None` if another handle holds the lock.
pub(super) fn hold(path: &Path) -> io::Result<Option<LockedDir>> {
    let dir = File::open(path)?;
    match dir.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let process = Process::current();
    let lock = DirLock {
        dir: dir.try_clone()?,
        process,
    };
    let place = OpenDirs {
        path: path.to_path_buf(),
        dir,
        beneath: Mutex::default(),
        process,
    };
    Ok(Some(LockedDir {
        lock: Box::new(lock),
        disk: Arc::new(LockedDirDisk(Arc::new(place))),
    }))
}

/// Lock of a directory.
#[derive(Debug)]
struct DirLock {
    dir: File,
    process: Process,
}

impl DirectoryLock for DirLock {}

impl Drop for DirLock {
    fn drop(&mut self) {
        // Unlock explicitly, because closing the descriptor is not enough: a forked child that has
        // not called exec yet also keeps the descriptor open, and thus the lock. The child itself
        // must not unlock, because it would release the lock of its parent.
        if self.process.is_current() {
            drop(self.dir.unlock());
        }
    }
}

impl OpenDirs {
    fn check_process(&self) -> io::Result<()> {
        if self.process.is_current() {
            return Ok(());
        }
        Err(io::Error::other(
            "a forked child cannot use the store: use it in the process that opened it",
        ))
    }

    /// Returns the descriptor of the locked directory itself or of a subdirectory.
    fn dir(&self, path: &Path) -> io::Result<Arc<File>> {
        self.check_process()?;
        let outside = |_| io::Error::other("the path is outside of the store's directory");
        let name = path.strip_prefix(&self.path).map_err(outside)?.as_os_str();
        let name = if name.is_empty() {
            OsStr::new(".")
        } else {
            name
        };
        let mut beneath = self.beneath.lock();
        if let Some(dir) = beneath.get(name) {
            return Ok(Arc::clone(dir));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir = Arc::new(self.open_in(&self.dir, name, flags, Mode::empty())?);
        beneath.insert(name.to_owned(), Arc::clone(&dir));
        Ok(dir)
    }

    /// Returns the descriptor of the parent directory of `path`, and the last part of `path`.
    fn entry<'a>(&self, path: &'a Path) -> io::Result<(Arc<File>, &'a OsStr)> {
        match (path.parent(), path.file_name()) {
            (Some(dir), Some(name)) => Ok((self.dir(dir)?, name)),
            _ => Err(ErrorKind::InvalidInput.into()),
        }
    }

    fn open_in(&self, dir: &File, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<File> {
        let flags = flags | OFlags::CLOEXEC;
        let opened = retry_on_intr(|| rustix::fs::openat(dir, name, flags, mode))?;
        Ok(File::from(opened))
    }
}

impl LockedDirDisk {
    fn open_file(&self, path: &Path, flags: OFlags) -> io::Result<Box<dyn DiskFile>> {
        let (dir, name) = self.0.entry(path)?;
        let file = self.0.open_in(&dir, name, flags, FILE)?;
        let found = file.metadata()?;
        // Reject a directory here, because the first read would fail with a less clear error.
        if found.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        Ok(Box::new(HeldFile {
            file,
            id: id_of(&found),
            place: Arc::clone(&self.0),
        }))
    }
}

/// Device and inode number, which identify a file on this machine.
fn id_of(found: &fs::Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// Device and inode number of the file at a path.
///
/// On Linux, does not ask for times. Since kernel 6.13, the next write to a file whose times were
/// read gives it a new time, and its sync then writes the inode, too. This function runs before
/// every commit.
fn id_at(path: &Path) -> io::Result<(u64, u64)> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, StatxFlags, makedev, statx};
        match statx(CWD, path, AtFlags::empty(), StatxFlags::INO) {
            Ok(found) => {
                let device = makedev(found.stx_dev_major, found.stx_dev_minor);
                return Ok((device, found.stx_ino));
            }
            // An old kernel does not know this call, and a sandbox may forbid it.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    fs::metadata(path).map(|found| id_of(&found))
}

impl Disk for LockedDirDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open_file(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open_file(path, OFlags::RDWR)
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open_file(path, OFlags::RDONLY)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from_dir, from), (to_dir, to)) = (self.0.entry(from)?, self.0.entry(to)?);
        Ok(rustix::fs::renameat(&*from_dir, from, &*to_dir, to)?)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.0.entry(path)?;
        Ok(rustix::fs::unlinkat(&*dir, name, AtFlags::empty())?)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.0.entry(path)?;
        Ok(rustix::fs::mkdirat(&*dir, name, DIRECTORY)?)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&*self.0.dir(dir)?)? {
            let name = entry?.file_name().to_bytes().to_vec();
            let name = OsString::from_vec(name);
            if !matches!(name.as_bytes(), b"." | b"..") {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.dir(dir)?.sync_all()
    }

    /// Always `None`: the directory is locked already.
    fn lock_dir(&self, _: &Path) -> io::Result<Option<LockedDir>> {
        Ok(None)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let found = rustix::fs::fstatvfs(&*self.0.dir(dir)?)?;
        // If the product saturates, the disk has room for every write.
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// File in a locked directory.
#[derive(Debug)]
struct HeldFile {
    file: File,
    id: (u64, u64),
    place: Arc<OpenDirs>,
}

impl DiskFile for HeldFile {
    fn len(&self) -> io::Result<u64> {
        DiskFile::len(&self.file)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.place.check_process()?;
        self.file.set_len(len)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.place.check_process()?;
        self.file.read_at(offset, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.place.check_process()?;
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        DiskFile::sync(&self.file)
    }

    fn check_name(&self, path: &Path) -> io::Result<()> {
        self.place.check_process()?;
        let other = match id_at(path) {
            Ok(found) if found == self.id => return Ok(()),
            Ok(_) => "is not the file that was opened",
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => "does not exist",
                // The process may not read the directory, so the name cannot be checked. Do not
                // treat this as a moved file.
                ErrorKind::PermissionDenied => return Ok(()),
                _ => return Err(error),
            },
        };
        let path = path.display();
        Err(io::Error::other(format!(
            "{path} {other}: somebody moved, replaced or removed the store while it was open; \
             move it back, or close this handle and open the store again"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates and locks a temporary directory.
    fn held() -> (tempfile::TempDir, LockedDir) {
        let place = tempfile::tempdir().unwrap();
        let hold = hold(place.path()).unwrap().unwrap();
        (place, hold)
    }

    #[test]
    fn dropped_lock_is_released_despite_inherited_descriptor() {
        let place = tempfile::tempdir().unwrap();
        let dir = File::open(place.path()).unwrap();
        dir.try_lock().unwrap();
        // Simulate a forked child, which has a second descriptor of the same open directory.
        let inherited = dir.try_clone().unwrap();
        let process = Process::current();
        let lock = DirLock { dir, process };
        assert!(hold(place.path()).unwrap().is_none());
        drop(lock);
        assert!(hold(place.path()).unwrap().is_some());
        drop(inherited);
    }

    #[test]
    fn file_operations_stay_in_moved_directory() {
        let (place, hold) = held();
        let path = place.path();
        hold.disk.make_dir(&path.join("journal")).unwrap();
        hold.disk.create(&path.join("journal/old")).unwrap();
        let moved = path.with_extension("moved");
        fs::rename(path, &moved).unwrap();
        fs::create_dir_all(path.join("journal")).unwrap();
        fs::write(path.join("journal/old"), "of another store").unwrap();
        fs::write(path.join("journal/new"), "of another store").unwrap();
        hold.disk.create(&path.join("journal/new")).unwrap();
        let (from, to) = (path.join("journal/old"), path.join("journal/renamed"));
        hold.disk.rename(&from, &to).unwrap();
        hold.disk.sync_dir(&path.join("journal")).unwrap();
        let mut names = hold.disk.list(&path.join("journal")).unwrap();
        names.sort();
        assert_eq!(names, ["new", "renamed"]);
        hold.disk.unlink(&path.join("journal/new")).unwrap();
        for name in ["old", "new"] {
            let kept = fs::read_to_string(path.join("journal").join(name)).unwrap();
            assert_eq!(kept, "of another store");
        }
        assert!(!path.join("journal/renamed").exists());
        fs::remove_dir_all(moved).unwrap();
    }

    #[test]
    fn path_outside_of_locked_directory_is_rejected() {
        let (place, hold) = held();
        let outside = place.path().with_extension("outside");
        assert!(hold.disk.create(&outside).is_err());
        assert!(!outside.exists());
    }

    #[test]
    fn check_name_detects_moved_and_replaced_file() {
        let (place, hold) = held();
        let path = place.path().join("file");
        let file = hold.disk.create(&path).unwrap();
        file.check_name(&path).unwrap();
        fs::rename(&path, place.path().join("moved")).unwrap();
        assert!(file.check_name(&path).is_err());
        fs::write(&path, "another").unwrap();
        assert!(file.check_name(&path).is_err());
        fs::rename(place.path().join("moved"), &path).unwrap();
        file.check_name(&path).unwrap();
    }
}
