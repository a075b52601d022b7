//! Declares which directories of a mirrored store count, while the store is closed.
//!
//! - [`LocalEngine::accept_one_side`] makes one directory a store of its own. The lost other one may
//!   have held newer writes. So the store gets a new incarnation and a new range of order numbers, as
//!   after a restore.
//! - [`LocalEngine::detach_mirror`] ends the mirroring of a store whose directories both work.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::contents::{ACCEPTED, Contents, IDENTITY};
use super::header;
use super::header::{Read, StoreHeader};
use super::layout::Dir;
use super::mirror_state::{Members, MirrorState, Superseded};
use super::open::mark_of;
use super::recover::{Failure, OpenedDir};
use super::restore::{Successor, with_ancestor};
use crate::contract::FeedCursor;
use crate::engine::local::LocalEngine;
use crate::engine::local::btree::BTree;
use crate::engine::local::checkpoint::write_lag;
use crate::engine::local::disk;
use crate::engine::local::disk::{Lock, remove};
use crate::engine::local::journal::copies::Place;
use crate::engine::local::memtable::Memtable;
use crate::engine::local::mirror::Mirror;
use crate::engine::local::options::LocalOptions;
use crate::engine::local::read::record_cache::RecordCache;
use crate::engine::local::read::view::ReadView;
use crate::engine::{EngineError, RestoreReport};
use crate::error::{OpenError, StorageError};
use crate::format::keys::KeyEncoder;
use crate::format::tables::Table;
use crate::log::event;

impl LocalEngine {
    /// Makes one directory of a mirrored store a store of its own.
    ///
    /// # Errors
    /// [`OpenError::NotMirrored`] if the directory needs no other one; the errors of
    /// [`LocalEngine::open`].
    pub fn accept_one_side(
        dir: impl AsRef<Path>,
        options: &LocalOptions,
    ) -> Result<RestoreReport, OpenError> {
        let given = Dir::of(options, dir.as_ref())?;
        match given.survey()? {
            Contents::Store => {}
            contents => return Err(given.refusal(contents)),
        }
        let (dir, lock) = given.lock(options.lock_wait)?;
        let unopened = |error| dir.open_error(error);
        let state = match dir.mirror_state() {
            // The contents of the file are lost, and the caller accepts the directory.
            Err(error) if error.is_corrupt() => Some(MirrorState {
                generation: 0,
                members: Members::Both,
                superseded: Superseded::default(),
            }),
            state => state.map_err(unopened)?,
        };
        let old = dir.store_header()?;
        let begun = dir.accepted_header().map_err(unopened)?;
        let not_mirrored = || {
            let dir = given.given_path.clone();
            OpenError::NotMirrored { dir }
        };
        let state = state.ok_or_else(not_mirrored)?;
        let accepted = accept(&dir, lock, options, old, begun, state).map_err(unopened)?;
        let accepted = accepted.ok_or_else(not_mirrored)?;
        event!(
            warn,
            "accepted one directory of a mirrored store",
            dir = given.given_path.display().to_string(),
        );
        Ok(accepted)
    }

    /// Ends the mirroring of a store. Both directories must work. The main directory is then a store
    /// without a mirror, and the other one is stale.
    ///
    /// # Errors
    /// Those of [`LocalEngine::open`]; [`OpenError::MirrorMissing`] if a directory is missing.
    pub fn detach_mirror(
        dir: impl AsRef<Path>,
        mirror: impl AsRef<Path>,
        options: &LocalOptions,
    ) -> Result<(), OpenError> {
        let options = LocalOptions {
            mirror: Some(mirror.as_ref().to_path_buf()),
            archive: None,
            without_archive: true,
            ..options.clone()
        };
        let given = Dir::of(&options, dir.as_ref())?;
        let engine = Self::open(&given.given_path, &options)?;
        let core = &engine.core;
        let is_complete = core.sides().other.is_some();
        let detached = match is_complete {
            true => core.write_alone(Place::Main, core.mirror.generation() + 1),
            false => {
                return Err(OpenError::MirrorMissing {
                    dir: given.given_path,
                    missing: options.mirror,
                });
            }
        };
        let closed = detached.and_then(|()| engine.release());
        closed.map_err(|error| given.open_error(error))
    }
}

/// Makes a directory a store with a new incarnation. Returns `None` if the directory is a store of
/// its own already. Every step can be repeated after a crash:
///
/// 1. The state of the mirror becomes [`Members::Accepting`]. A checkpoint writes every frame of the
///    journal into the B-tree.
/// 2. A second identity file, a draft, gets the new identity.
/// 3. The B-tree gets the mark of the new identity. From here on, only this call can go on.
/// 4. A new journal replaces the old one. The state of the mirror becomes [`Members::Alone`].
/// 5. The draft replaces the identity file.
fn accept(
    dir: &Dir,
    lock: Lock,
    options: &LocalOptions,
    old: StoreHeader,
    begun: Option<StoreHeader>,
    state: MirrorState,
) -> Result<Option<RestoreReport>, StorageError> {
    let (disk, path) = (&**dir.disk(), dir.btree_path());
    let open = || BTree::open(disk, &path, options.page_bytes(), options.checked);
    let view_of = |base: &BTree| {
        let layout = KeyEncoder::new(old.hash_key);
        Ok::<_, StorageError>(ReadView::of_base(
            base.snapshot()?,
            RecordCache::off(),
            layout,
        ))
    };
    // An earlier call may have been interrupted after step 3.
    let base = open()?;
    let mark = view_of(&base)?.mark()?;
    let (base, lock, header) = match begun.filter(|begun| mark == mark_of(begun.identity)) {
        Some(begun) => (base, lock, begun),
        None if state.members == Members::Alone => return Ok(None),
        None => {
            base.close()?;
            let opened = OpenedDir::open(Place::Main, dir, lock, options, old)?;
            // Recovery drops what only the other directory holds. From now on, the two do not fit
            // together.
            dir.write_mirror_state(MirrorState {
                members: Members::Accepting,
                ..state
            })?;
            let mirror = Mirror::off();
            let engine = LocalEngine::recover(options, old, vec![opened], mirror);
            let engine = engine.map_err(|failure| match failure {
                Failure::Dir(_, cause) | Failure::Store(cause) => cause,
            })?;
            engine.core.flush().map_err(EngineError::into_storage)?;
            let last_lsn = engine.core.published.load(Ordering::SeqCst);
            // Keep the lock: no other handle may write to the journal that is replaced below.
            let lock = engine.core.side().take_lock()?;
            engine.release()?;
            let header = old.successor()?;
            dir.write_accepted_header(header)?;
            let base = open()?;
            // The frames after the flush are marks. An archive may hold them.
            write_lag(&base, Memtable::default(), last_lsn)?;
            (base, lock, header)
        }
    };
    let view = view_of(&base)?;
    let (state_before, applied) = (view.state()?, view.applied()?);
    let ancestors = with_ancestor(view.ancestors()?, old, state_before.last_seq);
    let report = RestoreReport {
        before: FeedCursor {
            incarnation: old.identity.incarnation,
            seq: state_before.last_seq,
        },
        place: FeedCursor {
            incarnation: header.identity.incarnation,
            seq: state_before.last_seq,
        },
        records: view.snapshot.len(Table::Orders)?,
        last_event_at: view.last_event_at()?,
    };
    drop(view);
    let successor = Successor::of(header, state_before, applied, ancestors)?;
    successor.write(&base)?;
    dir.clear_journal()?;
    let engine = successor.begin(dir, options, base, lock)?;
    let superseded = Superseded {
        incarnation: old.identity.incarnation,
        generation: state.generation,
    };
    // An interrupted call may have written the state already. Then it must not change: a higher
    // superseded generation would make a newer directory stale.
    let is_written =
        state.members == Members::Alone && state.superseded.incarnation == superseded.incarnation;
    if !is_written {
        dir.write_mirror_state(MirrorState {
            generation: state.generation + 1,
            members: Members::Alone,
            superseded,
        })?;
    }
    dir.seal_accepted()?;
    engine.release()?;
    Ok(Some(report))
}

impl Dir {
    /// Reads the identity file that an interrupted [`write_accepted_header`] left behind, if any.
    ///
    /// [`write_accepted_header`]: Self::write_accepted_header
    fn accepted_header(&self) -> Result<Option<StoreHeader>, StorageError> {
        let bytes = disk::read(&**self.disk(), &self.path().join(ACCEPTED), header::LEN_MAX);
        match bytes.map(|bytes| StoreHeader::read(&bytes)) {
            Ok(Read::Known(header)) => Ok(Some(header)),
            // A draft that was not written completely was never used.
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the draft of an identity file that will replace the present one.
    pub(crate) fn write_accepted_header(&self, header: StoreHeader) -> Result<(), StorageError> {
        let draft = self.path().join(ACCEPTED);
        remove(&**self.disk(), &draft)?;
        let file = self.disk().create(&draft)?;
        file.write_at(0, &header.to_bytes())?;
        file.sync()?;
        Ok(self.disk().sync_dir(self.path())?)
    }

    /// Replaces the identity file by the draft of [`write_accepted_header`].
    ///
    /// [`write_accepted_header`]: Self::write_accepted_header
    pub(crate) fn seal_accepted(&self) -> Result<(), StorageError> {
        let (draft, seal) = (self.path().join(ACCEPTED), self.path().join(IDENTITY));
        Ok(self.rename(&draft, &seal)?)
    }
}
