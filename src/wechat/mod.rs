//! `WeChat`'s own messages as typed values.
//!
//! Invariants:
//! - Reading is lenient where nothing depends on it, and strict where money or identity
//!   does: what decides nothing is dropped if it is malformed, what decides something is
//!   refused by name.
//! - Nothing here talks to the network, and nothing checks a signature or decrypts: bytes
//!   come in that the server knows to be the channel's, values go out.
//! - No error and no `Debug` shows an openid in full.
//!
//! | what the server got | cloud container | v3 | v2 |
//! |---|---|---|---|
//! | a payment's notification | [`CloudEvent`] | [`V3Transaction`] | [`V2Event`] |
//! | a combined payment's notification | | [`CombinedTransaction`] | |
//! | a refund's notification | [`RefundMessage`] | [`RefundMessage`] | [`RefundMessage`] |
//! | the answer to a request for a refund | [`RefundAnswer`] | [`RefundAnswer`] | [`RefundAnswer`] |
//! | the answer about a refund | | [`RefundMessage`] | |
//! | the answer about an order | [`OrderAnswer`] | [`OrderAnswer`] | [`OrderAnswer`] |
//! | the answer about a combined payment | | [`CombinedAnswer`] | |
//! | the answer to a close | [`ClosingAnswer`] | [`ClosingAnswer`] | [`ClosingAnswer`] |
//! | what it replies | [`CloudReply`] | [`V3Reply`] | [`V2Reply`] |
//!
//! A day's trade bill is read by [`bill::BillReader`] and compared with the store by
//! [`Reconciliation`].

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
