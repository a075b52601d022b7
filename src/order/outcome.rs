//! Outcomes of commands about orders. A rejection by the rules is an outcome, not an error.

use super::anomaly::TradeState;
use super::refund_outcome::RefundRefusal;
use super::status::Status;
use crate::types::{Fen, OrderNo, Timestamp};
use serde::{Deserialize, Serialize};

/// Outcome of `create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Created {
    /// The order was created and is `Pending`. Each waiting payment that does not fit is now an
    /// anomaly of the order.
    Created,
    /// The order was created, and a payment that waited for it paid it at once.
    CreatedAndPaid,
    /// An order with the same fields exists, in any status. If the store found it by its
    /// `reference`, its number differs from the number in the command.
    Exists,
    /// An order with this number exists, but a field differs.
    ExistsWithDifferent {
        /// First immutable field in which the two orders differ.
        field: Difference,
    },
    /// Another order with this reference is already paid.
    ReferencePaid {
        /// Number of the paid order.
        #[serde(rename = "outTradeNo")]
        no: OrderNo,
    },
    /// Another order with this reference and other fields can still be paid.
    ReferenceBusy {
        /// Number of the order that has the reference.
        #[serde(rename = "outTradeNo")]
        no: OrderNo,
        /// Status of the order that has the reference.
        status: Status,
    },
}

/// Immutable field of an order. The variants are in the order of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Difference {
    /// Order field with the JSON name `channel`.
    Channel,
    /// Order field with the JSON name `appid`.
    Appid,
    /// Order field with the JSON name `mchId`.
    MchId,
    /// Order field with the JSON name `_openid`.
    #[serde(rename = "_openid")]
    Openid,
    /// Order field with the JSON name `totalFee`.
    TotalFee,
    /// Order field with the JSON name `feeType`.
    #[serde(rename = "feeType")]
    Currency,
    /// Order field with the JSON name `description`.
    Description,
    /// Order field with the JSON name `attach`.
    Attach,
    /// Order field with the JSON name `reference`.
    Reference,
}

impl Difference {
    /// Returns the name of the field in the JSON of an order.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Appid => "appid",
            Self::MchId => "mchId",
            Self::Openid => "_openid",
            Self::TotalFee => "totalFee",
            Self::Currency => "feeType",
            Self::Description => "description",
            Self::Attach => "attach",
            Self::Reference => "reference",
        }
    }
}

/// Outcome of `annotate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Annotated {
    /// The store replaced the metadata.
    Annotated,
    /// The order changed after the caller read it. Nothing was written.
    VersionMoved {
        /// Current version of the order.
        now: u64,
    },
    /// The order does not exist.
    NotFound,
}

/// Outcome of `record_prepay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Prepaid {
    /// The order has the prepay. The customer can pay with it until it expires.
    Recorded,
    /// The order is already paid. Nothing was written.
    AlreadyPaid,
    /// The order is `Closing`, `Closed` or `Failed` and accepts no new prepay. Nothing was
    /// written.
    NotPayable {
        /// Status of the order.
        status: Status,
    },
    /// The order does not exist.
    NotFound,
}

/// Outcome of `confirm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Confirmed {
    /// The payment paid the order.
    Applied,
    /// The store already has this payment. Nothing was written.
    Duplicate,
    /// No order has this number yet. The store keeps the payment until the order is created or
    /// imported.
    Unclaimed,
    /// The transaction already paid another order. The store recorded an anomaly.
    TransactionTaken {
        /// Number of the order that the transaction paid.
        by: OrderNo,
    },
    /// The payer, app, merchant or channel of the payment differs from that of the order. The store
    /// recorded an anomaly.
    IdentityMismatch {
        /// First identity field in which payment and order differ.
        field: super::IdentityField,
    },
    /// The amount or currency of the payment differs from that of the order. The store recorded an
    /// anomaly.
    AmountMismatch {
        /// Total of the order, in minor units such as fen.
        expected: Fen,
        /// Amount of the payment, in minor units such as fen.
        found: Fen,
    },
    /// Another transaction already paid the order. The store recorded an anomaly, and a refund is
    /// due.
    DoublePayment,
    /// The payment paid an order that had been closed or had failed. The order is now `LatePaid`.
    Late,
    /// A refund of the transaction is under way or done. The store recorded an anomaly.
    GivenBack {
        /// Number of the record that has the refund: another order's, or the order's own.
        by: OrderNo,
    },
    /// The record has reached its limit of anomalies or waiting payments. Nothing was written;
    /// the channel should retry.
    RecordFull,
}

/// Outcome of `record_query` and `record_unanswered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Queried {
    /// The channel reports a payment. The value is the outcome for this payment.
    Payment(Confirmed),
    /// The channel reports a refund that the store does not know. The store recorded an anomaly.
    /// The value is the outcome for the payment.
    RefundUnknown(Confirmed),
    /// The order is not paid yet. A later check is scheduled.
    StillPending,
    /// The order is still being closed.
    StillClosing,
    /// The status of the order changed.
    Moved {
        /// New status of the order.
        to: Status,
    },
    /// The report changes nothing: the order is already paid, or it has ended and the report is an
    /// older unpaid state.
    Stale,
    /// The order was `Closed` or `Failed` before this report, which changes nothing.
    Already,
    /// The channel revoked the payment of the order. The store recorded an anomaly.
    Reversed,
    /// The channel reports a state that a paid order cannot have. The store recorded an anomaly.
    ChannelDisagrees {
        /// State that the channel reports.
        state: TradeState,
    },
    /// The order does not exist.
    NotFound,
    /// The record has reached its limit of anomalies. Nothing was written.
    RecordFull,
}

/// Outcome of `begin_close`, `record_close`, `abort_close` and `end_order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum CloseOutcome {
    /// The order accepts no new prepay. `Store::due` lists the order when the server should ask the
    /// channel to close it.
    Closing,
    /// The order is closed: no further payment is expected.
    Closed,
    /// The close was aborted, and the order can be paid again.
    Reopened,
    /// The order was `Closing`, `Closed` or `Failed` before this command.
    Already,
    /// The order is paid, so it cannot be closed.
    AlreadyPaid,
    /// The channel's reply does not prove that the order is closed. A query of the order is due
    /// now.
    MustQuery,
    /// The order is still `Pending` and can be paid. The channel does not know it yet or could
    /// not answer.
    StillPending,
    /// The order is not closed yet. `Store::due` lists the order when the server should ask the
    /// channel again.
    StillClosing,
    /// The order is not `Closing`, so there is no close to abort.
    NotClosing,
    /// The order has an open anomaly. Resolve it before ending the order.
    OpenAnomaly,
    /// A refund of the order is under way. Wait for its end before ending the order.
    RefundUnderWay,
    /// The customer may still pay the order.
    TooEarly {
        /// Earliest time at which the order can be ended.
        from: Timestamp,
    },
    /// The order does not exist.
    NotFound,
}

/// Outcome of `resolve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Resolved {
    /// The anomaly ended by this decision.
    Resolved,
    /// The anomaly ended, and the store checked its payment against the order again. The value
    /// is the outcome for the payment.
    Reexamined(Confirmed),
    /// The anomaly had already ended by the same decision.
    Already,
    /// The anomaly had already ended by another decision.
    Different,
    /// The anomaly cannot be accepted, for example because of its kind, or because its payment is
    /// being refunded.
    NotAcceptable,
    /// The anomaly has no payment to refund, or its transaction paid another order.
    NotRefundable,
    /// The store refused the refund of the payment. Nothing was written.
    Refused(RefundRefusal),
    /// The record has reached its limit of anomalies or refunds. Nothing was written.
    RecordFull,
    /// The record or the anomaly does not exist. Or the decision names more reopenings than the
    /// anomaly has.
    NotFound,
}

/// Outcome of `hide` and `unhide`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Visible {
    /// The order is hidden from its user's list.
    Hidden,
    /// The order is visible in its user's list again.
    Shown,
    /// The order was already in the requested state: hidden, or visible.
    Already,
    /// The order is `Pending` or `Closing`, so it stays in the list.
    NotEnded,
    /// The order does not exist.
    NotFound,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_serializes_as_json_field_name() {
        use Difference as D;
        let all = [
            D::Channel,
            D::Appid,
            D::MchId,
            D::Openid,
            D::TotalFee,
            D::Currency,
            D::Description,
            D::Attach,
            D::Reference,
        ];
        for field in all {
            assert_eq!(serde_json::to_value(field).unwrap(), field.as_str());
        }
    }

    #[test]
    fn outcome_json_calls_order_number_out_trade_no() {
        let no = OrderNo::parse("order-1").unwrap();
        let json = serde_json::to_value(Created::ReferencePaid { no }).unwrap();
        assert_eq!(json["referencePaid"]["outTradeNo"], "order-1");
    }
}
