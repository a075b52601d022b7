//! Errors that end an export early.

use std::io;

use thiserror::Error;

use crate::error::Error as StoreError;

/// Error that ended an export early, so that the output is cut off.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store could not be read.
    #[error("the store could not be read, so the export is incomplete")]
    Store(#[from] StoreError),
    /// The output could not be written.
    #[error("the output could not be written, so the export is incomplete")]
    Output(#[from] io::Error),
}
