//! Backups of an open store, as of one log sequence number (LSN) of the journal. The store
//! continues to serve reads and writes.
//!
//! - A checkpoint first writes the memtable into the B-tree. The backup then copies one snapshot,
//!   table by table, into a new B-tree. The copy contains every write that was acknowledged before
//!   the backup began, and no part of a write after the snapshot.
//! - At the end, the backup is read back from the disk, and every page and every invariant is
//!   checked. Only then does it get its identity file. A backup without an identity file cannot be
//!   restored.
//! - The writes of the store have priority over those of the backup.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::contents::Creation;
use super::layout::Dir;
use super::rows;
use super::verify;
use crate::contract::FeedCursor;
use crate::engine::local::btree::BTree;
use crate::engine::local::core::Core;
use crate::engine::local::disk::{Disk, FaultInjection, RateLimited, is_injected};
use crate::engine::local::read::record_cache::RecordCache;
use crate::engine::local::read::view::ReadView;
use crate::engine::{BackupReport, EngineError, Progress};
use crate::error::{Error, OpenError, StorageError, with_causes};
use crate::format::tables::Table;
use crate::log::event;
use crate::number::u64_of;

/// Maximum page cache of a backup, in bytes: 32 MiB. Each page is written once and read twice, so a
/// larger cache gains nothing.
const PAGE_BYTES: usize = 32 << 20;

impl Core {
    /// Writes a backup into the directory `dir`.
    pub(crate) fn backup(
        self: &Arc<Self>,
        dir: &Path,
        progress: Option<&Progress>,
    ) -> Result<BackupReport, Error> {
        let began = Instant::now();
        let to = Dir::new(&self.rate_limited(&self.options.disk), dir);
        let made = self.back_up(&to, progress).map_err(|error| match error {
            OpenError::Unopened { dir, source } => Error::NotBackedUp { dir, source },
            error => error.into(),
        });
        let dir = dir.display().to_string();
        match &made {
            Ok(report) => event!(
                info,
                "wrote backup",
                dir = dir,
                records = report.records,
                bytes = report.bytes,
                millis = began.elapsed().as_millis(),
            ),
            Err(error) => event!(warn, "failed backup", dir = dir, cause = with_causes(error)),
        }
        made
    }

    fn back_up(&self, to: &Dir, progress: Option<&Progress>) -> Result<BackupReport, OpenError> {
        let (to, _lock) = to.claim(Creation::Backup, self.options.lock_wait)?;
        let view = self
            .checkpointed_view()
            .map_err(|error| to.open_error(error))?;
        to.clear(Creation::Backup)?;
        let made = self.copy(&to, &view, progress);
        if made.is_err() {
            // Ignore a failed removal: the draft file marks the remaining files as unfinished, and
            // a later backup into the same directory replaces them.
            let _ = to.remove_failed_backup(Creation::Backup);
        }
        made
    }

    fn copy(
        &self,
        to: &Dir,
        view: &ReadView,
        progress: Option<&Progress>,
    ) -> Result<BackupReport, OpenError> {
        // A standby may follow a promoted one since it was opened.
        let mark = view.mark().map_err(|error| to.open_error(error))?;
        let header = self.header.with_incarnation(mark.incarnation);
        let is_early = is_injected(&**to.disk(), FaultInjection::SealBackupEarly);
        if is_early {
            to.seal(Creation::Backup, header)?;
        }
        let core = self;
        let made = BackupWriter { core, view, to }.make(progress);
        let backup = made.map_err(|error| to.open_error(error))?;
        if !is_early {
            to.seal(Creation::Backup, header)?;
        }
        Ok(backup)
    }

    /// Returns a disk with a rate limit that gives priority to the writes of the store. A simulated
    /// disk is returned unchanged.
    pub(crate) fn rate_limited(self: &Arc<Self>, disk: &Arc<dyn Disk>) -> Arc<dyn Disk> {
        let disk = Arc::clone(disk);
        if self.executor().is_some() {
            return disk;
        }
        let core = Arc::clone(self);
        Arc::new(RateLimited::new(disk, Box::new(move || core.read_mark())))
    }

    /// Writes the memtable into the B-tree, and returns a view of that snapshot alone.
    fn checkpointed_view(&self) -> Result<ReadView, StorageError> {
        let view = self.flush().and_then(|()| self.base_view());
        view.map_err(EngineError::into_storage)
    }
}

/// Source store and target directory of a backup.
struct BackupWriter<'a> {
    core: &'a Core,
    view: &'a ReadView,
    to: &'a Dir,
}

impl BackupWriter<'_> {
    /// Writes the copy, reads it back, and returns the report.
    fn make(&self, progress: Option<&Progress>) -> Result<BackupReport, StorageError> {
        self.to.check_room(self.needed()?)?;
        self.write(progress)?;
        let base = self.open(true)?;
        let backup = self.check(&base)?;
        base.close()?;
        // Opening and closing the copied B-tree wrote to its file. Sync the file before the
        // identity file declares the backup complete.
        self.to.disk().open(&self.to.btree_path())?.sync()?;
        Ok(backup)
    }

    fn page_bytes(&self) -> usize {
        self.core.options.page_bytes().min(PAGE_BYTES)
    }

    fn open(&self, checked: bool) -> Result<BTree, StorageError> {
        let disk = &**self.to.disk();
        BTree::open(disk, &self.to.btree_path(), self.page_bytes(), checked)
    }

    /// Maximum number of bytes that the copy needs: the length of the source file. The pages of the
    /// copy are at least as full as those of the source.
    fn needed(&self) -> Result<u64, StorageError> {
        let dir = &self.core.side().dir;
        Ok(dir.disk().open(&dir.btree_path())?.len()?)
    }

    fn write(&self, progress: Option<&Progress>) -> Result<(), StorageError> {
        let disk = &**self.to.disk();
        let base = BTree::create(disk, &self.to.btree_path(), self.page_bytes(), Vec::new())?;
        let snapshot = &self.view.snapshot;
        let lens = Table::ALL.map(|table| snapshot.len(table));
        let total = lens.into_iter().sum::<Result<u64, _>>()?;
        let mut done = 0_u64;
        let mut on_portion = |rows: usize| {
            done += u64_of(rows);
            if let Some(progress) = progress {
                progress.report(done, total);
            }
        };
        for table in Table::ALL {
            rows::copy(snapshot, &base, table, &mut on_portion)?;
        }
        base.close()
    }

    /// Verifies the copy, and checks that it holds the state of the snapshot.
    fn check(&self, base: &BTree) -> Result<BackupReport, StorageError> {
        let copy = ReadView::of_base(base.snapshot()?, RecordCache::off(), self.view.layout);
        let report = verify::verify(&copy)?;
        verify::check_report(&report)?;
        let is_same = copy.mark()? == self.view.mark()?
            && copy.state()? == self.view.state()?
            && copy.applied()? == self.view.applied()?;
        if !is_same {
            return Err(StorageError::corrupted(
                "the backup differs from the store; check the disk, then repeat the backup",
            ));
        }
        Ok(BackupReport {
            place: FeedCursor {
                incarnation: copy.mark()?.incarnation,
                seq: copy.state()?.last_seq,
            },
            lsn: copy.applied()?,
            records: report.records,
            bytes: self.to.disk().open(&self.to.btree_path())?.len()?,
            last_event_at: copy.last_event_at()?,
        })
    }
}
