//! The base's file, as the library beneath sees it.
//!
//! - Every MiB written is synced at once: the last sync of a transaction has little left to
//!   do, and a sync of the journal never queues behind a hundred megabytes.
//! - Once it is cut off it reads and writes nothing more: the file may be another's by then.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::StorageBackend;

use super::disk::DiskFile;

/// So much may be written and not synced.
const UNSYNCED_MAX: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Backend {
    file: Box<dyn DiskFile>,
    unsynced: AtomicU64,
    cut: Cut,
}

/// Cuts a backend off from its file.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut(Arc<AtomicBool>);

impl Cut {
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Acquire) {
            return Err(io::Error::other("the base was opened anew"));
        }
        Ok(())
    }
}

impl Backend {
    /// Takes a file and makes what it holds durable: after a kill the bytes may be readable
    /// and not be on the disk, and what is read is about to be relied on.
    pub(super) fn new(file: Box<dyn DiskFile>) -> io::Result<Self> {
        file.sync()?;
        Ok(Self {
            file,
            unsynced: AtomicU64::new(0),
            cut: Cut::default(),
        })
    }

    pub(super) fn cut(&self) -> Cut {
        self.cut.clone()
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)?;
        // Looked at last: what was read before the cut is what stood then.
        self.cut.check()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.cut.check()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.cut.check()?;
        self.unsynced.store(0, Ordering::Relaxed);
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.cut.check()?;
        self.file.write_at(offset, data)?;
        let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let unsynced = self.unsynced.fetch_add(len, Ordering::Relaxed);
        if unsynced.saturating_add(len) >= UNSYNCED_MAX {
            self.sync_data()?;
        }
        Ok(())
    }
}
