//! Finds the frames that a standby lacks, in their order.
//!
//! A standby applies a frame only if it counts for every reader: if the next epoch is unclaimed
//! **after** the frame was read. The store that claims the epoch later then finds the frame, too. After
//! a claim, the start of the new epoch names the last frame that counts.

use std::time::{Duration, Instant};

use super::epochs::{self, Epoch, Start, StartKind};
use super::shipper::fenced;
use super::snapshot;
use super::wal::{ReadEnd, Shipment, WalReader};
use crate::archive::{ArchiveFault, Objects};
use crate::clock::since_boot;
use crate::error::StorageError;

/// Interval at which a standby without new frames searches the archive for later ones. Its next object
/// may have been pruned.
const SEARCH_AFTER: Duration = Duration::from_secs(10);

/// Position of a standby in an archive.
pub(super) struct Follower {
    objects: Objects,
    epoch: Epoch,
    end: ReadEnd,
    /// Time of the last search, since the start of the machine. `None`: the next frame may be in the
    /// middle of an object, or in a merged one.
    searched_at: Option<Duration>,
    /// Time of the last check that the next epoch is unclaimed.
    checked_at: Option<Instant>,
    /// Whether the next epoch is claimed, but has not begun.
    is_unsettled: bool,
}

/// Next part of an archive.
pub(super) enum Next {
    /// The next frames. Those after the LSN do not count.
    Frames(Shipment, u64),
    /// The archive holds no later frame.
    End,
    /// The next epoch is claimed, but it has not begun. Its start will show which frames count.
    Unsettled,
    /// An epoch of a promoted standby, in another incarnation.
    Promoted(Start),
    /// The archive no longer has the next frames, but a later snapshot.
    Gap,
}

impl Follower {
    /// Position after the frame `lsn` of a store. `None` if the archive lacks the frames after it.
    pub(super) fn after(
        objects: Objects,
        incarnation: u64,
        lsn: u64,
    ) -> Result<Option<Self>, StorageError> {
        let epochs = epochs::chain(&objects)?;
        let is_own = |epoch: &&Epoch| {
            epoch.start.incarnation == incarnation
                && epoch.start.before.lsn <= lsn
                && epoch.end.is_none_or(|end| lsn <= end.lsn)
        };
        let own = epochs.iter().rfind(is_own).copied();
        Ok(own.map(|epoch| Self {
            objects,
            epoch,
            end: (lsn, None),
            searched_at: None,
            checked_at: None,
            is_unsettled: false,
        }))
    }

    /// Number of the epoch that is being read.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch.number
    }

    /// Reads the next part. `claimed` is the epoch that this store has claimed, if it is about to be
    /// promoted. It then decides which frames count, until another store claims the epoch after it.
    pub(super) fn next(&mut self, claimed: Option<u64>) -> Result<Next, StorageError> {
        match self.read(claimed) {
            // A later snapshot leads around a missing or corrupt object.
            Err(cause) if cause.is_corrupt() && self.has_later_snapshot()? => Ok(Next::Gap),
            next => next,
        }
    }

    fn read(&mut self, claimed: Option<u64>) -> Result<Next, StorageError> {
        loop {
            if self.is_unsettled
                && let Some(next) = self.settle()?
            {
                return Ok(next);
            }
            let limit = self.epoch.end;
            if limit.is_some_and(|limit| self.end.0 >= limit.lsn) {
                match self.next_epoch()? {
                    Some(next) => return Ok(next),
                    None => continue,
                }
            }
            let (found, end) = self.read_object(claimed.is_some())?;
            if let Some(claimed) = claimed {
                if epochs::is_claimed(&self.objects, claimed + 1)? {
                    return Err(fenced(claimed + 1));
                }
            } else if limit.is_none() && self.is_claimed(found.is_some())? {
                self.is_unsettled = true;
                continue;
            }
            let Some(shipment) = found else {
                return Ok(Next::End);
            };
            self.end = end;
            let last = limit.map_or(u64::MAX, |limit| limit.lsn);
            return Ok(Next::Frames(shipment, last));
        }
    }

    /// Reads the object with the next frame. A thorough read fails if it is missing although later
    /// frames are there. Without that, the store looks for later frames from time to time.
    fn read_object(
        &mut self,
        is_thorough: bool,
    ) -> Result<(Option<Shipment>, ReadEnd), StorageError> {
        let (objects, limit) = (&self.objects, self.epoch.end);
        let mut reader = WalReader::after(objects, self.epoch.number, self.end, limit);
        // A merged object may hold the frames of a corrupt one.
        let (mut found, is_corrupt) = match reader.poll() {
            Err(cause) if cause.is_corrupt() => (None, true),
            found => (found?, false),
        };
        if found.is_none() {
            let is_due = self
                .searched_at
                .is_none_or(|at| since_boot().saturating_sub(at) >= SEARCH_AFTER);
            // The limit shows that there are later frames.
            let is_missing = is_thorough
                || is_corrupt
                || self.searched_at.is_none()
                || limit.is_some()
                || (is_due && reader.has_later()?);
            if is_due {
                self.searched_at = Some(since_boot());
            }
            if is_missing {
                found = reader.next()?;
                // The frames after a merged object may be in another one.
                if found.is_some() {
                    self.searched_at = None;
                }
            }
        }
        Ok((found, reader.end))
    }

    /// Whether the next epoch is claimed. Without new frames, asks the archive once in each interval.
    fn is_claimed(&mut self, has_frames: bool) -> Result<bool, StorageError> {
        let archive = &self.objects.archive;
        let is_due = self
            .checked_at
            .is_none_or(|at| at.elapsed() >= archive.interval);
        if archive.has_fault(ArchiveFault::TakeUnsettledFrames) || !(has_frames || is_due) {
            return Ok(false);
        }
        self.checked_at = Some(Instant::now());
        epochs::is_claimed(&self.objects, self.epoch.number + 1)
    }

    /// Finds the end of the epoch, now that the next one is claimed.
    fn settle(&mut self) -> Result<Option<Next>, StorageError> {
        Ok(match self.child()? {
            None => Some(Next::Unsettled),
            Some((_, start)) if start.parent != self.epoch.number => Some(Next::Gap),
            Some((_, start)) => {
                self.is_unsettled = false;
                self.epoch.end = Some(start.parent_end);
                None
            }
        })
    }

    /// Goes on in the epoch that follows. Returns the next part if that is not a frame.
    fn next_epoch(&mut self) -> Result<Option<Next>, StorageError> {
        let Some((number, start)) = self
            .child()?
            .filter(|(_, start)| start.parent == self.epoch.number)
        else {
            return Ok(Some(Next::Gap));
        };
        let is_same = start.incarnation == self.epoch.start.incarnation;
        Ok(match start.kind {
            StartKind::Continues if !is_same => Some(Next::Promoted(start)),
            // No frame is missing if the epoch begins with a frame that the standby has already.
            _ if is_same && start.before.lsn <= self.end.0 => {
                self.epoch = Epoch {
                    number,
                    start,
                    end: None,
                };
                self.end.1 = None;
                (self.searched_at, self.checked_at) = (None, None);
                None
            }
            _ => Some(Next::Gap),
        })
    }

    /// First epoch after this one that has begun. Pruning may have removed the start of an earlier one:
    /// then the parent of the one that is found is not this epoch.
    fn child(&self) -> Result<Option<(u64, Start)>, StorageError> {
        let newest = epochs::newest(&self.objects)?;
        for number in self.epoch.number + 1..=newest {
            let start = epochs::start_of(&self.objects, number)?;
            if let Some(start) = start.filter(|start| start.kind != StartKind::Void) {
                return Ok(Some((number, start)));
            }
        }
        Ok(None)
    }

    fn has_later_snapshot(&self) -> Result<bool, StorageError> {
        let epochs = epochs::chain(&self.objects)?;
        let (snapshots, _) = snapshot::manifests(&self.objects, &epochs)?;
        let own = (self.epoch.number, self.end.0);
        Ok(snapshots.iter().any(|snapshot| snapshot.is_after(own)))
    }
}
