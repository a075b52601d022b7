//! Why a record is refused. No reason holds a value of the record.

use std::error::Error as _;
use std::fmt;

use thiserror::Error;

use super::amount::AmountProblem;
use super::place::Place;
use crate::order::{Difference, ImportRefusal, RefundRequested};
use crate::types::{CurrencyError, IdError, OrderNo, OrderNoError, TextError, TimestampError};

/// A record that was not taken over; nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Where it begins.
    pub place: Place,
    /// Its order's number, where it could be read.
    pub no: Option<OrderNo>,
    /// Why.
    pub reason: Reason,
}

/// A line for a report: the place, the number, the reason and what is behind it.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { record, line, byte } = self.place;
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

/// Why a record was not taken over. May grow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// It does not begin with an object. Outside of an array, all that follows up to the next
    /// line that begins with an object is part of it.
    #[error("it is not an object: objects stand one after another, or in one array")]
    NotObject,
    /// The input ends, or outside of an array a line begins with another object, before it is
    /// complete. An array without its end is one more record that is cut.
    #[error("it is cut: another object begins, or the input ends, before it is complete")]
    Cut,
    /// It is longer than any order.
    #[error("it has more than {max} bytes")]
    TooLong {
        /// How many it may have.
        max: usize,
    },
    /// It is not UTF-8.
    #[error(
        "it is not UTF-8: if a spreadsheet saved it, convert the file, for example with \
         `iconv -f GB18030 -t UTF-8`"
    )]
    NotUtf8,
    /// It is not JSON.
    #[error("it is not JSON: line {line}, column {column}")]
    NotJson {
        /// The line of the input, from 1.
        line: u64,
        /// The column, in bytes from 1.
        column: u64,
    },
    /// It is no order as this store exports it.
    #[error("it is no order as a store exports it: line {line}, column {column}")]
    NotExported {
        /// The line of the input, from 1.
        line: u64,
        /// The column, in bytes from 1.
        column: u64,
    },
    /// The row has more or fewer cells than the header.
    #[error("it has {found} cells, and the header {expected}")]
    Cells {
        /// How many it has.
        found: usize,
        /// How many there are in the header.
        expected: usize,
    },
    /// A field cannot be used.
    #[error("its {field} cannot be used")]
    Field {
        /// Which, by the name that it bears in an order.
        field: &'static str,
        /// Why.
        #[source]
        problem: FieldProblem,
    },
    /// The fields do not make an order, or not beside the others.
    #[error(transparent)]
    Order(#[from] ImportRefusal),
    /// Another order is there under its number.
    #[error("another order is there under its number: the {} differs", name_of(*field))]
    Different {
        /// The first field that differs.
        field: Difference,
    },
    /// The order is there, and the record knows a payment, an amount or a refund more. It was
    /// skipped as asked; importing it in the mode `advance` takes it in.
    #[error(
        "skippedDiffers: it has a payment, an amount or a refund that the store does not know; \
         import it with `advance` to take it in"
    )]
    SkippedDiffers,
    /// A refund that was only asked for, and whose order is not there, is not taken.
    #[error("a refund that was asked for is not taken")]
    Refund {
        /// What the store says of it.
        outcome: RefundRequested,
    },
}

const fn name_of(field: Difference) -> &'static str {
    match field {
        Difference::Channel => "channel",
        Difference::Appid => "appid",
        Difference::MchId => "mchId",
        Difference::Openid => "_openid",
        Difference::TotalFee => "totalFee",
        Difference::Currency => "feeType",
        Difference::Description => "description",
        Difference::Attach => "attach",
        Difference::Reference => "reference",
    }
}

/// What is wrong with a field. May grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldProblem {
    /// It is not there, or null, or empty.
    #[error("it is missing")]
    Missing,
    /// It is there more than once.
    #[error("it occurs more than once")]
    Repeated,
    /// It is no text. A number of many digits lost some of them when it was written.
    #[error("it is not a text")]
    NotText,
    /// It is neither a number nor the text of one.
    #[error("it is not a number")]
    NotNumber,
    /// It is not a time in any of the forms that are read.
    #[error("it is not a time")]
    NotTime,
    /// It is a number, and as milliseconds before this century: seconds, perhaps.
    #[error("it is not a time in milliseconds")]
    NotMillis,
    /// It is no status that is known: map it, explicitly.
    #[error("it is a status that is neither known nor mapped")]
    UnknownStatus,
    /// The order is not paid, and this names a payment.
    #[error("it tells of a payment, and the order is not paid")]
    OfNoPayment,
    /// It is no amount.
    #[error(transparent)]
    Amount(#[from] AmountProblem),
    /// It is not an order number.
    #[error(transparent)]
    OrderNo(#[from] OrderNoError),
    /// It is not an identifier.
    #[error(transparent)]
    Id(#[from] IdError),
    /// It is not a currency.
    #[error(transparent)]
    Currency(#[from] CurrencyError),
    /// It is too long.
    #[error(transparent)]
    Text(#[from] TextError),
    /// It is not a time that exists.
    #[error(transparent)]
    Time(#[from] TimestampError),
}

impl FieldProblem {
    pub(super) const fn of(self, field: &'static str) -> Reason {
        Reason::Field {
            field,
            problem: self,
        }
    }
}
