//! Conditions under which an order may end without a payment.

use super::change::Change;
use crate::order::{AnomalyEndKind, CloseOutcome, Order, Payment, RefundStatus};
use crate::types::RefundNo;

/// Checks that no open anomaly and no open refund prevents the order from ending.
///
/// # Errors
/// The reason why the order cannot end.
pub(super) fn can_end(order: &Order) -> Result<(), CloseOutcome> {
    if order.open_anomalies().next().is_some() {
        return Err(CloseOutcome::OpenAnomaly);
    }
    if order.refunds.iter().any(|refund| refund.status.is_open()) {
        return Err(CloseOutcome::RefundUnderWay);
    }
    Ok(())
}

/// Returns whether a person dismissed the payment, or decided to refund it and the refund has
/// succeeded. The caller must check that no anomaly is open: see [`can_end`].
pub(super) fn is_settled(order: &Order, payment: &Payment) -> bool {
    let succeeded = |refund_no: &RefundNo| {
        let mut of_it = order.refunds.iter().filter(|r| r.is_of(payment));
        of_it.any(|r| r.refund_no == *refund_no && r.status == RefundStatus::Success)
    };
    let mut ends = order
        .anomalies
        .iter()
        .filter(|anomaly| anomaly.concerns(payment))
        .filter_map(|anomaly| anomaly.end.as_ref());
    ends.any(|end| match &end.how {
        AnomalyEndKind::Dismissed => true,
        AnomalyEndKind::Refunded { refund_no } => succeeded(refund_no),
        AnomalyEndKind::Accepted | AnomalyEndKind::Settled => false,
    })
}

/// Returns whether the order expired more than `grace` ago.
pub(super) fn is_past(change: &Change<'_>, grace: std::time::Duration) -> bool {
    let end = change
        .order()
        .map(|order| order.expires_at.saturating_add(grace));
    end.is_some_and(|end| change.now() > end)
}
