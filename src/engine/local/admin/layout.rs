//! Directory of a store: its files, their order of creation, and the lock of the directory.
//!
//! - A survey changes nothing. A directory that is missing, empty or foreign stays as it is. For
//!   example, the mount point of a volume that is not mounted must not become a new, empty store.
//! - A handle locks the directory before it creates or opens anything. From then on, it uses a
//!   descriptor of the directory instead of its name.
//! - The draft of the identity file is created first, and gets its final name last. A directory
//!   with only a draft or a lock file is an interrupted creation, which never contained an order.
//! - A B-tree or a journal without an identity file and without a draft may hold orders. The
//!   engine creates nothing in such a directory.
//! - Backups and successors (restored or repaired stores) have drafts with other names. The engine
//!   never turns the files of an interrupted backup, restore or repair into an empty store.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::contents::{ARCHIVE, BACKUP, Contents, Creation, IDENTITY, STANDBY};
use super::header;
use super::header::{Read, StoreHeader};
use crate::engine::local::disk;
use crate::engine::local::disk::{Disk, DiskFile, Lock, LockedDir, remove};
use crate::engine::local::journal::segment::Folder;
use crate::engine::local::options::LocalOptions;
use crate::error::{OpenError, StorageError};

pub(super) const BASE: &str = "base.redb";
pub(super) const JOURNAL: &str = "journal";
/// File that is locked on systems that cannot lock a directory.
pub(super) const LOCK: &str = "LOCK";

/// Copy of the corrupt B-tree file that a repair reads.
pub(super) const SCRATCH: &str = "damaged.redb";

/// Directory that every new ext volume contains.
pub(super) const LOST_AND_FOUND: &str = "lost+found";

/// Bytes that the engine leaves free on the disk: 8 MiB.
const ROOM: u64 = 8 << 20;

/// Interval between two attempts to take the lock.
const LOCK_POLL: Duration = Duration::from_millis(10);

/// Directory of a store, or a path where one may be created.
#[derive(Debug, Clone)]
pub(crate) struct Dir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Path as the caller wrote it, for error messages.
    pub(crate) given_path: PathBuf,
}

impl Dir {
    /// Creates a handle of the directory at `path`. A relative path is resolved now; a later change
    /// of the working directory has no effect.
    pub(crate) fn new(disk: &Arc<dyn Disk>, path: &Path) -> Self {
        let (disk, given) = (Arc::clone(disk), path.to_path_buf());
        let path = std::path::absolute(path).unwrap_or_else(|_| given.clone());
        Self {
            disk,
            path,
            given_path: given,
        }
    }

    /// Creates a handle like [`Dir::new`]. Fails if a power loss may drop synced names on this disk
    /// and the options do not allow such a disk.
    pub(crate) fn of(options: &LocalOptions, path: &Path) -> Result<Self, OpenError> {
        let dir = Self::new(&options.disk, path);
        if options.allow_weak_durability || dir.disk.keeps_synced_names() {
            return Ok(dir);
        }
        Err(OpenError::WeakDurability {
            dir: dir.given_path,
        })
    }

    pub(crate) const fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn btree_path(&self) -> PathBuf {
        self.path.join(BASE)
    }

    /// Path of the copy of the corrupt B-tree file that a repair reads.
    pub(crate) fn repair_copy_path(&self) -> PathBuf {
        self.path.join(SCRATCH)
    }

    pub(crate) fn journal(&self) -> Folder {
        let disk = Arc::clone(&self.disk);
        let path = self.path.join(JOURNAL);
        Folder { disk, path }
    }

    /// Reads the identity file of a store.
    pub(crate) fn store_header(&self) -> Result<StoreHeader, OpenError> {
        self.header_in(IDENTITY)
    }

    /// Reads the identity file of a backup.
    pub(crate) fn backup_header(&self) -> Result<StoreHeader, OpenError> {
        self.header_in(BACKUP)
    }

    /// Reads the identity file of a standby.
    pub(crate) fn standby_header(&self) -> Result<StoreHeader, OpenError> {
        self.header_in(STANDBY)
    }

    /// Removes the identity file of a standby that has become a store.
    pub(crate) fn remove_standby_header(&self) -> io::Result<()> {
        remove(&*self.disk, &self.path.join(STANDBY))
    }

    /// Removes a file, if it exists.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        remove(&*self.disk, path)
    }

    /// Creates an empty file.
    pub(crate) fn create_file(&self, path: &Path) -> io::Result<()> {
        self.disk.create(path).map(drop)?;
        self.disk.sync_dir(&self.path)
    }

    /// Replaces a file by another one.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)?;
        self.disk.sync_dir(&self.path)
    }

    fn header_in(&self, name: &str) -> Result<StoreHeader, OpenError> {
        let path = self.path.join(name);
        let read = disk::read(&*self.disk, &path, header::LEN_MAX);
        let bytes = read.map_err(|error| self.open_error(error))?;
        match StoreHeader::read(&bytes) {
            Read::Known(store_header) => Ok(store_header),
            Read::Newer(found) => {
                let known = header::FORMAT;
                Err(OpenError::NewerFormat { found, known })
            }
            Read::Corrupt(why) => Err(self.open_error(StorageError::corrupted(why))),
        }
    }

    /// Takes the lock of the directory, and waits for it at most `wait`. The returned handle finds
    /// its files even after the directory was moved.
    pub(crate) fn lock(&self, wait: Duration) -> Result<(Self, Lock), OpenError> {
        let began = Instant::now();
        loop {
            let tried = self.disk.lock_dir(&self.path);
            if let Some(LockedDir { lock, disk }) = tried.map_err(|error| self.open_error(error))? {
                let held = self.clone();
                return Ok((Self { disk, ..held }, lock));
            }
            let left = wait.saturating_sub(began.elapsed());
            if left.is_zero() {
                let dir = self.given_path.clone();
                return Err(OpenError::Locked { dir });
            }
            thread::sleep(left.min(LOCK_POLL));
        }
    }

    /// Creates the directory if it is missing, and locks it for a creation of kind `making`.
    pub(crate) fn claim(
        &self,
        making: Creation,
        wait: Duration,
    ) -> Result<(Self, Lock), OpenError> {
        self.check_free(making)?;
        self.create()?;
        let (dir, lock) = self.lock(wait)?;
        // Check after taking the lock, because another handle may have created files just before.
        dir.check_free(making)?;
        Ok((dir, lock))
    }

    /// Fails if the path of the store leads to another store or to another B-tree file. `base` is
    /// the B-tree file that was opened.
    pub(crate) fn check_store(
        &self,
        store_header: &StoreHeader,
        base: &dyn DiskFile,
    ) -> Result<(), StorageError> {
        base.check_name(&self.btree_path())?;
        let read = |name| disk::read(&*self.disk, &self.path.join(name), header::LEN_MAX);
        let (name, bytes) = match read(IDENTITY) {
            Err(error) if error.kind() == ErrorKind::NotFound => (STANDBY, read(STANDBY)?),
            bytes => (IDENTITY, bytes?),
        };
        if let Read::Known(found) = StoreHeader::read(&bytes) {
            // The identity file of a standby keeps its first incarnation.
            let found = match name {
                STANDBY => found.with_incarnation(store_header.identity.incarnation),
                _ => found,
            };
            if found == *store_header {
                return Ok(());
            }
        }
        let path = self.path.join(name);
        let path = path.display();
        let why = format!(
            "{path} belongs to another store: it was replaced while the store was open; shut this \
             handle down and open the store that is to be used"
        );
        Err(io::Error::other(why).into())
    }

    /// Fails if a creation of this kind may not start in the directory.
    fn check_free(&self, making: Creation) -> Result<(), OpenError> {
        let contents = self.survey()?;
        if making.may_begin_in(contents) {
            return Ok(());
        }
        Err(self.refusal(contents))
    }

    /// Fails if writing `bytes` bytes would leave less than [`ROOM`] bytes free on the disk.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<(), StorageError> {
        let free = self.disk.free_bytes(&self.path)?;
        // A saturated sum is more than any disk has, so the check fails.
        Ok(disk::check_free_space(free, bytes.saturating_add(ROOM))?)
    }

    /// Creates the directory if it is missing. Its parent must exist.
    pub(crate) fn create(&self) -> Result<(), OpenError> {
        self.try_create().map_err(|error| {
            let dir = self.path.clone();
            match self.missing_parent() {
                Some(missing) if error.kind() == ErrorKind::NotFound => {
                    OpenError::ParentMissing { dir, missing }
                }
                _ => self.open_error(error),
            }
        })
    }

    /// Returns the topmost directory above this one that does not exist.
    fn missing_parent(&self) -> Option<PathBuf> {
        let above = self.path.ancestors().skip(1);
        let named = above.filter(|path| !path.as_os_str().is_empty());
        let missing = named.take_while(|path| {
            let listed = self.disk.list(path);
            listed.is_err_and(|error| error.kind() == ErrorKind::NotFound)
        });
        missing.last().map(Path::to_path_buf)
    }

    /// Creates the directory and syncs its name. The name is synced even if the directory exists:
    /// the process that created it may have been killed before its sync.
    fn try_create(&self) -> io::Result<()> {
        let is_old = match self.disk.make_dir(&self.path) {
            Ok(()) => false,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => true,
            Err(error) => return Err(error),
        };
        let parent = self.path.parent().filter(|p| !p.as_os_str().is_empty());
        match self.disk.sync_dir(parent.unwrap_or(Path::new("."))) {
            // The directory existed, and this process may not read its parent: another user created
            // both. Then skip the sync, which only the creator can do.
            Err(error) if is_old && error.kind() == ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        }
    }

    /// Prepares the directory for a creation: an empty draft of the identity file and an empty
    /// B-tree file. A store also gets an empty journal. Removes files of an interrupted creation.
    pub(crate) fn clear(&self, making: Creation) -> Result<(), OpenError> {
        let cleared = self.try_clear(making);
        cleared.map_err(|error| self.open_error(error))
    }

    fn try_clear(&self, making: Creation) -> io::Result<()> {
        let disk = &*self.disk;
        // Make the draft durable before anything else changes. It shows what is being created; a
        // B-tree file without a draft would look like a store that lost its identity file.
        let draft = self.draft(making)?;
        draft.set_len(0)?;
        draft.sync()?;
        disk.sync_dir(&self.path)?;
        if making != Creation::Store {
            remove(disk, &self.path.join(Creation::Store.draft()))?;
            remove(disk, &self.repair_copy_path())?;
        }
        remove(disk, &self.path.join(ARCHIVE))?;
        self.remove_standby_header()?;
        remove(disk, &self.btree_path())?;
        if making != Creation::Backup {
            self.clear_journal()?;
        }
        disk.create(&self.btree_path())?;
        disk.sync_dir(&self.path)
    }

    /// Creates an empty journal, or removes all segments of the journal.
    pub(crate) fn clear_journal(&self) -> io::Result<()> {
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

    /// Opens the draft of the identity file, or creates it. Keeps an existing draft instead of
    /// replacing the file, so that a draft exists at every moment.
    fn draft(&self, making: Creation) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path.join(making.draft());
        match self.disk.open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.disk.create(&path),
            opened => opened,
        }
    }

    /// Writes the identity file. On return, the directory is a complete store or backup.
    pub(crate) fn seal(
        &self,
        making: Creation,
        store_header: StoreHeader,
    ) -> Result<(), OpenError> {
        let sealed = self.try_seal(making, store_header);
        sealed.map_err(|error| self.open_error(error))
    }

    /// Turns the store in this directory into an unfinished creation, which no call opens.
    pub(crate) fn unseal(&self, making: Creation) -> Result<(), OpenError> {
        let (draft, seal) = (
            self.path.join(making.draft()),
            self.path.join(making.seal()),
        );
        let renamed = self.rename(&seal, &draft);
        renamed.map_err(|error| self.open_error(error))
    }

    /// Fails if the directory holds a store.
    pub(crate) fn check_no_store(&self) -> Result<(), OpenError> {
        match self.survey()? {
            Contents::Store => Err(self.refusal(Contents::Store)),
            _ => Ok(()),
        }
    }

    fn try_seal(&self, making: Creation, store_header: StoreHeader) -> io::Result<()> {
        let draft = self.path.join(making.draft());
        let file = self.disk.open(&draft)?;
        file.set_len(0)?;
        file.write_at(0, &store_header.to_bytes())?;
        file.sync()?;
        drop(file);
        self.rename(&draft, &self.path.join(making.seal()))
    }

    /// Removes the files of a failed backup, which may fill the disk.
    ///
    /// The order matters. First the identity file becomes a draft again, so that no incomplete
    /// backup has an identity file. The draft is removed last, so that a draft shows the kind of
    /// the B-tree file. If the directory also holds a journal, from an interrupted creation of a
    /// store, the draft stays. Without the draft, the journal would look like a store that lost its
    /// identity file.
    pub(crate) fn remove_failed_backup(&self, making: Creation) -> io::Result<()> {
        let (draft, seal) = (
            self.path.join(making.draft()),
            self.path.join(making.seal()),
        );
        match self.disk.rename(&seal, &draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => self.disk.sync_dir(&self.path)?,
        }
        remove(&*self.disk, &self.btree_path())?;
        self.disk.sync_dir(&self.path)?;
        match self.disk.list(&self.journal().path) {
            Err(error) if error.kind() == ErrorKind::NotFound => remove(&*self.disk, &draft),
            listed => listed.map(drop),
        }
    }

    /// OpenError for a directory that cannot be opened, with its cause.
    pub(crate) fn open_error(&self, source: impl Into<StorageError>) -> OpenError {
        OpenError::Unopened {
            dir: self.given_path.clone(),
            source: source.into(),
        }
    }
}
