//! Failure before there is an open store.

use std::path::PathBuf;

use thiserror::Error;

use super::storage::{StorageError, StorageErrorKind};

/// Failure to open, create, restore or repair a store, or to connect to one. There is no store
/// handle, and no order changed.
///
/// Messages contain no personal data. [`source()`](std::error::Error::source) returns the cause.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum OpenError {
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
    #[error("{} is empty: create a store with `init`, or check that its volume is mounted", dir.display())]
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
    /// complete it. It never held an order.
    #[error("the creation of the store in {} was interrupted; `init` completes it", dir.display())]
    Incomplete {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// A backup, a restore, a repair, or the building of a standby or of a mirror in this directory was
    /// interrupted. The directory cannot be opened. Repeat the same call, or open the store with this
    /// mirror: it starts again from the beginning.
    #[error(
        "a backup, a restore, a repair, or the building of a standby or a mirror in {} was interrupted; \
         repeat the same call, or open the store with this mirror",
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
    /// The directory holds a standby. Follow its archive with [`Store::follow`](crate::Store::follow),
    /// or make it a store with [`Store::promote`](crate::Store::promote).
    #[error("{} holds a standby: follow its archive, or promote it", dir.display())]
    IsStandby {
        /// Directory of the standby.
        dir: PathBuf,
    },
    /// The directory holds no backup.
    #[error("{} holds no backup", dir.display())]
    NotABackup {
        /// The directory.
        dir: PathBuf,
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
    #[error("the store has format {found}; this version reads up to {known}; use a newer version")]
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
    /// The restore or the repair is complete, but the files of the new store could not be closed.
    /// Open the new store. To get the report, repeat the call into another directory.
    #[error(
        "{} holds the complete new store, but its files could not be closed: open the store, or \
         repeat the call into another directory for its report",
        dir.display()
    )]
    Unclosed {
        /// Directory of the new store.
        dir: PathBuf,
        /// Cause of the failure.
        source: StorageError,
    },
    /// One directory of a mirrored store is missing, and it may hold newer writes than the other
    /// one. The call opened nothing. Open the store with both directories. If the missing one is lost for
    /// good, call [`Store::accept_one_side`](crate::Store::accept_one_side) on the other one.
    #[error(
        "{} is one directory of a mirrored store, and the other one{} may hold newer writes: open \
         both, or accept this one alone with `orderstore mirror accept` if the other one is lost",
        dir.display(),
        missing.as_deref().map(|path| format!(", {},", path.display())).unwrap_or_default()
    )]
    MirrorMissing {
        /// Directory that was found.
        dir: PathBuf,
        /// Directory that is missing; `None` if the call named no mirror.
        missing: Option<PathBuf>,
    },
    /// The directory is not one of two directories of a mirrored store, or it holds every write.
    /// Open it.
    #[error("{} needs no other directory: open it", dir.display())]
    NotMirrored {
        /// The directory.
        dir: PathBuf,
    },
    /// The two directories do not form one mirrored store. Nothing was opened and nothing was
    /// changed. Remove the directory that is not wanted, or name another one.
    #[error(
        "{} and {} cannot be opened as a mirrored store: {why}; move the one that is not wanted away",
        dir.display(),
        mirror.display()
    )]
    MirrorConflict {
        /// Directory of the store.
        dir: PathBuf,
        /// Directory of the mirror.
        mirror: PathBuf,
        /// Reason.
        why: &'static str,
    },
    /// The archive cannot be reached or read, or it is full or corrupt.
    /// [`Builder::open_without_archive`](crate::Builder::open_without_archive) opens a store although
    /// its archive cannot be reached.
    #[error("the archive cannot be used")]
    Archive(#[source] StorageError),
    /// Another store writes to the archive, or the archive holds what this store lacks. The call
    /// opened nothing. If the other store serves, move this directory away. If not, promote a standby,
    /// or restore the archive into another directory. A promotion that another one has overtaken fails
    /// with this error, too.
    #[error("this store must not write to the archive")]
    Fenced(#[source] StorageError),
    /// The store has an archive, and the call names none. Name the archive, or open the store without
    /// it with [`Builder::open_without_archive`](crate::Builder::open_without_archive).
    #[error(
        "the store in {} has an archive: name it, or open the store without it",
        dir.display()
    )]
    ArchiveMissing {
        /// Directory of the store.
        dir: PathBuf,
    },
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
    /// The store could not be opened for a reason outside any directory: the PostgreSQL cluster
    /// cannot be reached or fails, or the operating system provides no thread or no random bytes.
    #[error("the store could not be opened")]
    Unavailable(#[source] StorageError),
    /// A setting or the URL has an invalid value.
    #[error("{what}: {why}")]
    Invalid {
        /// Name of the setting, or `"url"`.
        what: &'static str,
        /// Reason, with the limit.
        why: String,
    },
}

impl OpenError {
    /// Error of a call that needs an archive.
    pub(crate) fn of_archive(cause: StorageError) -> Self {
        match cause.kind() {
            StorageErrorKind::Fenced => Self::Fenced(cause),
            _ => Self::Archive(cause),
        }
    }

    /// Cause of this error, or the error itself as the cause of another one.
    pub(crate) fn into_cause(self) -> StorageError {
        match self {
            Self::Unopened { source, .. }
            | Self::Unavailable(source)
            | Self::Archive(source)
            | Self::Fenced(source) => source,
            error => StorageError::new(StorageErrorKind::Io, error),
        }
    }

    /// Returns whether the same call may succeed later: another handle has the store open, or a
    /// disk, a network or the operating system failed. False if a person must act first, as after a
    /// wrong password or without permission for the directory.
    ///
    /// ```
    /// # use orderstore::OpenError;
    /// let dir = "/var/lib/shop/orders".into();
    /// assert!(OpenError::Locked { dir }.is_retryable());
    /// assert!(!OpenError::NoTables.is_retryable());
    /// ```
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Locked { .. } => true,
            Self::Unavailable(cause)
            | Self::Archive(cause)
            | Self::Unopened { source: cause, .. } => cause.is_transient(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error as IoError, ErrorKind};

    use super::*;

    #[test]
    fn open_error_is_retryable_unless_person_must_act() {
        let is_retryable = |kind| {
            let source = StorageError::from(IoError::from(kind));
            let dir = PathBuf::from("orders");
            OpenError::Unopened { dir, source }.is_retryable()
        };
        assert!(is_retryable(ErrorKind::Interrupted));
        assert!(is_retryable(ErrorKind::StorageFull));
        assert!(!is_retryable(ErrorKind::PermissionDenied));
        assert!(!is_retryable(ErrorKind::ReadOnlyFilesystem));
        let refused = StorageError::from(IoError::other("wrong password")).permanent();
        assert!(!OpenError::Unavailable(refused).is_retryable());
    }
}
