//! Outcomes of importing an order from another system.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::outcome::{Confirmed, Difference};
use crate::types::OrderNo;

/// Behaviour of `import` if an order with the same number exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Conflict {
    /// Leave the existing order unchanged.
    Skip,
    /// Apply new payments and refunds with the rules of `confirm` and `record_refund`. A status
    /// never goes back, and a recorded payment does not change.
    Advance,
}

/// Outcome of `import`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Imported {
    /// The order now exists as in the source, with the payments and refunds that had waited for it.
    Imported,
    /// With [`Conflict::Skip`]: the order exists, and the source brings nothing new. Nothing was
    /// written.
    Skipped,
    /// The order exists, and the source has a payment, an amount or a refund that the store
    /// still does not have. `Skip` wrote nothing; `Advance` wrote all other new facts.
    SkippedDiffers,
    /// With [`Conflict::Advance`]: the order exists, and the new facts of the source were applied.
    /// The value is the outcome for the payment of the source, if it has one.
    Advanced(Option<Confirmed>),
    /// With [`Conflict::Advance`]: the order exists, and the source brings nothing new. Nothing was
    /// written.
    Exists,
    /// An order with this number exists, but a field differs.
    ExistsWithDifferent {
        /// First immutable field in which the two orders differ.
        field: Difference,
    },
    /// The store refused the order of the source for this reason. Nothing was written.
    Refused(ImportRefusal),
}

/// Reason why `import` rejects an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum ImportRefusal {
    /// The order's number differs from the number in the command.
    #[error("the order number differs from that of the command")]
    OtherNumber,
    /// The order total is zero.
    #[error("the order total is 0 fen: an order needs at least 1 fen")]
    NothingToPay,
    /// The payment does not fit: a paid order needs a payment of its total in its currency, and an
    /// unpaid order must have none.
    #[error("the payment does not match the status, total or currency of the order")]
    PaymentDisagrees,
    /// The field `late` is wrong: it must be true for `latePaid`, and false for an order that was
    /// never paid.
    #[error("`late` does not match the status: `latePaid` needs true, an unpaid order needs false")]
    LateDisagrees,
    /// The time of the last change is before the creation, or in the future.
    #[error("the last change of the order is before its creation or in the future")]
    TimesDisagree,
    /// The order is hidden but can still be paid; only an ended order can be hidden.
    #[error("the order is hidden, but it can still be paid")]
    HiddenWhileOpen,
    /// The order has an open anomaly of kind `Unclaimed`, which is valid only while no order
    /// exists.
    #[error("an open anomaly says that a payment waits for the order, but the order exists")]
    StillUnclaimed,
    /// Two refunds of the order have the same number.
    #[error("two refunds of the order have the same number")]
    DuplicateRefundNo,
    /// The amount of a refund is zero.
    #[error("a refund of the order is 0 fen")]
    NothingBack,
    /// The refunded and reserved amounts of a transaction exceed what it paid.
    #[error("the refunded and reserved amounts exceed the payment")]
    RefundsExceed,
    /// The transaction of the order already paid another order.
    #[error("the transaction already paid order {by}")]
    TransactionTaken {
        /// Number of the order that the transaction paid.
        by: OrderNo,
    },
    /// Another record refunds money of a transaction of the order.
    #[error("order {by} already refunds money of the transaction")]
    RefundedElsewhere {
        /// Number of the record that has the refund.
        by: OrderNo,
    },
    /// Another order uses a refund number of the order.
    #[error(
        "a refund number of the order is already used by order {by}: check to which order the refund \
         belongs"
    )]
    RefundNoTaken {
        /// Number of the order that has the refund number.
        by: OrderNo,
    },
    /// Another payable or paid order has the same reference.
    #[error("order {by} already has the same reference")]
    ReferenceTaken {
        /// Number of the order that has the reference.
        by: OrderNo,
    },
    /// The order, with the facts that the store already has, needs more anomalies or refunds than a
    /// record can hold.
    #[error("the order needs more anomalies or refunds than a record can hold")]
    RecordFull,
}
