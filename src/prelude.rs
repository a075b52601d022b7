//! The names that a payment server needs most.
//!
//! ```
//! use orderstore::prelude::*;
//!
//! let store = Store::memory()?;
//! let no = store.next_order_no().wait()?;
//! assert!(store.get(no).wait()?.is_none());
//! # Ok::<(), Error>(())
//! ```

pub use crate::{
    AppId, Builder, Call, ChannelState, CloseOutcome, CloseReply, Confirmed, Created, Effect,
    Error, Event, EventKind, Feed, FeedCursor, Fen, MchId, NewOrder, NewRefund, OpenError, OpenId,
    Order, OrderNo, OrderQuery, Page, PageRequest, Payment, Policy, Prepay, PrepayKind, Queried,
    RefundFact, RefundNo, RefundRecorded, RefundRequested, RefundState, Reply, Resolution, Source,
    Status, Store, Ticket, Timestamp, TransactionId,
};
