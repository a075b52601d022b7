//! What a caller hears about refunds.

use super::refund::RefundStatus;
use crate::types::{Fen, Label, OrderNo};

/// What became of a `request_refund`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefundRequested {
    /// Its money is reserved: ask the channel for it now.
    Requested,
    /// It is there, with the same facts, under way or succeeded. While it is `Requested` the
    /// channel may be asked again under the same number.
    Exists,
    /// This attempt ended without success and holds no money. To try again, request attempt
    /// `attempts + 1` of a closed refund; money that returned needs a new number.
    Ended {
        /// The channel's code, where it refused the last attempt.
        code: Option<Label>,
        /// How many attempts there were.
        attempts: u32,
    },
    /// Another refund is there under this number.
    ExistsWithDifferent {
        /// The first fact that differs.
        field: RefundDifference,
    },
    /// The number is in use: in another order, or in an anomaly of this one.
    RefundNoTaken {
        /// The order that it is used in.
        by: OrderNo,
    },
    /// No payment of this transaction is known here, or it paid another order: its money
    /// goes back from there.
    NotPaid,
    /// Money of this transaction goes back, or went back, from another record.
    RefundedElsewhere {
        /// That record's number.
        by: OrderNo,
    },
    /// The channel says that it revoked the order's payment: no refund before a person has
    /// resolved that.
    Blocked,
    /// It was paid too long ago: the channel gives nothing back any more.
    WindowOver,
    /// The channel gives one transaction back in no more parts.
    TooMany,
    /// Not so much is left of the transaction.
    Exceeds {
        /// What is left.
        available: Fen,
    },
    /// The record holds as many refunds as it may; nothing was written.
    RecordFull,
    /// Nothing is known under this number.
    NotFound,
}

/// A fact by which two refunds of one number differ, in the order in which they are
/// compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefundDifference {
    /// Where it runs.
    Channel,
    /// Whose money goes back.
    TransactionId,
    /// How much.
    Amount,
}

/// What became of a `record_refund`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefundRecorded {
    /// The refund moved.
    Moved {
        /// How far it is now.
        to: RefundStatus,
    },
    /// A refund that was not asked for here, such as one made in the merchant's console:
    /// kept with its order.
    Adopted,
    /// No order bears this number yet. The refund is kept, and `create` brings it along.
    Unclaimed,
    /// The store knows this fact already.
    Duplicate,
    /// Old news of a refund that has ended since.
    Stale,
    /// A failure that may be older than the present attempt or the success: it is not
    /// believed. Ask the channel how the refund stands; it is due now.
    MustQuery,
    /// The channel says that a refund failed which succeeded here, or the reverse; kept as
    /// an anomaly.
    Disagrees {
        /// How far the refund is here.
        status: RefundStatus,
    },
    /// Money of its transaction is another record's; kept as an anomaly.
    RefundedElsewhere {
        /// That record's number.
        by: OrderNo,
    },
    /// The number is that of another order's refund; kept as an anomaly.
    RefundNoTaken {
        /// The order that it is used in.
        by: OrderNo,
    },
    /// The refund was asked for with other facts; kept as an anomaly.
    Differs {
        /// The first fact that differs.
        field: RefundDifference,
    },
    /// More went back than was left; kept as an anomaly.
    Exceeds {
        /// What was left.
        available: Fen,
    },
    /// The record holds as many anomalies or refunds as it may; nothing was written, and
    /// the channel should repeat.
    RecordFull,
}

/// What became of a `record_refund_refused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefundRefused {
    /// Its money is free again. To try again, request the next attempt under the same number.
    Closed,
    /// This attempt had ended already.
    Already,
    /// The channel had taken it: the refusal is of a repeat, and its fate is asked for.
    NotRequested {
        /// How far it is.
        status: RefundStatus,
    },
    /// There is no such refund, or no such attempt, under this order's number.
    NotFound,
}

/// What became of a `record_refund_unanswered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefundUnanswered {
    /// The refund stays as it is. If it was due, the next check is due later.
    PutOff,
    /// The refund waits for no answer.
    NotOpen {
        /// How far it is.
        status: RefundStatus,
    },
    /// There is no such refund under this order's number.
    NotFound,
}
