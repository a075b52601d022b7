//! Makes a standby the store that writes to the archive.
//!
//! 1. The standby catches up, claims the next epoch, and catches up again. The old store no longer
//!    counts a shipment as archived: see [`epochs`].
//! 2. The start of the epoch names the last frame of the old store that counts, and the new
//!    incarnation. From here on, the new store is decided.
//! 3. The directory of the standby becomes a store. Until that, a repeated call begins again with the
//!    epoch after this one.

use std::path::Path;
use std::time::Instant;

use super::begin::{check_conditions, draw_token};
use super::epochs::{self, Start, StartKind};
use super::inspect::objects;
use super::shipper::fenced;
use super::snapshot;
use super::standby::Standby;
use crate::archive::{Archive, Objects};
use crate::engine::PromoteReport;
use crate::engine::local::LocalEngine;
use crate::engine::local::admin::archive_state::{ArchiveState, Token};
use crate::engine::local::admin::restore::{Old, Successor};
use crate::engine::local::journal::segment::End;
use crate::engine::local::options::LocalOptions;
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
        archive: &Archive,
        options: &LocalOptions,
    ) -> Result<PromoteReport, OpenError> {
        let began = Instant::now();
        let standby = Standby::open(dir.as_ref(), archive, options)?;
        let options = standby.options.clone();
        // Read most frames before the claim: the old store serves until then.
        standby.catch_up(false).map_err(OpenError::of_archive)?;
        let objects = objects(archive).map_err(OpenError::of_archive)?;
        let claimed = claim(&standby, &objects);
        let claimed = claimed.map_err(OpenError::of_archive)?;
        let (header, _) = standby
            .place()
            .map_err(|error| standby.dir.open_error(error))?;
        let (dir, lock, base) = standby.into_parts()?;
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
            dir.remove_standby_header()?;
            engine.release()
        };
        make().map_err(unopened)?;
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

/// Claims the next epoch, and applies all frames before it.
fn claim(standby: &Standby, objects: &Objects) -> Result<Claimed, StorageError> {
    check_conditions(&standby.archive)?;
    let newest = epochs::newest(objects)?;
    let epoch = newest + 1;
    let token = draw_token()?;
    if !epochs::claim(objects, epoch, token)? {
        return Err(fenced(epoch));
    }
    epochs::void_unfinished(objects, newest)?;
    for _ in 0..CATCH_UP_MAX {
        let parent = standby.catch_up(true)?;
        let (_, lsn) = standby.place()?;
        let begun = epochs::last_begun(objects, newest)?;
        let Some((number, start)) = begun.filter(|(number, _)| Some(*number) == parent) else {
            continue;
        };
        let from = snapshot::newest_lsn(objects, number)?;
        let parent_end = epochs::end_of(objects, number, start, from)?;
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
    Err(StorageError::new(StorageErrorKind::Io, why))
}
