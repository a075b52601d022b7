//! Standby: a read-only store that follows the archive of another store.
//!
//! - Its directory has a B-tree, which a snapshot of the archive fills. It has no journal, because the
//!   archive holds every frame. A thread applies new frames to the memtable, and checkpoints write them
//!   into the B-tree. After a crash, the standby reads the frames since the last checkpoint again.
//! - If frames are missing, it builds another B-tree from the newest snapshot, and serves the old one
//!   meanwhile. If another standby was promoted, it follows that one.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};

use super::follower::{Follower, Next};
use super::inspect::objects;
use super::replay::{Plan, plans};
use super::restore::{Failure, Target, build};
use crate::archive::Archive;
use crate::engine::local::LocalEngine;
use crate::engine::local::admin::contents::{Contents, Creation};
use crate::engine::local::admin::header::StoreHeader;
use crate::engine::local::admin::layout::Dir;
use crate::engine::local::admin::recover::OpenedDir;
use crate::engine::local::background::lower_priority;
use crate::engine::local::disk::Lock;
use crate::engine::local::options::LocalOptions;
use crate::engine::{EngineError, RestorePoint, StandbyStats};
use crate::error::{OpenError, StorageError, StorageErrorKind, with_causes};
use crate::log::event;

/// Longest time between two attempts while the archive fails.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(30);

/// Number of looks at the archive in each of its intervals.
const LOOKS: u32 = 4;

/// Longest time from a frame to the checkpoint that writes it, while the standby keeps up.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(300);

/// Directory of a standby, and its place in the archive.
pub(super) struct Standby {
    pub(super) dir: Dir,
    pub(super) options: LocalOptions,
    pub(super) archive: Archive,
    /// Open directory. `None` only if it could not be opened again.
    replica: RwLock<Option<Arc<LocalEngine>>>,
    /// `None` if the place in the archive is unknown.
    follower: Mutex<Option<Follower>>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Time of the last look at the archive that found nothing new.
    caught_up_at: Option<Instant>,
    checkpoint_at: Instant,
    failure: Option<StorageError>,
    failures: u64,
    failed_in_a_row: u32,
    is_closing: bool,
}

impl Standby {
    /// Opens the standby in a directory. Builds it from the newest snapshot if there is none.
    pub(super) fn open(
        dir: &Path,
        archive: &Archive,
        options: &LocalOptions,
    ) -> Result<Self, OpenError> {
        let options = LocalOptions {
            archive: None,
            ..options.clone()
        };
        let state = State {
            caught_up_at: None,
            checkpoint_at: Instant::now(),
            failure: None,
            failures: 0,
            failed_in_a_row: 0,
            is_closing: false,
        };
        let standby = Self {
            dir: Dir::of(&options, dir)?,
            options,
            archive: archive.clone(),
            replica: RwLock::default(),
            follower: Mutex::default(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        };
        match standby.dir.survey()? {
            Contents::Standby => standby.reopen()?,
            _ => standby.build_first()?,
        }
        Ok(standby)
    }

    /// Opens the directory.
    fn reopen(&self) -> Result<(), OpenError> {
        let (dir, lock) = self.dir.lock(self.options.lock_wait)?;
        // Another process may have promoted the standby in the meantime.
        match dir.survey()? {
            Contents::Standby => self.serve(&dir, lock),
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
    fn build_first(&self) -> Result<(), OpenError> {
        let plans = self.plans()?;
        let (to, lock) = self.dir.claim(Creation::Standby, self.options.lock_wait)?;
        to.clear(Creation::Standby)?;
        let plan = self.build(plans, &to, &to.btree_path())?;
        to.seal(Creation::Standby, plan.manifest.header)?;
        self.serve(&to, lock)
    }

    /// Builds another B-tree, which replaces the one that lacks frames.
    fn build_again(&self) -> Result<(), OpenError> {
        event!(warn, "standby lacks frames that the archive no longer has");
        let replica = self.opened()?;
        let (header, lsn) = (replica.core.header(), replica.core.published());
        let mut plans = self.plans()?;
        plans.retain(|plan| {
            let own = plan.manifest.header.identity;
            own.incarnation != header.identity.incarnation || plan.manifest.lsn > lsn
        });
        if plans.is_empty() {
            let why = "frames are missing, and no snapshot after them can be read";
            return Err(OpenError::of_archive(StorageError::corrupted(why)));
        }
        let side = replica.core.side();
        let (dir, draft) = (&side.dir, side.dir.repair_copy_path());
        let unopened = |error: StorageError| dir.open_error(error);
        let cleared = dir.remove(&draft);
        cleared.map_err(|error| dir.open_error(error))?;
        self.build(plans, dir, &draft)?;
        // Stop the checkpoints of the old B-tree before another file gets its name.
        replica.core.stop();
        let lock = side.take_lock().map_err(unopened)?;
        let renamed = dir.rename(&draft, &dir.btree_path());
        renamed
            .map_err(|error| dir.open_error(error))
            .and_then(|()| self.serve(dir, lock))
            // The next look opens the directory again.
            .inspect_err(|_| *self.replica.write() = None)
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

    /// Open directory.
    pub(super) fn replica(&self) -> Result<Arc<LocalEngine>, EngineError> {
        let unopened = || {
            let why =
                "the directory of the standby is not open; the standby tries to open it again";
            EngineError::Retry(StorageError::new(StorageErrorKind::Io, why))
        };
        self.replica.read().clone().ok_or_else(unopened)
    }

    /// Open directory. Opens it again if that failed before, or if its B-tree is lost.
    fn opened(&self) -> Result<Arc<LocalEngine>, OpenError> {
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

    /// Header of the store, and the last frame that the standby shows.
    pub(super) fn place(&self) -> Result<(StoreHeader, u64), StorageError> {
        let replica = self.replica().map_err(EngineError::into_storage)?;
        Ok((replica.core.header(), replica.core.published()))
    }

    /// Applies everything that the archive holds. Returns the epoch that was read, or `None` if nobody
    /// knows yet which frames count. `claimed` is the epoch that this standby has claimed.
    pub(super) fn catch_up(&self, claimed: Option<u64>) -> Result<Option<u64>, OpenError> {
        let mut follower = self.follower.lock();
        // A claimant finds its place again: the epochs before its own are settled only now.
        let mut last = follower.take().filter(|_| claimed.is_none());
        loop {
            self.check_open().map_err(OpenError::of_archive)?;
            let replica = self.opened()?;
            let core = &replica.core;
            let unopened = |error: StorageError| self.dir.open_error(error);
            let mut position = match last.take() {
                Some(position) => position,
                None => match self.find().map_err(OpenError::of_archive)? {
                    Some(position) => position,
                    None => {
                        self.build_again()?;
                        continue;
                    }
                },
            };
            // After a failure, the position is found again from the last applied frame.
            match position.next(claimed).map_err(OpenError::of_archive)? {
                Next::Frames(shipment, limit) => {
                    let applied = shipment.frames.each(|frame| match frame.head.lsn > limit {
                        true => Ok(()),
                        false => core.apply_frame(frame),
                    });
                    applied.map_err(unopened)?;
                    last = Some(position);
                }
                Next::End => {
                    let epoch = position.epoch();
                    *follower = Some(position);
                    return Ok(Some(epoch));
                }
                Next::Unsettled => {
                    *follower = Some(position);
                    return Ok(None);
                }
                Next::Promoted(start) => {
                    core.follow_promoted(&start).map_err(unopened)?;
                    event!(info, "standby follows a promoted standby");
                }
                Next::Gap => self.build_again()?,
            }
        }
    }

    fn find(&self) -> Result<Option<Follower>, StorageError> {
        let objects = objects(&self.archive)?;
        let (header, lsn) = self.place()?;
        if objects.store_id != header.identity.store_id {
            let why = "the archive belongs to another store; give the standby another directory";
            return Err(StorageError::new(StorageErrorKind::Io, why).permanent());
        }
        Follower::after(objects, header.identity.incarnation, lsn)
    }

    /// Main loop of the thread that follows the archive.
    pub(super) fn run(self: &Arc<Self>) {
        lower_priority();
        let mut began = Instant::now();
        while self.wait(began) {
            began = Instant::now();
            self.look();
        }
    }

    /// Catches up once, and notes the result.
    fn look(&self) {
        let began = Instant::now();
        let result = match self.catch_up(None) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(unsettled()),
            Err(error) => Err(error.into_cause()),
        };
        let mut state = self.state.lock();
        match result {
            Ok(()) => {
                state.failure = None;
                state.failed_in_a_row = 0;
                state.caught_up_at = Some(began);
                if state.checkpoint_at.elapsed() >= CHECKPOINT_AFTER {
                    state.checkpoint_at = began;
                    drop(state);
                    // Ignore a failure: the checkpoint thread repeats it.
                    let _ = self.replica().and_then(|replica| replica.core.flush());
                }
            }
            Err(_) if state.is_closing => {}
            Err(cause) => {
                let text = with_causes(&cause);
                let is_first = state.failure.replace(cause).is_none();
                state.failures += 1;
                state.failed_in_a_row = state.failed_in_a_row.saturating_add(1);
                drop(state);
                // Log a repeated failure only once.
                if is_first {
                    event!(error, "standby cannot follow", cause = text);
                }
            }
        }
    }

    /// Waits until the next look. Returns `false` when the standby closes.
    fn wait(&self, began: Instant) -> bool {
        let mut state = self.state.lock();
        let pause = self.archive.interval / LOOKS;
        let doublings = state.failed_in_a_row.min(16);
        let pause = pause.saturating_mul(1 << doublings);
        let pause = pause.min(AGAIN_AFTER_MAX.max(self.archive.interval));
        while !state.is_closing {
            let left = pause.saturating_sub(began.elapsed());
            if left.is_zero() {
                return true;
            }
            self.changed.wait_for(&mut state, left);
        }
        false
    }

    fn check_open(&self) -> Result<(), StorageError> {
        match self.state.lock().is_closing {
            true => Err(StorageError::new(
                StorageErrorKind::Io,
                "the standby is closing",
            )),
            false => Ok(()),
        }
    }

    /// Asks the thread to end.
    pub(super) fn stop(&self) {
        self.state.lock().is_closing = true;
        self.changed.notify_all();
    }

    /// Writes everything into the B-tree, and releases the directory. The thread must have ended.
    pub(super) fn release(&self) -> Result<(), EngineError> {
        let Some(replica) = self.replica.write().take() else {
            return Ok(());
        };
        // Ignore a failure: the archive holds every frame. But if it is lost, this is the last copy.
        let _ = replica.core.flush();
        replica.release().map_err(EngineError::Fatal)
    }

    pub(super) fn failure(&self) -> Option<StorageError> {
        self.state.lock().failure.clone()
    }

    pub(super) fn has_caught_up(&self) -> bool {
        self.state.lock().caught_up_at.is_some()
    }

    pub(super) fn stats(&self, lsn: u64) -> StandbyStats {
        let state = self.state.lock();
        StandbyStats {
            lsn,
            lag: state.caught_up_at.map(|at| at.elapsed()),
            failures: state.failures,
        }
    }
}

fn unsettled() -> StorageError {
    let why = "the next epoch of the archive is claimed, but has not begun: a store is being opened or \
               promoted; if that was interrupted, repeat it";
    StorageError::new(StorageErrorKind::Io, why)
}
