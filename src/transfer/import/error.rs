//! Errors that end an import early.

use std::io;

use thiserror::Error;

use crate::error::Error as StoreError;
use crate::transfer::position::Position;

/// Error that ended an import early.
///
/// The store keeps all records imported so far. Run the same import again, or resume it after the
/// record `settled` with [`Import::resume_after`](super::Import::resume_after). A record is settled
/// if a resumed import can skip it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The input could not be read.
    #[error("the input could not be read; the store keeps the records imported so far")]
    Input {
        /// Error of the input.
        source: io::Error,
        /// Last record with a final result (settled). A later import can resume after this record.
        settled: Option<Position>,
    },
    /// The store failed to execute a command.
    #[error("the store failed during the import; it keeps the records imported so far")]
    Store {
        /// Error of the store.
        source: StoreError,
        /// Last record with a final result (settled). The store may have imported some of the
        /// records after it.
        settled: Option<Position>,
    },
    /// No record of the input begins at the position after which the import should resume. The
    /// input is not the one of the earlier import.
    #[error("no record begins at {place}: resume with the input of the earlier import")]
    OtherInput {
        /// Position given to [`Import::resume_after`](super::Import::resume_after).
        place: Position,
    },
    /// The input of [`Import::exported`](super::Import::exported) is CSV. A store's CSV export is a
    /// report and does not contain complete orders.
    #[error(
        "a store's CSV report cannot be imported: export the store as JSON Lines and import that"
    )]
    ReportNotImportable,
}
