//! Opens and builds the directory of a standby.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::replay::{Plan, plans};
use super::restore::{Failure, Target, build};
use super::standby::{Standby, lacks_frames};
use crate::engine::RestorePoint;
use crate::engine::local::LocalEngine;
use crate::engine::local::admin::contents::{Contents, Creation};
use crate::engine::local::admin::layout::Dir;
use crate::engine::local::admin::recover::OpenedDir;
use crate::engine::local::disk::Lock;
use crate::error::{OpenError, StorageError, with_causes};
use crate::log::event;

impl Standby {
    /// Opens the directory. A corrupt B-tree stays as it is: it may be the last copy.
    pub(super) fn reopen(&self) -> Result<(), OpenError> {
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
    fn serve(&self, dir: &Dir, lock: Lock) -> Result<(), OpenError> {
        let (header, opened) = OpenedDir::open_standby(dir, lock, &self.options)?;
        let replica = LocalEngine::of_standby(&self.options, header, opened);
        let replica = replica.map_err(|error| dir.open_error(error))?;
        *self.replica.write() = Some(Arc::new(replica));
        Ok(())
    }

    /// Builds the standby in a missing or empty directory.
    pub(super) fn build_first(&self) -> Result<(), OpenError> {
        let plans = self.plans()?;
        let (to, lock) = self.dir.claim(Creation::Standby, self.options.lock_wait)?;
        to.clear(Creation::Standby)?;
        let plan = self.build(plans, &to, &to.btree_path())?;
        to.seal(Creation::Standby, plan.manifest.header)?;
        self.serve(&to, lock)
    }

    /// Builds another B-tree, which replaces the one that lacks frames. `epoch` is the one that the
    /// standby has read; `None` if it does not belong to any.
    pub(super) fn build_again(&self, epoch: Option<u64>) -> Result<(), OpenError> {
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
        // Nothing may open the old B-tree by its name any more.
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
            .inspect_err(|_| {
                // The next look opens the directory again.
                *self.replica.write() = None;
                drop(replica.release());
            })
    }

    fn plans(&self) -> Result<Vec<Plan>, OpenError> {
        let plans = plans(&self.archive, RestorePoint::Newest);
        Ok(plans.map_err(OpenError::of_archive)?.0)
    }

    /// Builds a B-tree file from the first plan whose snapshot can be read.
    fn build(&self, plans: Vec<Plan>, to: &Dir, path: &Path) -> Result<Plan, OpenError> {
        let began = Instant::now();
        let target = Target {
            dir: to,
            path,
            with_frames: false,
            may_go_on: &|| self.check_open(),
        };
        let mut failure = None;
        for plan in plans {
            let cleared = to.remove(path).and_then(|()| to.create_file(path));
            cleared.map_err(|error| to.open_error(error))?;
            match build(&plan, &target, &self.options) {
                Ok(_) => {
                    event!(
                        info,
                        "built standby from snapshot",
                        lsn = plan.manifest.lsn,
                        millis = began.elapsed().as_millis(),
                    );
                    return Ok(plan);
                }
                Err(Failure::Snapshot(cause)) if cause.is_corrupt() => {
                    event!(error, "found corrupt snapshot", cause = with_causes(&cause));
                    failure = Some(cause);
                }
                Err(Failure::Dir(cause)) => return Err(to.open_error(cause)),
                Err(Failure::Snapshot(cause) | Failure::Frames(cause)) => {
                    return Err(OpenError::of_archive(cause));
                }
            }
        }
        let none = || StorageError::corrupted("the archive has no snapshot that can be read");
        Err(OpenError::of_archive(failure.unwrap_or_else(none)))
    }

    /// Open directory. Opens it again if that failed before, or if its B-tree is lost.
    pub(super) fn opened(&self) -> Result<Arc<LocalEngine>, OpenError> {
        let lost = self
            .replica
            .read()
            .clone()
            .filter(|replica| replica.core.checkpointer.reopen_error().is_some());
        if let Some(replica) = lost {
            *self.replica.write() = None;
            let released = replica.release();
            released.map_err(|error| self.dir.open_error(error))?;
        }
        if self.replica.read().is_none() {
            self.reopen()?;
        }
        let replica = self.replica();
        replica.map_err(|error| self.dir.open_error(error.into_storage()))
    }
}
