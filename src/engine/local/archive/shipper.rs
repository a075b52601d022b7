//! Ships the frames of the journal to the archive.
//!
//! - Only synced and published frames are shipped. No commit waits for the archive.
//! - A segment stays on the disk until the B-tree and the archive hold it. If too many wait for the
//!   archive, the store drops the oldest ones. The archive then has a gap, and goes on in a new epoch
//!   with a new snapshot.
//! - The store counts frames as archived after the shipment, if the next epoch is still unclaimed:
//!   see [`epochs`].

use std::time::{Duration, Instant};

use super::epochs;
use super::names;
use super::prune::prune;
use super::shipping::Shipper;
use super::wal;
use crate::archive::{Archive, ArchiveFault, corrupt};
use crate::clock::{Clock, since_boot};
use crate::engine::local::background::lower_priority;
use crate::engine::local::core::Core;
use crate::engine::local::journal::reader::{Frames, JournalPosition};
use crate::engine::{ArchiveStats, EngineError};
use crate::error::{StorageError, StorageErrorKind, with_causes};
use crate::log::event;

/// Longest time for which a closing store ships.
const CLOSING_MAX: Duration = Duration::from_secs(10);

/// Longest delay between a failed snapshot and the next attempt.
const SNAPSHOT_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Approximate maximum size of a shipment: 4 MiB. One frame more may fit in.
const SHIPMENT_BYTES: usize = 4 << 20;

impl Core {
    /// Ships once at each interval, until the store closes.
    pub(in crate::engine::local) fn run_archive(&self) {
        let Some(archive) = self.shipping.started() else {
            return;
        };
        lower_priority();
        let mut began = Instant::now();
        while self.shipping.wait(began, archive.interval) {
            began = Instant::now();
            self.run_shipment();
        }
        // Ship the rest. If that fails, the next open store ships it. Do not wait again for an archive
        // that has just failed.
        if !self.shipping.is_failing() {
            self.run_shipment();
        }
    }

    /// Renews the lease until the store closes. A shipment or a snapshot may take longer than the lease.
    pub(in crate::engine::local) fn run_lease(&self) {
        let mut has_failed = false;
        while self.shipping.wait_for_renewal(has_failed) {
            let Some((objects, epoch)) = self.shipping.own_epoch() else {
                continue;
            };
            let asked_at = since_boot();
            let is_claimed = epochs::is_claimed(&objects, epoch + 1);
            has_failed = is_claimed.is_err();
            match is_claimed {
                Ok(false) => self.shipping.extend_lease(asked_at),
                // This store itself may have claimed the next epoch in the meantime.
                Ok(true)
                    if self
                        .shipping
                        .own_epoch()
                        .is_some_and(|(_, own)| own == epoch) =>
                {
                    self.note_failure(fenced(epoch + 1));
                }
                // The thread that ships reports failures.
                Ok(true) | Err(_) => {}
            }
        }
    }

    /// Ships everything that waits. Makes a snapshot and merges shipments, if that is due.
    pub(in crate::engine::local) fn run_shipment(&self) {
        let Some(archive) = self.shipping.started() else {
            return;
        };
        let mut shipper = self.shipper.lock();
        let shipped = self.ship_waiting(archive, &mut shipper).inspect_err(|_| {
            self.shipping.note_failed_shipment();
            self.make_room();
        });
        let done = shipped.and_then(|shipper| {
            self.snapshot_if_due(shipper)?;
            // The archive lacks nothing, also while shipments are merged.
            self.shipping.note_success();
            self.merge_if_due(shipper)
        });
        if let Err(cause) = done {
            self.note_failure(cause);
        }
    }

    /// Ships everything that waits. Claims an epoch first, if the store has none.
    fn ship_waiting<'a>(
        &self,
        archive: &Archive,
        shipper: &'a mut Option<Shipper>,
    ) -> Result<&'a mut Shipper, StorageError> {
        self.copy_archive_state();
        let shipper = match shipper.take() {
            Some(kept) if !kept.is_broken => shipper.insert(kept),
            broken => {
                // Begin again after frames that cannot be read.
                let is_broken = broken.is_some();
                *shipper = broken;
                shipper.insert(self.begin_epoch(archive, is_broken)?)
            }
        };
        self.ship(shipper)?;
        Ok(shipper)
    }

    /// Drops what waits for the archive from a full disk: commands need the room more.
    fn make_room(&self) {
        let is_out_of_room = self.checkpointer.stats().is_out_of_room;
        for side in self.sides().open() {
            let bytes = side.closed_segments.bytes_for_archive();
            if bytes > 0 && (is_out_of_room || side.preallocated.is_out_of_room()) {
                event!(error, "dropped journal of the archive", bytes = bytes);
                side.closed_segments.drop_for_archive();
            }
        }
    }

    fn note_failure(&self, cause: StorageError) {
        let is_fenced = cause.kind() == StorageErrorKind::Fenced;
        // The other store answers for these orders now.
        if is_fenced && let Some(writer) = self.writer.lock().as_mut() {
            writer.poisoned_by.get_or_insert_with(|| cause.clone());
        }
        let text = with_causes(&cause);
        // Log a repeated failure only once.
        if self.shipping.note_failure(cause, is_fenced) {
            event!(error, "failed to write to the archive", cause = text);
        }
    }

    /// Makes a snapshot if one is due, and then deletes what is not kept. After a failure, waits
    /// before the next attempt, because each one writes all rows.
    fn snapshot_if_due(&self, shipper: &mut Shipper) -> Result<(), StorageError> {
        // A store without new frames needs no new snapshot.
        let is_new = self.shipping.snapshot_lsn() < Some(self.published());
        let is_due = shipper.snapshot_at.is_none_or(|at| at <= Instant::now());
        let is_wanted = is_new || self.shipping.needs_snapshot();
        if !is_due || !is_wanted || self.shipping.is_closing() {
            return Ok(());
        }
        let interval = shipper.objects.archive.snapshot_interval;
        let again_after = interval.min(SNAPSHOT_AGAIN_AFTER);
        shipper.snapshot_at = Instant::now().checked_add(again_after);
        let made = self.make_snapshot(shipper);
        self.shipping.note_snapshot_result(made.is_ok());
        made?;
        shipper.snapshot_at = Instant::now().checked_add(interval);
        if let Some(keep) = shipper.objects.archive.keep {
            let objects = shipper.objects.clone();
            prune(&objects, keep, &mut || self.ship_on(shipper))?;
        }
        Ok(())
    }

    /// Ships new frames during a longer piece of work. Fails if the store is closing or fenced; after
    /// another failure, the next call tries again.
    pub(super) fn ship_on(&self, shipper: &mut Shipper) -> Result<(), StorageError> {
        if self.shipping.is_closing() {
            let why = "the store is closing; the next open store goes on";
            return Err(StorageError::new(StorageErrorKind::Io, why));
        }
        if !self.shipping.is_due(shipper.objects.archive.interval) {
            return Ok(());
        }
        match self.ship(shipper) {
            Err(cause) if cause.kind() != StorageErrorKind::Fenced => Ok(()),
            shipped => shipped,
        }
    }

    /// Ships all frames that are published now. A closing store stops after a while.
    pub(super) fn ship(&self, shipper: &mut Shipper) -> Result<(), StorageError> {
        let began = Instant::now();
        let until = self.published();
        let mut is_checked = false;
        loop {
            if self.shipping.is_closing() && began.elapsed() > CLOSING_MAX {
                let why = "the store closed before everything was shipped; the next open store ships \
                           the rest";
                return Err(StorageError::new(StorageErrorKind::Io, why));
            }
            let (position, identity) = (shipper.position, self.header.identity);
            let read = self
                .read_any_side(|folder| position.read(folder, identity, until, SHIPMENT_BYTES))
                .inspect_err(|cause| shipper.is_broken = cause.is_corrupt())?;
            let Some((frames, position)) = read else {
                break;
            };
            shipper.position = self.put(shipper, &frames, position)?;
            shipper.unmerged += 1;
            self.note_archived(shipper.position.end.lsn);
            is_checked = true;
        }
        if !is_checked {
            // An idle store notices, too, when another one takes the archive over.
            self.check_epoch(shipper)?;
        }
        self.shipping.note_complete(began);
        Ok(())
    }

    /// Writes frames to the archive. Returns the position after what the archive holds now.
    fn put(
        &self,
        shipper: &Shipper,
        frames: &Frames,
        position: JournalPosition,
    ) -> Result<JournalPosition, StorageError> {
        let objects = &shipper.objects;
        let is_early = objects.archive.has_fault(ArchiveFault::CheckEpochEarly);
        if is_early {
            self.check_epoch(shipper)?;
        }
        let name = names::frames(shipper.epoch, frames.before.next_lsn()?);
        let body = wal::encode(frames, Clock::System.now());
        let mut reached = position;
        // An earlier attempt may have arrived late, with fewer or more frames. An object never
        // changes, so that it never loses frames that were counted.
        if !objects.put_if_absent(&name, &body)? {
            let end = wal::end_of_object(objects, &name, frames.before)?;
            let identity = self.header.identity;
            let after =
                self.read_any_side(|folder| JournalPosition::after(folder, identity, end.lsn));
            let after = after?.filter(|after| after.end == end);
            reached =
                after.ok_or_else(|| corrupt(&name, "it holds other frames than this store"))?;
        }
        if !is_early {
            self.check_epoch(shipper)?;
        }
        Ok(reached)
    }

    /// Fails if another store has claimed the next epoch.
    pub(super) fn check_epoch(&self, shipper: &Shipper) -> Result<(), StorageError> {
        let asked_at = since_boot();
        if epochs::is_claimed(&shipper.objects, shipper.epoch + 1)? {
            return Err(fenced(shipper.epoch + 1));
        }
        self.shipping.extend_lease(asked_at);
        Ok(())
    }

    pub(in crate::engine::local) fn archive_stats(&self, segment_bytes: u64) -> ArchiveStats {
        if !self.shipping.is_on() {
            return ArchiveStats::default();
        }
        let archived = self.shipping.archived_lsn();
        let closed = self.side().closed_segments.bytes_after(archived);
        self.shipping
            .stats(self.published(), closed + segment_bytes)
    }

    /// Notes the last frame that the archive holds. The segments before it are not needed any more.
    pub(super) fn note_archived(&self, lsn: u64) {
        self.shipping.note_archived(lsn);
        let archive = self.shipping.archive.as_ref();
        let drops = archive.is_some_and(|archive| archive.has_fault(ArchiveFault::DropUnarchived));
        let lsn = if drops { u64::MAX } else { lsn };
        for side in self.sides().open() {
            side.closed_segments.note_archived(lsn);
        }
    }

    /// Last LSN that the B-tree holds.
    pub(super) fn base_applied(&self) -> Result<u64, StorageError> {
        let view = self.base_view().map_err(EngineError::into_storage)?;
        view.applied()
    }
}

/// Error of a store whose archive another store has taken over.
pub(super) fn fenced(epoch: u64) -> StorageError {
    let why = format!(
        "another store, or another copy of this directory, has claimed epoch {epoch} of the archive: \
         only one of them may accept commands"
    );
    StorageError::new(StorageErrorKind::Fenced, why)
}
