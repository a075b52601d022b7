//! Converts errors and panics of redb to errors of this crate.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::CursorError;

use super::damage::CorruptPages;
use super::page;
use crate::error::{StorageError, StorageErrorKind};

/// Runs a call into redb and turns a panic into an error of kind `Internal`.
pub(super) fn guarded<T>(
    call: impl FnOnce() -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        let why = "the database library redb panicked while it used base.redb";
        Err(StorageError::new(StorageErrorKind::Internal, why))
    })
}

/// Converts an internal error to corruption if corrupt pages are known. redb may panic on the page
/// that replaces a corrupt page.
pub(super) fn as_corruption<T>(
    damage: &CorruptPages,
    done: Result<T, StorageError>,
) -> Result<T, StorageError> {
    done.map_err(|error| match error.kind() {
        StorageErrorKind::Internal if damage.count() > 0 => corrupt_page(),
        _ => error,
    })
}

fn corrupt_page() -> StorageError {
    let why = "a page of base.redb does not match its checksum; `orderstore verify` lists the \
               corrupt pages, `orderstore repair` builds a new, valid store";
    StorageError::corrupted(why)
}

/// Converts an error of a cursor to a storage error.
pub(super) fn translate_cursor(error: CursorError) -> StorageError {
    match error {
        CursorError::Storage(error) => translate(error),
        error => StorageError::new(StorageErrorKind::Internal, error),
    }
}

/// Converts an error of the library redb to a storage error.
pub(super) fn translate(error: impl Into<redb::Error>) -> StorageError {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};

    use redb::Error;
    let error = error.into();
    let kind = match error {
        // `InvalidData`: the file is no B-tree, or the backend refused a corrupt page.
        // `UnexpectedEof`: the file was truncated.
        Error::Io(error) if matches!(error.kind(), InvalidData | UnexpectedEof) => {
            return StorageError::corrupted(error);
        }
        Error::Io(error) => return error.into(),
        Error::Corrupted(what) if page::is_refusal(&what) => return corrupt_page(),
        Error::Corrupted(_)
        | Error::UpgradeRequired(_)
        | Error::TableTypeMismatch { .. }
        | Error::TableIsMultimap(_)
        | Error::TableDoesNotExist(_)
        | Error::TypeDefinitionChanged { .. }
        | Error::RepairAborted => StorageErrorKind::Corrupted,
        Error::ValueTooLarge(_) => StorageErrorKind::TooLarge,
        Error::PreviousIo | Error::DatabaseAlreadyOpen | Error::Backend(_) => StorageErrorKind::Io,
        _ => StorageErrorKind::Internal,
    };
    StorageError::new(kind, error)
}
