//! Frames of the journal in an archive.
//!
//! Each shipment is one object. Its name has the LSN of its first frame. So the name of the next
//! object follows from the last frame, and a reader finds the end without a list. Older shipments are
//! [merged](super::merge) into larger objects of the same form.

use super::fields::{Fields, put_end, put_time};
use super::names;
use crate::archive::{Objects, corrupt};
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

    /// Reads an object. `None` if there is none with this name.
    pub(super) fn get(objects: &Objects, name: &str) -> Result<Option<Self>, StorageError> {
        let found = objects.get(name)?;
        found
            .map(|body| Self::read(name.to_owned(), &body))
            .transpose()
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
    let shipment = Shipment::get(objects, name)?.ok_or_else(|| corrupt(name, "it is missing"))?;
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
    /// First LSN of the next merged object, as a list has shown it: 0 before that, and `u64::MAX` if there
    /// is none.
    next_merged: u64,
    /// Time of the last shipment that was read.
    pub(super) shipped_at: Option<Timestamp>,
}

impl<'a> WalReader<'a> {
    /// Reader of the frames after `end`.
    pub(super) const fn after(
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
            next_merged: 0,
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
        let mut reader = Self::after(objects, epoch, (before.lsn, Some(before.checksum)), None);
        let last = reader.listed(from).last().transpose()?;
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

    /// First LSN of each listed object that may hold frames after `from`, in order.
    fn listed(&self, from: u64) -> impl Iterator<Item = Result<u64, StorageError>> {
        let after = names::frames(self.epoch, from.saturating_sub(FRAMES_MAX));
        let listed = self.objects.each_after(names::frames_of(self.epoch), after);
        listed.filter_map(|object| match object {
            Ok(object) => names::shipment_of(&object.name).map(|(_, first)| Ok(first)),
            Err(cause) => Some(Err(cause)),
        })
    }

    /// Shipment that begins with a frame.
    fn read(&mut self, first_lsn: u64) -> Result<Option<Shipment>, StorageError> {
        Shipment::get(self.objects, &names::frames(self.epoch, first_lsn))
    }

    /// Merged object with the frame `lsn`.
    fn read_merged(&mut self, lsn: u64) -> Result<Option<Shipment>, StorageError> {
        let prefix = names::merged_of(self.epoch);
        let after = names::merged_from(self.epoch, lsn);
        let listed = self.objects.list_after(&prefix, &after)?;
        self.next_merged = u64::MAX;
        for object in listed {
            if let Some((_, first, _)) = names::merged_object_of(&object.name) {
                self.next_merged = first;
                return match first <= lsn {
                    true => Shipment::get(self.objects, &object.name),
                    false => Ok(None),
                };
            }
        }
        Ok(None)
    }

    /// Shipment with the frame `lsn` in its middle. Fails if an object is missing in between.
    fn search(&mut self, lsn: u64) -> Result<Option<Shipment>, StorageError> {
        let (mut held, mut has_later) = (None, false);
        for first in self.listed(lsn) {
            let first = first?;
            if first > lsn {
                has_later = true;
                break;
            }
            held = Some(first);
        }
        if let Some(first) = held
            && let Some(found) = self.read(first)?
            && found.frames.end.lsn >= lsn
        {
            return Ok(Some(found));
        }
        if self.limit.is_some() || has_later {
            let why = "it is missing, and later frames need it";
            return Err(corrupt(&names::frames(self.epoch, lsn), why));
        }
        Ok(None)
    }

    /// Object with the next frame. It may also hold frames that were read before. `None` at the end
    /// of the epoch. Fails if an object is missing in between.
    pub(super) fn next(&mut self) -> Result<Option<Shipment>, StorageError> {
        let (lsn, _) = self.end;
        if self.limit.is_some_and(|limit| lsn >= limit.lsn) {
            return Ok(None);
        }
        let next = lsn.saturating_add(1);
        // The shipment may have been merged and deleted since the last list.
        let forms = match next < self.next_merged {
            true => [Self::read, Self::read_merged, Self::search],
            false => [Self::read_merged, Self::read, Self::search],
        };
        let mut corrupt = None;
        for read in forms {
            let found = read(self, next);
            match found.and_then(|found| found.map(|found| self.take(found)).transpose()) {
                Ok(None) => {}
                // The frame may be in another object.
                Err(cause) if cause.is_corrupt() => {
                    corrupt.get_or_insert(cause);
                }
                taken => return taken,
            }
        }
        corrupt.map_or(Ok(None), Err)
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
        let before = shipment.frames.before;
        let end = shipment.frames.end;
        let is_next = (before.lsn..end.lsn).contains(&lsn)
            && (before.lsn != lsn || checksum.is_none_or(|known| known == before.checksum));
        if !is_next {
            let why = "it does not follow the frames before it";
            return Err(corrupt(&shipment.name, why));
        }
        self.end = match self.limit {
            // The frames after the last one that counts may also be in a merged object.
            Some(limit) if end.lsn > limit.lsn => (limit.lsn, None),
            _ => (end.lsn, Some(end.checksum)),
        };
        self.shipped_at = Some(shipment.shipped_at);
        Ok(shipment)
    }
}
