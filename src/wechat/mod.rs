//! Parses the messages of `WeChat` Pay (the channel) into typed values.
//!
//! Invariants:
//! - A field that decides about money or identity must be valid. Otherwise the parser refuses the
//!   message, and the error names the field. The parser drops an invalid optional field.
//! - This module does not use the network, check signatures or decrypt. The server must do that
//!   first, and pass only bytes that it knows to come from the channel.
//! - No error and no `Debug` output contains a complete openid.
//!
//! | message | cloud container | v3 | v2 |
//! |---|---|---|---|
//! | payment notification | [`CloudEvent`] | [`V3Transaction`] | [`V2Event`] |
//! | notification of a combined payment | | [`CombinedTransaction`] | |
//! | refund notification | [`RefundMessage`] | [`RefundMessage`] | [`RefundMessage`] |
//! | answer to a refund request | [`RefundAnswer`] | [`RefundAnswer`] | [`RefundAnswer`] |
//! | answer to a refund query | | [`RefundMessage`] | |
//! | answer to an order query | [`OrderAnswer`] | [`OrderAnswer`] | [`OrderAnswer`] |
//! | answer to a query of a combined payment | | [`CombinedAnswer`] | |
//! | answer to a close request | [`ClosingAnswer`] | [`ClosingAnswer`] | [`ClosingAnswer`] |
//! | reply of the server to a notification | [`CloudReply`] | [`V3Reply`] | [`V2Reply`] |
//!
//! [`bill::BillReader`] reads a day's trade bill. [`Reconciliation`] compares it with the store.

mod answer;
pub mod bill;
mod cloud;
mod codes;
mod combined;
mod error;
mod failure;
mod fields;
mod notification;
mod payment;
mod reconcile;
mod refund;
mod reply;
mod v2;
mod v3;

pub use answer::{ClosingAnswer, CombinedAnswer, OrderAnswer, RefundAnswer, RefundReply};
pub use cloud::CloudEvent;
pub use combined::CombinedTransaction;
pub use error::{FieldError, MessageError};
pub use failure::Failure;
pub use reconcile::{
    BillDifference, BillDifferenceKind, Fix, ReconcileError, Reconciled, Reconciliation,
};
pub use refund::RefundMessage;
pub use reply::{CloudReply, V2Reply, V3Reply};
pub use v2::V2Event;
pub use v3::V3Transaction;
