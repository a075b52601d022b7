//! Failure of the storage below the store.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Failure of the storage below the store: disk, files or database.
#[derive(Debug, Clone)]
pub struct StorageError {
    kind: StorageErrorKind,
    source: Arc<dyn StdError + Send + Sync>,
    /// Whether a retry fails in the same way until a person acts, as after a wrong password.
    is_permanent: bool,
}

/// Kind of a storage failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// An input or output operation failed.
    Io,
    /// The disk is full.
    DiskFull,
    /// The data read is not the data written.
    Corrupted,
    /// Writes wait for a checkpoint, and the checkpoint fails at a corrupt page of the B-tree.
    /// `orderstore repair` builds a new store from the readable data.
    Stalled,
    /// A value is larger than the format allows.
    TooLarge,
    /// Another store has taken over the archive of this one, or the archive holds what this store
    /// lacks. This store must not accept commands.
    Fenced,
    /// A bug in the engine, or in a library or database that it uses.
    Internal,
}

impl StorageErrorKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Io => "input or output failed",
            Self::DiskFull => "the disk is full",
            Self::Corrupted => "corrupt data",
            Self::Stalled => "corrupt data blocks all writes; run `orderstore repair`",
            Self::TooLarge => "a value is too large",
            Self::Fenced => "the archive does not belong to this store any more",
            Self::Internal => "internal error",
        }
    }
}

impl StorageError {
    /// Creates an error of this kind with this cause.
    pub fn new(kind: StorageErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind,
            source: Arc::from(source.into()),
            is_permanent: false,
        }
    }

    /// Returns the error, marked as one that stays until a person acts.
    pub(crate) fn permanent(mut self) -> Self {
        self.is_permanent = true;
        self
    }

    /// Returns whether the error stays until a person acts.
    #[cfg(feature = "remote")]
    pub(crate) const fn is_permanent(&self) -> bool {
        self.is_permanent
    }

    /// Creates an error of kind [`StorageErrorKind::Corrupted`]. `why` names the corrupt data.
    pub fn corrupted(why: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StorageErrorKind::Corrupted, why)
    }

    /// Returns whether a later attempt may succeed by itself.
    pub(super) const fn is_transient(&self) -> bool {
        matches!(self.kind, StorageErrorKind::Io | StorageErrorKind::DiskFull) && !self.is_permanent
    }

    /// Returns whether the data is corrupt.
    pub(crate) fn is_corrupt(&self) -> bool {
        self.kind == StorageErrorKind::Corrupted
    }

    /// Returns the kind of failure.
    #[must_use]
    pub const fn kind(&self) -> StorageErrorKind {
        self.kind
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())
    }
}

impl StdError for StorageError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Self::new(StorageErrorKind::DiskFull, error)
            }
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory => Self::new(StorageErrorKind::Io, error).permanent(),
            _ => Self::new(StorageErrorKind::Io, error),
        }
    }
}
