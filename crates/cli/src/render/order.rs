//! Columns and cells for a list of orders, and for a single order.

use orderstore::{ActionKind, Currency, Fen, Order, RefundStatus};
use serde_json::Value;

use crate::money;
use crate::output::{Cell, Column, data, shown};
use crate::redact::Redactor;

/// Columns of a list of orders.
pub(crate) const ORDERS: &[Column] = &[
    shown("outTradeNo"),
    shown("payStatus"),
    data("totalFee"),
    shown("totalYuan"),
    shown("refundedYuan"),
    data("feeType"),
    shown("createTime"),
    shown("timeEnd"),
    shown("transactionId"),
    shown("_openid"),
    data("appid"),
    data("mchId"),
    data("reference"),
    shown("openAnomalies"),
    data("deleteTime"),
    data("version"),
];

pub(crate) fn order_cells(order: &Order, redactor: Redactor) -> Vec<Cell> {
    vec![
        Cell::text(order.no),
        Cell::Word(order.status.as_str()),
        Cell::fen(order.total_fee),
        Cell::yuan(order.total_fee, order.currency),
        refunded(order),
        Cell::text(order.currency),
        Cell::Time(order.create_time),
        Cell::time(order.paid_at()),
        Cell::maybe(order.transaction_id()),
        Cell::maybe(order.openid.as_ref().map(|openid| redactor.openid(openid))),
        Cell::text(&order.appid),
        Cell::maybe(order.mch_id.as_ref()),
        Cell::maybe(order.reference.as_ref()),
        Cell::count(order.open_anomalies().count()),
        Cell::time(order.hidden_at),
        order.version.into(),
    ]
}

/// Returns a cell with the sum of the successful refunds of the order's payment.
fn refunded(order: &Order) -> Cell {
    let back = order.refunds.iter().filter(|refund| {
        let of_payment = order
            .payment
            .as_ref()
            .is_some_and(|paid| refund.is_of(paid));
        of_payment && refund.status == RefundStatus::Success
    });
    let sum = back.map(|refund| u128::from(refund.amount.as_u64())).sum();
    match order.payment {
        Some(_) => Cell::Yuan(sum, order.currency),
        None => Cell::None,
    }
}

/// Columns of a single order in a table.
pub(crate) const FIELDS: &[Column] = &[
    shown("outTradeNo"),
    shown("payStatus"),
    shown("total"),
    shown("paid"),
    shown("refunded"),
    shown("transactionId"),
    shown("timeEnd"),
    shown("source"),
    shown("late"),
    shown("createTime"),
    shown("updateTime"),
    shown("expiresAt"),
    shown("endedAt"),
    shown("deleteTime"),
    shown("channel"),
    shown("appid"),
    shown("mchId"),
    shown("_openid"),
    shown("payer"),
    shown("reference"),
    shown("prepayUntil"),
    shown("next"),
    shown("nextAt"),
    shown("checks"),
    shown("description"),
    shown("attach"),
    shown("metadata"),
    shown("version"),
];

pub(crate) fn field_cells(order: &Order, redactor: Redactor) -> Vec<Cell> {
    let payment = order.payment.as_ref();
    let source = payment.map(|paid| redactor.json(&paid.source));
    let payer = payment.and_then(|paid| paid.openid.as_ref());
    vec![
        Cell::text(order.no),
        Cell::Word(order.status.as_str()),
        amount(order.total_fee, order.currency),
        payment.map_or(Cell::None, |paid| amount(paid.paid_fee, paid.currency)),
        refunded(order),
        Cell::maybe(order.transaction_id()),
        Cell::time(order.paid_at()),
        source.map_or(Cell::None, |source| Cell::Text(word_of(&source))),
        Cell::Flag(order.late),
        Cell::Time(order.create_time),
        Cell::Time(order.update_time),
        Cell::Time(order.expires_at),
        Cell::time(order.ended_at),
        Cell::time(order.hidden_at),
        Cell::text(order.channel),
        Cell::text(&order.appid),
        Cell::maybe(order.mch_id.as_ref()),
        Cell::maybe(order.openid.as_ref().map(|openid| redactor.openid(openid))),
        Cell::maybe(payer.map(|openid| redactor.openid(openid))),
        Cell::maybe(order.reference.as_ref()),
        Cell::time(order.prepay.as_ref().and_then(|prepay| prepay.valid_until)),
        order
            .next
            .map_or(Cell::None, |next| Cell::Word(action(next.action))),
        Cell::time(order.next.map(|next| next.at)),
        u64::from(order.checks).into(),
        Cell::filled(order.description.as_str().to_owned()),
        Cell::filled(redactor.text(order.attach.as_str())),
        Cell::filled(redactor.metadata(&order.metadata)),
        order.version.into(),
    ]
}

fn amount(fee: Fen, currency: Currency) -> Cell {
    let shown = money::show(u128::from(fee.as_u64()), currency);
    match currency {
        Currency::CNY => Cell::Text(format!("{shown} yuan")),
        _ => Cell::Text(shown),
    }
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the name of an enum variant from its JSON form, with or without fields.
pub(super) fn word_of(value: &Value) -> String {
    match value {
        Value::Object(fields) => fields.keys().next().cloned().unwrap_or_default(),
        value => text_of(value),
    }
}

/// Returns the name of an action's kind, as in JSON.
pub(crate) const fn action(action: ActionKind) -> &'static str {
    match action {
        ActionKind::Query => "query",
        ActionKind::AskClose => "askClose",
        ActionKind::QueryRefund => "queryRefund",
        _ => "other",
    }
}

/// Returns an order in the library's JSON format, plus its total in yuan.
pub(crate) fn order_json(order: &Order, redactor: Redactor) -> Value {
    let mut json = redactor.json(order);
    if let Value::Object(fields) = &mut json {
        let yuan = money::yuan(u128::from(order.total_fee.as_u64()), order.currency);
        fields.insert("totalYuan".to_owned(), yuan.into());
    }
    json
}
