//! Creates and opens stores.
//!
//! To open a store, the engine checks in this order: existence, contents, identity file, lock,
//! B-tree, journal. The steps go from cheap to expensive. Only the last two write to the store's
//! files. The modules `open_members` and `recover` do this.

use std::path::Path;

use super::contents::{Contents, Creation};
use super::header::StoreHeader;
use super::layout::Dir;
use super::mirror_state::Superseded;
use super::verify;
use crate::engine::local::LocalEngine;
use crate::engine::local::btree::BTree;
use crate::engine::local::btree::typed::Sorted;
use crate::engine::local::disk::Lock;
use crate::engine::local::journal::copies::Place;
use crate::engine::local::journal::recovery::Recovery;
use crate::engine::local::journal::segment::End;
use crate::engine::local::mirror::Mirror;
use crate::engine::local::options::LocalOptions;
use crate::engine::local::read::view::ReadView;
use crate::engine::local::side::Side;
use crate::engine::{Engine, Identity};
use crate::error::{OpenError, StorageError};
use crate::format::codec;
use crate::format::codec::{State, StoreMark};
use crate::format::keys;
use crate::format::keys::{KeyBytes, KeyEncoder};
use crate::format::tables::Table;

impl LocalEngine {
    /// Creates a store in a directory that is missing or empty, or that an interrupted creation
    /// left behind. The parent of the directory must exist.
    ///
    /// # Errors
    /// [`OpenError::AlreadyThere`], [`OpenError::Foreign`], [`OpenError::Locked`],
    /// [`OpenError::Unopened`].
    pub fn init(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, OpenError> {
        let dir = Dir::of(options, dir.as_ref())?;
        if let Some(mirror) = &options.mirror {
            Dir::of(options, mirror)?.check_no_store()?;
        }
        Self::create(&dir, options)
    }

    /// Opens the store in a directory. Never creates a store: if there is none, the directory does
    /// not change.
    ///
    /// # Errors
    /// [`OpenError::Missing`], [`OpenError::Empty`], [`OpenError::Foreign`],
    /// [`OpenError::Incomplete`], [`OpenError::NewerFormat`], [`OpenError::Locked`],
    /// [`OpenError::Unopened`].
    pub fn open(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, OpenError> {
        let dir = Dir::of(options, dir.as_ref())?;
        match Self::open_members(&dir, options)? {
            Some(engine) => Ok(engine),
            None => Err(dir.refusal(dir.survey()?)),
        }
    }

    /// Opens the store in a directory like [`LocalEngine::open`], and verifies the whole store.
    /// Checks every page of the B-tree, every frame of the journal, every value, and all that
    /// [`Engine::verify`] checks. The duration grows with the size of the store.
    ///
    /// # Errors
    /// The errors of [`LocalEngine::open`]; [`OpenError::Unopened`] if anything is corrupt.
    pub fn open_verified(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, OpenError> {
        let checked = LocalOptions {
            checked: true,
            ..options.clone()
        };
        let engine = Self::open(dir.as_ref(), &checked)?;
        let unopened = |source| OpenError::Unopened {
            dir: dir.as_ref().to_path_buf(),
            source,
        };
        let report = engine.verify();
        let report = report.map_err(|error| unopened(error.into_storage()))?;
        verify::check_report(&report).map_err(unopened)?;
        Ok(engine)
    }

    /// Opens the store in a directory, or creates one like [`LocalEngine::init`] if there is none.
    ///
    /// # Errors
    /// The errors of [`LocalEngine::open`] and [`LocalEngine::init`], except those for a directory
    /// that is missing, empty or incomplete.
    pub fn open_or_init(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, OpenError> {
        let dir = Dir::of(options, dir.as_ref())?;
        match Self::open_members(&dir, options)? {
            Some(engine) => Ok(engine),
            None => match Self::create(&dir, options) {
                // Another handle has just created a store.
                Err(OpenError::AlreadyThere { .. }) => Self::open(&dir.given_path, options),
                created => created,
            },
        }
    }

    /// Creates a store in a directory that holds none.
    fn create(dir: &Dir, options: &LocalOptions) -> Result<Self, OpenError> {
        let main = dir;
        let mirror = options.mirror.as_ref();
        let mirror = mirror.map(|path| Dir::of(options, path)).transpose()?;
        let (dir, lock) = Self::claim(dir, options)?;
        match dir.survey()? {
            Contents::Empty | Contents::Incomplete => {
                let places = mirror.map(|mirror| [main.clone(), mirror]);
                let mirror = Mirror::new(
                    places,
                    options.needs_both.unwrap_or(false),
                    0,
                    Superseded::default(),
                );
                let engine = Self::make(&dir, options, lock, mirror)?;
                let begun = engine.begin_new_mirror();
                begun.map_err(|error| dir.open_error(error))?;
                engine.start_archive()?;
                Ok(engine)
            }
            contents => Err(dir.refusal(contents)),
        }
    }

    /// Locks a directory in which a store may be created. The caller must survey the directory
    /// again under the lock: another handle may have created a store in the meantime.
    fn claim(dir: &Dir, options: &LocalOptions) -> Result<(Dir, Lock), OpenError> {
        match dir.survey()? {
            Contents::Missing | Contents::Empty | Contents::Incomplete => dir.create()?,
            contents => return Err(dir.refusal(contents)),
        }
        dir.lock(options.lock_wait)
    }

    /// Creates a store in a locked directory. The identity file gets its name last: if the process
    /// is killed before that, the directory counts as incomplete and not as a store.
    fn make(
        dir: &Dir,
        options: &LocalOptions,
        lock: Lock,
        mirror: Mirror,
    ) -> Result<Self, OpenError> {
        let header = StoreHeader::random().map_err(|error| dir.open_error(error))?;
        dir.clear(Creation::Store)?;
        let made = Self::make_base(dir, options, header.identity);
        let base = made.map_err(|error| dir.open_error(error))?;
        let made = Self::begin(dir, options, header, base, lock, End::default(), mirror);
        let mut engine = made.map_err(|error| dir.open_error(error))?;
        engine.is_new = true;
        dir.seal(Creation::Store, header)?;
        Ok(engine)
    }

    /// Creates the first journal segment after the position `end`, and starts the engine.
    pub(super) fn begin(
        dir: &Dir,
        options: &LocalOptions,
        header: StoreHeader,
        base: BTree,
        lock: Lock,
        end: End,
        mirror: Mirror,
    ) -> Result<Self, StorageError> {
        let layout = KeyEncoder::new(header.hash_key);
        let view = ReadView::of_base(base.snapshot()?, options.hot(), layout);
        let side = Side::new(Place::Main, dir, lock, base, options.segment_bytes)?;
        Self::assemble(
            options,
            header,
            vec![side],
            view,
            end,
            Recovery::default(),
            mirror,
        )
    }

    fn make_base(
        dir: &Dir,
        options: &LocalOptions,
        identity: Identity,
    ) -> Result<BTree, StorageError> {
        let singles = store_values(identity, &State::NEW, 0)?;
        let entries = singles
            .iter()
            .map(|(key, value)| (*key, Some(Vec::as_slice(value))));
        let meta: Sorted<'_> = (Table::Meta, Box::new(entries));
        BTree::create(
            &**dir.disk(),
            &dir.btree_path(),
            options.page_bytes(),
            vec![meta],
        )
    }
}

/// Values that exist once per store, in the order of their keys: the log sequence number (LSN) up
/// to which the B-tree holds all journal frames, the identity of the store, and the counters.
pub(crate) fn store_values(
    identity: Identity,
    state: &State,
    applied: u64,
) -> Result<[(KeyBytes, Vec<u8>); 3], StorageError> {
    let keys = [keys::APPLIED, keys::MARK, keys::STATE].map(keys::meta);
    let [applied_key, mark_key, state_key] = keys;
    let mut counters = Vec::new();
    codec::state(&mut counters, &state_key, state)?;
    Ok([
        (applied_key, codec::applied(&applied_key, applied)?),
        (mark_key, codec::mark(&mark_key, mark_of(identity))?),
        (state_key, counters),
    ])
}

/// Mark that ties a B-tree file to a store and its incarnation.
pub(crate) const fn mark_of(identity: Identity) -> StoreMark {
    StoreMark {
        store_id: identity.store_id,
        incarnation: identity.incarnation,
    }
}
