//! An order taken over from other books.

use thiserror::Error;

use super::answer::{Confirmed, Difference};
use crate::types::OrderNo;

/// What an `import` does where the number is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Conflict {
    /// Nothing.
    Skip,
    /// What create, confirm and the recording of refunds would do: a status never goes
    /// back, and no money fact is changed.
    Advance,
}

/// What became of an `import`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Imported {
    /// It is there as in the other books, with what had waited for it.
    Imported,
    /// Its number is known, and the other books know no more; nothing was written.
    Skipped,
    /// Its number is known, and the other books know a payment, an amount or a refund that is
    /// still not known here. With `Skip` nothing was written; with `Advance` all else was
    /// taken in.
    SkippedDiffers,
    /// Its number is known, and what the other books know more was taken in: what became
    /// of the payment, where they know one.
    Advanced(Option<Confirmed>),
    /// Its number is known, and the other books know no more.
    Exists,
    /// Another order is there under this number.
    ExistsWithDifferent {
        /// The first field that differs.
        field: Difference,
    },
    /// It cannot be as it stands in the other books; nothing was written.
    Refused(ImportRefusal),
}

/// Why an order cannot be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImportRefusal {
    /// The command names another number than the order.
    #[error("the order bears another number than the command")]
    OtherNumber,
    /// An order asks for at least one fen.
    #[error("an order of 0 fen cannot be paid")]
    NothingToPay,
    /// It is paid if and only if there is a payment, of its total and in its currency.
    #[error("the status and the payment disagree")]
    PaymentDisagrees,
    /// `late` is true of a `latePaid` order, and false of one that was never paid.
    #[error("the status and `late` disagree")]
    LateDisagrees,
    /// It was last changed before it was created, or will be after now.
    #[error("it changed before it was created or after now")]
    TimesDisagree,
    /// Only an ended order leaves its user's list.
    #[error("it is hidden and can still be paid")]
    HiddenWhileOpen,
    /// Nothing waits for an order that is there.
    #[error("a payment waits for it although it is there")]
    StillUnclaimed,
    /// A refund number names one refund.
    #[error("two of its refunds bear one number")]
    DuplicateRefundNo,
    /// A refund of 0 fen is none.
    #[error("one of its refunds is of 0 fen")]
    NothingBack,
    /// More went back or is reserved of a transaction than it paid.
    #[error("more is refunded or reserved than was paid")]
    RefundsExceed,
    /// Its transaction paid another order.
    #[error("its transaction paid the order {by}")]
    TransactionTaken {
        /// That order.
        by: OrderNo,
    },
    /// Money of a transaction goes back from another record.
    #[error("money of its transaction goes back from the order {by}")]
    RefundedElsewhere {
        /// That record's number.
        by: OrderNo,
    },
    /// A refund number is in use.
    #[error("one of its refund numbers is used in the order {by}")]
    RefundNoTaken {
        /// In this order.
        by: OrderNo,
    },
    /// Another live order bears its reference.
    #[error("its reference is held by the order {by}")]
    ReferenceTaken {
        /// That order.
        by: OrderNo,
    },
    /// There are more anomalies or refunds than a record may hold.
    #[error("it has more anomalies or refunds than a record holds")]
    RecordFull,
}
