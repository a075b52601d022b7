//! Columns and texts for the output of anomalies.

use orderstore::{Anomaly, AnomalyKind, Currency};

use super::order::word_of;
use crate::money;
use crate::output::{Cell, Column, data, shown};
use crate::redact::Redactor;

/// Columns of the anomalies of one order.
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

pub(crate) fn anomaly_cells(anomaly: &Anomaly, redactor: Redactor) -> Vec<Cell> {
    let ended = anomaly.end.as_ref();
    let [fen, yuan, transaction] = money_cells(anomaly);
    vec![
        u64::from(anomaly.id.0).into(),
        Cell::Text(anomaly_word(anomaly, redactor)),
        fen,
        yuan,
        transaction,
        Cell::Time(anomaly.raised_at),
        reopened(anomaly),
        Cell::maybe(ended.map(|end| word_of(&redactor.json(&end.how)))),
        Cell::maybe(ended.map(|end| end.note.as_str())),
        Cell::filled(anomaly_detail(anomaly)),
    ]
}

/// Returns how often the anomaly was reopened, or an empty cell if it never was.
pub(crate) fn reopened(anomaly: &Anomaly) -> Cell {
    match anomaly.reopenings() {
        0 => Cell::None,
        count => u64::from(count).into(),
    }
}

/// Returns three cells of an anomaly: the amount in minor units, the amount in yuan, and the
/// transaction.
///
/// The values come from the anomaly's payment, otherwise from its refund. A refund has no currency,
/// so its yuan cell is empty.
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

/// Returns the name of an anomaly's kind, as in JSON.
pub(crate) fn anomaly_word(anomaly: &Anomaly, redactor: Redactor) -> String {
    word_of(&redactor.json(&anomaly.kind))
}

/// Returns a sentence with the details of an anomaly.
pub(crate) fn anomaly_detail(anomaly: &Anomaly) -> String {
    match &anomaly.kind {
        AnomalyKind::Unclaimed => "no order has this number yet".to_owned(),
        AnomalyKind::TransactionTaken { by } => {
            format!("the transaction already paid order {by}")
        }
        AnomalyKind::IdentityMismatch { field } => {
            format!(
                "the {} of the payment differs from that of the order",
                word_of(&json(field))
            )
        }
        AnomalyKind::AmountMismatch { expected, .. } => {
            let currency = anomaly.payment.as_ref().map(|payment| payment.currency);
            let expected = u128::from(expected.as_u64());
            let expected = money::show(expected, currency.unwrap_or(Currency::CNY));
            format!("the order total is {expected}")
        }
        AnomalyKind::DoublePayment { first } => {
            format!("transaction {first} already paid the order")
        }
        AnomalyKind::LatePayment => "the order had ended before the payment".to_owned(),
        AnomalyKind::RefundUnknown => {
            "the channel reports a refund that the store does not know".to_owned()
        }
        AnomalyKind::Reversed => "the channel revoked the payment".to_owned(),
        AnomalyKind::ChannelDisagrees { state } => {
            format!("the channel reports {}", word_of(&json(state)))
        }
        AnomalyKind::RefundDiffers { refund_no } => {
            format!("the report of refund {refund_no} differs from the request")
        }
        AnomalyKind::RefundExceeds { refund_no, .. } => {
            format!("refund {refund_no} is larger than the amount left")
        }
        AnomalyKind::RefundNoTaken { refund_no, by } => {
            format!("refund number {refund_no} belongs to order {by}")
        }
        AnomalyKind::GivenBack { by: None } => {
            "a refund of the transaction is under way or done: the payment does not pay the order"
                .to_owned()
        }
        AnomalyKind::GivenBack { by: Some(by) } => {
            format!("order {by} has a refund of the transaction, under way or done")
        }
        AnomalyKind::RefundDisagrees { refund_no } => {
            format!("the channel's report contradicts the status of refund {refund_no}")
        }
        AnomalyKind::RefundedElsewhere { refund_no, by } => {
            format!("refund {refund_no} is of a transaction of order {by}")
        }
        _ => String::new(),
    }
}

/// Converts a value without personal data to JSON.
fn json(value: &impl serde::Serialize) -> serde_json::Value {
    Redactor { shows_all: false }.json(value)
}
