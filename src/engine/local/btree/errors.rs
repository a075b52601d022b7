//! The library's errors and panics, as errors of this crate.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::damage::Damage;
use super::page;
use crate::error::{StorageError, StorageErrorKind};

/// Calls into the library beneath, and makes an error of a panic.
pub(super) fn guarded<T>(
    call: impl FnOnce() -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        let why = "redb panicked on base.redb";
        Err(StorageError::new(StorageErrorKind::Internal, why))
    })
}

/// A panic over what stands in the place of a damaged page is damage.
pub(super) fn blamed<T>(damage: &Damage, done: Result<T, StorageError>) -> Result<T, StorageError> {
    done.map_err(|error| match error.kind() {
        StorageErrorKind::Internal if damage.count() > 0 => damaged_page(),
        _ => error,
    })
}

fn damaged_page() -> StorageError {
    let why = "a page of base.redb does not match its checksum; `orderstore verify` lists the \
               damage, `orderstore repair` makes a sound store";
    StorageError::corrupted(why)
}

/// The library's errors in the words of this crate.
pub(super) fn translate(error: impl Into<redb::Error>) -> StorageError {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};

    use redb::Error;
    let error = error.into();
    let kind = match error {
        // So are reported a file that is no base at all and one that was cut off.
        Error::Io(error) if matches!(error.kind(), InvalidData | UnexpectedEof) => {
            return StorageError::corrupted(error);
        }
        Error::Io(error) => return error.into(),
        Error::Corrupted(what) if page::is_refusal(&what) => return damaged_page(),
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
