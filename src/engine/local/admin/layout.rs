//! The directory: what stands in it, whose it is, and that one handle has it.
//!
//! - Looking changes nothing: a directory that is missing, empty or somebody else's stays
//!   byte for byte what it was. A volume that is not mounted must not become a fresh shop.
//! - Whoever makes or opens something in it holds it first: from then on it is found by a
//!   descriptor, and not by its name.
//! - The identity is written last, and its draft first: a draft, or a lock alone, is a making
//!   that was cut short, in which there never was an order. Base or journal without either
//!   have lost their identity; they may hold orders, and nothing is made in their place.
//! - Backups, and stores that go on with the orders of another, have drafts of their own:
//!   what was cut short of them is not made into an empty store.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::contents::{BACKUP, Contents, IDENTITY, Making};
use super::header;
use super::header::{Read, StoreHeader};
use crate::engine::local::disk;
use crate::engine::local::disk::{Disk, DiskFile, Hold, Lock, remove};
use crate::engine::local::journal::segment;
use crate::engine::local::journal::segment::Folder;
use crate::engine::local::options::LocalOptions;
use crate::error::{Error, StorageError};

const BASE: &str = "base.redb";
const JOURNAL: &str = "journal";
/// What is locked where a directory cannot be.
const LOCK: &str = "LOCK";

/// What a repair reads, beside what it writes.
const SCRATCH: &str = "damaged.redb";

/// Every fresh ext volume has it.
const LOST_AND_FOUND: &str = "lost+found";

/// What is left to others on the disk.
const ROOM: u64 = 8 << 20;

const LOCK_POLL: Duration = Duration::from_millis(10);

/// A store's directory, or what may become one.
#[derive(Debug, Clone)]
pub(in crate::engine::local) struct Dir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// As the caller names it, for errors.
    pub(in crate::engine::local) said: PathBuf,
}

impl Dir {
    /// The directory with this path, which stays the same if the process changes its own.
    pub(in crate::engine::local) fn new(disk: &Arc<dyn Disk>, path: &Path) -> Self {
        let (disk, said) = (Arc::clone(disk), path.to_path_buf());
        let path = std::path::absolute(path).unwrap_or_else(|_| said.clone());
        Self { disk, path, said }
    }

    /// As [`Dir::new`]; refuses a disk that promises less than the store does.
    pub(in crate::engine::local) fn of(options: &LocalOptions, path: &Path) -> Result<Self, Error> {
        let dir = Self::new(&options.disk, path);
        if options.allow_weak_durability || dir.disk.outlasts_power_loss() {
            return Ok(dir);
        }
        Err(Error::WeakDurability { dir: dir.said })
    }

    pub(in crate::engine::local) const fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(in crate::engine::local) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::engine::local) fn base(&self) -> PathBuf {
        self.path.join(BASE)
    }

    /// Where a repair has a copy of the base that it reads.
    pub(in crate::engine::local) fn scratch(&self) -> PathBuf {
        self.path.join(SCRATCH)
    }

    pub(in crate::engine::local) fn journal(&self) -> Folder {
        let disk = Arc::clone(&self.disk);
        let path = self.path.join(JOURNAL);
        Folder { disk, path }
    }

    /// Looks, and changes nothing.
    pub(in crate::engine::local) fn survey(&self) -> Result<Contents, Error> {
        self.look().map_err(|error| self.unopened(error))
    }

    fn look(&self) -> io::Result<Contents> {
        let names = match self.disk.list(&self.path) {
            Ok(names) => names,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contents::Missing),
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Ok(Contents::Foreign);
            }
            Err(error) => return Err(error),
        };
        let (mut own, mut foreign, mut kept, mut backup) = (false, false, false, false);
        let mut drafted: Option<Making> = None;
        for name in names {
            if let Some(making) = name.to_str().and_then(Making::drafted) {
                // A new store gives way to whatever is made in its place.
                drafted = drafted.filter(|one| *one != Making::Store).or(Some(making));
                continue;
            }
            match name.to_str() {
                Some(IDENTITY) => return Ok(Contents::Store),
                Some(BACKUP) => backup = true,
                Some(LOCK) => own = true,
                Some(BASE | SCRATCH) => kept = true,
                Some(JOURNAL) if self.is_journal_own()? => kept = true,
                Some(LOST_AND_FOUND) => {}
                _ => foreign = true,
            }
        }
        Ok(if foreign {
            Contents::Foreign
        } else if backup {
            Contents::Backup
        } else if let Some(making) = drafted {
            match making {
                Making::Store => Contents::Incomplete,
                making => Contents::Unfinished(making),
            }
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
        let names = match self.disk.list(&self.journal().path) {
            Ok(names) => names,
            Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(false),
            Err(error) => return Err(error),
        };
        for name in names {
            let is_segment = |name| name == segment::DRAFT || segment::first_lsn(name).is_some();
            if !name.to_str().is_some_and(is_segment) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The error of a directory that is no store.
    pub(in crate::engine::local) fn refusal(&self, contents: Contents) -> Error {
        let dir = self.said.clone();
        match contents {
            Contents::Missing => Error::Missing { dir },
            Contents::Empty => Error::Empty { dir },
            Contents::Foreign => Error::Foreign { dir },
            Contents::Incomplete => Error::Incomplete { dir },
            Contents::Unfinished(_) => Error::Unfinished { dir },
            Contents::Backup => Error::IsBackup { dir },
            Contents::Headless => {
                let why = "base or journal without their identity file";
                self.unopened(StorageError::corrupted(why))
            }
            Contents::Store => Error::AlreadyThere { dir },
        }
    }

    /// Who the store is.
    pub(in crate::engine::local) fn passport(&self) -> Result<StoreHeader, Error> {
        self.passport_in(IDENTITY)
    }

    /// Who the store was that the backup is of.
    pub(in crate::engine::local) fn backup_passport(&self) -> Result<StoreHeader, Error> {
        self.passport_in(BACKUP)
    }

    fn passport_in(&self, name: &str) -> Result<StoreHeader, Error> {
        let path = self.path.join(name);
        let read = disk::read(&*self.disk, &path, header::LEN_MAX);
        let bytes = read.map_err(|error| self.unopened(error))?;
        match StoreHeader::read(&bytes) {
            Read::Known(passport) => Ok(passport),
            Read::Newer(found) => {
                let known = header::FORMAT;
                Err(Error::NewerFormat { found, known })
            }
            Read::Damaged(why) => Err(self.unopened(StorageError::corrupted(why))),
        }
    }

    /// Makes the names in it durable: whoever gave the identity its name may have died
    /// before that, and what is answered from now on must not be taken for a making.
    pub(in crate::engine::local) fn sync(&self) -> Result<(), Error> {
        let synced = self.disk.sync_dir(&self.path);
        synced.map_err(|error| self.unopened(error))
    }

    /// Takes the lock, and waits for it at most `wait`. The directory that it gives back finds
    /// what is in it although it is moved.
    pub(in crate::engine::local) fn hold(&self, wait: Duration) -> Result<(Self, Lock), Error> {
        let began = Instant::now();
        loop {
            let tried = self.disk.hold(&self.path);
            if let Some(Hold { lock, disk }) = tried.map_err(|error| self.unopened(error))? {
                let held = self.clone();
                return Ok((Self { disk, ..held }, lock));
            }
            let left = wait.saturating_sub(began.elapsed());
            if left.is_zero() {
                let dir = self.said.clone();
                return Err(Error::Locked { dir });
            }
            thread::sleep(left.min(LOCK_POLL));
        }
    }

    /// Takes the directory for what is to be made in it, and makes it where it is missing.
    pub(in crate::engine::local) fn claim(
        &self,
        making: Making,
        wait: Duration,
    ) -> Result<(Self, Lock), Error> {
        self.check_free(making)?;
        self.create()?;
        let (dir, lock) = self.hold(wait)?;
        // Somebody else may have made something of it in the meantime.
        dir.check_free(making)?;
        Ok((dir, lock))
    }

    /// Fails if the store is no longer where it was opened, or if another one stands there.
    /// `base` is the base that was opened.
    pub(in crate::engine::local) fn check_store(
        &self,
        passport: &StoreHeader,
        base: &dyn DiskFile,
    ) -> Result<(), StorageError> {
        base.check_name(&self.base())?;
        let path = self.path.join(IDENTITY);
        let bytes = disk::read(&*self.disk, &path, header::LEN_MAX)?;
        if StoreHeader::read(&bytes) == Read::Known(*passport) {
            return Ok(());
        }
        let path = path.display();
        let why = format!(
            "{path} is another store's: it was replaced while the store was open; shut this \
             handle down and open the store that is to be used"
        );
        Err(io::Error::other(why).into())
    }

    fn check_free(&self, making: Making) -> Result<(), Error> {
        let contents = self.survey()?;
        if making.may_begin_in(contents) {
            return Ok(());
        }
        Err(self.refusal(contents))
    }

    /// Fails where so many bytes would not leave some room on the disk.
    pub(in crate::engine::local) fn check_room(&self, bytes: u64) -> Result<(), StorageError> {
        let free = self.disk.free_bytes(&self.path)?;
        Ok(disk::check_room(free, bytes.saturating_add(ROOM))?)
    }

    /// Makes the directory itself where it is missing; its parent must be there.
    pub(in crate::engine::local) fn create(&self) -> Result<(), Error> {
        self.try_create().map_err(|error| {
            let dir = self.path.clone();
            match self.missing_parent() {
                Some(missing) if error.kind() == ErrorKind::NotFound => {
                    Error::ParentMissing { dir, missing }
                }
                _ => self.unopened(error),
            }
        })
    }

    /// The topmost directory above this one that does not exist.
    fn missing_parent(&self) -> Option<PathBuf> {
        let above = self.path.ancestors().skip(1);
        let named = above.filter(|path| !path.as_os_str().is_empty());
        let missing = named.take_while(|path| {
            let listed = self.disk.list(path);
            listed.is_err_and(|error| error.kind() == ErrorKind::NotFound)
        });
        missing.last().map(Path::to_path_buf)
    }

    /// The name is made durable even where the directory is there: whoever made it may have
    /// died before that.
    fn try_create(&self) -> io::Result<()> {
        let is_old = match self.disk.make_dir(&self.path) {
            Ok(()) => false,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => true,
            Err(error) => return Err(error),
        };
        let parent = self.path.parent().filter(|p| !p.as_os_str().is_empty());
        match self.disk.sync_dir(parent.unwrap_or(Path::new("."))) {
            // Somebody else made it for us, in a directory that we may not read.
            Err(error) if is_old && error.kind() == ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        }
    }

    /// An empty draft of the identity, which says what is being made; then an empty file for
    /// the base and an empty journal, whatever an earlier making left.
    pub(in crate::engine::local) fn clear(&self, making: Making) -> Result<(), Error> {
        let cleared = self.try_clear(making);
        cleared.map_err(|error| self.unopened(error))
    }

    fn try_clear(&self, making: Making) -> io::Result<()> {
        let disk = &*self.disk;
        let draft = self.draft(making)?;
        draft.set_len(0)?;
        draft.sync()?;
        disk.sync_dir(&self.path)?;
        if making != Making::Store {
            remove(disk, &self.path.join(Making::Store.draft()))?;
            remove(disk, &self.scratch())?;
        }
        remove(disk, &self.base())?;
        if making != Making::Backup {
            self.clear_journal()?;
        }
        disk.create(&self.base())?;
        disk.sync_dir(&self.path)
    }

    fn clear_journal(&self) -> io::Result<()> {
        let journal = self.journal();
        match self.disk.make_dir(&journal.path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        journal.remove_draft()?;
        for first_lsn in journal.list()? {
            journal.remove(first_lsn)?;
        }
        Ok(())
    }

    /// The draft of the identity, which is there from an earlier making or not: it must not
    /// be gone for a moment.
    fn draft(&self, making: Making) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path.join(making.draft());
        match self.disk.open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.disk.create(&path),
            opened => opened,
        }
    }

    /// Writes the identity: from here on the directory is what was to be made.
    pub(in crate::engine::local) fn seal(
        &self,
        making: Making,
        passport: StoreHeader,
    ) -> Result<(), Error> {
        let sealed = self.try_seal(making, passport);
        sealed.map_err(|error| self.unopened(error))
    }

    fn try_seal(&self, making: Making, passport: StoreHeader) -> io::Result<()> {
        let draft = self.path.join(making.draft());
        let file = self.disk.open(&draft)?;
        file.set_len(0)?;
        file.write_at(0, &passport.to_bytes())?;
        file.sync()?;
        drop(file);
        self.disk.rename(&draft, &self.path.join(making.seal()))?;
        self.disk.sync_dir(&self.path)
    }

    /// Takes away what was made so far of a backup that failed: it may be what fills the
    /// disk. A seal goes first, the draft last: at no moment is there a seal on less than a
    /// whole, or a base of which nobody knows what it is. Beside the journal of a store whose
    /// making was cut short the draft stays: without it that would look like a lost store.
    pub(in crate::engine::local) fn give_up(&self, making: Making) -> io::Result<()> {
        let (draft, seal) = (
            self.path.join(making.draft()),
            self.path.join(making.seal()),
        );
        match self.disk.rename(&seal, &draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => self.disk.sync_dir(&self.path)?,
        }
        remove(&*self.disk, &self.base())?;
        self.disk.sync_dir(&self.path)?;
        match self.disk.list(&self.journal().path) {
            Err(error) if error.kind() == ErrorKind::NotFound => remove(&*self.disk, &draft),
            listed => listed.map(drop),
        }
    }

    pub(in crate::engine::local) fn unopened(&self, source: impl Into<StorageError>) -> Error {
        Error::Unopened {
            dir: self.said.clone(),
            source: source.into(),
        }
    }
}
