//! The base's file, as the library beneath sees it.
//!
//! - Every page is compared with its checksum when it is read. The library follows no pointer
//!   of a damaged page, and takes no key from it.
//! - A damaged page is no failed read: the library would refuse all further reads behind one.
//!   In its place stands a page that is refused where it is met, or one that is passed over.
//! - Every MiB written is synced at once: the last sync of a transaction has little left to
//!   do, and a sync of the journal never queues behind a hundred megabytes.
//! - Once it is cut off it reads and writes nothing more: the file may be another's by then.

use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::{BackendError, StorageBackend};

use super::checksums::PageChecksums;
use super::damage::Damage;
use super::page::{self, HEADER_LEN};
use crate::engine::local::disk::DiskFile;

/// So much may be written and not synced.
const UNSYNCED_MAX: u64 = 1 << 20;

/// What stands in the place of a damaged page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::local) enum Reading {
    /// A page that is refused: reads and writes beneath it fail, each for itself.
    Strict,
    /// An empty page: walks go on behind it. For reading alone, behind a kill.
    Salvage,
    /// The same, beside a writer. A page that the disk does not give is damaged, too.
    Survey,
}

#[derive(Debug)]
pub(super) struct Backend {
    file: Box<dyn DiskFile>,
    reading: Reading,
    sums: PageChecksums,
    damage: Arc<Damage>,
    /// A page that is refused may be in the library's cache.
    has_refused: AtomicBool,
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
    pub(super) fn new(file: Box<dyn DiskFile>, damage: Arc<Damage>) -> io::Result<Self> {
        file.sync()?;
        Self::with(file, Reading::Strict, damage)
    }

    /// Takes a file, and reads it so.
    pub(super) fn with(
        file: Box<dyn DiskFile>,
        reading: Reading,
        damage: Arc<Damage>,
    ) -> io::Result<Self> {
        let sums = PageChecksums::default();
        sums.set_len(file.len()?);
        Ok(Self {
            file,
            reading,
            sums,
            damage,
            has_refused: AtomicBool::new(false),
            unsynced: AtomicU64::new(0),
            cut: Cut::default(),
        })
    }

    pub(super) fn cut(&self) -> Cut {
        self.cut.clone()
    }

    fn read_header(&self, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(0, out)?;
        if out.len() >= HEADER_LEN {
            if self.reading != Reading::Strict {
                page::settle(out);
            }
            self.sums.start(out);
        }
        Ok(())
    }

    fn read_page(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.file.read_at(offset, out) {
            Ok(()) if self.sums.is_right(offset, out) => {
                self.damage.is_over(offset);
                return Ok(());
            }
            // A file that ends within the page has lost the rest of it.
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
            Err(_) if self.reading == Reading::Survey => {}
            // The base is opened anew and the page read again. Where that fails, too, it is
            // as good as damaged: the next opening would help as little.
            Err(error) if self.damage.note(offset, out.len()) => return Err(error),
            Err(_) => {}
        }
        // What a base that was opened anew has written is no damage.
        self.cut.check()?;
        self.damage.note(offset, out.len());
        match self.reading {
            Reading::Strict => {
                self.has_refused.store(true, Ordering::Relaxed);
                page::refuse(out);
            }
            Reading::Salvage | Reading::Survey => page::skip(out),
        }
        Ok(())
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match offset {
            0 => self.read_header(out)?,
            _ => self.read_page(offset, out)?,
        }
        // Looked at last: what was read before the cut is what stood then.
        self.cut.check()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.cut.check()?;
        self.file.set_len(len)?;
        self.sums.set_len(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.cut.check()?;
        self.unsynced.store(0, Ordering::Relaxed);
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.cut.check()?;
        if self.has_refused.load(Ordering::Relaxed) && page::is_spread(data) {
            let why = "a damaged page is about to be merged with another one";
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        self.file.write_at(offset, data)?;
        if offset > 0 {
            self.sums.wrote(offset, data);
            self.damage.is_over(offset);
        }
        let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let unsynced = self.unsynced.fetch_add(len, Ordering::Relaxed);
        if unsynced.saturating_add(len) >= UNSYNCED_MAX {
            self.sync_data()?;
        }
        Ok(())
    }

    // Who may have the file open is said by the lock of the store's directory. The library
    // asks for its own ones where it reads beside a writer.

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(false)
    }
}
