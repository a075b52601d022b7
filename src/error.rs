//! What a caller acts on. Each failure says *certainly not*, *maybe*, or that nothing was
//! asked of the data at all.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::types::OrderNo;

/// Why a call failed. Logical refusals are no errors: they are answers.
///
/// Messages hold no personal data. What lies beneath is the `source()`.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Error {
    /// The queue is full. Nothing was taken; try again.
    #[error("too many commands are waiting")]
    Overloaded,
    /// So many commands, or so many bytes of them, never fit into the queue at once.
    #[error("a batch of {found} {what} is over the queue's limit of {limit}")]
    BatchTooLarge {
        /// Of which there are too many: `"commands"` or `"bytes"`.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The most that fit.
        limit: usize,
    },
    /// The store was shut down before the call was taken.
    #[error("the store was shut down")]
    ShutDown,
    /// The write had begun and failed: it is applied or not, wholly. Open the store again,
    /// unless it stands on a cluster, and repeat the command; the answer then tells.
    #[error("the write failed midway: whether it is applied is not known")]
    OutcomeUnknown(#[source] StorageError),
    /// An earlier write failed midway. This command is certainly not applied, nor is any
    /// other until the store is opened again. Reads go on.
    #[error("no writes are taken until the store is opened again: an earlier one failed midway")]
    Poisoned(#[source] StorageError),
    /// Certainly not applied; the next try may succeed.
    #[error("nothing was written")]
    NotApplied(#[source] StorageError),
    /// The data could not be read, or what was read is damaged. A command that hears this
    /// is certainly not applied.
    #[error("the store could not be read")]
    Unreadable(#[source] StorageError),
    /// The store ended, and letting go of its files failed. What was answered is durable.
    #[error("the store ended, and its files could not be closed")]
    Unclosed(#[source] StorageError),
    /// The disk has no room. Certainly not applied.
    #[error("the disk is full")]
    DiskFull,
    /// Another process, or another handle in this one, has the store open.
    #[error("{} is in use by another process or handle", dir.display())]
    Locked {
        /// The store's directory.
        dir: PathBuf,
    },
    /// There is no such directory. A volume that is not mounted looks like this.
    #[error("{} does not exist", dir.display())]
    Missing {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The directory cannot be made: one above it does not exist. Only the last directory of a
    /// path is made.
    #[error("{} cannot be made: {} does not exist", dir.display(), missing.display())]
    ParentMissing {
        /// The directory that was to be made.
        dir: PathBuf,
        /// The topmost directory above it that does not exist.
        missing: PathBuf,
    },
    /// The directory is empty: there is no store in it.
    #[error("{} is empty: no store was made in it", dir.display())]
    Empty {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The directory holds something else.
    #[error("{} holds something that is no order store", dir.display())]
    Foreign {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The making of a store in this directory was interrupted. `init` and `open_or_init`
    /// finish it; no order was ever in it.
    #[error("the making of the store in {} was interrupted", dir.display())]
    Incomplete {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The making of a backup in this directory, or of a store out of a backup or a damaged
    /// store, was interrupted. Only the same call begins anew there; nothing opens it.
    #[error("a backup, a restore or a repair into {} was interrupted", dir.display())]
    Unfinished {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory holds a backup: it is restored into another directory, not opened.
    #[error("{} holds a backup, which is not opened but restored", dir.display())]
    IsBackup {
        /// The backup's directory.
        dir: PathBuf,
    },
    /// There is no backup in this directory.
    #[error("{} holds no backup", dir.display())]
    NotABackup {
        /// The directory.
        dir: PathBuf,
    },
    /// The backup failed, and there is none. The store goes on.
    #[error("no backup was made in {}", dir.display())]
    NotBackedUp {
        /// The backup's directory.
        dir: PathBuf,
        /// Why.
        source: StorageError,
    },
    /// In a copy, the record under this number is not what it is at the source, or a key of it
    /// is another record's: the target has a life of its own. What was copied before stands.
    #[error("order {no} is another one in the target")]
    Differs {
        /// The number.
        no: OrderNo,
    },
    /// The store's engine keeps no files and cannot do that.
    #[error("the engine of this store cannot make {what}")]
    Unsupported {
        /// What it was asked for.
        what: &'static str,
    },
    /// The cluster that a URL names holds no store in this schema, and none was to be made.
    #[error("the database holds no order store")]
    NoTables,
    /// There is a store already where a new one was to be made.
    #[error("{} holds a store already", dir.display())]
    AlreadyThere {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The store was written by a newer version of this crate.
    #[error("the store has format {found}; this version reads up to {known}")]
    NewerFormat {
        /// What the store says.
        found: u32,
        /// What this version knows.
        known: u32,
    },
    /// The store on a cluster was written by an older version of this crate, and it was not to
    /// be changed. `Store::connect` upgrades it.
    #[error(
        "the store has format {found}; this version reads {known}, and Store::connect upgrades it"
    )]
    OlderFormat {
        /// What the store says.
        found: u32,
        /// What this version knows.
        known: u32,
    },
    /// The store could not be opened.
    #[error("the store in {} could not be opened", dir.display())]
    Unopened {
        /// The store's directory.
        dir: PathBuf,
        /// Why.
        source: StorageError,
    },
    /// The process that calls was forked from the one that opened the store. Nothing was done.
    /// The store stays the parent's; a child opens one of its own.
    #[error("this process was forked from the one that opened the store: nothing was done")]
    Forked,
    /// On this system a power loss may undo what was acknowledged.
    #[error(
        "{}: on this system a power loss may undo what was acknowledged; \
         Builder::allow_weak_durability accepts that",
        dir.display()
    )]
    WeakDurability {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The cursor belongs to another query, another direction or another store.
    #[error("the cursor does not belong to this query: {why}")]
    InvalidCursor {
        /// What is wrong with it.
        why: &'static str,
    },
    /// A setting or an argument has a value that cannot work.
    #[error("{what}: {why}")]
    Invalid {
        /// Which.
        what: &'static str,
        /// Why, with the limit.
        why: String,
    },
}

impl Error {
    /// Certainly not applied, and the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::NotApplied(cause) => !matches!(
                cause.kind(),
                StorageErrorKind::TooLarge | StorageErrorKind::Corrupted
            ),
            Self::Unreadable(cause) => matches!(cause.kind(), StorageErrorKind::Io),
            Self::NotBackedUp { source, .. } => matches!(
                source.kind(),
                StorageErrorKind::Io | StorageErrorKind::DiskFull
            ),
            _ => matches!(
                self,
                Self::Overloaded | Self::DiskFull | Self::Locked { .. }
            ),
        }
    }

    /// Applied or not: the caller cannot know before the store was opened again.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown(_))
    }
}

/// What failed beneath the store.
#[derive(Debug, Clone)]
pub struct StorageError {
    kind: StorageErrorKind,
    source: Arc<dyn StdError + Send + Sync>,
}

/// The kind of failure beneath the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// The operating system refused.
    Io,
    /// The disk has no room.
    DiskFull,
    /// What was read is not what was written.
    Corrupted,
    /// Writes wait for a flush, and a damaged page of the base stops the flush.
    /// `orderstore repair` makes a sound store of what can be read.
    Stalled,
    /// A value is larger than the format takes.
    TooLarge,
    /// The engine met a bug, its own or one beneath it.
    Internal,
}

impl StorageErrorKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Io => "input or output failed",
            Self::DiskFull => "the disk is full",
            Self::Corrupted => "damaged data",
            Self::Stalled => "damaged data stops all writes; run `orderstore repair`",
            Self::TooLarge => "a value is too large",
            Self::Internal => "internal error",
        }
    }
}

impl StorageError {
    /// An error of this kind, by this cause.
    pub fn new(kind: StorageErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind,
            source: Arc::from(source.into()),
        }
    }

    /// Damaged data, and where.
    pub fn corrupted(why: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StorageErrorKind::Corrupted, why)
    }

    /// The kind of failure.
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

impl From<std::io::Error> for StorageError {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                StorageErrorKind::DiskFull
            }
            _ => StorageErrorKind::Io,
        };
        Self::new(kind, error)
    }
}
