//! Backups: everything as of one lsn, written beside the store while it goes on.
//!
//! - One snapshot of the base is copied, table by table, into a base of its own. What waited
//!   in memory is flushed before: all that was answered when the backup began is in it, and
//!   nothing that is written behind the snapshot, not even in part.
//! - It is read back from the disk, every page and every invariant, before it gets its seal.
//!   What has no seal is no backup, and nothing opens or restores it.
//! - Whoever writes to the store meanwhile goes first.

use std::path::Path;
use std::sync::Arc;

use super::contents::Making;
use super::layout::Dir;
use super::rows;
use super::verify;
use crate::contract::FeedCursor;
use crate::engine::local::Progress;
use crate::engine::local::btree::BTree;
use crate::engine::local::core::Core;
use crate::engine::local::disk::{Disk, FaultInjection, RateLimited, is_sabotaged};
use crate::engine::local::read::record_cache::RecordCache;
use crate::engine::local::read::view::ReadView;
use crate::engine::{BackupReport, EngineError};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::format::tables::Table;

/// Its pages need no more memory than this: they are written once and read twice.
const PAGE_BYTES: usize = 32 << 20;

impl Core {
    /// Makes a backup in a directory of its own.
    pub(in crate::engine::local) fn backup(
        self: &Arc<Self>,
        dir: &Path,
        progress: Option<Progress>,
    ) -> Result<BackupReport, Error> {
        let to = Dir::new(&self.unhurried(), dir);
        self.back_up(&to, progress).map_err(|error| match error {
            Error::Unopened { dir, source } => Error::NotBackedUp { dir, source },
            error => error,
        })
    }

    fn back_up(&self, to: &Dir, progress: Option<Progress>) -> Result<BackupReport, Error> {
        let (to, _lock) = to.claim(Making::Backup, self.options.lock_wait)?;
        let view = self.settled().map_err(|error| to.unopened(error))?;
        to.clear(Making::Backup)?;
        let made = self.copy(&to, &view, progress);
        if made.is_err() {
            // What stays is told from a backup, and is in the way of none.
            let _ = to.give_up(Making::Backup);
        }
        made
    }

    fn copy(
        &self,
        to: &Dir,
        view: &ReadView,
        progress: Option<Progress>,
    ) -> Result<BackupReport, Error> {
        let is_early = is_sabotaged(&**to.disk(), FaultInjection::SealBackupEarly);
        if is_early {
            to.seal(Making::Backup, self.header)?;
        }
        let core = self;
        let made = BackupWriter { core, view, to }.make(progress);
        let backup = made.map_err(|error| to.unopened(error))?;
        if !is_early {
            to.seal(Making::Backup, self.header)?;
        }
        Ok(backup)
    }

    /// The disk, for one who lets the store's writers go first.
    fn unhurried(self: &Arc<Self>) -> Arc<dyn Disk> {
        let disk = Arc::clone(&self.options.disk);
        if self.crew().is_some() {
            return disk;
        }
        let core = Arc::clone(self);
        Arc::new(RateLimited::new(disk, Box::new(move || core.written())))
    }

    /// All that was applied, in a base that nobody changes any more.
    fn settled(&self) -> Result<ReadView, StorageError> {
        let settled = self.flush().and_then(|()| self.base_view());
        let internal = |why| StorageError::new(StorageErrorKind::Internal, why);
        settled.map_err(|error: EngineError| error.into_cause().unwrap_or_else(internal))
    }
}

/// What is to be copied, and whereto.
struct BackupWriter<'a> {
    core: &'a Core,
    view: &'a ReadView,
    to: &'a Dir,
}

impl BackupWriter<'_> {
    /// Writes the copy, reads it back, and tells what it is.
    fn make(&self, progress: Option<Progress>) -> Result<BackupReport, StorageError> {
        self.to.check_room(self.needed()?)?;
        self.write(progress)?;
        let base = self.open(true)?;
        let backup = self.check(&base)?;
        base.close()?;
        // Whatever the opening left unsynced.
        self.to.disk().open(&self.to.base())?.sync()?;
        Ok(backup)
    }

    fn page_bytes(&self) -> usize {
        self.core.options.page_bytes().min(PAGE_BYTES)
    }

    fn open(&self, checked: bool) -> Result<BTree, StorageError> {
        let disk = &**self.to.disk();
        BTree::open(disk, &self.to.base(), self.page_bytes(), checked)
    }

    /// No more than the base has: the copy is packed as tightly, or more so.
    fn needed(&self) -> Result<u64, StorageError> {
        let dir = &self.core.dir;
        Ok(dir.disk().open(&dir.base())?.len()?)
    }

    fn write(&self, progress: Option<Progress>) -> Result<(), StorageError> {
        let disk = &**self.to.disk();
        let base = BTree::create(disk, &self.to.base(), self.page_bytes(), Vec::new())?;
        let snapshot = &self.view.snapshot;
        let lens = Table::EVERY.map(|table| snapshot.len(table));
        let total = lens.into_iter().sum::<Result<u64, _>>()?;
        let mut done = 0_u64;
        let mut tell = |rows: usize| {
            done = done.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
            if let Some(progress) = progress {
                progress(done, total);
            }
        };
        for table in Table::EVERY {
            rows::copy(snapshot, &base, table, &mut tell)?;
        }
        base.close()
    }

    fn check(&self, base: &BTree) -> Result<BackupReport, StorageError> {
        let copy = ReadView::of_base(base.snapshot()?, RecordCache::off(), self.view.layout);
        let report = verify::verify(&copy)?;
        verify::sound(&report)?;
        let is_same = copy.mark()? == self.view.mark()?
            && copy.state()? == self.view.state()?
            && copy.applied()? == self.view.applied()?;
        if !is_same {
            return Err(StorageError::corrupted(
                "what was read is not what was written",
            ));
        }
        Ok(BackupReport {
            place: FeedCursor {
                incarnation: copy.mark()?.incarnation,
                seq: copy.state()?.last_seq,
            },
            lsn: copy.applied()?,
            records: report.records,
            bytes: self.to.disk().open(&self.to.base())?.len()?,
            last_event_at: copy.last_event_at()?,
        })
    }
}
