//! A transactional payment-order store that a payment server links in.

mod builder;
pub mod engine;
mod error;
mod flow;
mod generator;
mod order;
mod query;
pub mod rules;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod value;
mod verify;
#[cfg(feature = "wechat")]
pub mod wechat;

pub use builder::Builder;
pub use engine::{Counts, FeedCursor, FeedCursorError, Sequenced};
pub use error::{Error, StorageError, StorageErrorKind};
pub use flow::{Answering, Call, Health, Refused, Stats, Ticket};
pub use order::*;
pub use query::{
    Cursor, CursorError, Due, EXAMINED_MAX, Listing, OpenAnomaly, Page, PageOf, Sum, Totals,
};
pub use rules::Policy;
pub use store::{Opened, Store};
pub use value::*;
pub use verify::{Invariant, Report, Violation};
