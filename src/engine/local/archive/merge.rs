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
use crate::archive::{ArchiveObject, Objects};
use crate::engine::local::core::Core;
use crate::error::{StorageError, with_causes};
use crate::log::event;
use crate::number::u64_of;
use crate::types::Timestamp;

/// Part of the size of a merged object from which a shipment stays as it is.
const LARGE_PART: u64 = 8;

impl Core {
    /// Merges shipments if many have come since the last time.
    pub(super) fn merge_if_due(&self, shipper: &mut Shipper) -> Result<(), StorageError> {
        let is_due = shipper.unmerged >= shipper.objects.archive.merge_after;
        let Some(last) = shipper.last_shipment.filter(|_| is_due) else {
            return Ok(());
        };
        // After a failure, the next attempt waits as long as after a success.
        shipper.unmerged = 0;
        let (objects, epoch) = (shipper.objects.clone(), shipper.epoch);
        let mut pass = Pass {
            objects: &objects,
            own_epoch: epoch,
            now: time_of(&objects, epoch, last)?,
            before: shipper.merge_from.clone(),
            epoch: 0,
            merged: Vec::new(),
            run: None,
            pending: None,
        };
        match pass.run(&mut || self.ship_on(shipper)) {
            // The next open store goes on.
            Err(_) if self.shipping.is_closing() => Ok(()),
            Err(cause) => Err(cause),
            Ok(()) => {
                shipper.merge_from = pass.pending.unwrap_or(pass.before);
                Ok(())
            }
        }
    }
}

/// Time of the storage, as far as it is known: that of the newest shipment.
fn time_of(objects: &Objects, epoch: u64, last: u64) -> Result<Option<Timestamp>, StorageError> {
    let before = names::frames(epoch, last.saturating_sub(1));
    let listed = objects.list_after(&names::frames_of(epoch), &before)?;
    Ok(listed.first().map(|object| object.modified))
}

/// One look at the shipments that may be merged or deleted.
struct Pass<'a> {
    objects: &'a Objects,
    /// A later epoch belongs to a store that has taken over.
    own_epoch: u64,
    now: Option<Timestamp>,
    /// Name of the shipment before the current one.
    before: String,
    /// Epoch of the current shipment.
    epoch: u64,
    /// Merged objects of this epoch.
    merged: Vec<Merged>,
    run: Option<Run>,
    /// Name after which something is left to do for the next pass.
    pending: Option<String>,
}

/// Merged object, as a list shows it.
struct Merged {
    first_lsn: u64,
    last_lsn: u64,
    object: ArchiveObject,
    /// Whether its shipments can be deleted; `None` before the look into it.
    is_trusted: Option<bool>,
}

/// Shipments that become one object.
struct Run {
    /// Name of the shipment before them.
    before: String,
    frames: Shipment,
    count: u64,
}

impl Pass<'_> {
    /// Calls `on_step` before each shipment, and ends if that fails.
    fn run(
        &mut self,
        on_step: &mut dyn FnMut() -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut held: Option<ArchiveObject> = None;
        let mut after = self.before.clone();
        loop {
            let page = self.objects.list_after(names::FRAMES, &after)?;
            let Some(end) = page.last() else { break };
            after.clone_from(&end.name);
            for object in page {
                if let Some(shipment) = held.replace(object) {
                    on_step()?;
                    let next = held.as_ref().map(|next| numbers(&next.name).0);
                    self.take(&shipment, next)?;
                    self.before = shipment.name;
                }
            }
        }
        // The last run of the own epoch still grows.
        let is_full = |run: &Run| run.count >= self.objects.archive.merge_after;
        if self.run.as_ref().is_some_and(is_full) {
            self.close_run()?;
        }
        if let Some(run) = self.run.take() {
            self.pending.get_or_insert(run.before);
        }
        Ok(())
    }

    /// Merges or deletes a shipment, or leaves it. `next` is the epoch of the next shipment.
    fn take(&mut self, shipment: &ArchiveObject, next: Option<u64>) -> Result<(), StorageError> {
        let (epoch, first_lsn) = numbers(&shipment.name);
        if epoch > self.own_epoch {
            return Ok(());
        }
        if epoch != self.epoch {
            self.epoch = epoch;
            self.merged = merged_from(self.objects, epoch, first_lsn)?;
        }
        if next != Some(epoch) {
            return self.close_run();
        }
        let at = self
            .merged
            .partition_point(|each| each.last_lsn < first_lsn);
        let of = self.merged.get_mut(at);
        if let Some(of) = of.filter(|of| of.first_lsn <= first_lsn) {
            if of.is_old(self.now, self.objects) && of.is_trusted(self.objects)? {
                self.objects.delete(&shipment.name)?;
            } else {
                self.pending.get_or_insert_with(|| self.before.clone());
            }
            return self.close_run();
        }
        if shipment.bytes >= u64_of(self.objects.archive.merged_bytes) / LARGE_PART {
            return self.close_run();
        }
        match Shipment::need(self.objects, &shipment.name) {
            Ok(frames) => self.add(frames),
            // It stays as it is. A restore that needs it fails.
            Err(cause) if cause.is_corrupt() => {
                event!(error, "found corrupt shipment", cause = with_causes(&cause));
                self.close_run()
            }
            Err(cause) => Err(cause),
        }
    }

    /// Adds a shipment to the run, or begins another run with it.
    fn add(&mut self, frames: Shipment) -> Result<(), StorageError> {
        let max = self.objects.archive.merged_bytes;
        if let Some(run) = &mut self.run
            && run.frames.takes(&frames, max)
        {
            run.frames.append(frames);
            run.count += 1;
            return Ok(());
        }
        self.close_run()?;
        let before = self.before.clone();
        self.run = Some(Run {
            before,
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
        let frames = &run.frames.frames;
        let (first, last) = (frames.before.next_lsn()?, frames.end.lsn);
        let name = names::merged(self.epoch, first, last);
        let body = wal::encode(frames, run.frames.shipped_at);
        self.objects.put(&name, &body)?;
        // A later pass deletes the shipments.
        self.pending.get_or_insert(run.before);
        event!(
            debug,
            "merged shipments",
            epoch = self.epoch,
            first = first,
            last = last,
            count = run.count
        );
        Ok(())
    }
}

impl Merged {
    fn is_old(&self, now: Option<Timestamp>, objects: &Objects) -> bool {
        let grace = objects.archive.follow_grace;
        now.is_some_and(|now| now.since(self.object.modified) >= grace)
    }

    /// Looks into the object. Deletes it if it is corrupt: a later pass merges the shipments again.
    fn is_trusted(&mut self, objects: &Objects) -> Result<bool, StorageError> {
        if let Some(known) = self.is_trusted {
            return Ok(known);
        }
        let read = Shipment::need(objects, &self.object.name);
        let is_trusted = match read {
            Ok(read) => {
                (read.frames.before.lsn, read.frames.end.lsn)
                    == (self.first_lsn.saturating_sub(1), self.last_lsn)
            }
            Err(cause) if cause.is_corrupt() => {
                event!(
                    error,
                    "found corrupt merged object",
                    cause = with_causes(&cause)
                );
                false
            }
            Err(cause) => return Err(cause),
        };
        if !is_trusted {
            objects.delete(&self.object.name)?;
        }
        Ok(*self.is_trusted.insert(is_trusted))
    }
}

/// Epoch and first LSN in the name of a shipment.
fn numbers(name: &str) -> (u64, u64) {
    match *names::numbers(name) {
        [epoch, first_lsn] => (epoch, first_lsn),
        _ => (u64::MAX, 0),
    }
}

/// Merged objects of an epoch with this frame or later ones, in their order.
fn merged_from(objects: &Objects, epoch: u64, lsn: u64) -> Result<Vec<Merged>, StorageError> {
    let (prefix, mut after) = (names::merged_of(epoch), names::merged_from(epoch, lsn));
    let mut found = Vec::new();
    loop {
        let page = objects.list_after(&prefix, &after)?;
        let Some(end) = page.last() else {
            return Ok(found);
        };
        after.clone_from(&end.name);
        for object in page {
            if let [_, last_lsn, first_lsn] = *names::numbers(&object.name) {
                found.push(Merged {
                    first_lsn,
                    last_lsn,
                    object,
                    is_trusted: None,
                });
            }
        }
    }
}
