//! Unix sockets that only their owner can use.
//!
//! Invariant: a server never removes the socket of another server that listens. A new socket comes to
//! its path by a hard link, which fails if the path exists. Only a server that has the lock of the
//! path removes a socket, and only after it could not connect to it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

use super::{PATH_MAX, ServeError};

/// Pause between two attempts to take the lock of a path.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Maximum number of these attempts. A server has the lock only for a moment.
const LOCK_TRIES: u32 = 500;

/// Path of a socket that the operating system accepts, also for a file whose own path is too long.
#[derive(Debug)]
pub(crate) struct ShortPath {
    path: PathBuf,
    /// Keeps the path valid.
    _dir: Option<File>,
}

impl ShortPath {
    /// Returns the path itself if it is short, or one through its open directory. Only Linux has the
    /// latter.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let is_short = path.as_os_str().as_bytes().len() <= PATH_MAX;
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        if is_short || !cfg!(target_os = "linux") {
            let path = path.to_owned();
            return Ok(Self { path, _dir: None });
        }
        let dir = File::open(dir)?;
        let open = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string());
        Ok(Self {
            path: open.join(name),
            _dir: Some(dir),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// File of a Unix socket, which is removed at the end.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode. If they differ, another server has replaced the file.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Ignore errors: the next server replaces a socket without a listener. If another server has
        // the lock, it does so now.
        let Ok(Some(_lock)) = PathLock::try_take(&self.path) else {
            return;
        };
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Binds a Unix socket that only its owner can use. Replaces a socket without a listener.
///
/// The socket is bound in a private directory, where it loses the permissions of others. At no time
/// can another user connect. A change of the umask would do the same, but it would also change the
/// files that other threads create meanwhile.
pub(crate) async fn bind(path: &Path) -> Result<(UnixListener, SocketFile), ServeError> {
    let failed = |error| failed(path, error);
    let dir = PrivateDir::create(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    let socket = dir.0.join("s");
    let listener = bind_at(&socket).map_err(failed)?;
    let identity = identity(&socket).map_err(failed)?;
    publish(&socket, path).await?;
    let path = path.to_owned();
    Ok((listener, SocketFile { path, identity }))
}

fn failed(path: &Path, source: io::Error) -> ServeError {
    ServeError::Bind {
        place: path.display().to_string(),
        source,
    }
}

fn bind_at(socket: &Path) -> io::Result<UnixListener> {
    let short = ShortPath::of(socket)?;
    let listener = std::os::unix::net::UnixListener::bind(short.path())?;
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Links a socket to its path. Removes a socket without a listener before.
async fn publish(socket: &Path, path: &Path) -> Result<(), ServeError> {
    let failed = |error| failed(path, error);
    if link(socket, path).map_err(failed)? {
        return Ok(());
    }
    // Without the lock, a second server could find the old socket without a listener. It would then
    // remove the socket that the first server has just linked.
    let _lock = PathLock::take(path).await.map_err(failed)?;
    check_free(path).await?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    match link(socket, path).map_err(failed)? {
        true => Ok(()),
        // A server that saw a free path needed no lock.
        false => Err(in_use(path)),
    }
}

/// Links a socket to its path. Returns false if the path exists.
fn link(socket: &Path, path: &Path) -> io::Result<bool> {
    match fs::hard_link(socket, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn in_use(path: &Path) -> ServeError {
    let path = path.to_owned();
    ServeError::InUse { path }
}

/// Checks that the path is free, or has a socket without a listener.
async fn check_free(path: &Path) -> Result<(), ServeError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => {
            let path = path.to_owned();
            return Err(ServeError::NotASocket { path });
        }
        Err(_) => return Ok(()),
    }
    let short = ShortPath::of(path).map_err(|error| failed(path, error))?;
    match UnixStream::connect(short.path()).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        // A full queue of connections and a missing permission belong to a living server, too.
        _ => Err(in_use(path)),
    }
}

/// Lock on the removal of a socket: a locked file beside it, which is removed at the end.
///
/// The lock of the directory would leave no file, but a store locks its own directory.
#[derive(Debug)]
struct PathLock {
    path: PathBuf,
    /// Holds the lock until it is closed.
    _file: File,
}

impl PathLock {
    /// Takes the lock, and waits for it.
    async fn take(socket: &Path) -> io::Result<Self> {
        for _ in 0..LOCK_TRIES {
            if let Some(lock) = Self::try_take(socket)? {
                return Ok(lock);
            }
            sleep(LOCK_PAUSE).await;
        }
        Err(ErrorKind::TimedOut.into())
    }

    /// Takes the lock. Returns `None` if another server has it.
    fn try_take(socket: &Path) -> io::Result<Option<Self>> {
        let mut name = OsString::from(socket);
        name.push(".lock");
        let path = PathBuf::from(name);
        let mut options = File::options();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The server that had the lock before may have removed the file after it was opened here. No
        // other server would see a lock on that file.
        let metadata = file.metadata()?;
        let own = (metadata.dev(), metadata.ino());
        let is_current = identity(&path).is_ok_and(|found| found == own);
        Ok(is_current.then_some(Self { path, _file: file }))
    }
}

impl Drop for PathLock {
    fn drop(&mut self) {
        // The file is still locked. Ignore an error: a leftover does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

/// Directory that only its owner can enter, removed at the end.
struct PrivateDir(PathBuf);

impl PrivateDir {
    fn create(parent: &Path) -> io::Result<Self> {
        // The name is short, because it counts towards the limit of the socket's path.
        let first = std::process::id() % 100_000;
        for number in (first..100_000).chain(0..first) {
            let dir = parent.join(format!(".{number:05}"));
            match DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => return Ok(Self(dir)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // Ignore errors: a leftover does no harm.
        let _ = fs::remove_file(self.0.join("s"));
        let _ = fs::remove_dir(&self.0);
    }
}
