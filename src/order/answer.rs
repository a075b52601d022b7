//! What a caller hears. Logical refusals are answers, not errors.

use super::anomaly::TradeState;
use super::status::Status;
use crate::types::{Fen, OrderNo, Timestamp};

/// What became of a `create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Created {
    /// It is there, `Pending`, unless an anomaly beside it says that a waiting payment
    /// does not fit.
    Created,
    /// It is there, and a payment that had waited for it paid it at once.
    CreatedAndPaid,
    /// It was there, with the same fields, whatever its status. Where the `reference` is
    /// what was there, the order's number is not the one offered.
    Exists,
    /// Another order is there under this number.
    ExistsWithDifferent {
        /// The first field that differs.
        field: Difference,
    },
    /// The shop's order was paid already, under this number.
    ReferencePaid {
        /// The paying order's number.
        no: OrderNo,
    },
    /// Another order with other fields bears the reference and can be paid.
    ReferenceBusy {
        /// That order's number.
        no: OrderNo,
        /// Its status.
        status: Status,
    },
}

/// An immutable field of an order, in the order in which they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Difference {
    /// `channel`
    Channel,
    /// `appid`
    Appid,
    /// `mchId`
    MchId,
    /// `_openid`
    Openid,
    /// `totalFee`
    TotalFee,
    /// `feeType`
    Currency,
    /// `description`
    Description,
    /// `attach`
    Attach,
    /// `reference`
    Reference,
}

/// What became of an `annotate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Annotated {
    /// The bytes were replaced.
    Annotated,
    /// The order changed since the caller read it; nothing was written.
    VersionMoved {
        /// Its version now.
        now: u64,
    },
    /// There is no such order.
    NotFound,
}

/// What became of a `record_prepay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prepaid {
    /// It is kept; the customer can pay with it.
    Recorded,
    /// The payment overtook the invitation.
    AlreadyPaid,
    /// The order cannot be paid any more.
    NotPayable {
        /// Where it stands.
        status: Status,
    },
    /// There is no such order.
    NotFound,
}

/// What became of a `confirm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmed {
    /// The order is paid by it.
    Applied,
    /// The store knows this fact already; nothing was written.
    Duplicate,
    /// No order bears this number yet. The payment is kept, and `create` adopts it.
    Unclaimed,
    /// The transaction paid another order; kept as an anomaly.
    TransactionTaken {
        /// The order that it paid.
        by: OrderNo,
    },
    /// Another identity paid; kept as an anomaly.
    IdentityMismatch {
        /// The first part that differs.
        field: super::IdentityField,
    },
    /// Another amount or currency was paid; kept as an anomaly.
    AmountMismatch {
        /// The order's total.
        expected: Fen,
        /// What was paid.
        found: Fen,
    },
    /// Another transaction had paid the order; kept as an anomaly, a refund is due.
    DoublePayment,
    /// The order had been closed or had failed; it is `LatePaid` now.
    Late,
    /// Money of the transaction goes back, or went back; kept as an anomaly.
    GivenBack {
        /// The number of the record that gives it back: another one's, or the order's own
        /// where this amount was not told before.
        by: OrderNo,
    },
    /// The record holds as many anomalies or waiting payments as it may; nothing was
    /// written, and the channel should repeat.
    RecordFull,
}

/// What became of a `record_query`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Queried {
    /// The channel says paid: what became of the payment.
    Payment(Confirmed),
    /// The channel says refunded, and no refund is known here: an anomaly. What became of
    /// the payment.
    RefundUnknown(Confirmed),
    /// Not paid yet; the next check is due later.
    StillPending,
    /// Still being closed.
    StillClosing,
    /// The order moved.
    Moved {
        /// Where it stands now.
        to: Status,
    },
    /// Old news of an order that has been paid since.
    Stale,
    /// The order had ended so already.
    Already,
    /// The channel revoked a payment that stands here: an anomaly.
    Reversed,
    /// The channel says what cannot be of a paid order: an anomaly.
    ChannelDisagrees {
        /// What it says.
        state: TradeState,
    },
    /// There is no such order.
    NotFound,
    /// The record holds as many anomalies as it may; nothing was written.
    RecordFull,
}

/// What became of a `begin_close`, `record_close`, `abort_close` or `end_order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseAnswer {
    /// No new prepay from now on; `due` says when to ask the channel.
    Closing,
    /// The order is closed.
    Closed,
    /// It can be paid again.
    Reopened,
    /// It was so already.
    Already,
    /// It has been paid.
    AlreadyPaid,
    /// The reply proves nothing: ask the channel how the order stands; it is due now.
    MustQuery,
    /// The channel does not know it, and may not know it yet; it can still be paid.
    StillPending,
    /// Not closed yet; `due` says when to ask again.
    StillClosing,
    /// It is not being closed.
    NotClosing,
    /// It cannot be ended while an anomaly is open: resolve that first.
    OpenAnomaly,
    /// It cannot be ended while a refund is under way: wait for its end.
    RefundUnderWay,
    /// It may still be paid: it can be ended from this moment on.
    TooEarly {
        /// When it can be ended.
        from: Timestamp,
    },
    /// There is no such order.
    NotFound,
}

/// What became of a `resolve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolved {
    /// The anomaly ended.
    Resolved,
    /// The anomaly ended, and its payment was looked at again: what became of it.
    Reexamined(Confirmed),
    /// It had ended by the same decision.
    Already,
    /// It had ended by another decision.
    Different,
    /// An anomaly of this kind cannot be accepted.
    NotAcceptable,
    /// There is no money in this anomaly that could go back.
    NotRefundable,
    /// Money of the transaction goes back, or went back, from another record.
    RefundedElsewhere {
        /// That record's number.
        by: OrderNo,
    },
    /// The refund's number is in use.
    RefundNoTaken {
        /// The order that it is used in.
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
    /// The record holds as many anomalies or refunds as it may; nothing was written.
    RecordFull,
    /// There is no such record, or no such anomaly in it.
    NotFound,
}

/// What became of a `hide` or `unhide`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Visible {
    /// It left its user's list.
    Hidden,
    /// It is back in its user's list.
    Shown,
    /// It was so already.
    Already,
    /// It can still be paid, or is being closed: it stays in the list.
    NotEnded,
    /// There is no such order.
    NotFound,
}
