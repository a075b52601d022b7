//! Value types of an order. Each value is validated once, when it enters the crate.
//!
//! Invariants:
//! - A value of one of these types always satisfies the rules of its type. Code outside this
//!   module cannot build a value without validation. Deserializing validates like parsing.
//! - Parsing does not trim, change case or round. The value returns exactly the parsed input.
//! - Parsing checks the length limit before it allocates memory for the value.
//! - Parsing never panics. No error repeats the rejected text, so personal data does not
//!   reach an error log.
//! - A value serializes to one string or integer. The only exception is [`Metadata`] that is not
//!   UTF-8. Stored bytes do not use serde, see `format/v1`.

mod channel;
mod charset;
mod currency;
mod id;
mod inline;
mod metadata;
mod money;
mod order_no;
mod text;
mod text_traits;
mod time;

#[cfg(test)]
mod check;

pub use channel::Channel;
pub use currency::{Currency, CurrencyError};
pub use id::{
    AppId, IdError, IdErrorKind, MchId, OpenId, Reference, RefundId, RefundNo, TransactionId,
};
pub use metadata::Metadata;
pub use money::{Fen, FenError};
pub use order_no::{OrderNo, OrderNoError};
pub use text::{Attach, Description, Label, Note, PrepayValue, TextError, TextErrorReason};
pub use time::{Timestamp, TimestampError};
