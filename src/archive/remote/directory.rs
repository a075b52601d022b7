//! Directory of files, on a disk or on a network share.
//!
//! A file appears with all its bytes: it is written under another name, in the directory
//! [`UNFINISHED`], and then linked or renamed. Every write syncs the file, and the directories from
//! the file up to the root.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;

use super::failure::invalid;
use super::page::PAGE;
use crate::archive::storage::ArchiveObject;
use crate::error::OpenError;
use crate::types::Timestamp;

/// Directory of the files that are being written. Objects have no names that begin with a dot.
const UNFINISHED: &str = ".unfinished";

/// Age at which a file in [`UNFINISHED`] belongs to a process that has ended.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Maximum number of operations at the same time. An operation on a network share that hangs does
/// not end when its caller stops waiting: it occupies a thread, and it holds the bytes of its
/// object.
const OPERATIONS: usize = 16;

#[derive(Clone)]
pub(super) struct Directory(Arc<Root>);

struct Root {
    path: PathBuf,
    /// Number of the directory in its file system. It changes if a volume is unmounted here.
    inode: u64,
    /// First part of the names in [`UNFINISHED`], which no other opened directory has.
    writer: u64,
    written: AtomicU64,
    turns: Arc<Semaphore>,
}

impl Directory {
    /// Opens a directory. Creates it if its parent exists.
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let failed = |error: io::Error| {
            let why = format!("{}: {error}", dir.display());
            OpenError::Unavailable(io::Error::new(error.kind(), why).into())
        };
        let path = std::path::absolute(dir).map_err(failed)?;
        let parent = path.parent().unwrap_or(&path);
        match fs::create_dir(&path) {
            Ok(()) => sync_dir(parent).map_err(failed)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let missing = path.ancestors().skip(1).filter(|path| !path.exists());
                let missing = missing.last().unwrap_or(&path).to_owned();
                let dir = dir.to_owned();
                return Err(OpenError::ParentMissing { dir, missing });
            }
            // The process that created it may have ended before its sync. Ignore a failure: an
            // existing directory may be in one that this process must not open.
            Err(_) if path.is_dir() => drop(sync_dir(parent)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(invalid(format!("{} is not a directory", dir.display())));
            }
            Err(error) => return Err(failed(error)),
        }
        let path = path.canonicalize().map_err(failed)?;
        let inode = inode(&fs::metadata(&path).map_err(failed)?);
        let writer = getrandom::u64().map_err(|error| failed(error.into()))?;
        let directory = Self(Arc::new(Root {
            path,
            inode,
            writer,
            written: AtomicU64::new(0),
            turns: Arc::new(Semaphore::new(OPERATIONS)),
        }));
        directory.clean();
        Ok(directory)
    }

    /// Runs `work` on a thread that may wait for the disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let turn = Arc::clone(&self.0.turns).acquire_owned().await;
        let (turn, directory) = (turn.map_err(io::Error::other)?, self.clone());
        let work = move || {
            let _turn = turn;
            directory.check()?;
            work(directory)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(io::Error::other)?.map_err(|error| {
            let why = format!("{}: {error}", self.0.path.display());
            io::Error::new(error.kind(), why)
        })
    }

    pub(super) fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        present(fs::read(self.0.path.join(name)))
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (file, unfinished) = (self.0.path.join(name), self.write(bytes)?);
        let put = self
            .create_parents(name)
            .and_then(|()| fs::rename(&unfinished, &file));
        if let Err(error) = put {
            drop(fs::remove_file(&unfinished));
            return Err(error);
        }
        self.sync_parents(&file)
    }

    pub(super) fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let (file, unfinished) = (self.0.path.join(name), self.write(bytes)?);
        let linked = self
            .create_parents(name)
            .and_then(|()| link(&unfinished, &file));
        // The object is complete also if this fails. A later opening tries again.
        drop(fs::remove_file(&unfinished));
        let is_linked = linked?;
        // If another writer was first, it may not have synced yet, and the caller relies on it.
        self.sync_parents(&file)?;
        Ok(is_linked)
    }

    /// Lists the files below a directory, or all if its name is empty. In no order.
    pub(super) fn list(&self, directory: &str) -> io::Result<Vec<ArchiveObject>> {
        let mut objects = Vec::new();
        let mut waiting = vec![directory.to_owned()];
        while let Some(directory) = waiting.pop() {
            let entries = present(fs::read_dir(self.0.path.join(&directory)))?;
            for entry in entries.into_iter().flatten() {
                // Only an object's name is text without a dot in front.
                let Ok(name) = entry?.file_name().into_string() else {
                    continue;
                };
                if name.starts_with('.') {
                    continue;
                }
                let name = match directory.as_str() {
                    "" => name,
                    directory => format!("{directory}/{name}"),
                };
                // A file that is absent now was deleted during this call.
                let Some(found) = present(fs::metadata(self.0.path.join(&name)))? else {
                    continue;
                };
                if found.is_dir() {
                    waiting.push(name);
                } else {
                    objects.push(ArchiveObject {
                        name,
                        bytes: found.len(),
                        modified: Timestamp::from_system(found.modified()?),
                    });
                }
            }
        }
        Ok(objects)
    }

    /// Lists the first files in a directory whose names sort after `after`.
    pub(super) fn list_after(
        &self,
        directory: &str,
        after: &str,
    ) -> io::Result<Vec<ArchiveObject>> {
        let mut names = Vec::new();
        for entry in present(fs::read_dir(self.0.path.join(directory)))?
            .into_iter()
            .flatten()
        {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                // Objects below it may come first.
                let mut objects = self.list(directory)?;
                objects.retain(|object| object.name.as_str() > after);
                return Ok(objects);
            }
            let name = entry.file_name().into_string().unwrap_or_default();
            let name = match name.starts_with('.') || name.is_empty() {
                true => continue,
                false => format!("{directory}/{name}"),
            };
            if name.as_str() > after {
                names.push(name);
            }
        }
        names.sort_unstable();
        let mut objects = Vec::new();
        for name in names {
            if objects.len() == PAGE {
                break;
            }
            // A file that is absent now was deleted during this call.
            if let Some(found) = present(fs::metadata(self.0.path.join(&name)))? {
                objects.push(ArchiveObject {
                    name,
                    bytes: found.len(),
                    modified: Timestamp::from_system(found.modified()?),
                });
            }
        }
        Ok(objects)
    }

    pub(super) fn delete(&self, name: &str) -> io::Result<()> {
        let file = self.0.path.join(name);
        present(fs::remove_file(&file))?;
        // Also if the file is absent: the call that deleted it may have failed before its sync.
        present(self.sync_parents(&file))?;
        Ok(())
    }

    /// Fails if the root is not the directory that was opened. Without this check, an archive on a
    /// volume that was unmounted would look empty and would continue on the wrong disk.
    fn check(&self) -> io::Result<()> {
        let root = &self.0.path;
        let is_same = match fs::metadata(root) {
            Ok(found) => found.is_dir() && inode(&found) == self.0.inode,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if is_same {
            return Ok(());
        }
        let why = "this is not the directory that was opened; check that its volume is mounted";
        Err(io::Error::new(ErrorKind::NotFound, why))
    }

    /// Writes and syncs a file in [`UNFINISHED`].
    fn write(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let dir = self.0.path.join(UNFINISHED);
        create_dir(&dir)?;
        let number = self.0.written.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("{:016x}-{number}", self.0.writer));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
            drop(fs::remove_file(&path));
            return Err(error);
        }
        Ok(path)
    }

    /// Creates the directories between the root and a file.
    fn create_parents(&self, name: &str) -> io::Result<()> {
        let slashes = name.match_indices('/');
        let mut parents = slashes.filter_map(|(at, _)| name.get(..at));
        parents.try_for_each(|parent| create_dir(&self.0.path.join(parent)))
    }

    /// Syncs the directories from a file up to the root. Another process may have created one of
    /// them and may have ended before its sync.
    fn sync_parents(&self, file: &Path) -> io::Result<()> {
        let parents = file.ancestors().skip(1);
        let mut parents = parents.take_while(|parent| parent.starts_with(&self.0.path));
        parents.try_for_each(sync_dir)
    }

    /// Removes the files of writes that were interrupted long ago. They take room and nothing else,
    /// so failures are ignored.
    fn clean(&self) {
        let is_old = |file: &Metadata| {
            let age = file
                .modified()
                .map(|at| SystemTime::now().duration_since(at));
            age.is_ok_and(|age| age.is_ok_and(|age| age > ABANDONED))
        };
        let files = fs::read_dir(self.0.path.join(UNFINISHED));
        for file in files.into_iter().flatten().flatten() {
            if file.metadata().is_ok_and(|found| is_old(&found)) {
                drop(fs::remove_file(file.path()));
            }
        }
    }
}

/// Links a file under a second name, unless there is a file with that name.
fn link(file: &Path, name: &Path) -> io::Result<bool> {
    match fs::hard_link(file, name) {
        Ok(()) => Ok(true),
        // A network share may apply a request, lose the answer, and refuse the repeated request.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Ok(links(&fs::metadata(file)?) > 1)
        }
        Err(error) => Err(error),
    }
}

/// Returns `None` instead of the error of a file that does not exist.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    let absent = [
        ErrorKind::NotFound,
        ErrorKind::NotADirectory,
        ErrorKind::IsADirectory,
    ];
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if absent.contains(&error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn create_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Does nothing: this system has no way to sync a directory.
#[cfg(not(unix))]
fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn inode(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

#[cfg(unix)]
fn links(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(found)
}

#[cfg(not(unix))]
fn links(_: &Metadata) -> u64 {
    1
}
