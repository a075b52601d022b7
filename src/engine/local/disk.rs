//! How the bytes of journal and base reach their files: whole reads and writes at a place,
//! and what makes them durable. Looking into directories and renaming is done where it is
//! decided: in `dir.rs`, `recovery.rs` and `journal`.
//!
//! - A short read or write is an error, never less than was asked for.
//! - A name is durable only after its directory was synced.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

/// A file that is read and written at places, from any number of threads.
#[derive(Debug)]
pub(super) struct DiskFile {
    file: File,
}

impl DiskFile {
    /// A new file; its name must be free.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = private().create_new(true).open(path)?;
        Ok(Self { file })
    }

    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = private().open(path)?;
        Ok(Self { file })
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(super) fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    #[cfg(unix)]
    pub(super) fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, offset)
    }

    #[cfg(unix)]
    pub(super) fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset)
    }

    #[cfg(windows)]
    pub(super) fn read_at(&self, mut offset: u64, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(&self.file, bytes, offset)?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            bytes = bytes.split_at_mut(read).1;
            offset = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    #[cfg(windows)]
    pub(super) fn write_at(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = std::os::windows::fs::FileExt::seek_write(&self.file, bytes, offset)?;
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            bytes = bytes.split_at(written).1;
            offset = offset.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Makes the bytes durable, and the length where it changed.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// For files that only the server itself may read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

pub(super) fn private_dir() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is no mode to set"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Makes the names in a directory durable. Elsewhere than on Unix there is no way to ask.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(path)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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

/// The bytes that may be written to the disk of this directory.
#[cfg(unix)]
pub(super) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(dir)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Where nobody can be asked, the write itself tells.
#[cfg(not(unix))]
pub(super) fn free_bytes(_: &Path) -> io::Result<u64> {
    Ok(u64::MAX)
}
