//! Rejected refunds, their next attempts, and orders that the operator ends.

use std::time::Duration;

use orderstore::{ChannelState, OrderNo, RefundStatus};
use payment_server::{Answer, Behaviour, Fault, Form, Point, Refusal};
use serde_json::{Value, json};

use crate::harness::{Shop, until, with_a_sweeper, without_a_sweeper};

const NOT_ENOUGH: Refusal = Refusal {
    status: 403,
    code: "NOT_ENOUGH",
};

const MINUTE: Duration = Duration::from_secs(60);

fn refused(answer: &Answer, status: u16, code: &str) {
    let actual = (answer.status, answer.at("/code"));
    assert_eq!(actual, (status, &json!(code)), "{answer:?}");
}

/// Creates an order that is paid after the store closed it, so its payment is an anomaly.
async fn paid_late(shop: &Shop, customer: &str) -> OrderNo {
    let no = shop.buy(customer).await;
    let closed = shop.store.record_query(no, ChannelState::Closed).await;
    assert!(closed.unwrap().should_acknowledge());
    shop.pay(no, Behaviour::Usual, Form::V3).await;
    shop.becomes(no, "latePaid").await;
    no
}

async fn assert_refund_succeeds(shop: &Shop, no: OrderNo) {
    let is_back = async || {
        shop.clock.advance(MINUTE);
        let order = shop.store.get(no).await.unwrap().unwrap();
        order.refunds[0].status == RefundStatus::Success
    };
    until("the refund has succeeded", is_back).await;
}

#[tokio::test]
async fn refused_refund_retried_under_its_number_is_paid_once() {
    let shop = Shop::open(with_a_sweeper()).await;
    let no = shop.sell("oCustomer").await;
    let path = format!("/orders/{no}/refund");
    let ask = async |attempt: u32| {
        let body = json!({ "refundNo": "R1", "amount": 1, "attempt": attempt });
        shop.post(&path, body).await
    };
    shop.stand_in
        .break_at(Point::Refund, Fault::Refuses(NOT_ENOUGH));
    for _ in 0..2 {
        let answer = ask(1).await;
        refused(&answer, 409, "refundRefused");
        assert_eq!(*answer.at("/details/attempts"), 1);
    }
    let closed = shop.get("/closedRefunds").await;
    assert_eq!(*closed.at("/closedRefunds/0/refundNo"), "R1");
    assert_eq!(*closed.at("/closedRefunds/0/outTradeNo"), no.as_str());
    assert_eq!(*closed.at("/closedRefunds/0/code"), "NOT_ENOUGH");

    shop.stand_in.mend(Point::Refund);
    // Repeating attempt 1, which has ended, sends no request. The channel would now accept one.
    refused(&ask(1).await, 409, "refundRefused");
    assert_eq!(shop.stand_in.given_back(), 0);
    for _ in 0..2 {
        let answer = ask(2).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(*answer.at("/refund/refundNo"), "R1");
        assert_eq!(*answer.at("/refund/attempt"), 2);
    }
    assert_refund_succeeds(&shop, no).await;
    assert_eq!(shop.stand_in.given_back(), 1);
    assert_eq!(shop.order(no).await.at("/refunds/1"), &Value::Null);
    let closed = shop.get("/closedRefunds").await;
    assert_eq!(*closed.at("/closedRefunds"), json!([]));
    shop.close().await;
}

#[tokio::test]
async fn older_attempt_of_pending_refund_is_rejected() {
    let shop = Shop::open(without_a_sweeper()).await;
    let no = shop.sell("oCustomer").await;
    let path = format!("/orders/{no}/refund");
    let body = |attempt: u32| json!({ "refundNo": "R1", "amount": 1, "attempt": attempt });
    shop.stand_in
        .break_at(Point::Refund, Fault::Refuses(NOT_ENOUGH));
    refused(&shop.post(&path, body(1)).await, 409, "refundRefused");
    shop.stand_in.break_at(Point::Refund, Fault::Down);
    assert_eq!(shop.post(&path, body(2)).await.status, 200);
    let older = shop.post(&path, body(1)).await;
    refused(&older, 409, "refundEnded");
    assert_eq!(*older.at("/details/attempts"), 2);
    let unknown = json!({ "refundNo": "R9", "amount": 1, "attempt": 2 });
    refused(&shop.post(&path, unknown).await, 404, "noSuchRefund");
}

#[tokio::test]
async fn anomaly_with_refused_refund_reopens_and_retry_pays_once() {
    let shop = Shop::open(with_a_sweeper()).await;
    let no = paid_late(&shop, "oCustomer").await;
    let path = format!("/orders/{no}/anomalies/1/resolve");
    let decide = async |how: &str, reopenings: u32| {
        let body = json!({ "how": how, "note": "seen", "reopenings": reopenings });
        shop.post(&path, body).await
    };
    shop.stand_in
        .break_at(Point::Refund, Fault::Refuses(NOT_ENOUGH));
    refused(&decide("refund", 0).await, 409, "refundRefused");
    let waiting = shop.get("/anomalies").await;
    assert_eq!(*waiting.at("/anomalies/0/open"), true, "{waiting:?}");
    assert_eq!(*waiting.at("/anomalies/0/reopenings"), 1);

    shop.stand_in.mend(Point::Refund);
    // A repeat of the first decision does not resolve the reopened anomaly.
    refused(&decide("refund", 0).await, 409, "refundRefused");
    refused(&decide("dismiss", 0).await, 409, "decided");
    refused(&decide("refund", 2).await, 404, "noSuchAnomaly");
    assert_eq!(shop.stand_in.given_back(), 0);
    for _ in 0..2 {
        let answer = decide("refund", 1).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(*answer.at("/refund/refundNo"), format!("{no}-1"));
        assert_eq!(*answer.at("/refund/attempt"), 2);
    }
    assert_refund_succeeds(&shop, no).await;
    let order = shop.store.get(no).await.unwrap().unwrap();
    assert_eq!(
        (order.refunds.len(), order.open_anomalies().count()),
        (1, 0)
    );
    assert_eq!(shop.stand_in.given_back(), order.total_fee.as_u64());
    shop.close().await;
}

#[tokio::test]
async fn order_ended_by_operator_is_closed_after_expiry() {
    let shop = Shop::open(without_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    let path = format!("/orders/{no}/end");
    let end = async || shop.post(&path, json!({ "note": "left the shop" })).await;
    let early = end().await;
    refused(&early, 409, "tooEarly");
    let from = early.at("/details/from").as_i64().unwrap();
    assert!(from > shop.clock.now().as_millis());
    shop.clock.advance(60 * 24 * 60 * MINUTE);
    for _ in 0..2 {
        let ended = end().await;
        let actual = (ended.status, ended.at("/status"));
        assert_eq!(actual, (200, &json!("closed")), "{ended:?}");
    }
    let history = shop.get(&format!("/orders/{no}/history")).await;
    let note = "/events/2/what/endedByPerson/note";
    assert_eq!(*history.at(note), "left the shop", "{history:?}");

    let paid = shop.sell("oPayer").await;
    let path = format!("/orders/{paid}/end");
    refused(&shop.post(&path, json!({})).await, 409, "alreadyPaid");
    let unknown = shop.post("/orders/UNKNOWN000001/end", json!({})).await;
    refused(&unknown, 404, "noSuchOrder");
    shop.close().await;
}
