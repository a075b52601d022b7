//! Errors of the local engine.

use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind};

/// A failure to read, before anything was written. What could not be read now may be
/// readable when the base was opened anew; what is damaged stays so.
pub(super) fn unread(error: StorageError) -> EngineError {
    match error.kind() {
        StorageErrorKind::Corrupted => EngineError::Fatal(error),
        _ => EngineError::Retry(error),
    }
}

pub(super) fn closed() -> EngineError {
    EngineError::Fatal(StorageError::new(StorageErrorKind::Io, "closed"))
}

pub(super) fn is_damage(error: &EngineError) -> bool {
    let cause = error.cause();
    cause.is_some_and(|cause| cause.kind() == StorageErrorKind::Corrupted)
}
