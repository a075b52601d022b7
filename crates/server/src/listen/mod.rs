//! Binding of listeners: a Unix socket that only its owner can use, or TCP on loopback.

#[cfg(unix)]
pub(crate) mod unix;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;
use tokio::net::TcpListener;

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
    #[error("the socket path {} has {len} bytes, and the limit is {PATH_MAX}; use a shorter one", path.display())]
    PathTooLong {
        /// Path of the socket.
        path: PathBuf,
        /// Length of the path, in bytes.
        len: usize,
    },
    /// Something else is at the path of the socket.
    #[error("{} exists and is not a socket; use another path", path.display())]
    NotASocket {
        /// Path of the socket.
        path: PathBuf,
    },
    /// Another server listens on the socket.
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
const PATH_MAX: usize = 100;
