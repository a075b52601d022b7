//! What travels back through the one queue: every kind of answer.

use std::sync::Arc;

use crate::engine::{Backup, Copied, Counts, Sequenced};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Answered, Event, Order, Outcome};
use crate::query::{ClosedRefund, Due, OpenAnomaly, Page, Totals};
use crate::value::OrderNo;
use crate::verify::Report;

/// An answer of any kind.
#[derive(Debug)]
pub(crate) enum Said {
    Answer(Answered<Outcome>),
    Order(Option<Arc<Order>>),
    Number(OrderNo),
    Orders(Page<Arc<Order>>),
    Dues(Page<Due>),
    Anomalies(Page<OpenAnomaly>),
    ClosedRefunds(Page<ClosedRefund>),
    History(Vec<Event>),
    Feed(Vec<Sequenced>),
    Counts(Counts),
    Totals(Totals),
    #[cfg(feature = "transfer")]
    Weighed(Vec<Answered<Outcome>>),
    #[cfg(any(feature = "transfer", feature = "wechat"))]
    Rows(crate::engine::Rows),
    Report(Report),
    Backup(Backup),
    Copied(Copied),
    Done,
}

/// Takes the one kind of answer that a call expects.
pub(crate) type Hear<T> = fn(Said) -> Option<T>;

/// An answer of another kind than was asked for: a bug here, told and not panicked over.
pub(crate) fn misheard() -> Error {
    Error::Unreadable(StorageError::new(
        StorageErrorKind::Internal,
        "the answer is of another kind than the question",
    ))
}
