//! The values an order is made of, each checked once, at the edge.
//!
//! Invariants:
//! - A value of one of these types is proof that its rule holds. There is no way
//!   to build one unchecked, and deserializing checks like parsing does.
//! - Nothing is trimmed, folded or rounded: what was parsed is what comes back.
//! - A limit is checked before memory is taken for the value.
//! - Parsing never panics, and no error repeats the text that was refused, so
//!   personal data does not leave through a log of errors.
//! - The serialized form is one string, integer or run of bytes per value. The
//!   compact binary form never depends on a self-describing format; in it digits are
//!   packed, and the usual channel and currency are empty.

mod channel;
mod charset;
mod currency;
mod id;
mod inline;
mod metadata;
mod money;
mod order_no;
mod packed;
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
