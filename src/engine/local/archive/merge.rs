//! Merges small shipments into larger objects: a store ships every second, and a restore should not
//! read one object for each of them.
//!
//! - A merged object holds the bytes of several shipments from one segment of the journal.
//! - The shipments stay for [`Archive::follow_grace`](crate::Archive::follow_grace) longer. A standby near
//!   the end reads them one by one. They are deleted only after a look into the merged object.
//! - The newest shipment of an epoch is never merged. A store that claims the next epoch finds the end
//!   there.

use super::names;
use super::shipping::Shipper;
use super::wal::{self, Shipment};
use crate::archive::{ArchiveObject, Objects, corrupt};
use crate::engine::local::core::Core;
use crate::error::{StorageError, StorageErrorKind, with_causes};
use crate::log::event;
use crate::number::u64_of;
use crate::types::Timestamp;

/// Part of the size of a merged object from which a shipment stays as it is.
const LARGE_PART: u64 = 8;

/// Epoch and first LSN of a shipment.
type Place = (u64, u64);

impl Core {
    /// Merges shipments if many have come since the last time. Fails only if another store has taken
    /// over: the archive lacks nothing while its shipments are small.
    pub(super) fn merge_if_due(&self, shipper: &mut Shipper) -> Result<(), StorageError> {
        let is_due = shipper.unmerged >= shipper.objects.archive.merge_after;
        if !is_due || self.shipping.is_closing() {
            return Ok(());
        }
        // After a failure, the next attempt waits as long as after a success.
        shipper.unmerged = 0;
        let objects = shipper.objects.clone();
        let pass = Pass::new(&objects, shipper.epoch);
        let failed = match pass.run(shipper.merge_from, &mut || self.ship_on(shipper)) {
            Ok((from, failed)) => {
                shipper.merge_from = from;
                failed
            }
            // The next open store goes on.
            Err(_) if self.shipping.is_closing() => None,
            Err(cause) if cause.kind() == StorageErrorKind::Fenced => return Err(cause),
            Err(cause) => Some(cause),
        };
        if let Some(cause) = failed {
            self.shipping.count_failure();
            let cause = with_causes(&cause);
            event!(error, "failed to merge shipments", cause = cause);
        }
        Ok(())
    }
}

/// One look at the shipments that may be merged or deleted.
struct Pass<'a> {
    objects: &'a Objects,
    /// A later epoch belongs to a store that has taken over.
    own_epoch: u64,
    /// Time of the storage, as far as it is known: that of the newest shipment.
    now: Option<Timestamp>,
    /// Newest shipment.
    end: Place,
    /// Merged objects of the epochs so far.
    merged: Vec<Merged>,
    /// Epoch whose merged objects were listed last.
    listed: u64,
    run: Option<Run>,
    /// First shipment that the next pass must look at.
    left: Option<Place>,
    /// First deletion that failed.
    failed: Option<StorageError>,
}

/// Merged object, as a list shows it.
struct Merged {
    epoch: u64,
    first_lsn: u64,
    last_lsn: u64,
    object: ArchiveObject,
    /// Its shipments that are still there.
    shipments: Vec<Place>,
}

/// Shipments that become one object.
struct Run {
    first: Place,
    frames: Shipment,
    count: u64,
}

impl<'a> Pass<'a> {
    const fn new(objects: &'a Objects, own_epoch: u64) -> Self {
        Self {
            objects,
            own_epoch,
            now: None,
            end: (0, 0),
            merged: Vec::new(),
            listed: 0,
            run: None,
            left: None,
            failed: None,
        }
    }

    /// Looks at the shipments from `from` on. Calls `on_step` before each one, and ends if that fails.
    /// Returns the first shipment for the next pass, and the first failed deletion.
    fn run(
        mut self,
        from: Place,
        on_step: &mut dyn FnMut() -> Result<(), StorageError>,
    ) -> Result<(Place, Option<StorageError>), StorageError> {
        let merged = self.merge(from, on_step);
        // A failed merge does not keep the shipments of earlier merges.
        self.delete_shipments(on_step)?;
        merged?;
        Ok((self.left.unwrap_or(self.end), self.failed))
    }

    fn merge(
        &mut self,
        (epoch, first_lsn): Place,
        on_step: &mut dyn FnMut() -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let before = names::frames(epoch, first_lsn.saturating_sub(1));
        let mut held: Option<(Place, ArchiveObject)> = None;
        for object in self.objects.each_after(names::FRAMES.to_owned(), before) {
            let object = object?;
            let Some(place) = names::shipment_of(&object.name) else {
                continue;
            };
            if place.0 > self.own_epoch {
                break;
            }
            (self.now, self.end) = (Some(object.modified), place);
            if let Some((earlier, shipment)) = held.replace((place, object)) {
                on_step()?;
                self.take(earlier, &shipment, place.0)?;
            }
        }
        // The last run of the own epoch still grows.
        let is_full = |run: &Run| run.count >= self.objects.archive.merge_after;
        if self.run.as_ref().is_some_and(is_full) {
            self.close_run()?;
        }
        if let Some(run) = self.run.take() {
            self.leave(run.first);
        }
        Ok(())
    }

    /// Leaves a shipment to the next pass.
    fn leave(&mut self, place: Place) {
        self.left = Some(self.left.map_or(place, |left| left.min(place)));
    }

    /// Merges a shipment, or leaves it. `next` is the epoch of the next shipment.
    fn take(
        &mut self,
        place: Place,
        shipment: &ArchiveObject,
        next: u64,
    ) -> Result<(), StorageError> {
        let (epoch, first_lsn) = place;
        if self.listed != epoch {
            self.listed = epoch;
            self.list_merged(epoch, first_lsn)?;
        }
        if next != epoch {
            return self.close_run();
        }
        let is_before = |each: &Merged| (each.epoch, each.last_lsn) < place;
        let at = self.merged.partition_point(is_before);
        if let Some(of) = self.merged.get_mut(at)
            && (of.epoch, of.first_lsn) <= place
        {
            of.shipments.push(place);
            return self.close_run();
        }
        if shipment.bytes >= u64_of(self.objects.archive.merged_bytes) / LARGE_PART {
            return self.close_run();
        }
        match Shipment::get(self.objects, &shipment.name) {
            Ok(Some(frames)) => self.add(place, frames),
            // Somebody prunes the archive at the same time.
            Ok(None) => self.close_run(),
            // It stays as it is. A restore that needs it fails.
            Err(cause) if cause.is_corrupt() => {
                event!(error, "found corrupt shipment", cause = with_causes(&cause));
                self.close_run()
            }
            Err(cause) => Err(cause),
        }
    }

    /// Adds the merged objects of an epoch with the frame `lsn` or later ones.
    fn list_merged(&mut self, epoch: u64, lsn: u64) -> Result<(), StorageError> {
        let after = names::merged_from(epoch, lsn);
        for object in self.objects.each_after(names::merged_of(epoch), after) {
            let object = object?;
            if let Some((epoch, first_lsn, last_lsn)) = names::merged_object_of(&object.name) {
                self.merged.push(Merged {
                    epoch,
                    first_lsn,
                    last_lsn,
                    object,
                    shipments: Vec::new(),
                });
            }
        }
        Ok(())
    }

    /// Adds a shipment to the run, or begins another run with it.
    fn add(&mut self, place: Place, frames: Shipment) -> Result<(), StorageError> {
        let max = self.objects.archive.merged_bytes;
        if let Some(run) = &mut self.run
            && run.frames.takes(&frames, max)
        {
            run.frames.append(frames);
            run.count += 1;
            return Ok(());
        }
        self.close_run()?;
        self.run = Some(Run {
            first: place,
            frames,
            count: 1,
        });
        Ok(())
    }

    /// Writes a merged object. A shipment that is alone stays.
    fn close_run(&mut self) -> Result<(), StorageError> {
        let Some(run) = self.run.take().filter(|run| run.count > 1) else {
            return Ok(());
        };
        let (epoch, first) = run.first;
        let last = run.frames.frames.end.lsn;
        let body = wal::encode(&run.frames.frames, run.frames.shipped_at);
        self.objects
            .put(&names::merged(epoch, first, last), &body)?;
        // A later pass deletes the shipments.
        self.leave(run.first);
        event!(
            debug,
            "merged shipments",
            epoch = epoch,
            first = first,
            last = last,
            count = run.count
        );
        Ok(())
    }

    /// Deletes the shipments that were merged long enough ago.
    fn delete_shipments(
        &mut self,
        on_step: &mut dyn FnMut() -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let grace = self.objects.archive.follow_grace;
        for merged in std::mem::take(&mut self.merged) {
            let Some(first) = merged.shipments.first().copied() else {
                continue;
            };
            let age = self.now.map(|now| now.since(merged.object.modified));
            if age.is_none_or(|age| age < grace) {
                self.leave(first);
                continue;
            }
            // A store that is fenced or closing deletes nothing more.
            on_step()?;
            let mut deleted = merged.is_trusted(self.objects);
            if matches!(deleted, Ok(true)) {
                for (epoch, first_lsn) in &merged.shipments {
                    on_step()?;
                    if let Err(cause) = self.objects.delete(&names::frames(*epoch, *first_lsn)) {
                        deleted = Err(cause);
                        break;
                    }
                }
            }
            if !matches!(deleted, Ok(true)) {
                self.leave(first);
            }
            // The shipments of the other objects do not wait for these.
            if let Err(cause) = deleted {
                self.failed.get_or_insert(cause);
            }
        }
        Ok(())
    }
}

impl Merged {
    /// Looks into the object. If it is corrupt and all its shipments are still there, deletes it: a later
    /// pass merges them again. The first one is deleted first.
    fn is_trusted(&self, objects: &Objects) -> Result<bool, StorageError> {
        let name = &self.object.name;
        let cause = match Shipment::get(objects, name) {
            Ok(None) => return Ok(false),
            Ok(Some(read)) => {
                let held = (read.frames.before.next_lsn()?, read.frames.end.lsn);
                if held == (self.first_lsn, self.last_lsn) {
                    return Ok(true);
                }
                corrupt(name, "its name belongs to other frames")
            }
            Err(cause) if cause.is_corrupt() => cause,
            Err(cause) => return Err(cause),
        };
        let cause = with_causes(&cause);
        event!(error, "found corrupt merged object", cause = cause);
        if self.shipments.first() == Some(&(self.epoch, self.first_lsn)) {
            objects.delete(name)?;
        }
        Ok(false)
    }
}
