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
use super::shipping::{AGAIN_AFTER_MAX, backed_off};
use crate::archive::Archive;
use crate::engine::local::LocalEngine;
use crate::engine::local::admin::contents::Contents;
use crate::engine::local::admin::header::StoreHeader;
use crate::engine::local::admin::layout::Dir;
use crate::engine::local::background::lower_priority;
use crate::engine::local::options::LocalOptions;
use crate::engine::{EngineError, StandbyStats};
use crate::error::{OpenError, StorageError, StorageErrorKind, with_causes};
use crate::log::event;

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
    pub(super) replica: RwLock<Option<Arc<LocalEngine>>>,
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
        };
        Ok(standby)
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

    /// Header of the store, and the last frame that the standby shows.
    pub(super) fn place(&self) -> Result<(StoreHeader, u64), StorageError> {
        let replica = self.replica().map_err(EngineError::into_storage)?;
        Ok((replica.core.header(), replica.core.published()))
    }

    /// Applies everything that the archive holds. Returns the epoch that was read. `None`: the
    /// archive does not show yet which frames count. `claimed` is the epoch that this standby has claimed.
    pub(super) fn catch_up(&self, claimed: Option<u64>) -> Result<Option<u64>, OpenError> {
        let mut follower = self.follower.lock();
        // A claimant finds its place again: the epochs before its own are settled only now.
        let mut last = follower.take().filter(|_| claimed.is_none());
        let mut has_built = false;
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
                        self.build_again(None, &mut has_built)?;
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
                    let flushed = core.flush().map_err(EngineError::into_storage);
                    flushed.map_err(unopened)?;
                    let followed = core.follow_promoted(&start);
                    // After a failure, the B-tree may hold it nevertheless. The file shows that.
                    let followed = followed.inspect_err(|_| self.give_up(&replica));
                    followed.map_err(unopened)?;
                    event!(info, "standby follows a promoted standby");
                }
                Next::Gap => self.build_again(Some(position.epoch()), &mut has_built)?,
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
        let longest = AGAIN_AFTER_MAX.max(self.archive.interval);
        let pause = backed_off(
            self.archive.interval / LOOKS,
            state.failed_in_a_row,
            longest,
        );
        let left = pause.saturating_sub(began.elapsed());
        self.changed
            .wait_while_for(&mut state, |state| !state.is_closing, left);
        !state.is_closing
    }

    pub(super) fn check_open(&self) -> Result<(), StorageError> {
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
