//! Why an event is refused. No message holds a value of the event.

use thiserror::Error;

use crate::order::PaymentError;
use crate::value::{CurrencyError, FenError, IdError, OrderNoError, TimestampError};

/// Why bytes are not a [`CloudEvent`](super::CloudEvent). The channel should hear
/// "not received". May grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CloudEventError {
    /// The bytes are not one JSON value.
    #[error("the event is not JSON: line {line}, column {column}")]
    NotJson {
        /// The line at which reading ended, from 1.
        line: usize,
        /// The column at which reading ended.
        column: usize,
    },
    /// It is JSON, but of something else than a payment: a refund, a message, an array.
    #[error("the event is not about a payment")]
    WrongKind,
    /// A field that the payment depends on is missing or malformed.
    #[error("the event's {field} cannot be used")]
    Field {
        /// The name of the field, as the event writes it.
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
    /// It is a fraction, negative, text or beyond 64 bits.
    #[error("it is not an unsigned integer of 64 bits")]
    NotUnsigned,
    /// It is neither `SUCCESS` nor `FAIL`.
    #[error("it is neither SUCCESS nor FAIL")]
    NotCode,
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
    pub(super) fn of(self, field: &'static str) -> CloudEventError {
        CloudEventError::Field {
            field,
            source: self,
        }
    }
}
