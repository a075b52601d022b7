//! Value types of an order. Each value is validated once, when it enters the crate.
//!
//! Invariants:
//! - A value of one of these types always satisfies the rules of its type. Code outside this
//!   module cannot build a value without validation. Deserializing validates like parsing.
//! - Parsing does not trim or change case: a text value is exactly the parsed text. An amount is
//!   never rounded.
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
#[cfg(feature = "openapi")]
pub(crate) mod schema;
mod text;
mod text_traits;
mod time;
mod value_error;

#[cfg(test)]
mod check;

pub use channel::Channel;
pub use currency::Currency;
pub use id::{AppId, MchId, OpenId, Reference, RefundId, RefundNo, TransactionId};
pub use metadata::Metadata;
pub use money::Fen;
pub(crate) use money::positive;
pub use order_no::OrderNo;
pub use text::{Attach, Description, Label, Note, PrepayValue};
pub use time::Timestamp;
pub use value_error::{ValueError, ValueProblem};
