//! JSON for the pages. Amounts are in fen, times in Unix milliseconds.

use orderstore::{Anomaly, Order, Payment, Refund, Timestamp};
use serde_json::{Value, json};

pub(super) fn order(order: &Order) -> Value {
    json!({
        "outTradeNo": order.no.as_str(),
        "openid": order.openid,
        "reference": order.reference,
        "status": order.status,
        "late": order.late,
        "totalFee": order.total_fee.as_u64(),
        "description": order.description,
        "createdAt": order.create_time.as_millis(),
        "updatedAt": order.update_time.as_millis(),
        "expiresAt": order.expires_at.as_millis(),
        "endedAt": millis(order.ended_at),
        "paidAt": millis(order.paid_at()),
        "transactionId": order.transaction_id(),
        "refunds": order.refunds.iter().map(refund).collect::<Vec<_>>(),
        "anomalies": order.anomalies.iter().map(anomaly).collect::<Vec<_>>(),
        "version": order.version,
    })
}

/// Returns the JSON for a paying customer: the order's status, and its prepay if it can be paid.
pub(super) fn payable(order: &Order, now: Timestamp) -> Value {
    let prepay = order.usable_prepay(now);
    let payment = prepay.map(|prepay| {
        let prepay_id = prepay.value.as_str();
        json!({ "prepayId": prepay_id, "package": format!("prepay_id={prepay_id}") })
    });
    json!({
        "outTradeNo": order.no.as_str(),
        "totalFee": order.total_fee.as_u64(),
        "status": order.status,
        "payment": payment,
        "paid": order.status.is_paid(),
    })
}

pub(super) fn anomaly(anomaly: &Anomaly) -> Value {
    json!({
        "id": anomaly.id,
        "kind": anomaly.kind,
        "payment": anomaly.payment.as_ref().map(payment),
        "refund": anomaly.refund.as_ref().map(refund),
        "raisedAt": anomaly.raised_at.as_millis(),
        "reopenings": anomaly.reopenings(),
        "openedAt": anomaly.opened_at().as_millis(),
        "open": anomaly.is_open(),
        "end": anomaly.end,
    })
}

fn payment(payment: &Payment) -> Value {
    json!({
        "transactionId": payment.transaction_id,
        "amount": payment.paid_fee.as_u64(),
        "paidAt": payment.time_end.as_millis(),
    })
}

pub(super) fn refund(refund: &Refund) -> Value {
    json!({
        "refundNo": refund.refund_no,
        "transactionId": refund.transaction_id,
        "amount": refund.amount.as_u64(),
        "asked": refund.asked_amount().as_u64(),
        "held": refund.held().as_u64(),
        "status": refund.status,
        "attempt": refund.attempt,
        "external": refund.external,
        "code": refund.code,
        "requestedAt": refund.requested_at.as_millis(),
        "successAt": millis(refund.success_at),
        "endedAt": millis(refund.ended_at),
    })
}

fn millis(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_millis)
}

#[cfg(test)]
mod tests {
    use orderstore::{AnomalyId, AnomalyKind, EventKind, Note, OrderNo, RefundNo, RefundStatus};

    use super::*;

    const WORDS: &str = include_str!("../../page/operator_words.js");

    /// Returns the name of an enum variant. Serde writes a string, or an object with the name as
    /// its only key.
    fn word(shown: impl serde::Serialize) -> String {
        match serde_json::to_value(shown).unwrap() {
            Value::String(word) => word,
            Value::Object(object) => object.into_iter().next().unwrap().0,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn refund_and_anomaly_words_have_text_in_both_languages() {
        let refund_no = || RefundNo::parse("R1").unwrap();
        let (id, by) = (AnomalyId(1), OrderNo::parse("ORDER1").unwrap());
        let note = Note::default();
        let event = |what: EventKind| word(what) + "Event";
        for key in [
            word(AnomalyKind::GivenBack { by: None }),
            word(AnomalyKind::RefundDisagrees {
                refund_no: refund_no(),
            }),
            word(AnomalyKind::RefundedElsewhere {
                refund_no: refund_no(),
                by,
            }),
            word(RefundStatus::Returned),
            event(EventKind::AnomalyReopened {
                id,
                refund_no: refund_no(),
            }),
            event(EventKind::AnomaliesFolded),
            event(EventKind::EndedByPerson { note }),
        ] {
            assert_eq!(WORDS.matches(&format!(" {key}: '")).count(), 2, "{key}");
        }
    }
}
