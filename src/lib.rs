//! Embedded transactional store for payment orders, to link into a payment server.
//!
//! The store keeps one record per order number (`outTradeNo`). A pure state machine decides every
//! command. A change is written only if the record still has the version that was decided on. The
//! store acknowledges a command only when it is durable.
//!
//! The server passes verified facts to the store: callbacks with checked signatures, answers to
//! queries, lines of a bill. The store applies a fact, recognizes it as a duplicate, or keeps it as
//! an anomaly for a person. A payment without an order waits until the order is created.
//!
//! The default engine needs a persistent local disk and exactly one process. It does not work in
//! cloud functions, in autoscaled containers or on network shares. The store never calls a payment
//! channel and verifies no signature. Order numbers are unique across all merchants in one store.
//! `totalFee` is an integer amount in fen (hundredths of a yuan).
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
//! # Overview
//! - [`Store`] has all operations, and [`Builder`] has the settings. Commands and reads return a
//!   [`Call`]: wait for it on a thread, await it in a task, or submit it for a [`Ticket`].
//! - [`prelude`] has the names that a payment server needs most.
//! - Commands take a [`NewOrder`], a [`Payment`], a [`Prepay`] or a [`ChannelState`]. They return a
//!   [`Reply`] with the outcome and the current [`Order`].
//! - [`Error`] is a failed call. Its [`Effect`] states whether the command was applied. A store
//!   that cannot be opened returns an [`OpenError`], and an invalid value a [`ValueError`].
//! - [`OrderQuery`] and [`PageRequest`] select orders. [`Rows`] iterates over all pages of a list,
//!   and [`Feed`] over the events after a [`FeedCursor`].
#![cfg_attr(
    feature = "transfer",
    doc = "- [`transfer`] imports orders from other systems and exports the orders of a store."
)]
#![cfg_attr(
    feature = "wechat",
    doc = "- [`wechat`] parses the messages of WeChat Pay."
)]
#![cfg_attr(
    feature = "remote",
    doc = "- [`remote`] uses a store that another process has open."
)]
//! - [`Health`] shows whether the store accepts commands, and [`Stats`] has its counters.
//! - [`rules`] is the state machine. [`engine`] is the contract for storage engines.
//! - Feature `tracing`: spans and log events with the target `orderstore`. The span `group` has the
//!   field `commands`, the number of its commands. Inside it, each command has a span `command`
//!   with the fields `no`, `verb` and `outcome`. Log events such as `opened store` report sizes,
//!   durations and causes. The subscriber runs on the thread that emits them: a caller's, or one of
//!   the store's.
//! - Feature `http`: the replies to WeChat as `http::Response`.
//! - The crate `orderstore-cli`: the program `orderstore` for operators.
//! - [`manual`] explains the design, the guarantees and the requirements.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod archive;
mod clock;
mod commit;
mod contract;
#[cfg(any(feature = "transfer", feature = "wechat"))]
mod encoding;
pub mod engine;
mod error;
mod format;
mod log;
pub mod manual;
mod number;
mod order;
mod order_no;
pub mod prelude;
mod process;
mod query;
#[cfg(feature = "remote")]
pub mod remote;
pub mod rules;
#[cfg(all(test, shuttle))]
mod schedules;
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

pub use archive::{Archive, ArchiveObject, ArchiveStorage, Retention};
pub use commit::{Call, CallFuture, Health, Rejected, Stats, Ticket};
#[cfg(feature = "postgres")]
pub use engine::ReplicationRisk;
pub use engine::{
    ArchiveReport, ArchiveRestoreReport, ArchiveStats, ArchiveStatus, ArchivedSnapshot,
    BackupReport, CopyReport, Counts, FeedCursor, FeedCursorError, FeedEvent, IndexCount,
    JournalFindings, MirrorStatus, OldStore, Progress, PromoteReport, PruneReport, Recovery,
    RepairFinding, RepairReport, RestorePoint, RestoreReport, StandbyStats,
};
pub use error::{Effect, Error, OpenError, StorageError, StorageErrorKind, with_causes};
pub use order::*;
pub use query::{
    ClosedRefund, Cursor, CursorError, Due, EXAMINED_MAX, OpenAnomaly, OrderQuery, Page,
    PageRequest, Subtotal, Totals,
};
pub use rules::{ChannelPolicy, Policy};
pub use store::{Builder, Feed, IntoStream, Opened, Rows, Store};
pub use types::*;
pub use verify::{Invariant, VerifyReport, Violation};

/// Runs the example of the README as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
