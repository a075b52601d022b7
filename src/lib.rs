//! A transactional store for payment orders that a payment server links in.
//!
//! One record per `outTradeNo`, one pure state machine, compare-and-set on every change,
//! and answers that leave only after the disk has them. It takes verified facts (a callback
//! whose signature was checked, an answer to a query, a line of a bill) and finds each of
//! them its place: applied, recognised, adopted, or kept as an anomaly for a person.
//!
//! It is not for cloud functions, autoscaled containers or network shares: it needs a
//! persistent local disk and exactly one process. It speaks to no channel and verifies no
//! signature. Order numbers are unique across all merchants in one store, and `totalFee` is
//! integer fen.
//!
//! ```
//! use orderstore::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::memory()?; // or Store::open("/var/lib/shop/orders")?
//! let no = store.next_order_no().wait()?;
//! let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("19.90")?)?;
//! assert_eq!(store.create(no, new).wait()?.outcome, Created::Created);
//!
//! let payment = Payment::new(
//!     TransactionId::parse("4200004561202203217657282768")?,
//!     Fen::new(1990)?,
//!     Timestamp::parse_compact("20220321132007")?,
//!     Source::Query,
//! )?;
//! let answer = store.confirm(no, payment).wait()?; // in a task: .await
//! assert_eq!(answer.outcome, Confirmed::Applied);
//! assert!(answer.should_acknowledge());
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//! - [`Store`] has every verb; [`Builder`] its settings; each verb returns a [`Call`].
//! - [`NewOrder`], [`Payment`], [`Prepay`], [`ChannelState`] go in; [`Reply`] comes out, with
//!   an outcome of its verb and the [`Order`] as it stands.
//! - [`OrderQuery`] and [`PageRequest`] say which orders; [`FeedCursor`] names a place in the feed.
#![cfg_attr(
    feature = "transfer",
    doc = "- [`transfer`] moves other systems' books in, and a store's books out."
)]
#![cfg_attr(
    feature = "wechat",
    doc = "- [`wechat`] reads the channel's own messages."
)]
//! - [`rules`] is the state machine, [`engine`] the seam beneath the store.
//! - Feature `tracing`: spans `group` and, within, `command` of the target `orderstore`, with
//!   order number, verb and outcome. The subscriber runs on the thread that commits.
//! - Feature `cli`: the program `orderstore` for operators.
//! - [`manual`] tells how it works, what it promises, and what it asks of you.

mod clock;
mod commit;
mod contract;
#[cfg(any(feature = "transfer", feature = "wechat"))]
mod encoding;
pub mod engine;
mod error;
#[cfg(test)]
mod explored;
mod format;
pub mod manual;
mod order;
mod order_no;
mod process;
mod query;
pub mod rules;
mod store;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "transfer")]
pub mod transfer;
mod types;
mod verify;
#[cfg(feature = "wechat")]
pub mod wechat;

pub use commit::{Call, CallFuture, Health, Rejected, Stats, Ticket};
#[cfg(feature = "postgres")]
pub use engine::ReplicationRisk;
pub use engine::{
    BackupReport, CopyReport, Counts, FeedCursor, FeedCursorError, FeedEvent, IndexCount,
    JournalFindings, Progress, Recovery, RepairFinding, RepairReport, RestoreReport,
};
pub use error::{Error, StorageError, StorageErrorKind};
pub use order::*;
pub use query::{
    ClosedRefund, Cursor, CursorError, Due, EXAMINED_MAX, OpenAnomaly, OrderQuery, Page,
    PageRequest, Subtotal, Totals,
};
pub use rules::{ChannelPolicy, Policy};
pub use store::{Builder, Opened, Store};
pub use types::*;
pub use verify::{Invariant, VerifyReport, Violation};

/// The README's example, compiled and run with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
