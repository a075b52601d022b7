//! File system of the machine.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

use super::{Disk, DiskFile, LockedDir};

/// Disk on the file system of the machine.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(private().create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(private().open(path)?))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        private_dir().create(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let entries = fs::read_dir(dir)?;
        entries.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// Does nothing on systems other than Unix, which have no such operation.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        #[cfg(unix)]
        File::open(dir)?.sync_all()?;
        #[cfg(not(unix))]
        let _ = dir;
        Ok(())
    }

    #[cfg(unix)]
    fn lock_dir(&self, dir: &Path) -> io::Result<Option<LockedDir>> {
        super::held::hold(dir)
    }

    /// Locks the file `LOCK` in the directory. Access by descriptor, as on Unix, is not needed:
    /// other systems do not remove an open file, and do not move its directory.
    #[cfg(not(unix))]
    fn lock_dir(&self, dir: &Path) -> io::Result<Option<LockedDir>> {
        let lock = FileLock::take(&dir.join(LOCK))?;
        Ok(lock.map(|lock| LockedDir {
            lock: Box::new(lock),
            disk: std::sync::Arc::new(Self),
        }))
    }

    /// True on Linux, Android and Apple systems, where tests confirmed it. On other systems, a
    /// power loss may drop a name although its directory was synced.
    fn keeps_synced_names(&self) -> bool {
        let is_linux = cfg!(any(target_os = "linux", target_os = "android"));
        is_linux || cfg!(target_vendor = "apple")
    }

    #[cfg(unix)]
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(dir)?;
        // If the product saturates, the disk has room for every write.
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Always the maximum, because the free space is unknown. A write fails if the disk is full.
    #[cfg(not(unix))]
    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, bytes, offset)
    }

    #[cfg(unix)]
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut offset: u64, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(self, bytes, offset)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes = bytes.split_at_mut(read).1;
            offset += crate::number::u64_of(read);
        }
        Ok(())
    }

    #[cfg(windows)]
    fn write_at(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = std::os::windows::fs::FileExt::seek_write(self, bytes, offset)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = bytes.split_at(written).1;
            offset += crate::number::u64_of(written);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Name of the file that is locked on systems that cannot lock a directory.
#[cfg(not(unix))]
const LOCK: &str = "LOCK";

#[cfg(not(unix))]
#[derive(Debug)]
struct FileLock {
    file: File,
}

#[cfg(not(unix))]
impl FileLock {
    fn take(path: &Path) -> io::Result<Option<Self>> {
        use std::fs::TryLockError;
        let mut options = private();
        // On Windows, let other processes read and write the file, but not remove it (share mode
        // 3).
        #[cfg(windows)]
        std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 0x3);
        let file = options.create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(not(unix))]
impl super::DirectoryLock for FileLock {}

#[cfg(not(unix))]
impl Drop for FileLock {
    fn drop(&mut self) {
        drop(self.file.unlock());
    }
}

/// Options to open a file for reading and writing. Only the current user can access new files.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn private_dir() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is no mode to set"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}
