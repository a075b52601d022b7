//! Binding of listeners: a Unix socket that only its owner can use, or TCP on loopback.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

/// Place at which a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listen {
    /// Unix socket at this path, with at most 100 bytes. Only its owner can use the socket.
    #[cfg(unix)]
    Unix(PathBuf),
    /// TCP at this loopback address. Port 0 is any free port.
    Tcp(SocketAddr),
}

/// Failure to begin to serve.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is not a loopback address.
    #[error(
        "{0} is not a loopback address: the server has no tokens yet, so anybody on the network \
         could use it; listen on 127.0.0.1, [::1] or a Unix socket"
    )]
    NotLoopback(SocketAddr),
    /// The path of the socket is longer than the operating system allows.
    #[cfg(unix)]
    #[error("the socket path {} has {len} bytes, and the limit is {PATH_MAX}; use a shorter one", path.display())]
    PathTooLong {
        /// Path of the socket.
        path: PathBuf,
        /// Length of the path, in bytes.
        len: usize,
    },
    /// Something else is at the path of the socket.
    #[cfg(unix)]
    #[error("{} exists and is not a socket; use another path", path.display())]
    NotASocket {
        /// Path of the socket.
        path: PathBuf,
    },
    /// Another server listens on the socket.
    #[cfg(unix)]
    #[error("another server listens on {}; stop it, or use another path", path.display())]
    InUse {
        /// Path of the socket.
        path: PathBuf,
    },
    /// The store was shut down before.
    #[error("the store was shut down; open it again")]
    ShutDown,
    /// The listener could not be created.
    #[error("the server cannot listen on {place}")]
    Bind {
        /// Address or path.
        place: String,
        /// Cause of the failure.
        source: io::Error,
    },
}

impl Listen {
    /// Checks what can be known before the server begins to listen.
    ///
    /// # Errors
    /// [`ServeError::NotLoopback`], [`ServeError::PathTooLong`].
    pub fn check(&self) -> Result<(), ServeError> {
        match self {
            #[cfg(unix)]
            Self::Unix(path) => {
                use std::os::unix::ffi::OsStrExt;
                let len = path.as_os_str().as_bytes().len();
                match len > PATH_MAX {
                    true => Err(ServeError::PathTooLong {
                        path: path.clone(),
                        len,
                    }),
                    false => Ok(()),
                }
            }
            Self::Tcp(address) if !address.ip().is_loopback() => {
                Err(ServeError::NotLoopback(*address))
            }
            Self::Tcp(_) => Ok(()),
        }
    }
}

pub(crate) async fn tcp(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Bind {
            place: address.to_string(),
            source,
        })
}

/// Maximum length of a socket's path, in bytes. Linux allows 107. While the socket is created, the
/// private directory makes the path up to 7 bytes longer.
#[cfg(unix)]
const PATH_MAX: usize = 100;

/// File of a Unix socket, which is removed at the end.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode. If they differ, another server has replaced the file.
    identity: (u64, u64),
}

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Ignore an error: the next server replaces a socket without a listener.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Binds a Unix socket that only its owner can use. Replaces a socket without a listener.
///
/// The caller holds the store's lock, so no other server of the same store can bind the path at the
/// same time.
#[cfg(unix)]
pub(crate) async fn unix(path: &Path) -> Result<(UnixListener, SocketFile), ServeError> {
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
#[cfg(unix)]
async fn check_free(path: &Path) -> Result<(), ServeError> {
    use std::os::unix::fs::FileTypeExt;
    let owned = || path.to_owned();
    match std::fs::symlink_metadata(path) {
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
#[cfg(unix)]
fn bind_privately(path: &Path) -> io::Result<UnixListener> {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
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
#[cfg(unix)]
struct PrivateDir(PathBuf);

#[cfg(unix)]
impl PrivateDir {
    fn create(parent: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        // The name is short, because it counts towards the limit of the socket's path.
        let first = std::process::id() % 100_000;
        for number in (first..100_000).chain(0..first) {
            let dir = parent.join(format!(".{number:05}"));
            match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => return Ok(Self(dir)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

#[cfg(unix)]
impl Drop for PrivateDir {
    fn drop(&mut self) {
        // Ignore errors: after the move the directory is empty, and a leftover does no harm.
        let _ = std::fs::remove_file(self.0.join("s"));
        let _ = std::fs::remove_dir(&self.0);
    }
}
