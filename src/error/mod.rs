//! Errors that callers handle, by operation: [`OpenError`] before there is an open store, and
//! [`Error`] for the calls of an open store.

mod open;
mod storage;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::path::PathBuf;

use thiserror::Error;

pub use self::open::OpenError;
pub use self::storage::{StorageError, StorageErrorKind};
use crate::types::OrderNo;

/// Failure of a call of an open store. A command that the rules refuse is not an error: the reply
/// contains the refusal. [`Error::effect`] returns what the failed call did to the data.
///
/// Messages contain no personal data. [`source()`](std::error::Error::source) returns the cause.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Error {
    /// The queue is full. The store took nothing; retry the call.
    #[error("the queue is full: too many calls are waiting; try again")]
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
    /// The store was shut down before it took the call.
    #[error("the store was shut down")]
    ShutDown,
    /// The write began and failed. The command is applied completely or not at all, and the store
    /// does not know which. Open the store again (not needed on a PostgreSQL cluster) and repeat
    /// the command: its reply shows the outcome.
    #[error("the write failed midway, and its outcome is unknown; repeat the command to see it")]
    OutcomeUnknown(#[source] StorageError),
    /// An earlier write failed midway. The store applies neither this command nor any other until
    /// it is opened again. Reads continue.
    #[error("an earlier write failed midway; open the store again before the next write")]
    Poisoned(#[source] StorageError),
    /// The store is a standby, which only serves reads. The command was certainly not applied. Send it
    /// to the store that the standby follows, or [promote](crate::Store::promote) the standby.
    #[error("the store is a standby, which only serves reads: send the command to the other store")]
    ReadOnly,
    /// The command was certainly not applied. A retry may succeed.
    #[error("nothing was written")]
    NotApplied(#[source] StorageError),
    /// The data could not be read, or it is corrupt. A command that fails with this error was
    /// certainly not applied.
    #[error("the store could not be read")]
    Unreadable(#[source] StorageError),
    /// The store shut down, but it could not close its files. Every acknowledged command is
    /// durable.
    #[error(
        "the store shut down with every acknowledged command durable, but its files could not be closed"
    )]
    Unclosed(#[source] StorageError),
    /// The disk is full. The command was certainly not applied.
    #[error("the disk is full")]
    DiskFull,
    /// The backup failed and does not exist. The store keeps running.
    #[error("no backup was made in {}", dir.display())]
    NotBackedUp {
        /// Directory of the backup.
        dir: PathBuf,
        /// Cause of the failure.
        source: StorageError,
    },
    /// The directory for a backup cannot be used. An [`OpenError`] also converts into this variant,
    /// for a function that opens a store and calls it.
    #[error(transparent)]
    Open(#[from] OpenError),
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
    /// The calling process was forked from the process that opened the store. Nothing was done.
    /// Only the parent can use this store handle; a child must open its own store.
    #[error("this process was forked from the one that opened the store: nothing was done")]
    Forked,
    /// The cursor belongs to another query, another direction or another store.
    #[error(
        "the cursor cannot be used: {why}; use a cursor only with the store and the query that \
         returned it"
    )]
    InvalidCursor {
        /// Reason for the refusal.
        why: Cow<'static, str>,
    },
    /// An argument has an invalid value.
    #[error("{what}: {why}")]
    Invalid {
        /// Name of the argument.
        what: &'static str,
        /// Reason, with the limit.
        why: String,
    },
}

/// What a failed call did to the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// The command is certainly not applied. A failed read has this effect, too.
    NotApplied,
    /// The command is applied completely or not at all. Repeat the command; its reply shows which.
    Unknown,
    /// The error concerns no command of this store: for example, a backup or the shutdown failed,
    /// or an argument is invalid.
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
            | Self::ReadOnly
            | Self::Poisoned(_)
            | Self::NotApplied(_)
            | Self::Unreadable(_)
            | Self::DiskFull
            | Self::Forked => Effect::NotApplied,
            Self::OutcomeUnknown(_) => Effect::Unknown,
            _ => Effect::NothingAsked,
        }
    }

    /// Returns whether the call was certainly not applied and may succeed later. This includes
    /// failures that end only when a person acts, such as a revoked permission: the store then goes
    /// on by itself.
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
            Self::NotBackedUp { source, .. } => source.is_transient(),
            Self::Open(error) => error.is_retryable(),
            _ => matches!(self, Self::Overloaded | Self::DiskFull),
        }
    }

    /// Returns whether the outcome is unknown: the command may or may not be applied. A repeated
    /// command shows the outcome. A store in files must be opened again first.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        matches!(self.effect(), Effect::Unknown)
    }
}

/// Returns the text of an error and of all its causes, in one line.
///
/// ```
/// use orderstore::{Error, StorageError, with_causes};
///
/// let error = Error::Unreadable(StorageError::corrupted("page 7 has another checksum"));
/// let text = "the store could not be read: corrupt data: page 7 has another checksum";
/// assert_eq!(with_causes(&error), text);
/// ```
#[must_use]
pub fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        text = format!("{text}: {cause}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effect_of_every_error_is_stated() {
        use Effect::{NotApplied, NothingAsked, Unknown};
        let cause = || StorageError::new(StorageErrorKind::Io, "cause");
        let dir = PathBuf::new;
        let no = OrderNo::parse("order-1").unwrap();
        let too_large = Error::BatchTooLarge {
            what: "commands",
            found: 2,
            limit: 1,
        };
        let not_backed_up = Error::NotBackedUp {
            dir: dir(),
            source: cause(),
        };
        let invalid = Error::Invalid {
            what: "target",
            why: String::new(),
        };
        for (error, effect) in [
            (Error::Overloaded, NotApplied),
            (too_large, NotApplied),
            (Error::ShutDown, NotApplied),
            (Error::ReadOnly, NotApplied),
            (Error::Poisoned(cause()), NotApplied),
            (Error::NotApplied(cause()), NotApplied),
            (Error::Unreadable(cause()), NotApplied),
            (Error::DiskFull, NotApplied),
            (Error::Forked, NotApplied),
            (Error::OutcomeUnknown(cause()), Unknown),
            (Error::Unclosed(cause()), NothingAsked),
            (not_backed_up, NothingAsked),
            (Error::Differs { no }, NothingAsked),
            (Error::Unsupported { what: "a backup" }, NothingAsked),
            (Error::Open(OpenError::NoTables), NothingAsked),
            (
                Error::InvalidCursor {
                    why: "other".into(),
                },
                NothingAsked,
            ),
            (invalid, NothingAsked),
        ] {
            assert_eq!(error.effect(), effect, "{error:?}");
        }
    }
}
