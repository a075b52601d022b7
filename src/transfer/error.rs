//! Reasons for refusing a record. No reason contains a value of the record.

use std::error::Error as _;
use std::fmt;

use thiserror::Error;

use super::amount::AmountProblem;
use super::position::Position;
use crate::order::{Difference, ImportRefusal, RefundRequested};
use crate::types::{OrderNo, ValueError};

/// A record that the import refused or skipped.
///
/// The store applied nothing of it, with two exceptions:
/// - [`Reason::SkippedDiffers`] under [`Conflict::Advance`](crate::Conflict::Advance): the store
///   applied everything else of the record.
/// - An exported record of payments and refunds without an order: each fact is its own command,
///   and the store may have applied the others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Position of the record in the input.
    pub place: Position,
    /// Order number; `None` if it could not be read.
    pub no: Option<OrderNo>,
    /// Reason for the refusal.
    pub reason: Reason,
}

/// One line for a report: position, order number, reason and cause of the reason.
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

/// Reason why the import refused or skipped a record. May grow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// The record is not a JSON object. Outside an array, it extends to the next line that
    /// begins with `{`.
    #[error("the record is not a JSON object: write one object after another, or one array")]
    NotObject,
    /// The record is incomplete: the input ends inside it. Outside an array, a line that begins
    /// with `{` also ends it. An array without its `]` counts as one more incomplete record.
    #[error("the record is incomplete: the input ends, or a line begins with another object")]
    Incomplete,
    /// The record is longer than any order can be.
    #[error("the record has more than {max} bytes")]
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
        /// The line of the input, from 1.
        line: u64,
        /// The column, in bytes from 1.
        column: u64,
    },
    /// The record does not have the format of [`Export::json_lines`](super::Export::json_lines).
    #[error("the record is not in a store's export format: line {line}, column {column}")]
    NotExported {
        /// The line of the input, from 1.
        line: u64,
        /// The column, in bytes from 1.
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
    /// The rules refuse the order: it contradicts itself, or another record of the store.
    #[error(transparent)]
    Order(#[from] ImportRefusal),
    /// The store already has a different order under this number.
    #[error("the store has a different order under this number: the {} differs", field.as_str())]
    Different {
        /// The first field that differs.
        field: Difference,
    },
    /// The store already has the order, but not a payment, an amount or a refund of this record.
    ///
    /// Under [`Conflict::Skip`](crate::Conflict::Skip), the store applied nothing; an import with
    /// [`Conflict::Advance`](crate::Conflict::Advance) applies it. Under `Advance`, the store
    /// applied everything else, but the rules did not accept this fact.
    #[error(
        "skippedDiffers: the record has a payment, an amount or a refund that the store does \
         not have; import it with `advance` to apply it"
    )]
    SkippedDiffers,
    /// The store refused a refund that was only requested and whose order does not exist.
    #[error("the store refused a requested refund whose order does not exist")]
    Refund {
        /// Outcome of the request.
        outcome: RefundRequested,
    },
}

/// Reason why a field cannot be used. May grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldProblem {
    /// The field is absent, null or empty.
    #[error("the field is missing")]
    Missing,
    /// The record has the field more than once.
    #[error("the field occurs more than once")]
    Repeated,
    /// The value is not a string. A long identifier that another system wrote as a number has
    /// lost digits.
    #[error("the value is not a string")]
    NotText,
    /// The value is neither a number nor a string with a number.
    #[error("the value is not a number")]
    NotNumber,
    /// The value is not a time in a supported format.
    #[error("the value is not a time in a supported format")]
    NotTime,
    /// The number is not an integer of milliseconds since 1970, or it is before 2001-09-09. It may
    /// be in seconds.
    #[error("the value is not a time in milliseconds")]
    NotMillis,
    /// The value is neither a status of this store nor mapped by
    /// [`Mapping::status`](super::Mapping::status).
    #[error("the status is neither known nor mapped: add a mapping for this word")]
    UnknownStatus,
    /// The field names a payment, but the order is not paid.
    #[error("the field names a payment, but the order is not paid")]
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
