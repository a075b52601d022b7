//! Reasons for which an import refuses a record. No reason contains a value of the record.

use std::error::Error as _;
use std::fmt;

use thiserror::Error;

use super::amount::AmountProblem;
use super::position::Position;
use crate::order::{Difference, ImportRefusal, RefundRequested};
use crate::types::{OrderNo, ValueError};

/// A record that the import refused or skipped.
///
/// The store applied nothing of the record, with two exceptions:
/// - [`Reason::SkippedDiffers`] under [`Conflict::Advance`](crate::Conflict::Advance): the store
///   applied everything else of the record.
/// - The record has payments and refunds without an order: each of them is a separate command, and
///   the store may have applied the others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Position of the record in the input.
    pub place: Position,
    /// Order number of the record; `None` if the import could not read it.
    pub no: Option<OrderNo>,
    /// Reason for which the import refused or skipped the record.
    pub reason: Reason,
}

/// Prints one line: the position, the order number, the reason and its cause.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { record, line, byte } = self.place;
        write!(f, "record {record}, line {line}, byte {byte}")?;
        if let Some(no) = self.no {
            write!(f, ", order {no}")?;
        }
        write!(f, ": {}", self.reason)?;
        match self.reason.source() {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

/// Reason why the import refused or skipped a record. Later versions may add variants.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// The record is not a JSON object. Outside an array, it extends to the next line that
    /// begins with `{`.
    #[error("the record is not a JSON object: write one object after another, or one array")]
    NotObject,
    /// The record is incomplete: the input ends inside it. Outside an array, a line that begins
    /// with `{` also ends it. An array without its `]` counts as one more incomplete record.
    #[error(
        "the record is incomplete: the input ends, or a line begins with `{{`, before the record ends; \
         check that the file is complete"
    )]
    Incomplete,
    /// The record is longer than any order can be.
    #[error("the record has more than {max} bytes, more than any order needs")]
    TooLong {
        /// Maximum length of a record, in bytes.
        max: usize,
    },
    /// The record is not UTF-8.
    #[error(
        "the record is not UTF-8: if a spreadsheet saved the file, convert it, for example \
         with `iconv -f GB18030 -t UTF-8`"
    )]
    NotUtf8,
    /// The record is not valid JSON.
    #[error("the record is not valid JSON: line {line}, column {column}")]
    NotJson {
        /// Line of the input at which the parser stopped, from 1.
        line: u64,
        /// Column at which the parser stopped, in bytes from 1.
        column: u64,
    },
    /// The record does not have the format of [`Export::json_lines`](super::Export::json_lines).
    #[error("the record is not in the JSON Lines format of a store: line {line}, column {column}")]
    NotExported {
        /// Line of the input at which the parser stopped, from 1.
        line: u64,
        /// Column at which the parser stopped, in bytes from 1.
        column: u64,
    },
    /// The row has more or fewer cells than the header.
    #[error("the row has {found} cells, but the header has {expected}")]
    Cells {
        /// Number of cells in the row.
        found: usize,
        /// Number of cells in the header.
        expected: usize,
    },
    /// A field is missing or invalid.
    #[error("field {field} cannot be used")]
    Field {
        /// Name of the field in an order, as [`Field::name`](super::Field::name) returns it.
        field: &'static str,
        /// Reason why the field cannot be used.
        #[source]
        problem: FieldProblem,
    },
    /// The rules refuse the order: its fields contradict each other or another record of the store.
    #[error(transparent)]
    Order(#[from] ImportRefusal),
    /// The store already has a different order under this number.
    #[error("the store has a different order under this number: the {} differs", field.as_str())]
    Different {
        /// The first field that differs.
        field: Difference,
    },
    /// The store has the order, but lacks a payment, an amount or a refund of this record.
    ///
    /// With [`Conflict::Skip`](crate::Conflict::Skip), the store applied nothing. Import the record
    /// with [`Conflict::Advance`](crate::Conflict::Advance) to apply the difference. With
    /// `Advance`, the store applied everything that its rules accept.
    #[error(
        "skippedDiffers: the record has a payment, an amount or a refund that the store does \
         not have; an import with `advance` applies what the store's rules accept"
    )]
    SkippedDiffers,
    /// The store refused a refund request for a payment whose order does not exist.
    #[error(
        "the store refused a refund request for a payment whose order does not exist: {outcome}"
    )]
    Refund {
        /// Outcome of the request.
        outcome: RefundRequested,
    },
}

/// Reason why a field cannot be used. Later versions may add variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldProblem {
    /// The field is absent, null or empty.
    #[error("the field is missing")]
    Missing,
    /// The record has the field more than once.
    #[error("the field occurs more than once")]
    Repeated,
    /// The value is not a string. If another system wrote a long identifier as a number, digits are
    /// lost.
    #[error("the value is not a string: write it in quotes, because a number can lose digits")]
    NotText,
    /// The value is neither a number nor a string with a number.
    #[error("the value is not a number: write digits, like 1990 or 19.90")]
    NotNumber,
    /// The value is not a time in a supported format.
    #[error("the value is not a time: write it like 2022-03-21T13:20:07+08:00")]
    NotTime,
    /// The number is not an integer of milliseconds since 1970, or it is before 2001-09-09. It may
    /// be in seconds.
    #[error("the value is not in milliseconds since 1970: check that it is not in seconds")]
    NotMillis,
    /// The value is neither a status of this store nor mapped by
    /// [`Mapping::status`](super::Mapping::status).
    #[error("the status word is unknown: map it to a status")]
    UnknownStatus,
    /// The field names a payment, but the order is not paid.
    #[error("the field names a payment, but the order is not paid: check the status")]
    PaymentOnUnpaidOrder,
    /// The value is not an amount.
    #[error(transparent)]
    Amount(#[from] AmountProblem),
    /// The value is not allowed.
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl FieldProblem {
    pub(super) const fn of(self, field: &'static str) -> Reason {
        Reason::Field {
            field,
            problem: self,
        }
    }
}
