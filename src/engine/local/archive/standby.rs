//! Standby: a read-only store that follows the archive of another store.
//!
//! - Its directory has a B-tree, which a snapshot of the archive fills. It has no journal, because the
//!   archive holds every frame. A thread applies new frames to the memtable, and checkpoints write them
//!   into the B-tree. After a restart, the standby reads the frames since the last checkpoint again.
//! - If frames are missing, it begins again from the newest snapshot. If another standby was promoted,
//!   it follows that one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};

use super::epochs::Start;
use super::follower::{Follower, Next};
use super::inspect::objects;
use super::replay::{cross, plans};
use super::restore::{Failure, build};
use crate::archive::{Archive, Objects};
use crate::engine::local::LocalEngine;
use crate::engine::local::admin::contents::{Contents, Creation};
use crate::engine::local::admin::header::StoreHeader;
use crate::engine::local::admin::layout::Dir;
use crate::engine::local::admin::recover::OpenedDir;
use crate::engine::local::background::lower_priority;
use crate::engine::local::btree::BTree;
use crate::engine::local::core::Core;
use crate::engine::local::disk::Lock;
use crate::engine::local::journal::frame::{Frame, Kind};
use crate::engine::local::options::LocalOptions;
use crate::engine::local::write::batch::WriteBatch;
use crate::engine::{EngineError, RestorePoint, StandbyStats};
use crate::error::{OpenError, StorageError, StorageErrorKind, with_causes};
use crate::log::event;

/// Longest time between two attempts while the archive fails.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(30);

/// Number of looks at the archive in each of its intervals.
const LOOKS: u32 = 4;

/// Directory of a standby, and its place in the archive.
pub(super) struct Standby {
    pub(super) dir: Dir,
    pub(super) options: LocalOptions,
    pub(super) archive: Archive,
    /// Open directory; `None` while it is built.
    pub(super) replica: RwLock<Option<LocalEngine>>,
    /// `None` if the place in the archive is unknown.
    follower: Mutex<Option<Follower>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Time of the last look at the archive that found nothing new.
    caught_up_at: Option<Instant>,
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
            mirror: None,
            ..options.clone()
        };
        let standby = Self {
            dir: Dir::of(&options, dir)?,
            options,
            archive: archive.clone(),
            replica: RwLock::default(),
            follower: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        standby.open_replica()?;
        Ok(standby)
    }

    /// Opens the directory, unless it is open.
    fn open_replica(&self) -> Result<(), OpenError> {
        if self.replica.read().is_some() {
            return Ok(());
        }
        if self.dir.survey()? != Contents::Standby {
            return self.build(None);
        }
        let (dir, lock) = self.dir.lock(self.options.lock_wait)?;
        self.serve(&dir, lock)
    }

    fn serve(&self, dir: &Dir, lock: Lock) -> Result<(), OpenError> {
        let (header, opened) = OpenedDir::open_standby(dir, lock, &self.options)?;
        let replica = LocalEngine::of_standby(&self.options, header, opened);
        *self.replica.write() = Some(replica.map_err(|error| dir.open_error(error))?);
        Ok(())
    }

    /// Builds the B-tree from the newest snapshot. It must hold more than the frames up to `has`.
    fn build(&self, has: Option<(StoreHeader, u64)>) -> Result<(), OpenError> {
        let began = Instant::now();
        let (plans, _) =
            plans(&self.archive, RestorePoint::Newest).map_err(OpenError::of_archive)?;
        if let Some((header, lsn)) = has
            && plans
                .first()
                .is_none_or(|plan| plan.manifest.header == header && plan.manifest.lsn <= lsn)
        {
            let why = "frames are missing, and no snapshot after them can be read";
            return Err(OpenError::of_archive(StorageError::corrupted(why)));
        }
        // The frames that follow can only be applied to the snapshot.
        let (to, lock) = match self.close()? {
            true => {
                let (to, lock) = self.dir.lock(self.options.lock_wait)?;
                to.unseal(Creation::Standby)?;
                (to, lock)
            }
            false => self.dir.claim(Creation::Standby, self.options.lock_wait)?,
        };
        let mut plans = plans.into_iter().peekable();
        let plan = loop {
            let Some(plan) = plans.next() else {
                let why = "the archive has no snapshot that can be read";
                return Err(OpenError::of_archive(StorageError::corrupted(why)));
            };
            to.clear(Creation::Standby)?;
            match build(&plan, &to, &self.options, false) {
                Err(Failure::Snapshot(cause)) if cause.is_corrupt() && plans.peek().is_some() => {
                    event!(error, "found corrupt snapshot", cause = with_causes(&cause));
                }
                Err(Failure::Dir(cause)) => return Err(to.open_error(cause)),
                Err(Failure::Snapshot(cause) | Failure::Frames(cause)) => {
                    return Err(OpenError::of_archive(cause));
                }
                Ok(_) => break plan,
            }
        };
        to.seal(Creation::Standby, plan.manifest.header)?;
        self.serve(&to, lock)?;
        event!(
            info,
            "built standby from snapshot",
            lsn = plan.manifest.lsn,
            millis = began.elapsed().as_millis(),
        );
        Ok(())
    }

    /// Closes the directory. Returns whether it was open.
    fn close(&self) -> Result<bool, OpenError> {
        let Some(replica) = self.replica.write().take() else {
            return Ok(false);
        };
        let closed = replica.release();
        closed.map_err(|error| self.dir.open_error(error))?;
        Ok(true)
    }

    /// Runs a call on the open directory.
    pub(super) fn with_replica<T>(
        &self,
        run: impl FnOnce(&LocalEngine) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        // Hold the lock during the call. A thread that closes the directory waits for it.
        match &*self.replica.read() {
            Some(replica) => run(replica),
            None => Err(EngineError::Retry(unbuilt())),
        }
    }

    /// Header of the store, and the last frame that the standby shows.
    pub(super) fn place(&self) -> Result<(StoreHeader, u64), StorageError> {
        let place = |replica: &LocalEngine| Ok((replica.core.header, replica.core.published()));
        self.with_replica(place).map_err(EngineError::into_storage)
    }

    /// Applies everything that the archive holds. Returns the epoch that was read, or `None` if nobody
    /// knows yet which frames count. `is_claimant`: this standby has claimed the next epoch.
    pub(super) fn catch_up(&self, is_claimant: bool) -> Result<Option<u64>, StorageError> {
        let mut follower = self.follower.lock();
        // A claimant finds its place again: the epochs before its own are settled only now.
        let mut last = follower.take().filter(|_| !is_claimant);
        loop {
            self.check_open()?;
            self.open_replica().map_err(OpenError::into_cause)?;
            let mut position = match last.take() {
                Some(position) => position,
                None => match self.find()? {
                    Some(position) => position,
                    None => {
                        self.build_again()?;
                        continue;
                    }
                },
            };
            // After a failure, the position is found again from the last applied frame.
            match position.next(is_claimant)? {
                Next::Frames(shipment, limit) => {
                    let apply = |replica: &LocalEngine| {
                        let applied = shipment.frames.each(|frame| match frame.head.lsn > limit {
                            true => Ok(()),
                            false => replica.core.apply_frame(frame),
                        });
                        applied.map_err(EngineError::Retry)
                    };
                    self.with_replica(apply)
                        .map_err(EngineError::into_storage)?;
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
                Next::Promoted(start) => self.follow_promoted(&start)?,
                Next::Gap => self.build_again()?,
            }
        }
    }

    fn find(&self) -> Result<Option<Follower>, StorageError> {
        let objects: Objects = objects(&self.archive)?;
        let (header, lsn) = self.place()?;
        if objects.store_id != header.identity.store_id {
            let why = "the archive belongs to another store; give the standby another directory";
            return Err(StorageError::new(StorageErrorKind::Io, why).permanent());
        }
        Follower::after(objects, header.identity.incarnation, lsn)
    }

    fn build_again(&self) -> Result<(), StorageError> {
        event!(warn, "standby lacks frames that the archive no longer has");
        let place = self.place()?;
        self.build(Some(place)).map_err(OpenError::into_cause)
    }

    /// Goes on as the standby of a promoted standby.
    fn follow_promoted(&self, start: &Start) -> Result<(), StorageError> {
        self.with_replica(|replica| replica.core.flush())
            .map_err(EngineError::into_storage)?;
        let (header, _) = self.place()?;
        self.close().map_err(OpenError::into_cause)?;
        let locked = self.dir.lock(self.options.lock_wait);
        let (dir, lock) = locked.map_err(OpenError::into_cause)?;
        let base = self.open_base(&dir)?;
        cross(&base, header, start)?;
        base.close()?;
        event!(info, "standby follows a promoted standby");
        self.serve(&dir, lock).map_err(OpenError::into_cause)
    }

    fn open_base(&self, dir: &Dir) -> Result<BTree, StorageError> {
        let page_bytes = self.options.page_bytes();
        BTree::open(&**dir.disk(), &dir.btree_path(), page_bytes, false)
    }

    /// Writes everything into the B-tree, and closes the directory. Returns the parts of a new store.
    pub(super) fn into_parts(self) -> Result<(Dir, Lock, BTree), OpenError> {
        let flushed = self.with_replica(|replica| replica.core.flush());
        flushed.map_err(|error| self.dir.open_error(error.into_storage()))?;
        self.close()?;
        let (dir, lock) = self.dir.lock(self.options.lock_wait)?;
        let base = self.open_base(&dir);
        let base = base.map_err(|error| dir.open_error(error))?;
        Ok((dir, lock, base))
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
    pub(super) fn look(&self) {
        let began = Instant::now();
        let result = self.catch_up(false);
        let mut state = self.state.lock();
        match result {
            Ok(epoch) => {
                state.failure = None;
                state.failed_in_a_row = 0;
                if epoch.is_some() {
                    state.caught_up_at = Some(began);
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
        // The thread may wait for a checkpoint.
        if let Some(replica) = &*self.replica.read() {
            replica.core.stop();
        }
    }

    /// Releases the directory. The thread must have ended.
    pub(super) fn release(&self) -> Result<(), EngineError> {
        let replica = self.replica.write().take();
        replica.map_or(Ok(()), |replica| {
            replica.release().map_err(EngineError::Fatal)
        })
    }

    pub(super) fn failure(&self) -> Option<StorageError> {
        self.state.lock().failure.clone()
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

impl Core {
    /// Applies a frame of the archive that a standby follows. The frames come in order; one that was
    /// applied before changes nothing.
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
}

fn unbuilt() -> StorageError {
    let why = "the standby is being built from a snapshot; try again later";
    StorageError::new(StorageErrorKind::Io, why)
}
