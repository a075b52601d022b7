//! Makes a standby the store that writes to the archive.
//!
//! 1. The standby catches up, claims the next epoch, and catches up again. The old store no longer
//!    counts a shipment as archived: see [`epochs`].
//! 2. The start of the epoch names the last frame of the old store that counts, and the new
//!    incarnation. From here on, the new store is decided.
//! 3. The directory of the standby becomes a store. Before that, a repeated call begins again with
//!    the epoch after this one.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::begin::{check_conditions, draw_token};
use super::epochs::{self, Start, StartKind};
use super::inspect::objects;
use super::shipper::fenced;
use super::snapshot;
use super::standby::Standby;
use crate::archive::{Archive, Objects};
use crate::engine::local::LocalEngine;
use crate::engine::local::admin::archive_state::{ArchiveState, Token};
use crate::engine::local::admin::header::StoreHeader;
use crate::engine::local::admin::layout::Dir;
use crate::engine::local::admin::restore::{Old, Successor, jumped};
use crate::engine::local::btree::BTree;
use crate::engine::local::disk::Lock;
use crate::engine::local::journal::segment::End;
use crate::engine::local::options::LocalOptions;
use crate::engine::{EngineError, OldStore, PromoteReport};
use crate::error::{OpenError, StorageError, StorageErrorKind};
use crate::log::event;

/// Number of attempts to read the old store's epoch to its end. It ships little after the claim.
const CATCH_UP_MAX: u32 = 100;

impl LocalEngine {
    /// Makes a standby the store that writes to the archive. The standby must be closed. If the
    /// directory is missing or empty, first builds the standby from the newest snapshot.
    ///
    /// # Errors
    /// [`OpenError::Archive`] if the archive cannot be read or written; [`OpenError::Fenced`] if
    /// another store has claimed it in the meantime; the errors of opening and creating a store.
    pub fn promote(
        dir: impl AsRef<Path>,
        old: OldStore,
        archive: &Archive,
        options: &LocalOptions,
    ) -> Result<PromoteReport, OpenError> {
        let began = Instant::now();
        let standby = Standby::open(dir.as_ref(), archive, options)?;
        // Do first what takes long or may fail: the old store serves until the claim.
        standby.catch_up(None)?;
        let objects = objects(archive).map_err(OpenError::of_archive)?;
        let newest = epochs::newest(&objects).map_err(OpenError::of_archive)?;
        let lease = lease_of(&objects, newest, old).map_err(OpenError::of_archive)?;
        lease.ok_or_else(no_lease)?;
        standby.check_ready()?;
        let claimed = claim(&standby, &objects, newest, old)?;
        let options = standby.options.clone();
        let (header, dir, lock, base) = standby.into_parts()?;
        let unopened = |error: StorageError| dir.open_error(error);
        let old = Old::read(&base, header).map_err(unopened)?;
        let end = claimed.parent_end;
        let successor = Successor::draw(header, old.state, end.lsn, old.ancestors.clone());
        let successor = successor.map_err(unopened)?;
        let start = Start {
            kind: StartKind::Continues,
            parent: claimed.parent,
            parent_end: end,
            before: End {
                lsn: end.lsn,
                ..End::default()
            },
            incarnation: successor.header().identity.incarnation,
            last_seq: old.state.last_seq,
            counter: successor.counter(),
            // The call that opens the store begins another epoch.
            lease: 0,
        };
        let begun = epochs::begin(&objects, claimed.epoch, start);
        if !begun.map_err(OpenError::of_archive)? {
            return Err(OpenError::of_archive(fenced(claimed.epoch + 1)));
        }
        let report = PromoteReport {
            continued: old.report(header, &successor),
            lsn: end.lsn,
            epoch: claimed.epoch,
        };
        let state = ArchiveState {
            epoch: claimed.epoch,
            tokens: vec![claimed.token],
        };
        let make = || {
            successor.write(&base)?;
            dir.clear_journal()?;
            let engine = successor.begin(&dir, &options, base, lock)?;
            dir.write_archive_state(&state)?;
            dir.write_accepted_header(successor.header())?;
            dir.seal_accepted()?;
            Ok(engine)
        };
        let engine: Self = make().map_err(unopened)?;
        let closed = engine.release();
        closed.map_err(|source| OpenError::Unclosed {
            dir: dir.given_path.clone(),
            source,
        })?;
        event!(
            info,
            "promoted standby",
            epoch = claimed.epoch,
            lsn = end.lsn,
            millis = began.elapsed().as_millis(),
        );
        Ok(report)
    }
}

/// Claimed epoch, and where its parent ends.
struct Claimed {
    epoch: u64,
    token: Token,
    parent: u64,
    parent_end: End,
}

fn no_lease() -> OpenError {
    OpenError::Invalid {
        what: "old store",
        why: "it has no lease: stop it for good, and say so".to_owned(),
    }
}

/// Time for which the old store may still serve after a claim. `None` if it is unknown.
fn lease_of(
    objects: &Objects,
    newest: u64,
    old: OldStore,
) -> Result<Option<Duration>, StorageError> {
    let Some((_, mut start)) = epochs::last_begun(objects, newest)? else {
        return Ok(Some(Duration::ZERO));
    };
    if old == OldStore::Stopped {
        return Ok(Some(Duration::ZERO));
    }
    // A promoted standby that was opened has begun a later epoch. So the promotion was interrupted, and
    // the store before it may still serve.
    while start.counter > 0 {
        match epochs::start_of(objects, start.parent)? {
            Some(parent) => start = parent,
            None => return Ok(None),
        }
    }
    let lease = Some(start.lease).filter(|lease| *lease > 0);
    Ok(lease.map(Duration::from_millis))
}

/// Claims the next epoch, and applies all frames before it.
fn claim(
    standby: &Standby,
    objects: &Objects,
    newest: u64,
    old: OldStore,
) -> Result<Claimed, OpenError> {
    let unread = OpenError::of_archive;
    check_conditions(&standby.archive).map_err(unread)?;
    let epoch = newest + 1;
    let token = draw_token().map_err(unread)?;
    if !epochs::claim(objects, epoch, token).map_err(unread)? {
        return Err(unread(fenced(epoch)));
    }
    epochs::void_unfinished(objects, newest).map_err(unread)?;
    // The old store has asked for the last time before the claim. From the end of its lease on, it
    // acknowledges nothing. The clocks of the two machines may differ in speed.
    let lease = lease_of(objects, newest, old).map_err(unread)?;
    let lease = lease.ok_or_else(no_lease)?;
    thread::sleep(lease.saturating_add(lease / 10));
    for _ in 0..CATCH_UP_MAX {
        let parent = standby.catch_up(Some(epoch))?;
        if parent.is_some_and(|parent| parent >= epoch) {
            return Err(unread(fenced(epoch + 1)));
        }
        let (_, lsn) = standby.place().map_err(unread)?;
        let begun = epochs::last_begun(objects, newest).map_err(unread)?;
        let Some((number, start)) = begun.filter(|(number, _)| Some(*number) == parent) else {
            continue;
        };
        let from = snapshot::newest_lsn(objects, number).map_err(unread)?;
        let parent_end = epochs::end_of(objects, number, start, from).map_err(unread)?;
        // The old store may have shipped more in between.
        if parent_end.lsn == lsn {
            return Ok(Claimed {
                epoch,
                token,
                parent: number,
                parent_end,
            });
        }
    }
    let why =
        "the old store still ships frames, or an epoch of the archive cannot be read; try again";
    Err(unread(StorageError::new(StorageErrorKind::Io, why)))
}

impl Standby {
    /// Fails if the directory could not become a store now.
    fn check_ready(&self) -> Result<(), OpenError> {
        let ready = || {
            let replica = self.replica().map_err(EngineError::into_storage)?;
            replica.core.flush().map_err(EngineError::into_storage)?;
            let side = replica.core.side();
            side.dir.check_room(self.options.segment_bytes)?;
            let view = replica.core.view().map_err(EngineError::into_storage)?;
            view.last_event_at()?;
            jumped(view.state()?.counter).map(drop)
        };
        ready().map_err(|error: StorageError| self.dir.open_error(error))
    }

    /// Writes everything into the B-tree, and closes it. Returns the header and the parts of a new
    /// store.
    fn into_parts(self) -> Result<(StoreHeader, Dir, Lock, BTree), OpenError> {
        let parts = || {
            let replica = self.replica().map_err(EngineError::into_storage)?;
            replica.core.flush().map_err(EngineError::into_storage)?;
            let (header, side) = (replica.core.header(), replica.core.side());
            // Keep the lock: no other handle may change the directory meanwhile.
            let lock = side.take_lock()?;
            let dir = side.dir.clone();
            drop((replica, side));
            self.release().map_err(EngineError::into_storage)?;
            let page_bytes = self.options.page_bytes();
            let base = BTree::open(&**dir.disk(), &dir.btree_path(), page_bytes, false)?;
            Ok((header, dir, lock, base))
        };
        parts().map_err(|error: StorageError| self.dir.open_error(error))
    }
}
