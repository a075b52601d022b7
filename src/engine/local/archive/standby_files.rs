//! Opens and builds the directory of a standby.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::replay::{Plan, plans};
use super::restore::{Target, build};
use super::standby::Standby;
use crate::engine::RestorePoint;
use crate::engine::local::LocalEngine;
use crate::engine::local::admin::contents::{Contents, Creation};
use crate::engine::local::admin::layout::Dir;
use crate::engine::local::admin::recover::OpenedDir;
use crate::engine::local::disk::Lock;
use crate::error::{OpenError, StorageError};
use crate::log::event;

impl Standby {
    /// Opens the directory. A corrupt B-tree stays as it is: it may be the last copy.
    pub(super) fn reopen(&self) -> Result<Arc<LocalEngine>, OpenError> {
        let (dir, lock) = self.lock()?;
        // An earlier attempt to build the standby again may have left it behind.
        let cleared = dir.remove(&dir.repair_copy_path());
        cleared.map_err(|error| dir.open_error(error))?;
        self.serve(&dir, lock)
    }

    fn lock(&self) -> Result<(Dir, Lock), OpenError> {
        let (dir, lock) = self.dir.lock(self.options.lock_wait)?;
        // Another process may have promoted the standby in the meantime.
        match dir.survey()? {
            Contents::Standby => Ok((dir, lock)),
            contents => Err(dir.refusal(contents)),
        }
    }

    /// Serves a locked directory. Reads of the one before may go on.
    fn serve(&self, dir: &Dir, lock: Lock) -> Result<Arc<LocalEngine>, OpenError> {
        let (header, opened) = OpenedDir::open_standby(dir, lock, &self.options)?;
        let replica = LocalEngine::of_standby(&self.options, header, opened);
        let replica = replica.map_err(|error| dir.open_error(error))?;
        let replica = Arc::new(replica);
        *self.replica.write() = Some(Arc::clone(&replica));
        Ok(replica)
    }

    /// Builds the standby in a missing or empty directory.
    pub(super) fn build_first(&self) -> Result<Arc<LocalEngine>, OpenError> {
        let plans = self.plans()?;
        let (to, lock) = self.dir.claim(Creation::Standby, self.options.lock_wait)?;
        to.clear(Creation::Standby)?;
        let plan = self.build(plans, &to, &to.btree_path())?;
        to.seal(Creation::Standby, plan.manifest.header)?;
        self.serve(&to, lock)
    }

    /// Builds another B-tree, which replaces the one that lacks frames. `epoch` is the one that the
    /// standby has read; `None` if it does not belong to any. Fails if `has_built` is set: a second
    /// attempt would lead to the same place.
    pub(super) fn build_again(
        &self,
        epoch: Option<u64>,
        has_built: &mut bool,
    ) -> Result<(), OpenError> {
        if std::mem::replace(has_built, true) {
            return Err(OpenError::of_archive(lacks_frames()));
        }
        event!(warn, "standby lacks frames that the archive no longer has");
        let replica = self.opened()?;
        let lsn = replica.core.published();
        let mut plans = self.plans()?;
        plans.retain(|plan| epoch.is_none_or(|epoch| plan.manifest.is_after((epoch, lsn))));
        if plans.is_empty() {
            return Err(OpenError::of_archive(lacks_frames()));
        }
        let side = replica.core.side();
        let (dir, draft) = (&side.dir, side.dir.repair_copy_path());
        let built = self.build(plans, dir, &draft);
        built.inspect_err(|_| drop(dir.remove(&draft)))?;
        // From here on, no thread opens the old B-tree by its name.
        replica.core.stop();
        let running = replica.core.checkpointing.lock();
        let btree = side.btree.lock();
        // Until the old B-tree is closed, its directory stays locked.
        let renamed = dir.rename(&draft, &dir.btree_path());
        let exchanged = renamed
            .map_err(StorageError::from)
            .and_then(|()| side.take_lock());
        drop((btree, running));
        exchanged
            .map_err(|error| dir.open_error(error))
            .and_then(|lock| self.serve(dir, lock))
            .inspect_err(|_| self.give_up(&replica))?;
        Ok(())
    }

    fn plans(&self) -> Result<Vec<Plan>, OpenError> {
        let plans = plans(&self.archive, RestorePoint::Newest);
        Ok(plans.map_err(OpenError::of_archive)?.0)
    }

    /// Builds a B-tree file from the first plan whose snapshot can be read.
    fn build(&self, plans: Vec<Plan>, dir: &Dir, path: &Path) -> Result<Plan, OpenError> {
        let began = Instant::now();
        let target = Target {
            dir,
            path,
            with_frames: false,
            may_go_on: &|| self.check_open(),
        };
        let plan = build(plans, &target, &self.options)?.plan;
        event!(
            info,
            "built standby from snapshot",
            lsn = plan.manifest.lsn,
            millis = began.elapsed().as_millis(),
        );
        Ok(plan)
    }

    /// Open directory. Opens it again if that failed before, or if its B-tree is lost.
    pub(super) fn opened(&self) -> Result<Arc<LocalEngine>, OpenError> {
        let replica = self.replica.read().clone();
        match replica {
            Some(replica) if replica.core.checkpointer.reopen_error().is_none() => Ok(replica),
            Some(lost) => {
                self.give_up(&lost);
                self.reopen()
            }
            None => self.reopen(),
        }
    }

    /// Closes a directory that failed. The next look opens it again.
    pub(super) fn give_up(&self, replica: &LocalEngine) {
        *self.replica.write() = None;
        // Ignore a failed close: the archive holds every frame.
        let _ = replica.release();
    }
}

fn lacks_frames() -> StorageError {
    StorageError::corrupted("frames are missing, and no snapshot after them can be read")
}
