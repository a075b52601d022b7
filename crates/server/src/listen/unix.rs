//! Unix sockets that only their owner can use.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::ServeError;

/// File of a Unix socket, which is removed at the end.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode. If they differ, another server has replaced the file.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Ignore an error: the next server replaces a socket without a listener.
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
/// The caller holds the store's lock, so no other server of the same store can bind the path at the
/// same time.
pub(crate) async fn bind(path: &Path) -> Result<(UnixListener, SocketFile), ServeError> {
    let owned = || path.to_owned();
    check_free(path).await?;
    let bound = bind_privately(path).and_then(|listener| Ok((listener, identity(path)?)));
    let (listener, identity) = bound.map_err(|source| ServeError::Bind {
        place: path.display().to_string(),
        source,
    })?;
    let path = owned();
    Ok((listener, SocketFile { path, identity }))
}

/// Checks that the path is free, or has a socket without a listener.
async fn check_free(path: &Path) -> Result<(), ServeError> {
    let owned = || path.to_owned();
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return Err(ServeError::NotASocket { path: owned() }),
        Err(_) => return Ok(()),
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        // A full queue of connections and a missing permission belong to a living server, too.
        _ => Err(ServeError::InUse { path: owned() }),
    }
}

/// Binds the socket in a private directory, takes away the permissions of others, and then moves
/// it to its path. At no time can another user connect. A change of the umask would do the same,
/// but it would also change the files that other threads create meanwhile.
fn bind_privately(path: &Path) -> io::Result<UnixListener> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let dir = PrivateDir::create(parent)?;
    let socket = dir.0.join("s");
    let listener = std::os::unix::net::UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    fs::rename(&socket, path)?;
    Ok(listener)
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
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // Ignore errors: after the move the directory is empty, and a leftover does no harm.
        let _ = fs::remove_file(self.0.join("s"));
        let _ = fs::remove_dir(&self.0);
    }
}
