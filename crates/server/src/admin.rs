//! Socket in the directory of a store. Operators use an open store through it.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::listen::PATH_MAX;

/// Name of the socket in the directory of the store.
const NAME: &str = "admin.sock";

/// Path of the admin socket of a store. Use it only while the value exists.
#[derive(Debug)]
pub struct AdminPath {
    path: PathBuf,
    /// Keeps a short path to the directory valid.
    _dir: Option<File>,
}

impl AdminPath {
    /// Returns the path of the socket in the directory of a store.
    ///
    /// The name of a socket has about 100 bytes at most. On Linux, a longer one is replaced by the name
    /// of an open directory.
    ///
    /// # Errors
    /// Those of opening the directory.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let path = dir.join(NAME);
        let is_short = path.as_os_str().as_bytes().len() <= PATH_MAX;
        if is_short || !cfg!(target_os = "linux") {
            return Ok(Self { path, _dir: None });
        }
        use std::os::fd::AsRawFd;
        let open = File::open(dir)?;
        let fd = open.as_raw_fd();
        Ok(Self {
            path: Path::new("/proc/self/fd").join(fd.to_string()).join(NAME),
            _dir: Some(open),
        })
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
