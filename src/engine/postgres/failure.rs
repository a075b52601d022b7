//! What a failure means, by where it happened and by its SQLSTATE: certainly not done, maybe,
//! or not before somebody has seen to it.

use std::error::Error as _;
use std::fmt::Write as _;

use tokio_postgres::error::SqlState;

use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind};

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// Certainly not done; again it may be.
    Not(StorageError),
    /// Done or not.
    Maybe(StorageError),
    /// Not done, and again it would not be, for now.
    Never(StorageError),
}

impl Failure {
    pub(super) fn lost_meta() -> Self {
        let why = "orderstore_meta has no row: restore the row from a backup, as the manual says \
                   in its chapter on clusters";
        StorageError::corrupted(why).into()
    }

    pub(super) fn fatal(why: &'static str) -> Self {
        Self::Never(StorageError::new(StorageErrorKind::Internal, why))
    }

    pub(super) fn cause(self) -> StorageError {
        match self {
            Self::Not(cause) | Self::Maybe(cause) | Self::Never(cause) => cause,
        }
    }

    /// What the server refuses it may take when somebody has seen to it, and what is too large
    /// is one record's; what is damaged, or a bug of the engine, stays so.
    pub(super) fn told(self) -> EngineError {
        let stays = |cause: &StorageError| {
            let kind = cause.kind();
            matches!(
                kind,
                StorageErrorKind::Corrupted | StorageErrorKind::Internal
            )
        };
        match self {
            Self::Not(cause) => EngineError::Retry(cause),
            Self::Maybe(cause) => EngineError::Unknown(cause),
            Self::Never(cause) if stays(&cause) => EngineError::Fatal(cause),
            Self::Never(cause) => EngineError::Retry(cause),
        }
    }
}

/// Damage that was read.
impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Never(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let kind = match error.code() {
            Some(&SqlState::DISK_FULL) => StorageErrorKind::DiskFull,
            Some(&SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED) => {
                StorageErrorKind::Corrupted
            }
            _ => StorageErrorKind::Io,
        };
        let class = class_of(error.code());
        class(StorageError::new(kind, text(&error)))
    }
}

/// What happened, and what the driver, the TLS library or the system said of it. The driver's
/// own texts name no parameter; the server's detail may, and stays out.
pub(super) fn text(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{}: {}", said.code().code(), said.message());
    }
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        // A string takes everything.
        let _ = write!(text, ": {cause}");
    }
    text
}

/// The server refuses, and the same statement will be refused again.
pub(super) fn is_for_good(code: &SqlState) -> bool {
    let error = StorageError::new(StorageErrorKind::Io, "");
    matches!(class_of(Some(code))(error), Failure::Never(_))
}

/// By SQLSTATE; what the server did not say anything of may have been done.
fn class_of(code: Option<&SqlState>) -> fn(StorageError) -> Failure {
    let Some(code) = code else {
        return Failure::Maybe;
    };
    let again = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::QUERY_CANCELED,
        SqlState::UNIQUE_VIOLATION,
        SqlState::CANNOT_CONNECT_NOW,
    ];
    let maybe = [
        SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
    ];
    match code {
        // What waits between two statements may be ended for it, before the next was read.
        code if again.contains(code) || code.code() == "57P05" => Failure::Not,
        code if maybe.contains(code) || code.code().starts_with("08") => Failure::Maybe,
        code if code.code().starts_with("53") => Failure::Not,
        _ => Failure::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sqlstate_says_whether_it_was_done_and_whether_it_may_be() {
        let error = || StorageError::new(StorageErrorKind::Io, "said by the server");
        let means = |code: Option<&str>| {
            let code = code.map(SqlState::from_code);
            match class_of(code.as_ref())(error()) {
                Failure::Not(_) => "again",
                Failure::Maybe(_) => "maybe",
                Failure::Never(_) => "never",
            }
        };
        let again = [
            "40001", "40P01", "25006", "55P03", "57014", "57P03", "57P05", "23505", "53100",
            "53300",
        ];
        assert!(again.into_iter().all(|code| means(Some(code)) == "again"));
        let maybe = ["40003", "57P01", "57P02", "08006", "08007"];
        assert!(maybe.into_iter().all(|code| means(Some(code)) == "maybe"));
        assert_eq!(means(None), "maybe", "the connection is gone");
        let never = ["28P01", "3D000", "42501", "42P01", "22001", "XX000"];
        assert!(never.into_iter().all(|code| means(Some(code)) == "never"));
    }

    #[test]
    fn what_the_server_refuses_ends_no_store_and_what_is_damaged_does() {
        let of = |kind| Failure::Never(StorageError::new(kind, "why")).told();
        assert!(matches!(of(StorageErrorKind::Io), EngineError::Retry(_)));
        assert!(matches!(
            of(StorageErrorKind::TooLarge),
            EngineError::Retry(_)
        ));
        assert!(matches!(
            of(StorageErrorKind::Corrupted),
            EngineError::Fatal(_)
        ));
        assert!(matches!(
            of(StorageErrorKind::Internal),
            EngineError::Fatal(_)
        ));
    }
}
