//! Deletes what no kept snapshot needs.

use std::collections::BTreeSet;

use super::epochs::{self, Epoch};
use super::names;
use super::snapshot::{self, Manifest};
use crate::archive::{ArchiveObject, Objects, Retention};
use crate::engine::PruneReport;
use crate::error::StorageError;
use crate::number::usize_of;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Deletes all snapshots that `keep` does not name, unfinished ones, and the frames before the oldest
/// kept one. Always keeps the newest snapshot. Calls `on_step` after each deletion.
///
/// Claims always stay: a writer that was stopped for weeks must find the claim after its own.
pub(super) fn prune(
    objects: &Objects,
    keep: Retention,
    on_step: &mut dyn FnMut() -> Result<(), StorageError>,
) -> Result<PruneReport, StorageError> {
    let epochs = epochs::chain(objects)?;
    let (manifests, _) = snapshot::manifests(objects, &epochs)?;
    let kept = kept(&manifests, keep);
    let mut report = PruneReport::default();
    let Some(oldest) = kept.first().copied() else {
        return Ok(report);
    };
    let newest = manifests
        .last()
        .map(|manifest| (manifest.epoch, manifest.lsn));
    let is_dropped = |place| {
        let is_known = manifests.iter().any(|own| (own.epoch, own.lsn) == place);
        // The newest directory may be that of a snapshot that is being written.
        !kept.contains(&place) && (is_known || Some(place) < newest)
    };
    let mut dropped = Vec::new();
    for object in objects.list(names::SNAPSHOTS)? {
        if let [epoch, lsn, ..] = *names::numbers(&object.name)
            && is_dropped((epoch, lsn))
        {
            dropped.push(object);
        }
    }
    // Delete the manifests first: without its manifest, a snapshot does not count.
    dropped.sort_by_key(|object| !object.name.ends_with(names::MANIFEST));
    for object in dropped {
        report.snapshots += u64::from(object.name.ends_with(names::MANIFEST));
        report.bytes += object.bytes;
        objects.delete(&object.name)?;
        on_step()?;
    }
    let run = epochs::run_of(&epochs, oldest.0, oldest.1).unwrap_or_default();
    let first = run.first().map_or(0, |epoch| epoch.number);
    // Epoch with the first frame that is kept.
    let needed = run
        .iter()
        .rev()
        .find(|epoch| epoch.start.before.lsn <= oldest.1);
    let needed = needed.map_or(first, |epoch| epoch.number).min(oldest.0);
    delete_merged(objects, (first, oldest), &mut report, on_step)?;
    for epoch in epochs.iter().take_while(|epoch| epoch.number <= oldest.0) {
        // A restored store may repeat numbers of frames, so compare them within a run only.
        let last = if epoch.number < first {
            u64::MAX
        } else {
            oldest.1
        };
        delete_frames(objects, epoch, last, &mut report, on_step)?;
        if epoch.number < needed {
            objects.delete(&names::start(epoch.number))?;
        }
    }
    Ok(report)
}

/// Deletes the merged objects without frames after the place `oldest`, whose run begins with the epoch
/// `first`.
fn delete_merged(
    objects: &Objects,
    (first, oldest): (u64, (u64, u64)),
    report: &mut PruneReport,
    on_step: &mut dyn FnMut() -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    for object in objects.each_after(names::MERGED.to_owned(), names::merged_from(0, 0)) {
        let object = object?;
        if let Some((epoch, _, last)) = names::merged_object_of(&object.name)
            && (epoch < first || (epoch <= oldest.0 && last <= oldest.1))
        {
            objects.delete(&object.name)?;
            report.bytes += object.bytes;
            on_step()?;
        }
    }
    Ok(())
}

/// Deletes the shipments of an epoch without frames after `last`.
fn delete_frames(
    objects: &Objects,
    epoch: &Epoch,
    last: u64,
    report: &mut PruneReport,
    on_step: &mut dyn FnMut() -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let first_name = names::frames(epoch.number, 0);
    // An object ends where the next one begins.
    let mut previous: Option<ArchiveObject> = None;
    for object in objects.each_after(names::frames_of(epoch.number), first_name) {
        let object = object?;
        let (_, first) = names::shipment_of(&object.name).unwrap_or_default();
        if let Some(ended) = previous.replace(object) {
            if first.saturating_sub(1) > last {
                return Ok(());
            }
            objects.delete(&ended.name)?;
            report.bytes += ended.bytes;
            on_step()?;
        }
    }
    let is_old = epoch.end.is_some_and(|end| end.lsn <= last);
    if let Some(ended) = previous.filter(|_| is_old) {
        objects.delete(&ended.name)?;
        report.bytes += ended.bytes;
    }
    Ok(())
}

/// Snapshots that are kept: the newest one of each of the last days and weeks with a snapshot.
/// Periods without one do not count, so a clock that jumps ahead drops nothing.
fn kept(manifests: &[Manifest], keep: Retention) -> BTreeSet<(u64, u64)> {
    let mut kept = BTreeSet::new();
    kept.extend(manifests.last().map(|newest| (newest.epoch, newest.lsn)));
    for (count, length) in [(keep.daily, DAY_MS), (keep.weekly, 7 * DAY_MS)] {
        let mut taken = BTreeSet::new();
        for manifest in manifests.iter().rev() {
            let is_wanted = taken.len() < usize_of(count);
            if is_wanted && taken.insert(manifest.made_at.as_millis() / length) {
                kept.insert((manifest.epoch, manifest.lsn));
            }
        }
    }
    kept
}
