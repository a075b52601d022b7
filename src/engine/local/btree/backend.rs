//! Storage backend of redb: it reads and writes the B-tree file, and verifies each page that it
//! reads.
//!
//! - The backend compares every page with its checksum when redb reads it. Thus redb follows no
//!   pointer of a corrupt page and uses no key from it.
//! - The backend does not report a corrupt page as a failed read: after one failed read, redb
//!   refuses all further reads. The backend returns a replacement page instead. redb either rejects
//!   the replacement when it uses the page, or skips it; see [`ReadMode`].
//! - The backend syncs after every MiB written. The last sync of a transaction is then short,
//!   and a journal sync never waits for a hundred megabytes of B-tree pages.
//! - When the B-tree is reopened, the old backend is cut off: all its reads and writes fail. The
//!   reopened B-tree may change the file.

use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use redb::{BackendError, StorageBackend};

use super::checksums::PageChecksums;
use super::damage::CorruptPages;
use super::page::{self, HEADER_LEN};
use crate::engine::local::disk::DiskFile;
use crate::log::event;
use crate::number::u64_of;

/// Number of written bytes after which the checkpoint thread offers its core to other threads.
const OFFER: u64 = 64 << 10;

/// Number of unsynced bytes after which the backend syncs the file: 1 MiB.
const UNSYNCED_MAX: u64 = 1 << 20;

/// Kind of page that a read returns in place of a corrupt page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadMode {
    /// Page that redb rejects. Reads and writes that need its subtree fail; all others succeed.
    Strict,
    /// Empty page, so that reads of a table continue after it. For a file that no writer has open,
    /// for example after the process was killed.
    Salvage,
    /// Empty page, for a file that a writer has open. A page that cannot be read also counts as
    /// corrupt.
    Survey,
}

#[derive(Debug)]
pub(super) struct Backend {
    file: Box<dyn DiskFile>,
    reading: ReadMode,
    sums: PageChecksums,
    damage: Arc<CorruptPages>,
    /// Whether redb's cache may hold a page made by [`page::refuse`].
    has_refused: AtomicBool,
    /// Bytes written since the last sync.
    unsynced: AtomicU64,
    cut: Cut,
}

/// Switch that cuts a backend off from its file.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut(Arc<AtomicBool>);

impl Cut {
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Acquire) {
            return Err(io::Error::other(
                "this handle of base.redb is closed: the file failed and was reopened",
            ));
        }
        Ok(())
    }
}

impl Backend {
    /// Creates a backend and syncs the file first. If the last process was killed, the page cache
    /// may hold bytes that the disk does not hold. The store must not rely on such bytes.
    pub(super) fn new(file: Box<dyn DiskFile>, damage: Arc<CorruptPages>) -> io::Result<Self> {
        file.sync()?;
        Self::with(file, ReadMode::Strict, damage)
    }

    /// Creates a backend that reads in the given mode. It does not sync the file.
    pub(super) fn with(
        file: Box<dyn DiskFile>,
        reading: ReadMode,
        damage: Arc<CorruptPages>,
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
            if self.reading != ReadMode::Strict {
                page::mark_closed(out);
            }
            self.sums.start(out);
        }
        Ok(())
    }

    /// Reads a page into `out`. If the page is corrupt, fills `out` with the replacement page.
    fn read_page(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        // A failed read is handled in two steps, because redb refuses all reads after an error:
        // 1. The first failure of a page is returned. The engine reopens the B-tree and retries.
        // 2. If the same page fails again, it counts as corrupt. Another retry would not help,
        //    and only reads of this page must fail.
        match self.file.read_at(offset, out) {
            Ok(()) if self.sums.is_right(offset, out) => {
                self.damage.remove(offset);
                return Ok(());
            }
            // The page does not match its checksum.
            Ok(()) => {}
            // The file was truncated within the page or before it.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
            Err(_) if self.reading == ReadMode::Survey => {}
            Err(error) if self.damage.note(offset, out.len()) => return Err(error),
            Err(_) => {}
        }
        // Return an error if the file was cut off from this B-tree. A mismatch is then no sign of
        // corruption, because a reopened B-tree may have written this page.
        self.cut.check()?;
        if self.damage.note(offset, out.len()) {
            let bytes = out.len();
            event!(error, "found corrupt page", offset = offset, bytes = bytes);
        }
        match self.reading {
            ReadMode::Strict => {
                self.has_refused.store(true, Ordering::Relaxed);
                page::refuse(out);
            }
            ReadMode::Salvage | ReadMode::Survey => page::skip(out),
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
        // Check after the read whether the file was cut off from this B-tree. If not, no reopened
        // B-tree has changed the bytes that were read.
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
        // Refuse to write bytes of a corrupt page, which redb may copy into another page, for
        // example in a merge. The other page would get a valid checksum, and the lost entries would
        // never be reported.
        if self.has_refused.load(Ordering::Relaxed) && page::contains_refused_bytes(data) {
            let why = "the write would copy a corrupt page of base.redb into another page";
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        self.file.write_at(offset, data)?;
        if offset > 0 {
            self.sums.wrote(offset, data);
            self.damage.remove(offset);
        }
        let len = u64_of(data.len());
        let unsynced = self.unsynced.fetch_add(len, Ordering::Relaxed);
        if unsynced + len >= UNSYNCED_MAX {
            self.sync_data()?;
        } else if unsynced / OFFER != (unsynced + len) / OFFER {
            thread::yield_now();
        }
        Ok(())
    }

    // These locks always succeed: the lock of the store's directory decides which process may
    // open the file. redb asks for them when it opens a file.

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
