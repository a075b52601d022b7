//! The directory: what stands in it, whose it is, and that one handle has it.
//!
//! - Looking changes nothing: a directory that is missing, empty or somebody else's stays
//!   byte for byte what it was. A volume that is not mounted must not become a fresh shop.
//! - The lock file is never deleted, so that all who wait for it wait for the same one.
//! - The identity is written last, and its draft first: a draft, or a lock alone, is a making
//!   that was cut short, in which there never was an order. Base or journal without either
//!   have lost their identity; they may hold orders, and nothing is made in their place.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::disk::{private, private_dir, remove, sync_dir};
use super::identity::{self, Passport, Read};
use super::journal::segment;
use crate::error::{Error, StorageError};

const BASE: &str = "base.redb";
const JOURNAL: &str = "journal";
const IDENTITY: &str = "identity";
const IDENTITY_DRAFT: &str = "identity.tmp";
const LOCK: &str = "LOCK";

/// Every fresh ext volume has it.
const LOST_AND_FOUND: &str = "lost+found";

const LOCK_POLL: Duration = Duration::from_millis(10);

/// What a directory turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    Missing,
    Empty,
    Foreign,
    Incomplete,
    /// Base or journal, whose identity was lost.
    Headless,
    Store,
}

/// A store's directory, or what may become one.
#[derive(Debug, Clone)]
pub(super) struct Dir {
    path: PathBuf,
}

/// The lock on a directory; letting go of it releases it.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

#[cfg(test)]
impl Lock {
    /// The same open file, as a forked child has it.
    pub(super) fn inherited(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child of this process that was forked and not
        // yet replaced has it open as well. Where unlocking fails, the end of both does it.
        drop(self.file.unlock());
    }
}

impl Dir {
    pub(super) fn new(path: &Path) -> Self {
        let path = path.to_path_buf();
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn base(&self) -> PathBuf {
        self.path.join(BASE)
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// Looks, and changes nothing.
    pub(super) fn survey(&self) -> Result<Contents, Error> {
        self.look().map_err(|error| self.unopened(error))
    }

    fn look(&self) -> io::Result<Contents> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contents::Missing),
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Ok(Contents::Foreign);
            }
            Err(error) => return Err(error),
        };
        let (mut own, mut foreign, mut drafted, mut kept) = (false, false, false, false);
        for entry in entries {
            match entry?.file_name().to_str() {
                Some(IDENTITY) => return Ok(Contents::Store),
                Some(IDENTITY_DRAFT) => drafted = true,
                Some(LOCK) => own = true,
                Some(BASE) => kept = true,
                Some(JOURNAL) if self.is_journal_own()? => kept = true,
                Some(LOST_AND_FOUND) => {}
                _ => foreign = true,
            }
        }
        Ok(if foreign {
            Contents::Foreign
        } else if drafted {
            Contents::Incomplete
        } else if kept {
            Contents::Headless
        } else if own {
            Contents::Incomplete
        } else {
            Contents::Empty
        })
    }

    /// Whether what bears the journal's name holds nothing but segments: somebody's diary
    /// must not be taken for what an interrupted making left behind.
    fn is_journal_own(&self) -> io::Result<bool> {
        let entries = match fs::read_dir(self.journal()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(false),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            let is_segment = |name| name == segment::DRAFT || segment::first_lsn(name).is_some();
            if !name.to_str().is_some_and(is_segment) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The error of a directory that is no store.
    pub(super) fn refusal(&self, contents: Contents) -> Error {
        let dir = self.path.clone();
        match contents {
            Contents::Missing => Error::Missing { dir },
            Contents::Empty => Error::Empty { dir },
            Contents::Foreign => Error::Foreign { dir },
            Contents::Incomplete => Error::Incomplete { dir },
            Contents::Headless => {
                let why = "base or journal without their identity file";
                self.unopened(StorageError::corrupted(why))
            }
            Contents::Store => Error::AlreadyThere { dir },
        }
    }

    /// Who the store is.
    pub(super) fn passport(&self) -> Result<Passport, Error> {
        let bytes = self.read_identity().map_err(|error| self.unopened(error))?;
        match Passport::read(&bytes) {
            Read::Known(passport) => Ok(passport),
            Read::Newer(found) => {
                let known = identity::FORMAT;
                Err(Error::NewerFormat { found, known })
            }
            Read::Damaged(why) => Err(self.unopened(StorageError::corrupted(why))),
        }
    }

    fn read_identity(&self) -> io::Result<Vec<u8>> {
        let file = File::open(self.path.join(IDENTITY))?;
        let mut bytes = Vec::new();
        file.take(identity::LEN_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Takes the lock, waiting for it at most `wait`.
    pub(super) fn lock(&self, wait: Duration) -> Result<Lock, Error> {
        let mut options = private();
        options.create(true).truncate(false);
        let opened = options.open(self.path.join(LOCK));
        let file = opened.map_err(|error| self.unopened(error))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { file }),
                Err(TryLockError::Error(error)) => return Err(self.unopened(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let left = wait.saturating_sub(began.elapsed());
            if left.is_zero() {
                let dir = self.path.clone();
                return Err(Error::Locked { dir });
            }
            thread::sleep(left.min(LOCK_POLL));
        }
    }

    /// Makes the directory itself where it is missing; its parent must be there.
    pub(super) fn create(&self) -> Result<(), Error> {
        self.try_create().map_err(|error| self.unopened(error))
    }

    /// The name is made durable even where the directory is there: whoever made it may have
    /// died before that.
    fn try_create(&self) -> io::Result<()> {
        let is_old = match private_dir().create(&self.path) {
            Ok(()) => false,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => true,
            Err(error) => return Err(error),
        };
        let parent = self.path.parent().filter(|p| !p.as_os_str().is_empty());
        match sync_dir(parent.unwrap_or(Path::new("."))) {
            // Somebody else made it for us, in a directory that we may not read.
            Err(error) if is_old && error.kind() == ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        }
    }

    /// An empty draft of the identity, which says that all this is a making; then an empty
    /// file for the base and an empty journal, whatever an earlier making left.
    pub(super) fn clear(&self) -> Result<(), Error> {
        self.try_clear().map_err(|error| self.unopened(error))
    }

    fn try_clear(&self) -> io::Result<()> {
        let mut options = private();
        options.create(true).truncate(true);
        options.open(self.path.join(IDENTITY_DRAFT))?.sync_all()?;
        sync_dir(&self.path)?;
        remove(&self.base())?;
        let journal = self.journal();
        match private_dir().create(&journal) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        remove(&journal.join(segment::DRAFT))?;
        for first_lsn in segment::list(&journal)? {
            remove(&segment::path(&journal, first_lsn))?;
        }
        private().create_new(true).open(self.base())?;
        sync_dir(&self.path)
    }

    /// Writes the identity: from here on the directory is a store.
    pub(super) fn seal(&self, passport: Passport) -> Result<(), Error> {
        let sealed = self.try_seal(passport);
        sealed.map_err(|error| self.unopened(error))
    }

    fn try_seal(&self, passport: Passport) -> io::Result<()> {
        let draft = self.path.join(IDENTITY_DRAFT);
        let mut file = private().truncate(true).open(&draft)?;
        file.write_all(&passport.to_bytes())?;
        file.sync_all()?;
        drop(file);
        fs::rename(&draft, self.path.join(IDENTITY))?;
        sync_dir(&self.path)
    }

    pub(super) fn unopened(&self, source: impl Into<StorageError>) -> Error {
        Error::Unopened {
            dir: self.path.clone(),
            source: source.into(),
        }
    }
}
