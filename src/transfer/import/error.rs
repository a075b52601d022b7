//! Why an import ended early.

use std::io;

use thiserror::Error;

use crate::error::Error as StoreError;
use crate::transfer::place::Place;

/// Why an import ended before its time. What it settled by then stays: run it again, or go
/// on behind `settled`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The input could not be read.
    #[error("the books could not be read")]
    Input {
        /// Why.
        source: io::Error,
        /// The last record that is settled.
        settled: Option<Place>,
    },
    /// The store did not take or could not answer.
    #[error("the store did not take the books")]
    Store {
        /// Why.
        source: StoreError,
        /// The last record that is settled; what of the next ones was taken is not said.
        settled: Option<Place>,
    },
    /// The input has no record at the place to resume behind: it is another one.
    #[error("no record begins at {place}: these are other books")]
    OtherBooks {
        /// That place.
        place: Place,
    },
    /// What a store exports as CSV is a report: it does not hold all that an order is.
    #[error("a store's own books are JSON, not CSV")]
    ReportIsNoBooks,
}
