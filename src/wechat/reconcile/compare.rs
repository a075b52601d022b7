//! One line of a bill against the order it names.

use std::sync::Arc;

use super::difference::{BillDifference, BillDifferenceKind as Kind, Fix};
use crate::order::{
    AnomalyKind, ChannelState, Command, CommandKind, Order, Payment, Refund, RefundStatus,
};
use crate::types::Fen;
use crate::wechat::bill::{BillEntry, BillLine, BillRefund, BillRefundStatus, BillUnit};

pub(super) enum Compared {
    Same,
    /// It does not fit, and the store knows that already.
    InAnomaly,
    Differs(Box<BillDifference>),
}

pub(super) fn compare(line: BillLine, order: Option<Arc<Order>>) -> Compared {
    let verdict = match (&line.entry, order.as_deref()) {
        (BillEntry::Payment(_), order) => payment(&line, order),
        // Whether the payment is known, its own line says.
        (BillEntry::Revoked(_), None) => None,
        (BillEntry::Revoked(_), Some(order)) => revoked(&line, order),
        (BillEntry::Refund(_), None) => Some(Found::Differs(Kind::MissingLocally, adopt(&line))),
        (BillEntry::Refund(billed), Some(order)) => refund(&line, billed, order),
    };
    match verdict {
        None => Compared::Same,
        Some(Found::InAnomaly) => Compared::InAnomaly,
        Some(Found::Differs(kind, fix)) => {
            Compared::Differs(BillDifference::of(kind, line, order, fix))
        }
    }
}

enum Found {
    InAnomaly,
    Differs(Kind, Fix),
}

/// How an amount of the bill relates to one of the store's. A currency without hundredths may
/// stand in the bill in another unit than its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Amount {
    Same,
    /// It is the same only if the bill has it in hundredths.
    SameInHundredths,
    Another,
}

impl Amount {
    fn of(line: &BillLine, local: Fen) -> Self {
        let read = line.entry.amount();
        match line.unit {
            BillUnit::Certain | BillUnit::Own { .. } if read == local => Self::Same,
            BillUnit::Own { hundredths } if hundredths == Some(local) => Self::SameInHundredths,
            BillUnit::Hundredths if read == local => Self::SameInHundredths,
            _ => Self::Another,
        }
    }
}

fn payment(line: &BillLine, order: Option<&Order>) -> Option<Found> {
    let billed = line.payment_as_read()?;
    let Some(order) = order else {
        let fix = if_certain(line, confirm(line));
        return Some(Found::Differs(Kind::MissingLocally, fix));
    };
    let uncertain = Found::Differs(Kind::UnitUncertain, Fix::AskChannel);
    let amount = |local, currency| match currency == billed.currency {
        true => Amount::of(line, local),
        false => Amount::Another,
    };
    let standing = order.payment.as_ref();
    if let Some(paid) = standing.filter(|paid| paid.is_same(&billed)) {
        return match amount(paid.paid_fee, paid.currency) {
            Amount::Same => None,
            Amount::SameInHundredths => Some(uncertain),
            Amount::Another => Some(Found::Differs(Kind::AmountDiffers, Fix::Person)),
        };
    }
    if has_anomaly_of(order, &billed) {
        return Some(Found::InAnomaly);
    }
    let amount = amount(order.total_fee, order.currency);
    let kind = match (standing, amount) {
        (None, Amount::SameInHundredths) => return Some(uncertain),
        (Some(_), _) => Kind::TransactionDiffers,
        (None, Amount::Same) => Kind::LocalUnpaid,
        (None, Amount::Another) => Kind::AmountDiffers,
    };
    let fix = match amount {
        Amount::Same => confirm(line),
        Amount::SameInHundredths | Amount::Another => if_certain(line, confirm(line)),
    };
    Some(Found::Differs(kind, fix))
}

/// The store knows this payment, of this amount, and that it does not fit.
fn has_anomaly_of(order: &Order, billed: &Payment) -> bool {
    let same = |own: &Payment| {
        let money = (own.paid_fee, own.currency) == (billed.paid_fee, billed.currency);
        own.is_same(billed) && money
    };
    let mut doubtful = order.anomalies.iter().filter_map(|it| it.payment.as_ref());
    doubtful.any(same)
}

fn confirm(line: &BillLine) -> Fix {
    let payment = line.payment();
    payment.map_or(Fix::AskChannel, |payment| {
        tell(line, CommandKind::Confirm(Box::new(payment)))
    })
}

/// An amount that nothing here confirms is applied only where its unit is certain: the channel
/// answers a query in minor units.
fn if_certain(line: &BillLine, fix: Fix) -> Fix {
    match line.unit {
        BillUnit::Certain => fix,
        BillUnit::Own { .. } | BillUnit::Hundredths => Fix::AskChannel,
    }
}

fn tell(line: &BillLine, ask: CommandKind) -> Fix {
    Fix::Tell(Box::new(Command {
        no: line.no,
        kind: ask,
    }))
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
    let fix = tell(line, CommandKind::RecordQuery(state));
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
            false => adopt(line),
        });
    };
    let amount = match local.transaction_id == line.transaction_id {
        true => Amount::of(line, local.amount),
        false => Amount::Another,
    };
    match (amount, billed.status) {
        (Amount::SameInHundredths, _) => Some(Found::Differs(Kind::UnitUncertain, Fix::AskChannel)),
        (Amount::Another, _) => differs(adopt(line)),
        (Amount::Same, status) if agree(status, local.status) => None,
        (Amount::Same, BillRefundStatus::Failed) => differs(Fix::AskChannel),
        (Amount::Same, _) => differs(record_refund(line)),
    }
}

/// Takes the refund in with the amount of the bill.
fn adopt(line: &BillLine) -> Fix {
    if_certain(line, record_refund(line))
}

fn record_refund(line: &BillLine) -> Fix {
    // A refund of nothing is none, and the channel knows what it is.
    let fact = line.refund();
    fact.map_or(Fix::AskChannel, |fact| {
        tell(line, CommandKind::RecordRefund(Box::new(fact)))
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
