//! Looking at everything that is kept, beside a store that goes on.
//!
//! A reader of its own reads the last commit of the base. It passes over damaged pages, so that
//! one of them does not hide the rest.

use std::sync::Arc;

use super::verify;
use crate::engine::EngineError;
use crate::engine::local::btree::damage::Damage;
use crate::engine::local::btree::{Reading, Salvage};
use crate::engine::local::core::Core;
use crate::engine::local::disk::Task;
use crate::engine::local::failure::is_damage;
use crate::engine::local::failure::unread;
use crate::engine::local::read::record_cache::RecordCache;
use crate::engine::local::read::view::ReadView;
use crate::error::StorageError;
use crate::verify::{Invariant, VerifyReport};

/// Its pages need no more memory than this.
const PAGE_BYTES: usize = 32 << 20;

/// So often it is looked again where the base was opened anew and written meanwhile.
const TRIES: usize = 3;

impl Core {
    /// Names what breaks an invariant, and which pages are damaged.
    pub(in crate::engine::local) fn verify(&self) -> Result<VerifyReport, EngineError> {
        let mut tries = 1;
        let (report, damage) = loop {
            let before = self.moves();
            let look = self.look()?;
            if look.0.is_ok() || tries == TRIES || before == self.moves() {
                break look;
            }
            tries += 1;
        };
        // Pages of an earlier look may have been written meanwhile.
        for (offset, len) in damage.pages() {
            self.damage.note(offset, len);
        }
        Ok(report)
    }

    /// A base that was opened anew does not know what is still read of it, and takes those
    /// pages for others after the flush that comes next but one.
    fn moves(&self) -> Option<(u64, u64)> {
        let (reopened, flushes) = (self.damage.reopened(), self.flushing.flushed().flushes);
        (reopened > 0).then_some((reopened, flushes))
    }

    fn look(&self) -> Result<(VerifyReport, Arc<Damage>), EngineError> {
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
                format!("the {len} bytes at {offset} of base.redb do not match their checksum");
            (Invariant::I18, what)
        }));
        if unwritten.is_some() {
            let what = "what the journal holds cannot be written into base.redb: \
                        pages that it belongs to are damaged";
            report.breach(Invariant::I18, None, what);
        }
        Ok((report, damage))
    }

    /// The last commit, and a hold on it.
    fn salvage(
        &self,
    ) -> Result<(Arc<crate::engine::local::btree::Snapshot>, Salvage), EngineError> {
        if let Some(crew) = self.crew() {
            crew.finish(Task::Flush);
        }
        // No flush commits meanwhile: the view is of the commit that the file shows.
        let _base = self.base.lock();
        let held = Arc::clone(&self.view()?.snapshot);
        let (disk, path) = (&**self.dir.disk(), self.dir.base());
        let bytes = self.options.page_bytes().min(PAGE_BYTES);
        let salvage = Salvage::open(disk, &path, bytes, Reading::Survey);
        Ok((held, salvage.map_err(|error: StorageError| unread(error))?))
    }
}
