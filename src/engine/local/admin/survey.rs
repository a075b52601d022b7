//! Verifies an open store while it continues to serve reads and writes.
//!
//! A separate reader reads the last commit of the B-tree. It skips corrupt pages, so that one such
//! page does not hide the others.

use std::sync::Arc;

use super::verify;
use crate::engine::EngineError;
use crate::engine::local::btree::damage::CorruptPages;
use crate::engine::local::btree::{ReadMode, Salvage};
use crate::engine::local::core::Core;
use crate::engine::local::disk::Task;
use crate::engine::local::failure::is_damage;
use crate::engine::local::failure::unread;
use crate::engine::local::read::record_cache::RecordCache;
use crate::engine::local::read::view::ReadView;
use crate::engine::local::side::Side;
use crate::error::StorageError;
use crate::verify::{Invariant, VerifyReport};

/// Maximum page cache of the separate reader, in bytes: 32 MiB.
const PAGE_BYTES: usize = 32 << 20;

/// Maximum number of verifications if the B-tree is reopened or written in the meantime.
const TRIES: usize = 3;

impl Core {
    /// Reports every violation of an invariant, and every corrupt page.
    pub(crate) fn verify(&self) -> Result<VerifyReport, EngineError> {
        // Repeat a verification with violations if `moves` changed meanwhile: a reopened B-tree may
        // have reused pages that the verification read, so the violations may be false.
        let mut tries = 1;
        let (report, damage) = loop {
            let before = self.moves();
            let look = self.look()?;
            if look.0.is_ok() || tries == TRIES || before == self.moves() {
                break look;
            }
            tries += 1;
        };
        // Report only the corrupt pages that the last verification found. Pages that an earlier one
        // found may have been overwritten since.
        let side = self.side();
        for (offset, len) in damage.pages() {
            side.damage.note(offset, len);
        }
        Ok(report)
    }

    /// Returns a value that changes when the B-tree may have reused pages that the reader needs;
    /// `None` if that cannot happen.
    ///
    /// A reopened B-tree does not know the snapshots of its predecessor. From its second checkpoint
    /// on, it may reuse pages that these snapshots need.
    fn moves(&self) -> Option<(u64, u64)> {
        let (reopened, flushes) = (
            self.side().damage.reopened(),
            self.checkpointer.stats().flushes,
        );
        (reopened > 0).then_some((reopened, flushes))
    }

    /// Writes the memtable into the B-tree, and verifies the result once.
    fn look(&self) -> Result<(VerifyReport, Arc<CorruptPages>), EngineError> {
        let unwritten = match self.flush() {
            Err(error) if is_damage(&error) => Some(error),
            flushed => flushed.map(|()| None)?,
        };
        let (_held, salvage) = self.salvage()?;
        let damage = Arc::clone(&salvage.damage);
        let layout = self.view()?.layout;
        let view = ReadView::of_base(salvage.snapshot, RecordCache::off(), layout);
        let mut report = verify::verify(&view).map_err(unread)?;
        report.lead(damage.pages().into_iter().map(|(offset, len)| {
            let what =
                format!("{len} bytes at offset {offset} of base.redb are corrupt or unreadable");
            (Invariant::I18, what)
        }));
        if unwritten.is_some() {
            let what = "the checkpoint cannot write the memtable into base.redb, \
                        because pages that it needs are corrupt";
            report.add_violation(Invariant::I18, None, what);
        }
        Ok((report, damage))
    }

    /// Opens the last commit. The returned snapshot keeps the B-tree from reusing the pages of that
    /// commit.
    fn salvage(
        &self,
    ) -> Result<(Arc<crate::engine::local::btree::Snapshot>, Salvage), EngineError> {
        if let Some(executor) = self.executor() {
            executor.run_to_end(Task::Checkpoint);
        }
        // Hold the lock, which prevents checkpoints, until the snapshot and the reader exist. Both
        // then show the same commit. The snapshot also keeps later checkpoints from reusing the
        // pages of that commit.
        let side = self.side();
        let _base = side.btree.lock();
        let held = Arc::clone(&self.view()?.snapshot);
        Ok((held, self.open_survey(&side).map_err(unread)?))
    }

    /// Opens the last commit of the B-tree and skips its corrupt pages. The caller holds the lock
    /// of the B-tree.
    pub(crate) fn open_survey(&self, side: &Side) -> Result<Salvage, StorageError> {
        let (disk, path) = (&**side.dir.disk(), side.dir.btree_path());
        let bytes = self.options.page_bytes().min(PAGE_BYTES);
        Salvage::open(disk, &path, bytes, ReadMode::Survey)
    }
}
