//! Claims an epoch of the archive for an open store.
//!
//! 1. Everything that only reads comes first. An old copy of the directory fails here. Its claim would
//!    fence the store that serves.
//! 2. The state file gets a new token, and the claim follows.
//! 3. The end of the epoch before is read again. The start names it.

use super::epochs::{self, Start, StartKind};
use super::shipper::fenced;
use super::shipping::Shipper;
use super::snapshot;
use crate::archive::{Archive, Objects};
use crate::clock::since_boot;
use crate::engine::EngineError;
use crate::engine::local::LocalEngine;
use crate::engine::local::admin::archive_state::{ArchiveState, Token};
use crate::engine::local::core::Core;
use crate::engine::local::journal::reader::JournalPosition;
use crate::engine::local::journal::segment::{End, Folder};
use crate::error::{OpenError, StorageError, StorageErrorKind, with_causes};
use crate::log::event;

impl LocalEngine {
    /// Claims an epoch of the archive, and starts the thread that ships frames.
    pub(in crate::engine::local) fn start_archive(&self) -> Result<(), OpenError> {
        let (core, options) = (&self.core, &self.core.options);
        let Some(archive) = &options.archive else {
            return Ok(());
        };
        // Without the archive, the thread claims the epoch as soon as it reaches the archive.
        if !options.without_archive {
            let shipper = core.begin_epoch(archive, false);
            *core.shipper.lock() = Some(shipper.map_err(OpenError::of_archive)?);
        }
        core.shipping.start();
        if core.executor().is_some() {
            return Ok(());
        }
        let started = self.spawn("archive", |core| core.run_archive());
        let started = started.and_then(|()| match archive.lease {
            Some(_) => self.spawn("lease", |core| core.run_lease()),
            None => Ok(()),
        });
        started.map_err(|error| core.side().dir.open_error(error))
    }
}

impl Core {
    /// Claims the next epoch of the archive, and finds the position in the journal where it begins.
    /// `is_broken`: frames of the journal that the archive lacks cannot be read.
    pub(super) fn begin_epoch(
        &self,
        archive: &Archive,
        is_broken: bool,
    ) -> Result<Shipper, StorageError> {
        let identity = self.header.identity;
        let mut state = self.archive_state()?.unwrap_or_default();
        let objects = match Objects::of(archive)? {
            Some(objects) => objects,
            None if state.epoch > 0 => return Err(lost_place()),
            None => Objects::begin(archive, identity.store_id)?,
        };
        if objects.store_id != identity.store_id {
            let why = "the archive belongs to another store; give this store another archive";
            return Err(StorageError::new(StorageErrorKind::Io, why).permanent());
        }
        let newest = epochs::newest(&objects)?;
        let owner = epochs::owner(&objects, newest)?;
        // An empty archive has no owner yet.
        if owner.is_some_and(|owner| !state.tokens.contains(&owner)) {
            return Err(fenced(newest));
        }
        let parent = epochs::last_begun(&objects, newest)?;
        self.follow(&objects, parent, is_broken)?;
        check_conditions(archive)?;
        let token = draw_token()?;
        state.add(token);
        self.write_archive_state(&state)?;
        let epoch = newest + 1;
        self.shipping.note_epoch(None);
        if !epochs::claim(&objects, epoch, token)? {
            // A claim of this store may have arrived late. The next attempt then claims the epoch
            // after it.
            return match epochs::owner(&objects, epoch)? {
                Some(owner) if state.tokens.contains(&owner) => {
                    let why = "an earlier claim of the archive has arrived late; open it again";
                    Err(StorageError::new(StorageErrorKind::Io, why))
                }
                _ => Err(fenced(epoch)),
            };
        }
        epochs::void_unfinished(&objects, newest)?;
        let parent = epochs::last_begun(&objects, newest)?;
        let (start, position) = self.follow(&objects, parent, is_broken)?;
        let asked_at = since_boot();
        if !epochs::begin(&objects, epoch, start)? {
            return Err(fenced(epoch));
        }
        self.shipping.extend_lease(asked_at);
        self.shipping.note_epoch(Some((objects.clone(), epoch)));
        self.write_archive_state(&ArchiveState {
            epoch,
            tokens: vec![token],
        })?;
        self.note_archived(position.end.lsn);
        let mut shipper = Shipper {
            objects,
            epoch,
            position,
            before: start.before.lsn,
            is_broken: false,
            // The epochs before may have left shipments.
            unmerged: archive.merge_after,
            merge_from: (0, 0),
            snapshot_at: None,
        };
        self.plan_snapshot(&mut shipper)?;
        event!(
            info,
            "began to write to the archive",
            epoch = epoch,
            lsn = position.end.lsn
        );
        Ok(shipper)
    }

    /// Start of a new epoch after `parent`, and the position of its first frame.
    fn follow(
        &self,
        objects: &Objects,
        parent: Option<(u64, Start)>,
        is_broken: bool,
    ) -> Result<(Start, JournalPosition), StorageError> {
        let identity = self.header.identity;
        let mut start = Start {
            kind: StartKind::Begins,
            parent: 0,
            parent_end: End::default(),
            before: End::default(),
            incarnation: identity.incarnation,
            last_seq: 0,
            counter: 0,
            lease: self.shipping.lease_millis(),
        };
        let mut position = None;
        if let Some((parent, parent_start)) = parent {
            let from = snapshot::newest_lsn(objects, parent)?;
            let end = epochs::end_of(objects, parent, parent_start, from)?;
            (start.parent, start.parent_end) = (parent, end);
            let is_same = parent_start.incarnation == identity.incarnation;
            let last = match is_same {
                true => self.published(),
                // The frames of an earlier incarnation end where this one begins.
                false => self.oldest()?.end.lsn,
            };
            if end.lsn > last {
                return Err(ahead());
            }
            if is_same && !is_broken {
                position = self.position_after(end)?;
            }
        }
        let position = match position {
            Some(position) => {
                start.kind = StartKind::Continues;
                position
            }
            // A snapshot replaces the frames that cannot be read.
            None if is_broken => {
                // The flush begins a new segment.
                self.flush().map_err(EngineError::into_storage)?;
                self.newest()?
            }
            None => self.oldest()?,
        };
        start.before = position.end;
        Ok((start, position))
    }

    /// Position in the journal after the last frame of the archive. `None` if the journal no longer
    /// holds the frames after it.
    fn position_after(&self, end: End) -> Result<Option<JournalPosition>, StorageError> {
        let identity = self.header.identity;
        if end.lsn < self.oldest()?.end.lsn {
            return Ok(None);
        }
        let after = self.read_any_side(|folder| JournalPosition::after(folder, identity, end.lsn));
        match after {
            Ok(Some(position)) if position.end != end => Err(ahead()),
            Err(cause) if cause.is_corrupt() => Ok(None),
            position => position,
        }
    }

    fn oldest(&self) -> Result<JournalPosition, StorageError> {
        let identity = self.header.identity;
        self.read_any_side(|folder| JournalPosition::oldest(folder, identity))
    }

    fn newest(&self) -> Result<JournalPosition, StorageError> {
        let identity = self.header.identity;
        self.read_any_side(|folder| JournalPosition::newest(folder, identity))
    }

    /// Reads the journal in the first directory in which that succeeds.
    pub(super) fn read_any_side<T>(
        &self,
        read: impl Fn(&Folder) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let sides = self.sides();
        let first = read(&sides.serving.dir.journal());
        match (&first, &sides.other) {
            (Err(_), Some(other)) => read(&other.dir.journal()).or(first),
            _ => first,
        }
    }

    /// State of the archive, as the directories of the store hold it.
    fn archive_state(&self) -> Result<Option<ArchiveState>, StorageError> {
        ArchiveState::of(self.sides().complete().map(|side| &side.dir))
    }

    /// Gives the other directory of a mirrored store the state of the archive.
    pub(super) fn copy_archive_state(&self) {
        let sides = self.sides();
        let Some(other) = sides.other else {
            return;
        };
        let state = sides.serving.dir.archive_state();
        if let Ok(Some(state)) = state
            && other.dir.archive_state().ok().flatten().as_ref() != Some(&state)
            && let Err(cause) = other.dir.write_archive_state(&state)
        {
            // The directory is about to fail, or the next attempt succeeds.
            event!(
                warn,
                "failed to copy the state of the archive",
                cause = with_causes(&cause)
            );
        }
    }

    fn write_archive_state(&self, state: &ArchiveState) -> Result<(), StorageError> {
        self.side().dir.write_archive_state(state)?;
        self.copy_archive_state();
        Ok(())
    }
}

/// Error of a store that finds no archive where it has one. A share may not be mounted.
fn lost_place() -> StorageError {
    let why = "there is no archive at this place, but this store has one: check that it is mounted, and \
               that the URL is right; to begin a new archive there, remove the file `archive` from the \
               store's directory";
    StorageError::new(StorageErrorKind::Io, why).permanent()
}

/// Error of a store that lacks frames of its own archive.
fn ahead() -> StorageError {
    let why = "the archive holds frames that this store lacks: this directory is an old copy; restore \
               the archive into another directory";
    StorageError::new(StorageErrorKind::Fenced, why)
}

/// Fails if the storage replaces an object although it should not. Some servers accept the condition
/// and ignore it. Two stores could then claim the same epoch.
pub(super) fn check_conditions(archive: &Archive) -> Result<(), StorageError> {
    let name = format!("probe/{:032x}", u128::from_le_bytes(draw_token()?));
    let write = || archive.storage.put_if_absent(&name, b"probe");
    // If the answer to the first write was lost, its repetition finds the object.
    write()?;
    let is_ignored = write()?;
    // Ignore a failure: the object is small, and no other call needs its name.
    let _ = archive.storage.delete(&name);
    if is_ignored {
        let why = "this object store has no conditional write: it replaced an object although it was \
                   told not to; use another one";
        return Err(StorageError::new(StorageErrorKind::Io, why).permanent());
    }
    Ok(())
}

pub(super) fn draw_token() -> Result<Token, StorageError> {
    let mut token = Token::default();
    getrandom::fill(&mut token).map_err(|error| StorageError::from(std::io::Error::from(error)))?;
    Ok(token)
}
