//! Refunds of one order.

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

/// That of the payment whose money goes back.
fn currency_of(order: &Order, refund: &Refund) -> Currency {
    let doubtful = order.anomalies.iter().filter_map(|it| it.payment.as_ref());
    let mut payments = order.payment.iter().chain(doubtful);
    let payment = payments.find(|payment| refund.is_of(payment));
    payment.map_or(order.currency, |payment| payment.currency)
}
