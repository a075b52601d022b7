//! Anomalies: what does not fit, and what is known of it.

use orderstore::{Anomaly, AnomalyKind, Currency};

use super::order::word_of;
use crate::money;
use crate::output::{Cell, Column, data, shown};
use crate::redact::Redactor;

/// Those of one order.
pub(crate) const ANOMALIES: &[Column] = &[
    shown("anomaly"),
    shown("kind"),
    data("amount"),
    shown("amountYuan"),
    shown("transactionId"),
    shown("raisedAt"),
    shown("reopened"),
    shown("ended"),
    shown("note"),
    shown("detail"),
];

pub(crate) fn anomaly_cells(anomaly: &Anomaly, veil: Redactor) -> Vec<Cell> {
    let ended = anomaly.end.as_ref();
    let [fen, yuan, transaction] = money_cells(anomaly);
    vec![
        u64::from(anomaly.id.0).into(),
        Cell::Text(anomaly_word(anomaly, veil)),
        fen,
        yuan,
        transaction,
        Cell::Time(anomaly.raised_at),
        reopened(anomaly),
        Cell::maybe(ended.map(|end| word_of(&veil.json(&end.how)))),
        Cell::maybe(ended.map(|end| end.note.as_str())),
        Cell::filled(anomaly_detail(anomaly)),
    ]
}

/// How often it was opened again; nothing where it never was.
pub(crate) fn reopened(anomaly: &Anomaly) -> Cell {
    match anomaly.reopenings() {
        0 => Cell::None,
        count => u64::from(count).into(),
    }
}

/// The money in question: a payment's, or else a refund's, whose currency it does not name.
pub(crate) fn money_cells(anomaly: &Anomaly) -> [Cell; 3] {
    if let Some(payment) = &anomaly.payment {
        return [
            Cell::fen(payment.paid_fee),
            Cell::yuan(payment.paid_fee, payment.currency),
            Cell::text(&payment.transaction_id),
        ];
    }
    match &anomaly.refund {
        Some(refund) => [
            Cell::fen(refund.amount),
            Cell::None,
            Cell::text(&refund.transaction_id),
        ],
        None => [Cell::None, Cell::None, Cell::None],
    }
}

/// The kind of an anomaly, as JSON writes it.
pub(crate) fn anomaly_word(anomaly: &Anomaly, veil: Redactor) -> String {
    word_of(&veil.json(&anomaly.kind))
}

/// What is known of it, and what may be done.
pub(crate) fn anomaly_detail(anomaly: &Anomaly) -> String {
    match &anomaly.kind {
        AnomalyKind::Unclaimed => "no order bears this number yet".to_owned(),
        AnomalyKind::TransactionTaken { by } => format!("the transaction paid the order {by}"),
        AnomalyKind::IdentityMismatch { field } => {
            format!("the order's {} is another", word_of(&json(field)))
        }
        AnomalyKind::AmountMismatch { expected, .. } => {
            let currency = anomaly.payment.as_ref().map(|payment| payment.currency);
            let expected = u128::from(expected.as_u64());
            let expected = money::show(expected, currency.unwrap_or(Currency::CNY));
            format!("the order asks for {expected}")
        }
        AnomalyKind::DoublePayment { first } => format!("it was paid first by {first}"),
        AnomalyKind::LatePayment => "it was paid after it had ended".to_owned(),
        AnomalyKind::RefundUnknown => {
            "the channel says refunded, and no refund is known".to_owned()
        }
        AnomalyKind::Reversed => "the channel revoked the payment".to_owned(),
        AnomalyKind::ChannelDisagrees { state } => {
            format!("the channel says {}", word_of(&json(state)))
        }
        AnomalyKind::RefundDiffers { refund_no } => {
            format!("refund {refund_no} came back with other facts")
        }
        AnomalyKind::RefundExceeds { refund_no, .. } => {
            format!("refund {refund_no} is of more than was left")
        }
        AnomalyKind::RefundNoTaken { refund_no, by } => {
            format!("refund {refund_no} is one of the order {by}")
        }
        AnomalyKind::GivenBack { by: None } => {
            "its money goes back, or went back: it pays nothing".to_owned()
        }
        AnomalyKind::GivenBack { by: Some(by) } => {
            format!("its money goes back, or went back, from the order {by}")
        }
        AnomalyKind::RefundDisagrees { refund_no } => {
            format!("the channel contradicts what is known of refund {refund_no}")
        }
        AnomalyKind::RefundedElsewhere { refund_no, by } => {
            format!("refund {refund_no} is of money of the order {by}")
        }
        _ => String::new(),
    }
}

/// A word that holds nothing personal.
fn json(value: &impl serde::Serialize) -> serde_json::Value {
    Redactor { lifted: false }.json(value)
}
