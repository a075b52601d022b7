//! Errors that end an export early.

use std::io;

use thiserror::Error;

use crate::error::Error as StoreError;

/// Error that ended an export. The output is incomplete.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store could not be read.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
    /// The output could not be written.
    #[error("the output could not be written")]
    Output(#[from] io::Error),
}
