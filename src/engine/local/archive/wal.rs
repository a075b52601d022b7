//! Frames of the journal in an archive.
//!
//! Each shipment is one object. Its name has the LSN of its first frame. So the name of the next
//! object follows from the last frame, and a reader finds the end without a list. Older shipments are
//! [merged](super::merge) into larger objects of the same form.

use std::ops::ControlFlow;
use std::ops::ControlFlow::{Break, Continue};

use super::fields::{Fields, put_end, put_time};
use super::names;
use crate::archive::{ArchiveObject, Objects, corrupt};
use crate::engine::local::journal::frame::Frame;
use crate::engine::local::journal::reader::Frames;
use crate::engine::local::journal::segment::End;
use crate::error::{StorageError, with_causes};
use crate::types::Timestamp;

/// Number of frames that no object exceeds: a frame has at least 64 bytes, and an object about 8 MiB.
const FRAMES_MAX: u64 = 1 << 17;

/// Frames of one shipment, or of several that were merged.
pub(super) struct Shipment {
    name: String,
    /// Time of the shipment, by the clock of the machine that shipped it.
    pub(super) shipped_at: Timestamp,
    pub(super) frames: Frames,
}

/// Body of an object with frames.
pub(super) fn encode(frames: &Frames, shipped_at: Timestamp) -> Vec<u8> {
    let mut out = Vec::with_capacity(frames.bytes.len() + 64);
    put_time(&mut out, shipped_at);
    out.extend_from_slice(&frames.salt);
    put_end(&mut out, frames.before);
    put_end(&mut out, frames.end);
    out.extend_from_slice(&frames.bytes);
    out
}

impl Shipment {
    fn read(name: String, body: &[u8]) -> Result<Self, StorageError> {
        let mut fields = Fields::of(&name, body);
        let shipped_at = fields.time()?;
        let frames = Frames {
            salt: fields.bytes()?,
            before: fields.end()?,
            end: fields.end()?,
            bytes: fields.rest.to_vec(),
        };
        let shipment = Self {
            name,
            shipped_at,
            frames,
        };
        let mut end = shipment.frames.before;
        let follow = |frame: &Frame<'_>| {
            let after = frame.end_after(end)?;
            end = after.ok_or_else(|| StorageError::corrupted("frame is out of sequence"))?;
            Ok(())
        };
        let followed = shipment.frames.each(follow);
        followed.map_err(|cause| corrupt(&shipment.name, &with_causes(&cause)))?;
        if end != shipment.frames.end {
            return Err(corrupt(&shipment.name, "frames at its end are missing"));
        }
        Ok(shipment)
    }

    /// Reads an object that must exist.
    pub(super) fn need(objects: &Objects, name: &str) -> Result<Self, StorageError> {
        Self::read(name.to_owned(), &objects.need(name)?)
    }

    /// Whether `next` follows in the same segment, and both have at most `max` bytes.
    pub(super) fn takes(&self, next: &Self, max: usize) -> bool {
        let (own, next) = (&self.frames, &next.frames);
        own.salt == next.salt && own.end == next.before && own.bytes.len() + next.bytes.len() <= max
    }

    pub(super) fn append(&mut self, next: Self) {
        self.frames.bytes.extend_from_slice(&next.frames.bytes);
        self.frames.end = next.frames.end;
        self.shipped_at = next.shipped_at;
    }
}

/// Last frame of an object whose frames follow `before`.
pub(super) fn end_of_object(
    objects: &Objects,
    name: &str,
    before: End,
) -> Result<End, StorageError> {
    let shipment = Shipment::need(objects, name)?;
    match shipment.frames.before == before {
        true => Ok(shipment.frames.end),
        false => Err(corrupt(name, "it does not follow the frames before it")),
    }
}

/// LSN and checksum of the last frame that was read. The checksum is unknown after a snapshot.
pub(super) type ReadEnd = (u64, Option<u32>);

/// Reads the frames of one epoch, in order.
pub(super) struct WalReader<'a> {
    objects: &'a Objects,
    epoch: u64,
    /// Last frame that counts; `None` in the newest epoch.
    limit: Option<End>,
    pub(super) end: ReadEnd,
    /// Whether merged objects may hold the next frame.
    has_merged: bool,
    /// Time of the last shipment that was read.
    pub(super) shipped_at: Option<Timestamp>,
}

impl<'a> WalReader<'a> {
    /// Reader of the frames after `lsn`.
    pub(super) const fn after(
        objects: &'a Objects,
        epoch: u64,
        lsn: u64,
        limit: Option<End>,
    ) -> Self {
        Self::resume(objects, epoch, (lsn, None), limit)
    }

    /// Reader that goes on after what another reader of the same epoch has read.
    pub(super) const fn resume(
        objects: &'a Objects,
        epoch: u64,
        end: ReadEnd,
        limit: Option<End>,
    ) -> Self {
        Self {
            objects,
            epoch,
            limit,
            end,
            has_merged: true,
            shipped_at: None,
        }
    }

    /// Reader of the frames that were shipped after the last object in the list. `before` is the frame
    /// before the epoch. The list begins after the frame `from`.
    pub(super) fn at_listed_end(
        objects: &'a Objects,
        epoch: u64,
        before: End,
        from: u64,
    ) -> Result<Self, StorageError> {
        let mut reader = Self::resume(objects, epoch, (before.lsn, Some(before.checksum)), None);
        let mut last = None;
        reader.each_listed(from, |first| {
            last = Some(first);
            Continue(())
        })?;
        if let Some(last) = last {
            reader.end = (last.saturating_sub(1), None);
            reader.next()?;
        }
        Ok(reader)
    }

    /// Last frame that was read.
    pub(super) fn end(&self) -> End {
        End {
            lsn: self.end.0,
            checksum: self.end.1.unwrap_or_default(),
        }
    }

    /// Passes the first LSN of each listed object that may hold frames after `from` to `take`, in
    /// order.
    fn each_listed(
        &self,
        from: u64,
        mut take: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        let prefix = names::frames_of(self.epoch);
        let mut after = names::frames(self.epoch, from.saturating_sub(FRAMES_MAX));
        loop {
            let page = self.objects.list_after(&prefix, &after)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after.clone_from(&last.name);
            for object in &page {
                let first = names::numbers(&object.name).get(1).copied();
                if first.is_some_and(|first| take(first).is_break()) {
                    return Ok(());
                }
            }
        }
    }

    /// Shipment that begins with a frame.
    fn read(&self, first_lsn: u64) -> Result<Option<Shipment>, StorageError> {
        let name = names::frames(self.epoch, first_lsn);
        let Some(body) = self.objects.get(&name)? else {
            return Ok(None);
        };
        Shipment::read(name, &body).map(Some)
    }

    /// Merged object with the frame `lsn`.
    fn read_merged(&self, lsn: u64) -> Result<Option<Shipment>, StorageError> {
        let prefix = names::merged_of(self.epoch);
        let after = names::merged_from(self.epoch, lsn);
        let listed = self.objects.list_after(&prefix, &after)?;
        let first = |name: &str| names::numbers(name).get(2).copied();
        let holds = |object: &&ArchiveObject| first(&object.name).is_some_and(|first| first <= lsn);
        let found = listed.iter().find(holds);
        found
            .map(|object| Shipment::need(self.objects, &object.name))
            .transpose()
    }

    /// Object with the next frame. It may also hold frames that were read before. `None` at the end
    /// of the epoch. Fails if an object is missing in between.
    pub(super) fn next(&mut self) -> Result<Option<Shipment>, StorageError> {
        let (lsn, _) = self.end;
        if self.limit.is_some_and(|limit| lsn >= limit.lsn) {
            return Ok(None);
        }
        let next = lsn.saturating_add(1);
        let mut found = None;
        if !self.has_merged {
            found = self.read(next)?;
        }
        let mut corrupt_merged = None;
        if found.is_none() {
            // The shipment may have been merged and deleted since the last look.
            found = match self.read_merged(next) {
                // The shipments may still be there.
                Err(cause) if cause.is_corrupt() => {
                    corrupt_merged = Some(cause);
                    None
                }
                merged => merged?,
            };
            self.has_merged = found.is_some();
        }
        if found.is_none() {
            found = self.read(next)?;
        }
        if found.is_none() {
            let (mut held, mut has_later) = (None, false);
            self.each_listed(next, |first| {
                if first > next {
                    has_later = true;
                    return Break(());
                }
                held = Some(first);
                Continue(())
            })?;
            if let Some(first) = held {
                found = self
                    .read(first)?
                    .filter(|found| found.frames.end.lsn >= next);
            }
            if found.is_none() && (self.limit.is_some() || has_later) {
                let why = "it is missing, and later frames need it";
                let missing = || corrupt(&names::frames(self.epoch, next), why);
                return Err(corrupt_merged.unwrap_or_else(missing));
            }
        }
        found.map(|shipment| self.take(shipment)).transpose()
    }

    /// Object that begins with the next frame. `None` at the end of the epoch, but also if the object
    /// is missing or begins with an earlier frame.
    pub(super) fn poll(&mut self) -> Result<Option<Shipment>, StorageError> {
        let found = self.read(self.end.0.saturating_add(1))?;
        found.map(|shipment| self.take(shipment)).transpose()
    }

    /// Whether the archive holds an object after the next frame. Reads one part of the list.
    pub(super) fn has_later(&self) -> Result<bool, StorageError> {
        let prefix = names::frames_of(self.epoch);
        let next = names::frames(self.epoch, self.end.0.saturating_add(1));
        Ok(!self.objects.list_after(&prefix, &next)?.is_empty())
    }

    fn take(&mut self, shipment: Shipment) -> Result<Shipment, StorageError> {
        let (lsn, checksum) = self.end;
        let next = lsn.saturating_add(1);
        let before = shipment.frames.before;
        let is_next = before.lsn < next
            && (before.lsn != lsn || checksum.is_none_or(|known| known == before.checksum));
        if !is_next {
            let why = "it does not follow the frames before it";
            return Err(corrupt(&shipment.name, why));
        }
        let end = shipment.frames.end;
        self.end = (end.lsn, Some(end.checksum));
        self.shipped_at = Some(shipment.shipped_at);
        Ok(shipment)
    }
}
