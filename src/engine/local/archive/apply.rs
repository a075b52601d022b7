//! Applies what a standby has read to its directory.

use std::sync::atomic::Ordering;

use super::epochs::Start;
use super::replay::cross;
use crate::engine::EngineError;
use crate::engine::local::core::Core;
use crate::engine::local::journal::frame::{Frame, Kind};
use crate::engine::local::publish::no_base;
use crate::engine::local::write::batch::WriteBatch;
use crate::error::StorageError;

impl Core {
    /// Applies a frame. The frames come in order; one that was applied before changes nothing.
    pub(super) fn apply_frame(&self, frame: &Frame<'_>) -> Result<(), StorageError> {
        // No other thread may freeze the memtable meanwhile.
        let _writer = self.writer.lock();
        let (lsn, last) = (frame.head.lsn, self.published());
        if lsn <= last {
            return Ok(());
        }
        if lsn != last + 1 {
            let why = format!("frame {lsn} follows frame {last}");
            return Err(StorageError::corrupted(why));
        }
        if frame.head.kind == Kind::Writes {
            let writes = WriteBatch::decode(frame.payload)?;
            let apply = || {
                if self.view()?.active.read().bytes() >= self.options.memtable_bytes {
                    self.checkpointer.wait()?;
                    self.freeze_memtable()?;
                }
                self.view()?.active.publish(writes);
                Ok(())
            };
            apply().map_err(EngineError::into_storage)?;
            self.read_mark.fetch_add(1, Ordering::SeqCst);
        }
        self.published.store(lsn, Ordering::SeqCst);
        Ok(())
    }

    /// Goes on in the incarnation of a promoted standby. The B-tree must hold every frame.
    pub(super) fn follow_promoted(&self, start: &Start) -> Result<(), StorageError> {
        let side = self.side();
        let btree = side.btree.lock();
        let base = btree.as_ref().ok_or_else(no_base)?;
        let header = cross(base, self.header(), start)?;
        self.publish_btree(&side, base)?;
        self.incarnation
            .store(header.identity.incarnation, Ordering::SeqCst);
        Ok(())
    }
}
