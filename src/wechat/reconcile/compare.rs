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
        (BillEntry::Refund(_), None) => Some(Found::Differs(Kind::MissingLocally, Fix::AskChannel)),
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

fn refund(line: &BillLine, billed: &BillRefund, order: &Order) -> Option<Found> {
    let differs = |fix| Some(Found::Differs(Kind::RefundDiffers, fix));
    let Some(local) = order.refunds.iter().find(|local| is_same(local, billed)) else {
        return differs(Fix::AskChannel);
    };
    if local.amount != billed.amount || local.transaction_id != line.transaction_id {
        return differs(Fix::Person);
    }
    if agree(billed.status, local.status) {
        return None;
    }
    differs(Fix::AskChannel)
}

fn is_same(local: &Refund, billed: &BillRefund) -> bool {
    let by_id = local.refund_id.is_some() && local.refund_id == billed.refund_id;
    by_id || local.refund_no == billed.refund_no
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
