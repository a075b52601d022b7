//! Socket in the directory of a store. Operators use an open store through it.

use std::io;
use std::path::Path;

use crate::listen::unix::ShortPath;

/// Name of the socket in the directory of the store.
pub(crate) const NAME: &str = "admin.sock";

/// Path with which a client connects to the admin socket of a store. Use it only while the value exists.
#[derive(Debug)]
pub struct AdminPath(ShortPath);

impl AdminPath {
    /// Returns the path of the socket in the directory of a store.
    ///
    /// The name of a socket has about 100 bytes at most. On Linux, a longer one is replaced by the name
    /// of an open directory.
    ///
    /// # Errors
    /// Those of opening the directory.
    pub fn of(dir: &Path) -> io::Result<Self> {
        ShortPath::of(&dir.join(NAME)).map(Self)
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
