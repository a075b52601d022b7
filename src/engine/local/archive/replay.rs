//! Builds a B-tree from an archive: a snapshot, and the frames after it.

use super::epochs::{self, Epoch, Run, Start};
use super::inspect::objects;
use super::snapshot::{self, Manifest};
use super::wal::WalReader;
use crate::archive::{Archive, ArchiveFault, Objects};
use crate::engine::RestorePoint;
use crate::engine::local::admin::header::StoreHeader;
use crate::engine::local::admin::restore::{Old, Successor};
use crate::engine::local::btree::BTree;
use crate::engine::local::checkpoint::write_lag;
use crate::engine::local::journal::frame::{Frame, Kind};
use crate::engine::local::memtable::Memtable;
use crate::engine::local::write::batch::WriteBatch;
use crate::error::{StorageError, StorageErrorKind};
use crate::format::codec;
use crate::format::codec::State;
use crate::format::keys;
use crate::number::u64_of;
use crate::types::Timestamp;

/// Part of an archive that leads to a restored store.
pub(super) struct Plan {
    pub(super) objects: Objects,
    pub(super) manifest: Manifest,
    /// Epochs with the frames after the snapshot.
    run: Vec<Epoch>,
    /// Whether the archive has later epochs, after a gap, without a snapshot at or before the moment.
    pub(super) has_later: bool,
    /// Highest order number at which a promoted standby began.
    pub(super) counter: u64,
    until: RestorePoint,
}

/// Result of a replay.
pub(super) struct Replayed {
    /// Header of the store whose frames were read last.
    pub(super) header: StoreHeader,
    /// Last frame whose writes the B-tree holds.
    pub(super) lsn: u64,
    pub(super) frames: u64,
    /// Time at which the last of these frames was shipped at the latest, by the clock of the old machine.
    pub(super) shipped_at: Option<Timestamp>,
    /// Size of the frames that were read, in bytes.
    pub(super) bytes: u64,
}

/// Ways to restore a moment, the best one first: from each snapshot at or before it, newest first.
/// Also returns the number of snapshots whose manifest is corrupt.
pub(super) fn plans(
    archive: &Archive,
    until: RestorePoint,
) -> Result<(Vec<Plan>, usize), StorageError> {
    let none = |why| Err(StorageError::new(StorageErrorKind::Io, why).permanent());
    let objects = objects(archive)?;
    let epochs = epochs::chain(&objects)?;
    let (mut manifests, unreadable) = snapshot::manifests(&objects, &epochs)?;
    manifests.retain(|manifest| match until {
        RestorePoint::Newest => true,
        RestorePoint::Time(time) => manifest.last_event_at <= time,
        RestorePoint::Seq(seq) => manifest.last_seq <= seq,
    });
    let counters = epochs.iter().map(|epoch| epoch.start.counter);
    let counter = counters.max().unwrap_or(0);
    let plan = |manifest: Manifest| {
        let run = epochs::run_of(&epochs, manifest.epoch, manifest.lsn)?;
        let last = |epochs: &Run| epochs.last().map(|epoch| epoch.number);
        Some(Plan {
            has_later: last(run) != last(&epochs),
            counter,
            run: run.to_vec(),
            objects: objects.clone(),
            manifest,
            until,
        })
    };
    let mut plans: Vec<Plan> = manifests.into_iter().rev().filter_map(plan).collect();
    if until == RestorePoint::Newest && plans.first().is_some_and(|plan| plan.has_later) {
        return none(
            "the newest frames of the archive come after a gap, and no snapshot after the gap can be \
             read; to restore the state before the gap, name its time",
        );
    }
    // The plans of an earlier run do not lead to the same state.
    let last = |plan: &Plan| plan.run.last().map(|epoch| epoch.number);
    let first = plans.first().and_then(last);
    plans.retain(|plan| last(plan) == first);
    let count = unreadable.len();
    match (plans.is_empty(), unreadable.into_iter().next()) {
        (false, _) => Ok((plans, count)),
        (true, Some(cause)) => Err(cause),
        (true, None) => none("the archive has no snapshot at or before this moment"),
    }
}

impl Plan {
    /// Sets the place of the snapshot in a B-tree that holds it, without the frames after it.
    pub(super) fn skip_frames(&self, base: &BTree) -> Result<Replayed, StorageError> {
        write_lag(base, Memtable::default(), self.manifest.lsn)?;
        Ok(self.skipped())
    }

    const fn skipped(&self) -> Replayed {
        Replayed {
            header: self.manifest.header,
            lsn: self.manifest.lsn,
            frames: 0,
            shipped_at: None,
            bytes: 0,
        }
    }

    /// Replays the frames after the snapshot into a B-tree that holds the snapshot.
    pub(super) fn replay(
        &self,
        base: &BTree,
        memtable_bytes: usize,
    ) -> Result<Replayed, StorageError> {
        let mut replay = Replay {
            until: self.until,
            replayed: self.skipped(),
            memtable: Memtable::default(),
            is_past: false,
        };
        let from = self.manifest.lsn;
        // Begin with the epoch of the snapshot: a promoted standby may follow without a frame in between.
        let is_needed = |epoch: &&Epoch| {
            epoch.number >= self.manifest.epoch || epoch.end.is_some_and(|end| end.lsn > from)
        };
        for epoch in self.run.iter().filter(is_needed) {
            if replay.is_past {
                break;
            }
            if epoch.start.incarnation != replay.replayed.header.identity.incarnation {
                replay.write(base)?;
                replay.replayed.header = cross(base, replay.replayed.header, &epoch.start)?;
            }
            let takes_late = self.objects.archive.has_fault(ArchiveFault::TakeLateFrames);
            let limit = epoch.end.filter(|_| !takes_late);
            let end = (replay.replayed.lsn, None);
            let mut reader = WalReader::after(&self.objects, epoch.number, end, limit);
            while !replay.is_past
                && let Some(shipment) = reader.next()?
            {
                let before = replay.replayed.lsn;
                shipment.frames.each(|frame| {
                    if limit.is_some_and(|limit| frame.head.lsn > limit.lsn) {
                        return Ok(());
                    }
                    replay.take(frame)
                })?;
                replay.replayed.bytes += u64_of(shipment.frames.bytes.len());
                if replay.replayed.lsn > before {
                    replay.replayed.shipped_at = Some(shipment.shipped_at);
                }
                if replay.memtable.bytes() >= memtable_bytes {
                    replay.write(base)?;
                }
            }
        }
        replay.write(base)?;
        Ok(replay.replayed)
    }
}

struct Replay {
    until: RestorePoint,
    replayed: Replayed,
    memtable: Memtable,
    /// Whether the next frame is after the moment.
    is_past: bool,
}

impl Replay {
    fn take(&mut self, frame: &Frame<'_>) -> Result<(), StorageError> {
        if self.is_past || frame.head.lsn <= self.replayed.lsn {
            return Ok(());
        }
        if frame.head.kind == Kind::Writes {
            let writes = WriteBatch::decode(frame.payload)?;
            if is_after(self.until, &writes)? {
                self.is_past = true;
                return Ok(());
            }
            self.replayed.frames += 1;
            self.memtable.add(writes);
        }
        self.replayed.lsn = frame.head.lsn;
        Ok(())
    }

    fn write(&mut self, base: &BTree) -> Result<(), StorageError> {
        write_lag(base, std::mem::take(&mut self.memtable), self.replayed.lsn)
    }
}

/// Whether a group has an event after a moment. A group is restored as a whole or not at all.
fn is_after(until: RestorePoint, writes: &WriteBatch) -> Result<bool, StorageError> {
    let mut seq = writes.first_seq;
    for span in &writes.events {
        let is_after = match until {
            RestorePoint::Newest => false,
            RestorePoint::Seq(last) => seq > last,
            RestorePoint::Time(time) => {
                let key = keys::event(seq);
                codec::read_event(key.as_slice(), span.of(&writes.frame))?.at > time
            }
        };
        if is_after {
            return Ok(true);
        }
        seq = seq.saturating_add(1);
    }
    Ok(false)
}

/// Goes on in the incarnation of a promoted standby. `header` is that of the store before it. The B-tree
/// must hold every frame before the epoch of the promoted standby.
pub(super) fn cross(
    base: &BTree,
    header: StoreHeader,
    start: &Start,
) -> Result<StoreHeader, StorageError> {
    let old = Old::read(base, header)?;
    if old.state.last_seq != start.last_seq {
        return Err(StorageError::corrupted(
            "frames before a promotion are missing",
        ));
    }
    let header = header.with_incarnation(start.incarnation);
    let state = State {
        counter: start.counter,
        ..old.state
    };
    Successor::at(header, state, start.before.lsn, old.ancestors).write(base)?;
    Ok(header)
}
