//! Outcomes of commands about refunds.

use super::refund::RefundStatus;
use crate::types::{Fen, Label, OrderNo};
use serde::{Deserialize, Serialize};

/// Outcome of `request_refund`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum RefundRequested {
    /// The store reserved the money. Request the refund from the channel now.
    Requested,
    /// A refund with the same facts exists and is under way or successful. While it is
    /// `Requested`, the server may send the request to the channel again under the same number.
    Exists,
    /// The requested attempt has ended and reserves no money: it failed, or its money came back. To
    /// retry a closed refund, request attempt `attempts + 1`. A returned refund needs a new number.
    Ended {
        /// Error code of the channel, if it refused the last attempt.
        code: Option<Label>,
        /// Number of attempts so far under this refund number.
        attempts: u32,
    },
    /// A refund with this number exists, but a fact differs.
    ExistsWithDifferent {
        /// First fact in which the refund and the request differ.
        field: RefundDifference,
    },
    /// The record has no payment of this transaction, or the transaction paid another order. In
    /// the second case, request the refund from that order.
    NotPaid,
    /// The store refused the refund. Nothing was written.
    Refused(RefundRefusal),
    /// The record has reached its limit of refunds. Nothing was written.
    RecordFull,
    /// The store has no record with this order number.
    NotFound,
}

/// Reason why the store refuses to refund a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RefundRefusal {
    /// The refund number is already in use in another order, or in this order for another refund.
    RefundNoTaken {
        /// Number of the order that uses the refund number.
        by: OrderNo,
    },
    /// Another record refunds or has refunded money of this transaction.
    RefundedElsewhere {
        /// Number of the record that has the refund.
        by: OrderNo,
    },
    /// The order has an open anomaly, because the channel revoked its payment. A person must
    /// resolve that anomaly before a refund.
    Blocked,
    /// The payment is older than the refund window of the channel.
    WindowOver,
    /// The transaction has as many partial refunds as the channel allows.
    TooMany,
    /// The refund is larger than the amount of the transaction that is not refunded or reserved
    /// yet.
    Exceeds {
        /// Amount of the transaction that is still available for a refund.
        available: Fen,
    },
}

/// Fact in which two refunds with the same number differ. The comparison checks the facts in this
/// order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RefundDifference {
    /// Payment channel of the refund.
    Channel,
    /// Transaction that is refunded.
    TransactionId,
    /// Amount of the refund.
    Amount,
}

/// Outcome of `record_refund`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum RefundRecorded {
    /// The status or the amount of the refund changed.
    Moved {
        /// Status of the refund after the report.
        to: RefundStatus,
    },
    /// The refund was not requested through this store, but for example in the merchant's console.
    /// The store recorded it with its order.
    Adopted,
    /// No order has this number yet. The store keeps the refund until the order is created or
    /// imported.
    Unclaimed,
    /// The store already has this report.
    Duplicate,
    /// The report is outdated, because the refund has ended in the meantime.
    Stale,
    /// The report of a failure may be older than the current attempt or than the success, so the
    /// store ignores the report. A query of the refund is due now.
    MustQuery,
    /// The channel reports that a refund failed, but in the store it succeeded, or the reverse. The
    /// store recorded an anomaly.
    Disagrees {
        /// Status of the refund in the store.
        status: RefundStatus,
    },
    /// The transaction belongs to another record. The store recorded an anomaly.
    RefundedElsewhere {
        /// Number of the record that the transaction belongs to.
        by: OrderNo,
    },
    /// Another order has a refund with this number. The store recorded an anomaly.
    RefundNoTaken {
        /// Number of the order that has the refund number.
        by: OrderNo,
    },
    /// The report differs from the request in a fact. The store recorded an anomaly.
    Differs {
        /// First fact in which the report and the request differ.
        field: RefundDifference,
    },
    /// The refund is larger than the amount of the transaction that is not refunded or reserved
    /// yet. The store recorded an anomaly.
    Exceeds {
        /// Amount of the transaction that was still available for the refund.
        available: Fen,
    },
    /// The record has reached its limit of anomalies or refunds. Nothing was written; the
    /// channel should retry.
    RecordFull,
}

/// Outcome of `record_refund_refused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum RefundRefused {
    /// The refund is closed, and its money is free again. To retry, request the next attempt
    /// under the same number.
    Closed,
    /// This attempt of the refund had already ended.
    Already,
    /// The channel had already accepted the refund, so it refused only a repeated request. Query
    /// the refund at the channel.
    NotRequested {
        /// Status of the refund.
        status: RefundStatus,
    },
    /// The order has no refund with this number, or no such attempt of it.
    NotFound,
}

/// Outcome of `record_refund_unanswered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum RefundUnanswered {
    /// The refund did not change. A check that was due is postponed.
    PutOff,
    /// No check of the refund is scheduled, for example because the refund has ended.
    NotOpen {
        /// Status of the refund.
        status: RefundStatus,
    },
    /// The order has no refund with this number.
    NotFound,
}
