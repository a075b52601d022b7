//! Difference between a bill and the store, with a suggested fix.

use std::sync::Arc;

use crate::order::{Command, Order, Record, Refund};
use crate::types::{OrderNo, RefundNo};
use crate::wechat::bill::{BillEntry, BillLine, UnusableLine};

/// Difference between a bill and the store, with the bill line and the order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillDifference {
    /// Kind of difference.
    pub kind: BillDifferenceKind,
    /// Order number; `None` if the line does not have a valid one.
    pub no: Option<OrderNo>,
    /// Refund number; `None` if the difference is not about a refund.
    pub refund_no: Option<RefundNo>,
    /// Line of the bill; `None` if the bill has no such line, or if the line is unusable.
    pub line: Option<Box<BillLine>>,
    /// Unusable line of the bill, with the reason.
    pub unusable: Option<Box<UnusableLine>>,
    /// Order in the store; `None` if the store does not have it.
    pub order: Option<Arc<Order>>,
    /// Suggested fix.
    pub fix: Fix,
}

/// Kind of difference. Later versions may add variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BillDifferenceKind {
    /// The bill has a payment of an order that is not paid in the store.
    LocalUnpaid,
    /// An order is paid in the store, but the bill of that day does not have the payment.
    MissingInBill,
    /// The bill has an order that the store does not have.
    MissingLocally,
    /// The bill and the store have the payment, with different amounts or currencies.
    ///
    /// This kind also covers an unpaid order whose total differs from the payment in the bill.
    AmountDiffers,
    /// The bill and the store have different transactions as the payment of the order.
    TransactionDiffers,
    /// A refund differs, or only the bill or only the store has it. This kind also covers a payment
    /// that the bill reports as revoked.
    RefundDiffers,
    /// The currency has no hundredths, but the amounts of the bill and the store are equal only if
    /// the bill uses hundredths. See [`BillUnit`](crate::wechat::bill::BillUnit).
    UnitUncertain,
    /// The bill has an unusable line of this merchant. An example is an order number that no order
    /// of this store can have.
    UnusableLine,
}

/// Suggested fix of a difference. Later versions may add variants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fix {
    /// Send this command to the store. The store applies the command, recognises a duplicate, or
    /// records an anomaly.
    Record(Box<Command>),
    /// Query the channel, and record its answer in the store. The bill does not have enough data,
    /// or its data may be outdated.
    QueryChannel,
    /// A person must decide, because the bill and the store contradict each other.
    Person,
}

impl Fix {
    /// Returns the command for the store; `None` if the fix is not a command.
    #[must_use]
    pub fn into_command(self) -> Option<Command> {
        match self {
            Self::Record(command) => Some(*command),
            Self::QueryChannel | Self::Person => None,
        }
    }
}

impl BillDifference {
    pub(super) fn of(
        kind: BillDifferenceKind,
        line: BillLine,
        order: Option<Arc<Order>>,
        fix: Fix,
    ) -> Box<Self> {
        let refund_no = match &line.entry {
            BillEntry::Refund(refund) => Some(refund.refund_no.clone()),
            BillEntry::Payment(_) | BillEntry::Revoked(_) => None,
        };
        Box::new(Self {
            kind,
            no: Some(line.no),
            refund_no,
            line: Some(Box::new(line)),
            unusable: None,
            order,
            fix,
        })
    }

    /// Creates the difference for an unusable line of the bill.
    pub(super) fn unusable(line: Box<UnusableLine>, order: Option<Arc<Order>>) -> Box<Self> {
        Box::new(Self {
            kind: BillDifferenceKind::UnusableLine,
            no: line.no,
            refund_no: line.refund_no.clone(),
            line: None,
            unusable: Some(line),
            order,
            fix: Fix::Person,
        })
    }

    /// Creates the difference for a payment that the bill does not have.
    pub(super) fn missing_payment(order: &Arc<Order>) -> Self {
        Self {
            kind: BillDifferenceKind::MissingInBill,
            no: Some(order.no),
            refund_no: None,
            line: None,
            unusable: None,
            order: Some(Arc::clone(order)),
            fix: Fix::QueryChannel,
        }
    }

    /// Creates the difference for a refund that the bill does not have.
    pub(super) fn missing_refund(record: &Record, refund: &Refund) -> Self {
        Self {
            kind: BillDifferenceKind::RefundDiffers,
            no: Some(record.no()),
            refund_no: Some(refund.refund_no.clone()),
            line: None,
            unusable: None,
            order: record.as_order().cloned(),
            fix: Fix::QueryChannel,
        }
    }
}
