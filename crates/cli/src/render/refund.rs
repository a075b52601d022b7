//! Columns and cells for the refunds of one order.

use orderstore::{Currency, Order, Refund};

use crate::messages::refund_status;
use crate::output::{Cell, Column, data, shown};

pub(crate) const REFUNDS: &[Column] = &[
    shown("refundNo"),
    shown("status"),
    data("amount"),
    shown("amountYuan"),
    shown("transactionId"),
    shown("refundId"),
    shown("requestedAt"),
    shown("successAt"),
    shown("nextCheck"),
    shown("attempt"),
    shown("external"),
    shown("code"),
];

pub(crate) fn refund_cells(order: &Order, refund: &Refund) -> Vec<Cell> {
    vec![
        Cell::text(&refund.refund_no),
        Cell::Word(refund_status(refund.status)),
        Cell::fen(refund.amount),
        Cell::yuan(refund.amount, currency_of(order, refund)),
        Cell::text(&refund.transaction_id),
        Cell::maybe(refund.refund_id.as_ref()),
        Cell::Time(refund.requested_at),
        Cell::time(refund.success_at),
        Cell::time(refund.next_check),
        u64::from(refund.attempt).into(),
        Cell::Flag(refund.external),
        Cell::maybe(refund.code.as_ref()),
    ]
}

/// Returns the currency of the refunded payment, or that of the order if the payment is unknown.
fn currency_of(order: &Order, refund: &Refund) -> Currency {
    let in_anomalies = order.anomalies.iter();
    let in_anomalies = in_anomalies.filter_map(|anomaly| anomaly.payment.as_ref());
    let mut payments = order.payment.iter().chain(in_anomalies);
    let payment = payments.find(|payment| refund.is_of(payment));
    payment.map_or(order.currency, |payment| payment.currency)
}
