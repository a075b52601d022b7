//! Reasons for which a parser refuses a message. No error contains a value of the message.

use thiserror::Error;

use crate::types::ValueError;

/// Reason why bytes are not the expected message. The server should reply "not received" to a
/// notification with such an error. Later versions may add variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The message is larger than any message of the channel.
    #[error("the message has {len} bytes, but the maximum is {max}")]
    TooLarge {
        /// Length of the message, in bytes.
        len: usize,
        /// Maximum length, in bytes.
        max: usize,
    },
    /// The message has more fields than any message of the channel.
    #[error("the message has more than {max} fields")]
    TooManyFields {
        /// Maximum number of fields.
        max: usize,
    },
    /// The bytes are not exactly one JSON value.
    #[error("the message is not valid JSON: the parser stopped at line {line}, column {column}")]
    NotJson {
        /// Line at which the parser stopped, from 1.
        line: usize,
        /// Column at which the parser stopped.
        column: usize,
    },
    /// The bytes are not one XML element with field elements, in UTF-8. A document type or a custom
    /// entity also causes this error.
    #[error("the message is not plain XML: the parser stopped at byte {at}")]
    NotXml {
        /// Number of bytes that the parser had read.
        at: u64,
    },
    /// The message is readable, but of another kind: for example a refund instead of a payment, or
    /// an array.
    #[error("the message is not {wanted}")]
    WrongKind {
        /// Expected kind of message.
        wanted: &'static str,
    },
    /// A field that the payment, refund or order state depends on is missing or malformed.
    #[error("field {field} of the message cannot be used")]
    Field {
        /// Name of the field in the message. Dots separate the names of nested fields.
        field: &'static str,
        /// Reason why the field cannot be used.
        source: FieldError,
    },
}

/// Reason why a field cannot be used. Later versions may add variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The field is absent or null.
    #[error("the field is missing")]
    Missing,
    /// The message has the field more than once, so its value is ambiguous.
    #[error("the field occurs more than once")]
    Repeated,
    /// The value is not a string.
    #[error("the value is not a string")]
    NotText,
    /// The parent of the field is not an object.
    #[error("the parent of the field is not an object")]
    NotInObject,
    /// The field is not a list, or occurs more than once.
    #[error("the field is not exactly one list")]
    NotList,
    /// The value is not an integer from 0 to 2⁶⁴ - 1. A JSON string is not an integer, either.
    #[error("the value is not an unsigned 64-bit integer")]
    NotUnsigned,
    /// The value is neither `SUCCESS` nor `FAIL`.
    #[error("the value is neither SUCCESS nor FAIL")]
    NotCode,
    /// The value is not a state that the channel documents.
    #[error("the value is not a known state")]
    NotState,
    /// The answer is about another order or refund than the request.
    #[error("the value differs from the request")]
    DiffersFromRequest,
    /// The value is not allowed.
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl FieldError {
    /// Converts to a message error that names the field.
    pub(super) fn of(self, field: &'static str) -> MessageError {
        MessageError::Field {
            field,
            source: self,
        }
    }
}
