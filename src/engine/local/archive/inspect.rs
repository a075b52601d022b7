//! Lists and prunes an archive without a store.

use super::epochs;
use super::prune::prune;
use super::snapshot;
use super::wal::WalReader;
use crate::archive::{Archive, Objects, Retention};
use crate::engine::{ArchiveReport, ArchivedSnapshot, PruneReport};
use crate::error::{StorageError, StorageErrorKind};
use crate::number::u64_of;

pub(super) fn objects(archive: &Archive) -> Result<Objects, StorageError> {
    let why = "there is no archive at this place: check its URL";
    let none = || StorageError::new(StorageErrorKind::Io, why).permanent();
    Objects::of(archive)?.ok_or_else(none)
}

/// Describes an archive.
pub(crate) fn report_archive(archive: &Archive) -> Result<ArchiveReport, StorageError> {
    let objects = objects(archive)?;
    let epochs = epochs::chain(&objects)?;
    let (manifests, unreadable) = snapshot::manifests(&objects, &epochs)?;
    let snapshots = manifests.iter().map(|manifest| ArchivedSnapshot {
        epoch: manifest.epoch,
        lsn: manifest.lsn,
        seq: manifest.last_seq,
        last_event_at: Some(manifest.last_event_at).filter(|_| manifest.last_seq > 0),
        made_at: manifest.made_at,
        bytes: manifest.bytes,
    });
    let mut report = ArchiveReport {
        store_id: objects.store_id,
        epoch: epochs.last().map_or(0, |epoch| epoch.number),
        gaps: u64_of(epochs::runs(&epochs).count().saturating_sub(1)),
        lsn: 0,
        shipped_at: None,
        snapshots: snapshots.collect(),
        unreadable_snapshots: u64_of(unreadable.len()),
    };
    if let Some(last) = epochs.last() {
        report.lsn = last.start.before.lsn;
        let from = snapshot::newest_lsn(&objects, last.number)?;
        let mut reader = WalReader::at_listed_end(&objects, last.number, last.start.before, from)?;
        while reader.next()?.is_some() {}
        report.shipped_at = reader.shipped_at;
        report.lsn = report.lsn.max(reader.end().lsn);
    }
    Ok(report)
}

/// Deletes what `keep` does not name.
pub(crate) fn prune_archive(
    archive: &Archive,
    keep: Retention,
) -> Result<PruneReport, StorageError> {
    prune(&objects(archive)?, keep, &mut || Ok(()))
}
