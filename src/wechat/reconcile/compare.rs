//! One line of a bill against the order it names.

use std::sync::Arc;

use super::difference::{Difference, DifferenceKind as Kind, Fix};
use crate::order::{
    AnomalyKind, Asked, ChannelState, Command, Order, Payment, Refund, RefundStatus,
};
use crate::wechat::bill::{BillEntry, BillLine, BillRefund, BillRefundStatus};

pub(super) enum Compared {
    Same,
    /// It does not fit, and the store knows that already.
    InAnomaly,
    Differs(Box<Difference>),
}

pub(super) fn compare(line: BillLine, order: Option<Arc<Order>>) -> Compared {
    let verdict = match (&line.entry, order.as_deref()) {
        (BillEntry::Payment(_), order) => payment(&line, order),
        // Whether the payment is known, its own line says.
        (BillEntry::Revoked(_), None) => None,
        (BillEntry::Revoked(_), Some(order)) => revoked(&line, order),
        (BillEntry::Refund(_), None) => {
            Some(Found::Differs(Kind::MissingLocally, record_refund(&line)))
        }
        (BillEntry::Refund(billed), Some(order)) => refund(&line, billed, order),
    };
    match verdict {
        None => Compared::Same,
        Some(Found::InAnomaly) => Compared::InAnomaly,
        Some(Found::Differs(kind, fix)) => {
            Compared::Differs(Difference::of(kind, line, order, fix))
        }
    }
}

enum Found {
    InAnomaly,
    Differs(Kind, Fix),
}

fn payment(line: &BillLine, order: Option<&Order>) -> Option<Found> {
    let billed = line.payment()?;
    let Some(order) = order else {
        return Some(Found::Differs(Kind::MissingLocally, confirm(line, billed)));
    };
    let standing = order.payment.as_ref();
    if let Some(paid) = standing.filter(|paid| paid.is_same(&billed)) {
        let same = paid.paid_fee == billed.paid_fee && paid.currency == billed.currency;
        return (!same).then_some(Found::Differs(Kind::AmountDiffers, Fix::Person));
    }
    if order
        .anomalies
        .iter()
        .any(|anomaly| anomaly.concerns(&billed))
    {
        return Some(Found::InAnomaly);
    }
    let fits = order.total_fee == billed.paid_fee && order.currency == billed.currency;
    let kind = match standing {
        Some(_) => Kind::TransactionDiffers,
        None if fits => Kind::LocalUnpaid,
        None => Kind::AmountDiffers,
    };
    Some(Found::Differs(kind, confirm(line, billed)))
}

fn confirm(line: &BillLine, payment: Payment) -> Fix {
    tell(line, Asked::Confirm(Box::new(payment)))
}

fn tell(line: &BillLine, ask: Asked) -> Fix {
    Fix::Tell(Box::new(Command { no: line.no, ask }))
}

/// A payment that was taken back is a difference where it stands as if it had not been.
fn revoked(line: &BillLine, order: &Order) -> Option<Found> {
    let stands = order.transaction_id() == Some(&line.transaction_id);
    if !stands {
        return None;
    }
    if order
        .anomalies
        .iter()
        .any(|anomaly| anomaly.kind == AnomalyKind::Reversed)
    {
        return Some(Found::InAnomaly);
    }
    let state = Box::new(ChannelState::Revoked);
    let fix = tell(line, Asked::RecordQuery(state));
    Some(Found::Differs(Kind::RefundDiffers, fix))
}

/// What the bill proves of a refund is a fix. It does not prove that one failed for good:
/// the same number may have been sent again since.
fn refund(line: &BillLine, billed: &BillRefund, order: &Order) -> Option<Found> {
    let differs = |fix| Some(Found::Differs(Kind::RefundDiffers, fix));
    if stands_in_anomaly(line, order) {
        return Some(Found::InAnomaly);
    }
    let mut refunds = order.refunds.iter();
    let Some(local) = refunds.find(|local| local.refund_no == billed.refund_no) else {
        let has_id =
            |local: &Refund| local.refund_id.is_some() && local.refund_id == billed.refund_id;
        return differs(match order.refunds.iter().any(has_id) {
            // One refund of the channel's, under two numbers of the merchant's.
            true => Fix::Person,
            false => record_refund(line),
        });
    };
    let same = local.amount == billed.amount && local.transaction_id == line.transaction_id;
    match billed.status {
        status if same && agree(status, local.status) => None,
        BillRefundStatus::Failed if same => differs(Fix::AskChannel),
        _ => differs(record_refund(line)),
    }
}

fn record_refund(line: &BillLine) -> Fix {
    // A refund of nothing is none, and the channel knows what it is.
    let fact = line.refund();
    fact.map_or(Fix::AskChannel, |fact| {
        tell(line, Asked::RecordRefund(Box::new(fact)))
    })
}

/// The store knows what the line says, and that it does not fit.
fn stands_in_anomaly(line: &BillLine, order: &Order) -> bool {
    let Some(fact) = line.refund() else {
        return false;
    };
    order.anomalies.iter().any(|anomaly| {
        let about = anomaly.kind.refund_no() == Some(fact.refund_no());
        let says_so = |told: &Refund| {
            let same =
                told.transaction_id == *fact.transaction_id() && told.amount == fact.amount();
            same && told.status == RefundStatus::from(fact.state())
        };
        about && anomaly.refund.as_ref().is_some_and(says_so)
    })
}

/// Whether the store's state is the bill's, or may have followed from it: a bill does not
/// move with its refunds.
const fn agree(billed: BillRefundStatus, local: RefundStatus) -> bool {
    match billed {
        BillRefundStatus::Processing => !matches!(local, RefundStatus::Requested),
        BillRefundStatus::Success => matches!(local, RefundStatus::Success),
        BillRefundStatus::Failed => matches!(local, RefundStatus::Closed),
        BillRefundStatus::Abnormal => {
            !matches!(local, RefundStatus::Requested | RefundStatus::Processing)
        }
    }
}
