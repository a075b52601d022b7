//! A channel that does not answer, answers late, or sends no notification.

use std::time::Duration;

use orderstore::{RefundStatus, Status};
use payment_server::{Behaviour, Fault, Form, Point, Refusal};
use serde_json::{Value, json};

use crate::harness::{Shop, until, with_a_sweeper, without_a_sweeper};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn payment_without_notification_is_recorded_by_sweep() {
    let shop = Shop::open(with_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    shop.pay(no, Behaviour::Never, Form::V3).await;
    shop.clock.advance(MINUTE);
    shop.becomes(no, "success").await;
    assert_eq!(shop.stand_in.trade(no).unwrap().sent, 0);
    shop.close().await;
}

#[tokio::test]
async fn unpaid_order_is_closed_after_expiry() {
    let shop = Shop::open(with_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    shop.clock.advance(40 * MINUTE);
    shop.becomes(no, "closed").await;
    let refused = shop.stand_in.pay(no, Behaviour::Usual, Form::V3).await;
    assert_eq!(refused.unwrap_err().code, "ORDER_CLOSED");
    // Buying again with the old reference creates a new order.
    assert_ne!(shop.buy("oCustomer").await, no);
    shop.close().await;
}

#[tokio::test]
async fn unanswered_close_stays_due_until_channel_answers() {
    for fault in [Fault::Down, Fault::Mute] {
        let shop = Shop::open(with_a_sweeper()).await;
        let no = shop.buy("oCustomer").await;
        shop.stand_in.break_at(Point::Close, fault);
        let asked = shop.post(&format!("/orders/{no}/close"), Value::Null).await;
        assert_eq!(
            (asked.status, asked.at("/status")),
            (200, &json!("closing"))
        );
        shop.stand_in.mend(Point::Close);
        let closed = async || {
            shop.clock.advance(MINUTE);
            shop.status(no).await == "closed"
        };
        until("the order is closed", closed).await;
        shop.close().await;
    }
}

#[tokio::test]
async fn close_of_order_paid_at_channel_records_payment() {
    let shop = Shop::open(without_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    shop.pay(no, Behaviour::Never, Form::V3).await;
    let asked = shop.post(&format!("/orders/{no}/close"), Value::Null).await;
    assert_eq!(
        (asked.status, asked.at("/status")),
        (200, &json!("success"))
    );
    let again = shop.post(&format!("/orders/{no}/close"), Value::Null).await;
    assert_eq!(
        (again.status, again.at("/code")),
        (409, &json!("alreadyPaid"))
    );
    shop.close().await;
}

#[tokio::test]
async fn unanswered_refund_is_paid_once() {
    for fault in [Fault::Down, Fault::Mute] {
        let shop = Shop::open(with_a_sweeper()).await;
        let no = shop.sell("oCustomer").await;
        shop.stand_in.break_at(Point::Refund, fault);
        let path = format!("/orders/{no}/refund");
        let asked = shop
            .post(&path, json!({ "refundNo": "R1", "amount": 1 }))
            .await;
        assert_eq!(asked.status, 200);
        if fault == Fault::Down {
            assert_eq!(*asked.at("/refunds/0/status"), "requested");
        }
        shop.stand_in.mend(Point::Refund);
        let back = async || {
            shop.clock.advance(MINUTE);
            let order = shop.store.get(no).await.unwrap().unwrap();
            order.refunds[0].status == RefundStatus::Success
        };
        until("the money is back", back).await;
        assert_eq!(shop.stand_in.given_back(), 1);
        shop.close().await;
    }
}

#[tokio::test]
async fn channel_outage_neither_loses_nor_closes_order() {
    let shop = Shop::open(with_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    shop.pay(no, Behaviour::Never, Form::V3).await;
    for point in Point::ALL {
        shop.stand_in.break_at(point, Fault::Down);
    }
    shop.clock.advance(3 * 60 * MINUTE);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(shop.store.counts().await.unwrap().of(Status::Pending), 1);
    for point in Point::ALL {
        shop.stand_in.mend(point);
    }
    shop.becomes(no, "success").await;
    shop.close().await;
}

/// Rejection that gives no usable result for the requested order or refund.
const INVALID: Refusal = Refusal {
    status: 400,
    code: "INVALID_REQUEST",
};

#[tokio::test]
async fn channel_errors_of_eight_orders_do_not_stop_sweep() {
    let server_error = Refusal {
        status: 500,
        code: "SYSTEM_ERROR",
    };
    let gone = Refusal {
        status: 404,
        code: "RESOURCE_NOT_EXISTS",
    };
    // None of these three errors may stop the sweep.
    for refusal in [INVALID, gone, server_error] {
        let shop = Shop::open(with_a_sweeper()).await;
        let mut stuck = Vec::new();
        for n in 0..8 {
            let no = shop.buy(&format!("oStuck{n}")).await;
            shop.stand_in
                .break_number(no.as_str(), Fault::Refuses(refusal));
            stuck.push(no);
        }
        let no = shop.buy("oCustomer").await;
        shop.pay(no, Behaviour::Never, Form::V3).await;
        shop.clock.advance(MINUTE);
        shop.becomes(no, "success").await;
        for no in &stuck {
            let is_put_off = async || {
                let order = shop.store.get(*no).await.unwrap().unwrap();
                order.next.unwrap().at > shop.clock.now()
            };
            until("the order is postponed", is_put_off).await;
        }
        // End the fault and pay these orders. The server must query them again and record the
        // answers.
        for no in &stuck {
            shop.stand_in.mend_number(no.as_str());
            shop.pay(*no, Behaviour::Never, Form::V3).await;
        }
        for no in stuck {
            let is_paid = async || {
                shop.clock.advance(MINUTE);
                shop.status(no).await == "success"
            };
            until("the order is paid", is_paid).await;
        }
        shop.close().await;
    }
}

#[tokio::test]
async fn channel_errors_of_eight_refunds_do_not_stop_sweep() {
    let shop = Shop::open(with_a_sweeper()).await;
    let refunded = async |no, status| {
        let order = shop.store.get(no).await.unwrap().unwrap();
        order.refunds[0].status == status
    };
    let mut orders = Vec::new();
    for n in 0..9 {
        let no = shop.sell(&format!("oCustomer{n}")).await;
        let refund_no = format!("R{n}");
        shop.stand_in
            .break_number(&refund_no, Fault::Refuses(INVALID));
        let asked = json!({ "refundNo": refund_no, "amount": 1 });
        let answer = shop.post(&format!("/orders/{no}/refund"), asked).await;
        assert_eq!(*answer.at("/refund/status"), "requested");
        orders.push((no, refund_no));
    }
    let (last, its_refund) = orders.pop().unwrap();
    shop.stand_in.mend_number(&its_refund);
    let is_back = async || {
        shop.clock.advance(MINUTE);
        refunded(last, RefundStatus::Success).await
    };
    until("the last refund has succeeded", is_back).await;
    for (no, refund_no) in &orders {
        assert!(refunded(*no, RefundStatus::Requested).await);
        shop.stand_in.mend_number(refund_no);
    }
    let all_back = async || {
        shop.clock.advance(MINUTE);
        shop.stand_in.given_back() == 9
    };
    until("every refund is requested", all_back).await;
    for (no, _) in orders {
        let is_back = async || {
            shop.clock.advance(MINUTE);
            refunded(no, RefundStatus::Success).await
        };
        until("the refund has succeeded", is_back).await;
    }
    shop.close().await;
}

#[tokio::test]
async fn unauthorized_answer_stops_sweep_and_raises_alarm() {
    for (status, code) in [(401, "SIGN_ERROR"), (403, "NO_AUTH")] {
        let shop = Shop::open(with_a_sweeper()).await;
        let no = shop.buy("oCustomer").await;
        shop.pay(no, Behaviour::Never, Form::V3).await;
        let refusal = Refusal { status, code };
        shop.stand_in
            .break_at(Point::Query, Fault::Refuses(refusal));
        shop.clock.advance(MINUTE);
        let has_alarm = async || shop.get("/stats").await.at("/alarms/0/status").is_u64();
        until("there is an alarm", has_alarm).await;
        let stats = shop.get("/stats").await;
        assert_eq!(*stats.at("/alarms/0/status"), status);
        assert_eq!(*stats.at("/alarms/0/code"), code);
        assert_eq!(*stats.at("/alarms/0/question"), "query");
        shop.stand_in.mend(Point::Query);
        shop.becomes(no, "success").await;
        let history = shop.store.history(no).await.unwrap();
        assert_eq!(history.len(), 3, "created, prepaid and paid: {history:?}");
        assert_eq!(*shop.get("/stats").await.at("/alarms"), json!([]));
        shop.close().await;
    }
}

#[tokio::test]
async fn order_unknown_to_channel_is_closed_on_404() {
    let shop = Shop::open(with_a_sweeper()).await;
    shop.stand_in.break_at(Point::Prepay, Fault::Down);
    assert_eq!(shop.tap("oCustomer").await.status, 502);
    let orders = shop.get("/orders").await;
    let no = orders.at("/orders/0/outTradeNo").as_str().unwrap();
    shop.clock.advance(3 * 60 * MINUTE);
    shop.becomes(no.parse().unwrap(), "closed").await;
    shop.close().await;
}
