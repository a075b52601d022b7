//! Classifies failures, mainly by SQLSTATE: certainly not applied, possibly applied, or refused
//! until a person acts.

use tokio_postgres::error::SqlState;

use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind, with_causes};

/// Failure of a statement or a connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// The statement was certainly not applied. A retry may succeed.
    Retry(StorageError),
    /// The statement may or may not be applied.
    Unknown(StorageError),
    /// The statement was certainly not applied. An immediate retry would fail, too.
    Refused(StorageError),
}

impl Failure {
    pub(super) fn lost_meta() -> Self {
        let why = "orderstore_meta has no row: restore the row from a backup; see the manual's \
                   chapter on clusters";
        StorageError::corrupted(why).into()
    }

    pub(super) fn fatal(why: &'static str) -> Self {
        Self::Refused(StorageError::new(StorageErrorKind::Internal, why))
    }

    pub(super) fn cause(self) -> StorageError {
        match self {
            Self::Retry(cause) | Self::Unknown(cause) | Self::Refused(cause) => cause,
        }
    }

    /// Converts to the engine error.
    ///
    /// `Failure::Refused` is fatal only for corruption and bugs. A refusal by the server ends when
    /// a person acts, and a value that is too large concerns one record. Neither may stop the
    /// store.
    pub(super) fn into_engine_error(self) -> EngineError {
        let stays = |cause: &StorageError| {
            let kind = cause.kind();
            matches!(
                kind,
                StorageErrorKind::Corrupted | StorageErrorKind::Internal
            )
        };
        match self {
            Self::Retry(cause) => EngineError::Retry(cause),
            Self::Unknown(cause) => EngineError::Unknown(cause),
            Self::Refused(cause) if stays(&cause) => EngineError::Fatal(cause),
            Self::Refused(cause) => EngineError::Retry(cause),
        }
    }
}

/// Converts an error that does not come from the server, such as corrupt table data.
impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Refused(error)
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
        match class(StorageError::new(kind, text(&error))) {
            Self::Refused(cause) => Self::Refused(cause.permanent()),
            failure => failure,
        }
    }
}

/// Returns the error text with all its causes: driver, TLS library and operating system.
///
/// For an error from the server, it returns the SQLSTATE and the message only. The server's detail
/// text may contain statement parameters, which may be personal data.
pub(super) fn text(error: &tokio_postgres::Error) -> String {
    if let Some(db_error) = error.as_db_error() {
        return format!("{}: {}", db_error.code().code(), db_error.message());
    }
    with_causes(error)
}

/// Returns whether the server would refuse the same statement again.
pub(super) fn is_for_good(code: &SqlState) -> bool {
    let error = StorageError::new(StorageErrorKind::Io, "");
    matches!(class_of(Some(code))(error), Failure::Refused(_))
}

/// Returns the failure class of an SQLSTATE. Without an SQLSTATE, the server did not answer, so the
/// statement may be applied.
fn class_of(code: Option<&SqlState>) -> fn(StorageError) -> Failure {
    let Some(code) = code else {
        return Failure::Unknown;
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
        // Code 57P05 means that the server closed an idle session before it read the statement.
        code if again.contains(code) || code.code() == "57P05" => Failure::Retry,
        code if maybe.contains(code) || code.code().starts_with("08") => Failure::Unknown,
        code if code.code().starts_with("53") => Failure::Retry,
        _ => Failure::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstate_maps_to_failure_class() {
        let error = || StorageError::new(StorageErrorKind::Io, "an answer of the server");
        let means = |code: Option<&str>| {
            let code = code.map(SqlState::from_code);
            match class_of(code.as_ref())(error()) {
                Failure::Retry(_) => "again",
                Failure::Unknown(_) => "maybe",
                Failure::Refused(_) => "never",
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
    fn server_refusal_is_retryable_and_corruption_is_fatal() {
        let of = |kind| Failure::Refused(StorageError::new(kind, "why")).into_engine_error();
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
