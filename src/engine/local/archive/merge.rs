//! Merges small shipments into larger objects: a store ships every second, and a restore should not
//! read one object for each of them.
//!
//! - A merged object holds the bytes of several shipments from one segment of the journal.
//! - The shipments stay for [`Archive::follow_grace`](crate::Archive::follow_grace) longer. A standby
//!   near the end reads them one by one.
//! - The newest shipment of an epoch is never merged. A store that claims the next epoch finds the end
//!   there.

use std::collections::BTreeMap;

use super::names;
use super::shipping::Shipper;
use super::wal::{self, Shipment};
use crate::archive::{ArchiveObject, Objects, corrupt};
use crate::engine::local::core::Core;
use crate::error::StorageError;
use crate::log::event;

/// Maximum size of the frames in a merged object: 8 MiB.
const MERGED_BYTES: usize = 8 << 20;

/// Size from which a shipment stays as it is: 1 MiB.
const LARGE_BYTES: u64 = 1 << 20;

/// Called before each step. Fails if the store must stop.
type OnStep<'a> = &'a mut dyn FnMut() -> Result<(), StorageError>;

impl Core {
    /// Merges shipments if many have come since the last time.
    pub(super) fn merge_if_due(&self, shipper: &mut Shipper) -> Result<(), StorageError> {
        if shipper.unmerged < shipper.objects.archive.merge_after || self.shipping.is_closing() {
            return Ok(());
        }
        // After a failure, the next attempt waits as long as after a success.
        shipper.unmerged = 0;
        let (objects, epoch) = (shipper.objects.clone(), shipper.epoch);
        merge(&objects, epoch, &mut || self.ship_on(shipper))
    }
}

/// Object with frames, as a list shows it.
struct Listed {
    first_lsn: u64,
    /// Only of merged objects.
    last_lsn: u64,
    object: ArchiveObject,
}

/// Merges the shipments of every epoch up to `newest`, and deletes those that were merged long ago.
fn merge(objects: &Objects, newest: u64, on_step: OnStep<'_>) -> Result<(), StorageError> {
    let mut merged = listed(objects, names::MERGED)?;
    let shipments = listed(objects, names::FRAMES)?;
    // The clock of the storage, as far as it is known.
    let now = shipments
        .values()
        .flatten()
        .map(|each| each.object.modified)
        .max();
    let is_old = |each: &Listed| {
        now.is_some_and(|now| now.since(each.object.modified) >= objects.archive.follow_grace)
    };
    for (epoch, shipments) in shipments
        .into_iter()
        .take_while(|(epoch, _)| *epoch <= newest)
    {
        let merged = merged.remove(&epoch).unwrap_or_default();
        let mut run = MergeRun {
            objects,
            epoch,
            frames: None,
            count: 0,
        };
        let Some((_, before_last)) = shipments.split_last() else {
            continue;
        };
        for shipment in before_last {
            let next = merged.partition_point(|each| each.last_lsn < shipment.first_lsn);
            let of = merged
                .get(next)
                .filter(|each| each.first_lsn <= shipment.first_lsn);
            if let Some(of) = of {
                run.close()?;
                if is_old(of) {
                    on_step()?;
                    objects.delete(&shipment.object.name)?;
                }
            } else if shipment.object.bytes >= LARGE_BYTES {
                run.close()?;
            } else {
                on_step()?;
                run.add(&shipment.object.name)?;
            }
        }
        // The last run of the newest epoch still grows.
        if epoch < newest || run.count >= objects.archive.merge_after {
            run.close()?;
        }
    }
    Ok(())
}

/// Objects with frames by epoch, in the order of their frames.
fn listed(objects: &Objects, prefix: &str) -> Result<BTreeMap<u64, Vec<Listed>>, StorageError> {
    let mut found: BTreeMap<u64, Vec<Listed>> = BTreeMap::new();
    for object in objects.list(prefix)? {
        let (epoch, first_lsn, last_lsn) = match *names::numbers(&object.name) {
            [epoch, first] => (epoch, first, 0),
            [epoch, last, first] => (epoch, first, last),
            _ => continue,
        };
        found.entry(epoch).or_default().push(Listed {
            first_lsn,
            last_lsn,
            object,
        });
    }
    Ok(found)
}

/// Shipments that become one object.
struct MergeRun<'a> {
    objects: &'a Objects,
    epoch: u64,
    frames: Option<Shipment>,
    count: u64,
}

impl MergeRun<'_> {
    /// Adds the next shipment. Closes the run before that if the two do not fit into one object.
    fn add(&mut self, name: &str) -> Result<(), StorageError> {
        let next = match Shipment::read(name.to_owned(), &self.objects.need(name)?) {
            Ok(next) => next,
            // It stays as it is, for whoever reads it.
            Err(cause) if cause.is_corrupt() => return self.close(),
            Err(cause) => return Err(cause),
        };
        if !self
            .frames
            .as_ref()
            .is_some_and(|frames| frames.takes(&next, MERGED_BYTES))
        {
            self.close()?;
        }
        self.count += 1;
        match &mut self.frames {
            Some(frames) => frames.append(next),
            frames => *frames = Some(next),
        }
        Ok(())
    }

    /// Writes the merged object, and begins another one.
    fn close(&mut self) -> Result<(), StorageError> {
        let count = std::mem::take(&mut self.count);
        let Some(run) = self.frames.take().filter(|_| count > 1) else {
            return Ok(());
        };
        let (first, last) = (run.frames.before.next_lsn()?, run.frames.end.lsn);
        let name = names::merged(self.epoch, first, last);
        let body = wal::encode(&run.frames, run.shipped_at);
        self.objects.put(&name, &body)?;
        // The shipments are deleted later, without another look at this object.
        if self.objects.need(&name)? != body {
            return Err(corrupt(&name, "it does not hold what was just written"));
        }
        event!(
            debug,
            "merged shipments",
            epoch = self.epoch,
            first = first,
            last = last,
            count = count
        );
        Ok(())
    }
}
