//! Finds the frames that a standby lacks, in their order.
//!
//! A standby applies a frame only if it counts for every reader: if the next epoch is unclaimed
//! **after** the frame was read. The store that claims the epoch later then finds the frame, too. After
//! a claim, the start of the new epoch names the last frame that counts.

use std::time::{Duration, Instant};

use super::epochs::{self, Epoch, Start, StartKind};
use super::snapshot;
use super::wal::{ReadEnd, Shipment, WalReader};
use crate::archive::{ArchiveFault, Objects};
use crate::error::StorageError;

/// Interval at which a standby without new frames searches the archive for later ones. Its next object
/// may have been pruned.
const SEARCH_AFTER: Duration = Duration::from_secs(10);

/// Position of a standby in an archive.
pub(super) struct Follower {
    objects: Objects,
    epoch: Epoch,
    end: ReadEnd,
    /// Time of the last search. `None`: the next read is a search.
    searched_at: Option<Instant>,
    /// Time of the last check that the next epoch is unclaimed.
    checked_at: Instant,
}

/// What comes next in an archive.
pub(super) enum Next {
    /// These frames. Those after the LSN do not count.
    Frames(Shipment, u64),
    /// Nothing: the archive holds no later frame.
    End,
    /// The next epoch is claimed, but it has not begun. Nobody knows yet which frames count.
    Unsettled,
    /// An epoch of a promoted standby, in another incarnation.
    Promoted(Start),
    /// Frames that the archive no longer has, and a later snapshot.
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
            checked_at: Instant::now(),
        }))
    }

    /// Number of the epoch that is being read.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch.number
    }

    /// Reads what comes next. `is_claimant`: this store has claimed the next epoch, so that every frame
    /// that it finds counts.
    pub(super) fn next(&mut self, is_claimant: bool) -> Result<Next, StorageError> {
        match self.read(is_claimant) {
            // Nothing can be done about a missing or corrupt object but to go around it.
            Err(cause) if cause.is_corrupt() && self.has_later_snapshot()? => Ok(Next::Gap),
            next => next,
        }
    }

    fn read(&mut self, is_claimant: bool) -> Result<Next, StorageError> {
        loop {
            let limit = self.epoch.end;
            if limit.is_some_and(|limit| self.end.0 >= limit.lsn) {
                match self.next_epoch()? {
                    Some(next) => return Ok(next),
                    None => continue,
                }
            }
            let mut reader = WalReader::resume(&self.objects, self.epoch.number, self.end, limit);
            let is_search = is_claimant
                || self
                    .searched_at
                    .is_none_or(|at| at.elapsed() >= SEARCH_AFTER);
            let found = match is_search {
                true => reader.next()?,
                false => reader.poll()?,
            };
            let end = reader.end;
            if is_search {
                self.searched_at = Some(Instant::now());
            }
            let interval = self.objects.archive.interval;
            let is_check_due = found.is_some() || self.checked_at.elapsed() >= interval;
            let checks = !self
                .objects
                .archive
                .has_fault(ArchiveFault::TakeUnsettledFrames);
            if limit.is_none() && !is_claimant && is_check_due && checks {
                self.checked_at = Instant::now();
                if epochs::is_claimed(&self.objects, self.epoch.number + 1)? {
                    if self.settle()? {
                        // Read again, up to the end of the epoch.
                        continue;
                    }
                    return Ok(Next::Unsettled);
                }
            }
            let Some(shipment) = found else {
                return Ok(Next::End);
            };
            self.end = end;
            return Ok(Next::Frames(
                shipment,
                limit.map_or(u64::MAX, |limit| limit.lsn),
            ));
        }
    }

    /// Finds the end of the epoch, now that the next one is claimed. Returns `false` if it is unknown.
    fn settle(&mut self) -> Result<bool, StorageError> {
        let epochs = epochs::chain(&self.objects)?;
        let own = epochs
            .iter()
            .find(|epoch| epoch.number == self.epoch.number);
        self.epoch.end = own.and_then(|own| own.end);
        Ok(self.epoch.end.is_some())
    }

    /// Goes on in the epoch that follows. Returns what comes next if that is not a frame.
    fn next_epoch(&mut self) -> Result<Option<Next>, StorageError> {
        let epochs = epochs::chain(&self.objects)?;
        let is_child = |epoch: &&Epoch| epoch.start.parent == self.epoch.number;
        let Some(child) = epochs.iter().find(is_child).copied() else {
            return Ok(Some(Next::Gap));
        };
        let is_same = child.start.incarnation == self.epoch.start.incarnation;
        Ok(match child.start.kind {
            StartKind::Continues if !is_same => Some(Next::Promoted(child.start)),
            // No frame is missing if the epoch begins with a frame that the standby has already.
            _ if is_same && child.start.before.lsn <= self.end.0 => {
                self.epoch = child;
                self.end.1 = None;
                self.searched_at = None;
                None
            }
            _ => Some(Next::Gap),
        })
    }

    fn has_later_snapshot(&self) -> Result<bool, StorageError> {
        let epochs = epochs::chain(&self.objects)?;
        let (snapshots, _) = snapshot::manifests(&self.objects, &epochs)?;
        let own = self.epoch.start.incarnation;
        Ok(snapshots.last().is_some_and(|newest| {
            newest.header.identity.incarnation != own || newest.lsn > self.end.0
        }))
    }
}
