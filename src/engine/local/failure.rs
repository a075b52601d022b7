//! Error conversions of the local engine.

use crate::engine::EngineError;
use crate::error::{StorageError, StorageErrorKind};

/// Converts a failed read during which the engine wrote nothing.
///
/// A retry may succeed after the engine reopens the B-tree. Corruption is permanent, so it is
/// fatal.
pub(super) fn unread(error: StorageError) -> EngineError {
    match error.kind() {
        StorageErrorKind::Corrupted => EngineError::Fatal(error),
        _ => EngineError::Retry(error),
    }
}

pub(super) fn closed() -> EngineError {
    EngineError::Fatal(StorageError::new(
        StorageErrorKind::Io,
        "the store is closed",
    ))
}

pub(super) fn is_damage(error: &EngineError) -> bool {
    let cause = error.cause();
    cause.is_some_and(|cause| cause.is_corrupt())
}
