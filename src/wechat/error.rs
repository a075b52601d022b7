//! Why a message is refused. No error holds a value of the message.

use thiserror::Error;

use crate::order::{PaymentError, RefundError};
use crate::types::{CurrencyError, FenError, IdError, OrderNoError, TimestampError};

/// Why bytes are not the message that was expected. The channel should hear "not
/// received". May grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// There are more bytes than any message has.
    #[error("the message has {len} bytes, more than {max}")]
    TooLarge {
        /// How many there are.
        len: usize,
        /// How many there may be.
        max: usize,
    },
    /// The message has more fields than any message of the channel.
    #[error("the message has more than {max} fields, more than any message of the channel")]
    TooManyFields {
        /// Maximum number of fields.
        max: usize,
    },
    /// The bytes are not one JSON value.
    #[error("the message is not JSON: line {line}, column {column}")]
    NotJson {
        /// The line at which reading ended, from 1.
        line: usize,
        /// The column at which reading ended.
        column: usize,
    },
    /// The bytes are not one XML element with fields in it, in UTF-8, without a document
    /// type and without entities of its own.
    #[error("the message is not plain XML: byte {at}")]
    NotXml {
        /// How many bytes had been read.
        at: u64,
    },
    /// It can be read, but it is something else: a refund where a payment is expected, a
    /// payment where a refund is, an array.
    #[error("the message is not {wanted}")]
    WrongKind {
        /// What was expected.
        wanted: &'static str,
    },
    /// A field that the fact depends on is missing or malformed.
    #[error("the message's {field} cannot be used")]
    Field {
        /// The name of the field, as the message writes it; names of nested fields are
        /// joined by points.
        field: &'static str,
        /// What is wrong with it.
        source: FieldError,
    },
}

/// What is wrong with a field. May grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldError {
    /// It is not there, or null.
    #[error("it is missing")]
    Missing,
    /// It is there more than once, and nobody can say which one counts.
    #[error("it occurs more than once")]
    Repeated,
    /// It is there, but not as a string.
    #[error("it is not a string")]
    NotText,
    /// What it should stand in is there, but is not an object.
    #[error("it stands in something that is not an object")]
    NotInObject,
    /// It should be one list of objects.
    #[error("it is not one list")]
    NotList,
    /// It is a fraction, negative, text or beyond 64 bits.
    #[error("it is not an unsigned integer of 64 bits")]
    NotUnsigned,
    /// It is neither `SUCCESS` nor `FAIL`.
    #[error("it is neither SUCCESS nor FAIL")]
    NotCode,
    /// It is none of the states that the channel documents.
    #[error("it is not a state that is known")]
    NotState,
    /// It is about something else than what was asked about.
    #[error("it is not what was asked about")]
    NotAsked,
    /// It is not what a refund can be of.
    #[error(transparent)]
    Refund(#[from] RefundError),
    /// It is not an order number.
    #[error(transparent)]
    OrderNo(#[from] OrderNoError),
    /// It is not an identifier.
    #[error(transparent)]
    Id(#[from] IdError),
    /// It is not an amount.
    #[error(transparent)]
    Amount(#[from] FenError),
    /// It is not what a payment can be of.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// It is not a currency.
    #[error(transparent)]
    Currency(#[from] CurrencyError),
    /// It is not a point in time.
    #[error(transparent)]
    Time(#[from] TimestampError),
}

impl FieldError {
    /// The same, with the name of the field.
    pub(super) fn of(self, field: &'static str) -> MessageError {
        MessageError::Field {
            field,
            source: self,
        }
    }
}
