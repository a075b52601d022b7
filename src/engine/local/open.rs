//! Making and opening: the order in which a directory, its lock and its base are looked at.
//!
//! Existence, then emptiness, then the identity, then the lock, then the base: each step
//! asks less of the disk than the next, and none before the last changes a store.

use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::base::Base;
use super::codec::{self, Mark, State};
use super::dir::{Contents, Dir, Lock};
use super::identity::Passport;
use super::keys::{self, Layout};
use super::plan::put_state;
use super::table::Table;
use super::view::View;
use super::writes::Writes;
use super::{LocalEngine, LocalOptions, Writer};
use crate::engine::Identity;
use crate::error::{Error, StorageError};

impl LocalEngine {
    /// Makes a store in a directory that is missing or empty, or in which the making of one
    /// was interrupted. The directory's parent must be there.
    ///
    /// # Errors
    /// [`Error::AlreadyThere`], [`Error::Foreign`], [`Error::Locked`], [`Error::Unopened`].
    pub fn init(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, Error> {
        let dir = Dir::new(dir.as_ref());
        let lock = Self::claim(&dir, options)?;
        match dir.survey()? {
            Contents::Empty | Contents::Incomplete => Self::make(&dir, options, lock),
            contents => Err(dir.refusal(contents)),
        }
    }

    /// Opens the store in a directory, and makes none: where there is none, nothing is
    /// created or changed.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Empty`], [`Error::Foreign`], [`Error::Incomplete`],
    /// [`Error::NewerFormat`], [`Error::Locked`], [`Error::Unopened`].
    pub fn open(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, Error> {
        let dir = Dir::new(dir.as_ref());
        match dir.survey()? {
            Contents::Store => Self::open_store(&dir, options, None),
            contents => Err(dir.refusal(contents)),
        }
    }

    /// Opens the store in a directory, or else makes one as [`LocalEngine::init`] does.
    ///
    /// # Errors
    /// Those of both, but none for a directory that is missing, empty or incomplete.
    pub fn open_or_init(dir: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, Error> {
        let dir = Dir::new(dir.as_ref());
        if dir.survey()? == Contents::Store {
            return Self::open_store(&dir, options, None);
        }
        let lock = Self::claim(&dir, options)?;
        match dir.survey()? {
            Contents::Store => Self::open_store(&dir, options, Some(lock)),
            Contents::Empty | Contents::Incomplete => Self::make(&dir, options, lock),
            contents => Err(dir.refusal(contents)),
        }
    }

    /// Takes a directory in which there may be a store to make; what it is must be looked at
    /// again, since another handle may have made one in the meantime.
    fn claim(dir: &Dir, options: &LocalOptions) -> Result<Lock, Error> {
        match dir.survey()? {
            Contents::Missing | Contents::Empty | Contents::Incomplete => dir.create()?,
            contents @ (Contents::Foreign | Contents::Store) => {
                return Err(dir.refusal(contents));
            }
        }
        dir.lock(options.lock_wait)
    }

    fn make(dir: &Dir, options: &LocalOptions, lock: Lock) -> Result<Self, Error> {
        let passport = Passport::draw().map_err(|error| dir.unopened(error))?;
        dir.clear()?;
        let made = Self::make_base(dir, options, passport.identity);
        let base = made.map_err(|error| dir.unopened(error))?;
        dir.seal(passport)?;
        let made = Self::assemble(passport, base, lock, true);
        made.map_err(|error| dir.unopened(error))
    }

    fn make_base(
        dir: &Dir,
        options: &LocalOptions,
        identity: Identity,
    ) -> Result<Base, StorageError> {
        let mut writes = Writes::default();
        let key = keys::meta(keys::MARK);
        writes.put(Table::Meta, key, codec::mark(&key, mark_of(identity))?);
        put_state(&mut writes, &State::NEW)?;
        Base::create(&dir.base(), options.cache_bytes, writes)
    }

    /// Opens what is a store, under the lock that the caller may have taken already.
    fn open_store(dir: &Dir, options: &LocalOptions, lock: Option<Lock>) -> Result<Self, Error> {
        let passport = dir.passport()?;
        let lock = lock.map_or_else(|| dir.lock(options.lock_wait), Ok)?;
        let opened = Base::open(&dir.base(), options.cache_bytes)
            .and_then(|base| Self::assemble(passport, base, lock, false));
        opened.map_err(|error| dir.unopened(error))
    }

    fn assemble(
        passport: Passport,
        base: Base,
        lock: Lock,
        is_new: bool,
    ) -> Result<Self, StorageError> {
        let view = View::new(base.snapshot()?, Layout::new(passport.hash_key));
        if view.mark()? != mark_of(passport.identity) {
            return Err(StorageError::corrupted("the base is of another store"));
        }
        view.state()?;
        Ok(Self {
            passport,
            is_new,
            view: RwLock::new(Some(Arc::new(view))),
            writer: Mutex::new(Some(Writer {
                base,
                stopped: None,
                _lock: lock,
            })),
        })
    }
}

const fn mark_of(identity: Identity) -> Mark {
    Mark {
        store_id: identity.store_id,
        incarnation: identity.incarnation,
    }
}
