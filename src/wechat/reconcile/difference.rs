//! What differs between a bill and the store, and what it suggests.

use std::sync::Arc;

use crate::order::{Command, Order, Record, Refund};
use crate::types::{OrderNo, RefundNo};
use crate::wechat::bill::{BillEntry, BillLine, UnusableLine};

/// One difference, with both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillDifference {
    /// What differs.
    pub kind: BillDifferenceKind,
    /// Under which order number; `None` where a line has none that can be used.
    pub no: Option<OrderNo>,
    /// About which refund, where it is about one.
    pub refund_no: Option<RefundNo>,
    /// What the bill says; `None` where it says nothing, or its line cannot be used.
    pub line: Option<Box<BillLine>>,
    /// The bill's line, where it cannot be used, and why.
    pub unusable: Option<Box<UnusableLine>>,
    /// What the store has; `None` where it has no such order.
    pub order: Option<Arc<Order>>,
    /// What to do about it.
    pub fix: Fix,
}

/// What differs. May grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BillDifferenceKind {
    /// The bill has a payment of an order that is not paid here.
    LocalUnpaid,
    /// An order is paid here, and the bill of that day has no such payment.
    MissingInBill,
    /// The bill has an order that is not known here.
    MissingLocally,
    /// Both have the payment, of other amounts or currencies.
    AmountDiffers,
    /// Both have a payment of the order, by other transactions.
    TransactionDiffers,
    /// A refund stands differently, or is known to one side only; or the bill has the
    /// payment taken back.
    RefundDiffers,
    /// The bill's amount, of a currency without hundredths, fits only if it was written in
    /// hundredths: see [`BillUnit`](crate::wechat::bill::BillUnit).
    UnitUncertain,
    /// The bill has a line of this merchant that cannot be used, such as one with a number that
    /// no order of this store can have.
    UnusableLine,
}

/// What to do about a difference. May grow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fix {
    /// Tell the store what the bill says: applied, recognised or kept as an anomaly.
    Tell(Box<Command>),
    /// Ask the channel, and tell the store what it answers: the bill does not say enough,
    /// or not what holds now.
    AskChannel,
    /// A person must look: both sides are certain, and they differ.
    Person,
}

impl Fix {
    /// The command to give the store, where there is one.
    #[must_use]
    pub fn into_command(self) -> Option<Command> {
        match self {
            Self::Tell(command) => Some(*command),
            Self::AskChannel | Self::Person => None,
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

    /// Of a line that cannot be used.
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

    /// Of a payment that the bill lacks.
    pub(super) fn missing_payment(order: &Arc<Order>) -> Self {
        Self {
            kind: BillDifferenceKind::MissingInBill,
            no: Some(order.no),
            refund_no: None,
            line: None,
            unusable: None,
            order: Some(Arc::clone(order)),
            fix: Fix::AskChannel,
        }
    }

    /// Of a refund that the bill lacks.
    pub(super) fn missing_refund(record: &Record, refund: &Refund) -> Self {
        Self {
            kind: BillDifferenceKind::RefundDiffers,
            no: Some(record.no()),
            refund_no: Some(refund.refund_no.clone()),
            line: None,
            unusable: None,
            order: record.as_order().cloned(),
            fix: Fix::AskChannel,
        }
    }
}
