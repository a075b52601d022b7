//! What travels back through the one queue: every kind of answer.

use std::sync::Arc;

use crate::contract::{Counts, FeedEvent};
use crate::engine::{BackupReport, CopyReport};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Event, Order, Outcome, Reply};
use crate::query::{ClosedRefund, Due, OpenAnomaly, Page, Totals};
use crate::types::OrderNo;
use crate::verify::VerifyReport;

/// An answer of any kind.
#[derive(Debug)]
pub(crate) enum AnyReply {
    Answer(Reply<Outcome>),
    Order(Option<Arc<Order>>),
    Number(OrderNo),
    Orders(Page<Arc<Order>>),
    Dues(Page<Due>),
    Anomalies(Page<OpenAnomaly>),
    ClosedRefunds(Page<ClosedRefund>),
    History(Vec<Event>),
    Feed(Vec<FeedEvent>),
    Counts(Counts),
    Totals(Totals),
    #[cfg(feature = "transfer")]
    Weighed(Vec<Reply<Outcome>>),
    #[cfg(any(feature = "transfer", feature = "wechat"))]
    Rows(crate::contract::IndexPage),
    Report(VerifyReport),
    Backup(BackupReport),
    Copied(CopyReport),
    Done,
}

/// Takes the one kind of answer that a call expects.
pub(crate) type Extract<T> = fn(AnyReply) -> Option<T>;

/// An answer of another kind than was asked for: a bug here, told and not panicked over.
pub(crate) fn wrong_reply() -> Error {
    Error::Unreadable(StorageError::new(
        StorageErrorKind::Internal,
        "the answer is of another kind than the question",
    ))
}
