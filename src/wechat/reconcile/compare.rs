//! Compares one line of a bill with its order.

use std::sync::Arc;

use super::difference::{BillDifference, BillDifferenceKind as Kind, Fix};
use crate::order::{AnomalyKind, ChannelState, Command, CommandKind, Order, Refund, RefundStatus};
use crate::types::Fen;
use crate::wechat::bill::{BillEntry, BillLine, BillRefund, BillRefundStatus, BillUnit};

/// Result of comparing one bill line with the store.
pub(super) enum Compared {
    Same,
    /// The line contradicts its order, and the store already keeps its payment or refund as an
    /// anomaly.
    InAnomaly,
    Differs(Box<BillDifference>),
}

pub(super) fn compare(line: BillLine, order: Option<Arc<Order>>) -> Compared {
    let verdict = match (&line.entry, order.as_deref()) {
        (BillEntry::Payment(_), order) => payment(&line, order),
        // Report nothing, because the bill has a separate line for the revoked payment. The
        // comparison of that line already reports the missing order.
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

/// Reason why a bill line does not fit the order in the store.
enum Found {
    InAnomaly,
    Differs(Kind, Fix),
}

/// Relation of an amount in the bill to an amount in the store. For a currency without hundredths,
/// the bill may use hundredths instead of the currency's own unit: see [`BillUnit`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Amount {
    Same,
    /// The amounts are equal only if the bill counts in hundredths of the currency's unit.
    SameInHundredths,
    /// The amounts differ, whichever unit the bill uses.
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

/// Compares a payment. The store may have it as the order's payment, as an anomaly, or not at all.
fn payment(line: &BillLine, order: Option<&Order>) -> Option<Found> {
    let billed = line.payment_as_read()?;
    let Some(order) = order else {
        let fix = if_certain(line, confirm(line));
        return Some(Found::Differs(Kind::MissingLocally, fix));
    };
    let uncertain = Found::Differs(Kind::UnitUncertain, Fix::QueryChannel);
    let amount = |local, currency| match currency == billed.currency {
        true => Amount::of(line, local),
        false => Amount::Another,
    };
    let local = order.payment.as_ref();
    if let Some(paid) = local.filter(|paid| paid.is_same(&billed)) {
        return match amount(paid.paid_fee, paid.currency) {
            Amount::Same => None,
            Amount::SameInHundredths => Some(uncertain),
            // The bill and the store have different final amounts for one transaction. Only a
            // person can decide which one is wrong.
            Amount::Another => Some(Found::Differs(Kind::AmountDiffers, Fix::Person)),
        };
    }
    if order.anomalies.iter().any(|it| it.matches_payment(&billed)) {
        return Some(Found::InAnomaly);
    }
    let amount = amount(order.total_fee, order.currency);
    let kind = match (local, amount) {
        (None, Amount::SameInHundredths) => return Some(uncertain),
        (Some(_), _) => Kind::TransactionDiffers,
        (None, Amount::Same) => Kind::LocalUnpaid,
        (None, Amount::Another) => Kind::AmountDiffers,
    };
    // Equal amounts confirm the unit of the bill. If they differ, the payment may be recorded only
    // if the unit is certain.
    let fix = match amount {
        Amount::Same => confirm(line),
        Amount::SameInHundredths | Amount::Another => if_certain(line, confirm(line)),
    };
    Some(Found::Differs(kind, fix))
}

/// Returns the fix that confirms the payment of the line.
fn confirm(line: &BillLine) -> Fix {
    let payment = line.payment();
    payment.map_or(Fix::QueryChannel, |payment| {
        command(line, CommandKind::Confirm(Box::new(payment)))
    })
}

/// Returns `fix` if the unit of the amount is certain, otherwise [`Fix::QueryChannel`].
///
/// Use it if the store has no equal amount that confirms the unit. A wrong unit would make the
/// amount 100 times too large or too small. The channel's answer to a query is always in minor
/// units.
fn if_certain(line: &BillLine, fix: Fix) -> Fix {
    match line.unit {
        BillUnit::Certain => fix,
        BillUnit::Own { .. } | BillUnit::Hundredths => Fix::QueryChannel,
    }
}

/// Returns the fix that sends a command for the line's order.
fn command(line: &BillLine, kind: CommandKind) -> Fix {
    Fix::Record(Box::new(Command { no: line.no, kind }))
}

/// Compares a revoked payment. The line differs if the store has the payment, but no anomaly about
/// its revocation.
fn revoked(line: &BillLine, order: &Order) -> Option<Found> {
    let is_paid_by = order.transaction_id() == Some(&line.transaction_id);
    if !is_paid_by {
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
    let fix = command(line, CommandKind::RecordQuery(state));
    Some(Found::Differs(Kind::RefundDiffers, fix))
}

/// Compares a refund. The suggested fix usually records the refund of the bill.
///
/// If only the state differs and the bill reports a failure, the fix is to query the channel: the
/// merchant may have repeated the request under the same number since.
fn refund(line: &BillLine, billed: &BillRefund, order: &Order) -> Option<Found> {
    let differs = |fix| Some(Found::Differs(Kind::RefundDiffers, fix));
    if is_in_anomaly(line, order) {
        return Some(Found::InAnomaly);
    }
    let mut refunds = order.refunds.iter();
    let Some(local) = refunds.find(|local| local.refund_no == billed.refund_no) else {
        let has_id =
            |local: &Refund| local.refund_id.is_some() && local.refund_id == billed.refund_id;
        return differs(match order.refunds.iter().any(has_id) {
            // Another stored refund has the same refund ID, so the merchant used two numbers for
            // one refund.
            true => Fix::Person,
            false => adopt(line),
        });
    };
    let amount = match local.transaction_id == line.transaction_id {
        true => Amount::of(line, local.amount),
        false => Amount::Another,
    };
    match (amount, billed.status) {
        (Amount::SameInHundredths, _) => {
            Some(Found::Differs(Kind::UnitUncertain, Fix::QueryChannel))
        }
        (Amount::Another, _) => differs(adopt(line)),
        (Amount::Same, status) if agree(status, local.status) => None,
        (Amount::Same, BillRefundStatus::Failed) => differs(Fix::QueryChannel),
        (Amount::Same, _) => differs(record_refund(line)),
    }
}

/// Returns the fix that records the refund with the bill's amount, if the unit of the amount is
/// certain.
fn adopt(line: &BillLine) -> Fix {
    if_certain(line, record_refund(line))
}

/// Returns the fix that records the refund of the line.
fn record_refund(line: &BillLine) -> Fix {
    // `refund` returns `None` for an amount of 0 fen or in hundredths. The right amount is then
    // known only to the channel.
    let fact = line.refund();
    fact.map_or(Fix::QueryChannel, |fact| {
        command(line, CommandKind::RecordRefund(Box::new(fact)))
    })
}

/// Returns whether the store keeps this refund, with the same amount and state, as an anomaly.
fn is_in_anomaly(line: &BillLine, order: &Order) -> bool {
    let Some(fact) = line.refund() else {
        return false;
    };
    order.anomalies.iter().any(|anomaly| {
        let about = anomaly.kind.refund_no() == Some(fact.refund_no());
        let has_facts = |kept: &Refund| {
            let same =
                kept.transaction_id == *fact.transaction_id() && kept.amount == fact.amount();
            same && kept.status == RefundStatus::from(fact.state())
        };
        about && anomaly.refund.as_ref().is_some_and(has_facts)
    })
}

/// Returns whether the store's refund status equals the bill's, or can follow it.
///
/// The channel does not update a bill, so the store may have a later status than the bill.
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
