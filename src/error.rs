//! Errors that callers handle. A failed command was certainly not applied or possibly applied:
//! [`Error::effect`] says which. Other errors concern opening, closing or copying a store.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::types::OrderNo;

/// Failure of a call. A command that the rules refuse is not an error: the reply contains the
/// refusal.
///
/// Messages contain no personal data. [`source()`](std::error::Error::source) returns the cause.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Error {
    /// The queue is full. The store did not accept the call; retry it.
    #[error("the queue is full: too many commands are waiting; try again")]
    Overloaded,
    /// The batch is larger than the whole queue, in commands or in bytes. It never fits.
    #[error("a batch of {found} {what} is over the queue's limit of {limit}; split the batch")]
    BatchTooLarge {
        /// Unit of `found` and `limit`: `"commands"` or `"bytes"`.
        what: &'static str,
        /// Size of the batch.
        found: usize,
        /// Limit of the queue.
        limit: usize,
    },
    /// The store was shut down before it accepted the call.
    #[error("the store was shut down")]
    ShutDown,
    /// The write began and failed. The command is applied completely or not at all, and the store
    /// does not know which. Open the store again (not needed on a PostgreSQL cluster) and repeat
    /// the command: its reply shows the outcome.
    #[error("the write failed midway, and its outcome is unknown")]
    OutcomeUnknown(#[source] StorageError),
    /// An earlier write failed midway. The store applies neither this command nor any other until
    /// it is opened again. Reads continue.
    #[error("an earlier write failed midway; open the store again before the next write")]
    Poisoned(#[source] StorageError),
    /// The command was certainly not applied. A retry may succeed.
    #[error("nothing was written")]
    NotApplied(#[source] StorageError),
    /// The data could not be read, or it is corrupt. A command that fails with this error was
    /// certainly not applied.
    #[error("the store could not be read")]
    Unreadable(#[source] StorageError),
    /// The store shut down, but it could not close its files. Every acknowledged command is
    /// durable.
    #[error("the store shut down, but its files could not be closed")]
    Unclosed(#[source] StorageError),
    /// The disk is full. The command was certainly not applied.
    #[error("the disk is full")]
    DiskFull,
    /// Another process, or another handle in this process, has the store open.
    #[error("{} is in use by another process or handle", dir.display())]
    Locked {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// The directory does not exist. A common cause is a volume that is not mounted.
    #[error("{} does not exist", dir.display())]
    Missing {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// The directory cannot be created because one of its parents does not exist. The store
    /// creates only the last directory of a path.
    #[error("{} cannot be created: {} does not exist", dir.display(), missing.display())]
    ParentMissing {
        /// Directory to create.
        dir: PathBuf,
        /// Topmost parent directory that does not exist.
        missing: PathBuf,
    },
    /// The directory is empty: it holds no store.
    #[error("{} is empty: it holds no order store", dir.display())]
    Empty {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// The directory holds files that do not belong to an order store.
    #[error(
        "{} holds other files and no order store: name the directory of the store, or a missing or \
         empty one",
        dir.display()
    )]
    Foreign {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// The creation of a store in this directory was interrupted. `init` and `open_or_init`
    /// complete the creation. The store never held an order.
    #[error("the creation of the store in {} was interrupted; `init` completes it", dir.display())]
    Incomplete {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// A backup, a restore or a repair into this directory was interrupted. The directory
    /// cannot be opened. Repeat the same call: it starts again from the beginning.
    #[error(
        "a backup, a restore or a repair into {} was interrupted; repeat the same call",
        dir.display()
    )]
    Unfinished {
        /// Directory that the call wrote to.
        dir: PathBuf,
    },
    /// The directory holds a backup. Restore it into another directory; it cannot be opened.
    #[error("{} holds a backup: restore it into another directory", dir.display())]
    IsBackup {
        /// Directory of the backup.
        dir: PathBuf,
    },
    /// The directory holds no backup.
    #[error("{} holds no backup", dir.display())]
    NotABackup {
        /// Directory that holds no backup.
        dir: PathBuf,
    },
    /// The backup failed and does not exist. The store keeps running.
    #[error("no backup was made in {}", dir.display())]
    NotBackedUp {
        /// Directory of the backup.
        dir: PathBuf,
        /// Cause of the failure.
        source: StorageError,
    },
    /// During a copy, a record in the target differs from the source, or another record in the
    /// target owns one of its keys. The target was changed independently of the source.
    /// Everything copied before stays in the target.
    #[error(
        "order {no} conflicts with the target: its contents differ there, or another order owns \
         one of its keys"
    )]
    Differs {
        /// Order number of the record.
        no: OrderNo,
    },
    /// The engine of this store keeps no files, so it cannot run this operation.
    #[error("the engine of this store cannot make {what}")]
    Unsupported {
        /// Requested result, such as `"a backup"`.
        what: &'static str,
    },
    /// The PostgreSQL database holds no store in this schema, and the call does not create one.
    #[error("the database holds no order store")]
    NoTables,
    /// The directory for a new store already holds a store.
    #[error("{} already holds a store", dir.display())]
    AlreadyThere {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// A newer version of this crate wrote the store.
    #[error("the store has format {found}; this version reads up to format {known}")]
    NewerFormat {
        /// Format of the store.
        found: u32,
        /// Newest format that this version reads.
        known: u32,
    },
    /// An older version of this crate wrote the store on a PostgreSQL cluster, and this call
    /// must not change it. `Store::connect` upgrades it.
    #[error(
        "the store has format {found}; this version reads {known}, and Store::connect upgrades it"
    )]
    OlderFormat {
        /// Format of the store.
        found: u32,
        /// Format that this version reads.
        known: u32,
    },
    /// The store could not be opened.
    #[error("the store in {} could not be opened", dir.display())]
    Unopened {
        /// Directory of the store.
        dir: PathBuf,
        /// Cause of the failure.
        source: StorageError,
    },
    /// The calling process was forked from the process that opened the store. Nothing was done.
    /// Only the parent can use this store handle; a child must open its own store.
    #[error("this process was forked from the one that opened the store: nothing was done")]
    Forked,
    /// On this system a power loss may undo acknowledged commands.
    #[error(
        "{}: on this system a power loss may undo acknowledged commands; \
         Builder::allow_weak_durability accepts that",
        dir.display()
    )]
    WeakDurability {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// The cursor belongs to another query, another direction or another store.
    #[error(
        "the cursor cannot be used: {why}; use a cursor only with the store and the query that \
         returned it"
    )]
    InvalidCursor {
        /// Reason why the cursor is refused.
        why: &'static str,
    },
    /// A setting or an argument has an invalid value.
    #[error("{what}: {why}")]
    Invalid {
        /// Name of the setting or argument.
        what: &'static str,
        /// Reason why the value is invalid, with the limit.
        why: String,
    },
}

/// Effect of a failed call on the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// The command is certainly not applied.
    NotApplied,
    /// The command is either applied completely or not at all. Only a query shows which of the two.
    Unknown,
    /// The call requested no change, or it failed before it reached the data.
    NothingAsked,
}

impl Error {
    /// Returns what the failed call did to the data.
    ///
    /// ```
    /// # use orderstore::{Effect, Error};
    /// assert_eq!(Error::Overloaded.effect(), Effect::NotApplied);
    /// ```
    #[must_use]
    pub const fn effect(&self) -> Effect {
        match self {
            Self::Overloaded
            | Self::BatchTooLarge { .. }
            | Self::ShutDown
            | Self::Poisoned(_)
            | Self::NotApplied(_)
            | Self::Unreadable(_)
            | Self::DiskFull
            | Self::Forked => Effect::NotApplied,
            Self::OutcomeUnknown(_) => Effect::Unknown,
            _ => Effect::NothingAsked,
        }
    }

    /// Returns whether the call was certainly not applied and may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::NotApplied(cause) => !matches!(
                cause.kind(),
                StorageErrorKind::TooLarge
                    | StorageErrorKind::Corrupted
                    | StorageErrorKind::Stalled
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

    /// Returns whether the outcome is unknown: the command may or may not be applied. A repeated
    /// command shows the outcome. A store in files must be opened again first.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        matches!(self.effect(), Effect::Unknown)
    }
}

/// Failure of the storage below the store: disk, files or database.
#[derive(Debug, Clone)]
pub struct StorageError {
    kind: StorageErrorKind,
    source: Arc<dyn StdError + Send + Sync>,
}

/// Kind of a storage failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// An input or output operation failed.
    Io,
    /// The disk is full.
    DiskFull,
    /// The bytes read differ from the bytes written.
    Corrupted,
    /// Writes wait for a checkpoint, and the checkpoint fails at a corrupt page of the B-tree.
    /// `orderstore repair` builds a new store from the readable data.
    Stalled,
    /// A value is larger than the format allows.
    TooLarge,
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
        }
    }

    /// Creates an error of kind [`StorageErrorKind::Corrupted`]. `why` names the corrupt data.
    pub fn corrupted(why: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StorageErrorKind::Corrupted, why)
    }

    /// Whether the data is corrupt.
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

/// Returns the text of an error and of all its causes, in one line.
pub(crate) fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        text = format!("{text}: {cause}");
    }
    text
}
