//! Data types for one order number: records, commands, outcomes and events.
//!
//! These types are plain data with read access. The module `rules` contains the rules. The stored
//! format contains these types, so a changed field or variant changes the format.

mod anomaly;
mod command;
mod event;
mod import;
mod new_refund;
mod outcome;
mod payment;
mod record;
mod refund;
mod refund_outcome;
mod reply;
mod status;
mod words;

pub use anomaly::{
    Anomaly, AnomalyEnd, AnomalyEndKind, AnomalyId, AnomalyKind, AnomalyRef, IdentityField,
    Reopening, TradeState,
};
pub use command::{ChannelState, CloseReply, Command, CommandKind, NewOrder, Resolution};
pub use event::{AnomalyRaised, Event, EventKind, OrderCreated};
pub use import::{Conflict, ImportRefusal, Imported};
pub use new_refund::NewRefund;
pub use outcome::{
    Annotated, CloseOutcome, Confirmed, Created, Difference, Prepaid, Queried, Resolved, Visible,
};
pub use payment::{Payment, Prepay, PrepayKind, Source};
pub use record::{
    ActionKind, MAX_ANOMALIES, MAX_FOLDED, MAX_REFUNDS, MAX_WAITING, NextAction, Order, Record,
    Waiting,
};
pub use refund::{Refund, RefundAttempt, RefundFact, RefundState, RefundStatus};
pub use refund_outcome::{
    RefundDifference, RefundRecorded, RefundRefusal, RefundRefused, RefundRequested,
    RefundUnanswered,
};
pub use reply::{NoOrder, Outcome, Reply};
pub use status::Status;
