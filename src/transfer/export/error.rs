//! Why an export ended early.

use std::io;

use thiserror::Error;

use crate::error::Error as StoreError;

/// Why an export ended. What was written is no complete account.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store could not be read.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
    /// The output does not take it.
    #[error("the output could not be written")]
    Output(#[from] io::Error),
}
