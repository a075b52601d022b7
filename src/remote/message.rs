//! Messages between a remote handle and the store, in JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::contract::{FeedCursor, IndexQuery, Lookup};
use crate::engine::{EngineError, EngineStats, Identity, Limits};
use crate::error::{Effect, Error, OpenError, StorageError, StorageErrorKind, with_causes};
use crate::order::Command;
use crate::types::OrderNo;

/// Version of the messages: that of the crate, and a number that changes with the messages. Both sides must
/// have the same.
pub(super) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "/1");

/// Front of every message. It must never change, so that each version can refuse the others.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Front {
    pub(super) version: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Message {
    #[serde(flatten)]
    pub(super) front: Front,
    /// Store that the handle was opened on; `None` before that.
    pub(super) store: Option<StoreId>,
    pub(super) request: Request,
}

/// Id and incarnation of a store.
pub(super) type StoreId = ([u8; 16], u64);

pub(super) const fn id_of(identity: Identity) -> StoreId {
    (identity.store_id, identity.incarnation)
}

/// Request, with the type of its answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Request {
    /// [`Opened`].
    Open,
    /// `Option<Record>`.
    Get(OrderNo),
    /// `Vec<Option<StoredRecord>>`.
    Load(Vec<Lookup>),
    /// `IndexPage`.
    Scan(IndexQuery, usize),
    /// `Vec<Event>`.
    History(OrderNo),
    /// `Vec<FeedEvent>`.
    Events(FeedCursor, usize),
    /// `FeedCursor`.
    FeedEnd,
    /// `Counts`.
    Counts,
    /// `VerifyReport`.
    Verify,
    /// `Range<u64>`.
    Reserve(u64),
    /// `()`.
    Checkpoint,
    /// `Result<BackupReport, NoBackup>`. The directory is on the other process's machine.
    Backup(PathBuf),
    /// [`State`].
    State,
    /// `Vec<Result<Reply<Outcome>, Refused>>`, one for each command.
    Execute(Vec<Command>),
}

impl Request {
    pub(super) const fn is_long(&self) -> bool {
        matches!(self, Self::Verify | Self::Checkpoint | Self::Backup(_))
    }
}

/// Identity and limits of the store.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Opened {
    store_id: [u8; 16],
    incarnation: u64,
    number_key: [u8; 16],
    pub(super) limits: Limits,
}

impl Opened {
    pub(super) const fn of(identity: Identity, limits: Limits) -> Self {
        Self {
            store_id: identity.store_id,
            incarnation: identity.incarnation,
            number_key: identity.number_key,
            limits,
        }
    }

    pub(super) const fn identity(&self) -> Identity {
        Identity {
            store_id: self.store_id,
            incarnation: self.incarnation,
            number_key: self.number_key,
        }
    }
}

/// Figures of the engine, and its failures.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) stats: EngineStats,
    /// What keeps the store from writing, or what the engine retries.
    pub(super) writing: Option<Cause>,
    pub(super) mirror: Option<Cause>,
    pub(super) standby: Option<Cause>,
    pub(super) archive: Option<Cause>,
}

/// Storage error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Cause {
    kind: StorageErrorKind,
    text: String,
    is_permanent: bool,
}

impl Cause {
    pub(super) fn of(error: &StorageError) -> Self {
        let source = std::error::Error::source(error);
        Self {
            kind: error.kind(),
            text: source.map_or_else(String::new, with_causes),
            is_permanent: error.is_permanent(),
        }
    }

    /// Cause of an error that has no storage error.
    fn other(kind: StorageErrorKind, error: &Error) -> Self {
        Self {
            kind,
            text: with_causes(error),
            is_permanent: false,
        }
    }
}

impl From<Cause> for StorageError {
    fn from(cause: Cause) -> Self {
        let error = Self::new(cause.kind, cause.text);
        match cause.is_permanent {
            true => error.permanent(),
            false => error,
        }
    }
}

/// [`EngineError`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Failure {
    Retry(Cause),
    Unknown(Cause),
    Fatal(Cause),
    Cursor(String),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Retry(cause) => Self::Retry(Cause::of(&cause)),
            EngineError::Unknown(cause) => Self::Unknown(Cause::of(&cause)),
            EngineError::Fatal(cause) => Self::Fatal(Cause::of(&cause)),
            EngineError::Cursor(why) => Self::Cursor(why.into_owned()),
        }
    }
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Retry(cause) => Self::Retry(cause.into()),
            Failure::Unknown(cause) => Self::Unknown(cause.into()),
            Failure::Fatal(cause) => Self::Fatal(cause.into()),
            Failure::Cursor(why) => Self::Cursor(why.into()),
        }
    }
}

/// [`Error`] of a command.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Refused {
    Overloaded,
    ShutDown,
    ReadOnly,
    DiskFull,
    OutcomeUnknown(Cause),
    Poisoned(Cause),
    Unreadable(Cause),
    NotApplied(Cause),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Overloaded => Self::Overloaded,
            Error::ShutDown => Self::ShutDown,
            Error::ReadOnly => Self::ReadOnly,
            Error::DiskFull => Self::DiskFull,
            Error::OutcomeUnknown(cause) => Self::OutcomeUnknown(Cause::of(&cause)),
            Error::Poisoned(cause) => Self::Poisoned(Cause::of(&cause)),
            Error::Unreadable(cause) => Self::Unreadable(Cause::of(&cause)),
            Error::NotApplied(cause) => Self::NotApplied(Cause::of(&cause)),
            error => {
                let cause = Cause::other(StorageErrorKind::Internal, &error);
                match error.effect() {
                    Effect::Unknown => Self::OutcomeUnknown(cause),
                    Effect::NotApplied | Effect::NothingAsked => Self::NotApplied(cause),
                }
            }
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Overloaded => Self::Overloaded,
            Refused::ShutDown => Self::ShutDown,
            Refused::ReadOnly => Self::ReadOnly,
            Refused::DiskFull => Self::DiskFull,
            Refused::OutcomeUnknown(cause) => Self::OutcomeUnknown(cause.into()),
            Refused::Poisoned(cause) => Self::Poisoned(cause.into()),
            Refused::Unreadable(cause) => Self::Unreadable(cause.into()),
            Refused::NotApplied(cause) => Self::NotApplied(cause.into()),
        }
    }
}

/// Reason why a backup was not made.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum NoBackup {
    ParentMissing(PathBuf),
    AlreadyThere,
    IsBackup,
    Foreign,
    Locked,
    Failed(Cause),
}

impl From<Error> for NoBackup {
    fn from(error: Error) -> Self {
        match error {
            Error::Open(OpenError::ParentMissing { missing, .. }) => Self::ParentMissing(missing),
            Error::Open(OpenError::AlreadyThere { .. }) => Self::AlreadyThere,
            Error::Open(OpenError::IsBackup { .. }) => Self::IsBackup,
            Error::Open(OpenError::Foreign { .. }) => Self::Foreign,
            Error::NotBackedUp { source, .. } => Self::Failed(Cause::of(&source)),
            Error::Open(OpenError::Locked { .. }) => Self::Locked,
            error => Self::Failed(Cause::other(StorageErrorKind::Io, &error)),
        }
    }
}

impl NoBackup {
    /// Returns the error of a backup into `dir`.
    pub(super) fn into_error(self, dir: PathBuf) -> Error {
        Error::Open(match self {
            Self::ParentMissing(missing) => OpenError::ParentMissing { dir, missing },
            Self::AlreadyThere => OpenError::AlreadyThere { dir },
            Self::IsBackup => OpenError::IsBackup { dir },
            Self::Foreign => OpenError::Foreign { dir },
            Self::Locked => OpenError::Locked { dir },
            Self::Failed(cause) => {
                let source = cause.into();
                return Error::NotBackedUp { dir, source };
            }
        })
    }
}
