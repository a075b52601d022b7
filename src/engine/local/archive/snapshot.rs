//! Snapshots of the B-tree in an archive.
//!
//! - A snapshot has the rows of every table, in chunks, as of the last checkpoint, or as of one that
//!   runs first. The store goes on meanwhile, and ships frames between two chunks.
//! - The manifest is written last, and only when the archive holds every frame of the snapshot. So a
//!   snapshot is never ahead of its epoch.

use std::time::Instant;

use super::epochs::{self, Epoch, run_of};
use super::fields::{Fields, put_time};
use super::names;
use super::shipping::Shipper;
use crate::archive::{ArchiveObject, Objects, corrupt};
use crate::clock::Clock;
use crate::engine::EngineError;
use crate::engine::local::admin::header::{Read, StoreHeader};
use crate::engine::local::admin::rows::{self, Rows};
use crate::engine::local::btree::BTree;
use crate::engine::local::core::Core;
use crate::engine::local::write::batch::take_entry;
use crate::error::{StorageError, with_causes};
use crate::format::tables::Table;
use crate::log::event;
use crate::number::u64_of;
use crate::types::Timestamp;

/// Contents of a manifest.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    pub(super) epoch: u64,
    /// Last frame whose writes the snapshot holds.
    pub(super) lsn: u64,
    pub(super) header: StoreHeader,
    pub(super) last_seq: u64,
    /// Time of the last event; 1970 if there is none.
    pub(super) last_event_at: Timestamp,
    /// Time at which the snapshot was made, by the clock of the machine.
    pub(super) made_at: Timestamp,
    /// Size of all objects, in bytes.
    pub(super) bytes: u64,
    /// Checksum of the rows of each chunk.
    chunks: Vec<u32>,
}

impl Manifest {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.header.to_bytes();
        out.extend_from_slice(&self.last_seq.to_le_bytes());
        put_time(&mut out, self.last_event_at);
        put_time(&mut out, self.made_at);
        out.extend_from_slice(&self.bytes.to_le_bytes());
        for checksum in &self.chunks {
            out.extend_from_slice(&checksum.to_le_bytes());
        }
        out
    }

    pub(super) fn read(objects: &Objects, epoch: u64, lsn: u64) -> Result<Self, StorageError> {
        let name = names::manifest(epoch, lsn);
        let body = objects.need(&name)?;
        let mut fields = Fields::of(&name, &body);
        let Read::Known(header) = StoreHeader::read(&fields.bytes::<72>()?) else {
            return Err(corrupt(&name, "it has no valid identity of a store"));
        };
        let mut manifest = Self {
            epoch,
            lsn,
            header,
            last_seq: fields.u64()?,
            last_event_at: fields.time()?,
            made_at: fields.time()?,
            bytes: fields.u64()?,
            chunks: Vec::new(),
        };
        while !fields.rest.is_empty() {
            manifest.chunks.push(fields.u32()?);
        }
        Ok(manifest)
    }

    /// Whether the snapshot holds more than a store that has read an epoch up to a frame. A snapshot of
    /// an earlier epoch never does.
    pub(super) const fn is_after(&self, (epoch, lsn): (u64, u64)) -> bool {
        self.epoch > epoch || (self.epoch == epoch && self.lsn > lsn)
    }

    /// Writes the rows into an empty B-tree, until `on_chunk` fails. Calls it with the number of chunks
    /// so far and the number of all chunks.
    pub(super) fn write_rows(
        &self,
        objects: &Objects,
        base: &BTree,
        on_chunk: &mut dyn FnMut(u64, u64) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        for (index, checksum) in self.chunks.iter().enumerate() {
            let name = names::chunk(self.epoch, self.lsn, index);
            let body = objects.need(&name)?;
            if crc32fast::hash(&body) != *checksum {
                return Err(corrupt(&name, "it does not belong to its snapshot"));
            }
            let invalid = || corrupt(&name, "it has an invalid row");
            let (mut rows, mut rest, mut table) = (Rows::default(), &*body, None);
            while !rest.is_empty() {
                let (tag, key, value) = take_entry(&mut rest).ok_or_else(invalid)?;
                let of = Table::from_tag(tag).ok_or_else(invalid)?;
                if *table.get_or_insert(of) != of {
                    return Err(invalid());
                }
                rows.push(key, value.ok_or_else(invalid)?);
            }
            if let Some(table) = table {
                rows.write(table, |sorted| base.write(vec![sorted]))?;
            }
            on_chunk(u64_of(index + 1), u64_of(self.chunks.len()))?;
        }
        Ok(())
    }
}

/// Epoch and LSN of each snapshot whose name starts with `prefix`, oldest first.
fn places(objects: &Objects, prefix: &str) -> Result<Vec<(u64, u64)>, StorageError> {
    let listed = objects.list(prefix)?;
    let manifests = listed
        .iter()
        .filter(|object| object.name.ends_with(names::MANIFEST));
    let place = |object: &ArchiveObject| match *names::numbers(&object.name) {
        [epoch, lsn] => Some((epoch, lsn)),
        _ => None,
    };
    Ok(manifests.filter_map(place).collect())
}

/// Last frame of the newest snapshot that was made in an epoch; 0 if there is none.
pub(super) fn newest_lsn(objects: &Objects, epoch: u64) -> Result<u64, StorageError> {
    let places = places(objects, &names::snapshots_of(epoch))?;
    Ok(places.last().map_or(0, |(_, lsn)| *lsn))
}

/// Reads a manifest. `None` if it is corrupt, and the error is in `unreadable` then.
fn read_manifest(
    objects: &Objects,
    (epoch, lsn): (u64, u64),
    unreadable: &mut Vec<StorageError>,
) -> Result<Option<Manifest>, StorageError> {
    match Manifest::read(objects, epoch, lsn) {
        Err(cause) if cause.is_corrupt() => {
            event!(error, "found corrupt snapshot", cause = with_causes(&cause));
            unreadable.push(cause);
            Ok(None)
        }
        manifest => manifest.map(Some),
    }
}

/// Manifests of the snapshots that count, oldest first, and the errors of those that cannot be read.
pub(super) fn manifests(
    objects: &Objects,
    epochs: &[Epoch],
) -> Result<(Vec<Manifest>, Vec<StorageError>), StorageError> {
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    for (epoch, lsn) in places(objects, names::SNAPSHOTS)? {
        if run_of(epochs, epoch, lsn).is_some() {
            found.extend(read_manifest(objects, (epoch, lsn), &mut unreadable)?);
        }
    }
    Ok((found, unreadable))
}

impl Core {
    /// Decides when the next snapshot is due, from the snapshots that the archive has.
    pub(super) fn plan_snapshot(&self, shipper: &mut Shipper) -> Result<(), StorageError> {
        let epochs = epochs::chain(&shipper.objects)?;
        let run = epochs::runs(&epochs).next_back().unwrap_or_default();
        let mut newest = None;
        for (epoch, lsn) in places(&shipper.objects, names::SNAPSHOTS)?
            .into_iter()
            .rev()
        {
            if run_of(run, epoch, lsn).is_some() && newest.is_none() {
                newest = read_manifest(&shipper.objects, (epoch, lsn), &mut Vec::new())?;
            }
        }
        shipper.snapshot_at = newest.as_ref().and_then(|manifest| {
            let age = Clock::System.now().since(manifest.made_at);
            let interval = shipper.objects.archive.snapshot_interval;
            Instant::now().checked_add(interval.saturating_sub(age))
        });
        self.shipping
            .note_snapshot(newest.map(|manifest| manifest.lsn));
        Ok(())
    }

    /// Writes a snapshot of the B-tree into the archive.
    pub(super) fn make_snapshot(&self, shipper: &mut Shipper) -> Result<(), StorageError> {
        let began = Instant::now();
        // A small store runs no checkpoint for weeks.
        let is_old = self.shipping.snapshot_lsn() >= Some(self.base_applied()?);
        let mut flushed = 0;
        if is_old || self.base_applied()? < shipper.before {
            flushed = self.published();
            self.flush().map_err(EngineError::into_storage)?;
        }
        let view = self.base_view().map_err(EngineError::into_storage)?;
        // After a flush, only marks without writes lie between the two.
        let lsn = view.applied()?.max(flushed);
        let mut manifest = Manifest {
            epoch: shipper.epoch,
            lsn,
            header: self.header,
            last_seq: view.state()?.last_seq,
            last_event_at: view.last_event_at()?.unwrap_or(Timestamp::EPOCH),
            made_at: Clock::System.now(),
            bytes: 0,
            chunks: Vec::new(),
        };
        for table in Table::ALL {
            rows::portions(&view.snapshot, table, &mut |rows| {
                let mut body = Vec::new();
                rows.encode(table, &mut body)?;
                let name = names::chunk(shipper.epoch, lsn, manifest.chunks.len());
                manifest.chunks.push(crc32fast::hash(&body));
                manifest.bytes += shipper.objects.put(&name, &body)?;
                self.ship_on(shipper)
            })?;
        }
        self.ship(shipper)?;
        let name = names::manifest(shipper.epoch, lsn);
        shipper.objects.put(&name, &manifest.to_bytes())?;
        self.check_epoch(shipper)?;
        self.shipping.note_snapshot(Some(lsn));
        event!(
            info,
            "archived snapshot",
            lsn = lsn,
            bytes = manifest.bytes,
            millis = began.elapsed().as_millis()
        );
        Ok(())
    }
}
