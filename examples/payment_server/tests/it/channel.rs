//! The channel, when it does not answer, answers late, or never says a word by itself.

use std::time::Duration;

use orderstore::{RefundStatus, Status};
use payment_server::{Behaviour, Fault, Form, Point};
use serde_json::{Value, json};

use crate::harness::{Shop, until, with_a_sweeper, without_a_sweeper};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_order_of_which_nobody_tells_becomes_success_by_what_is_due() {
    let shop = Shop::open(with_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    shop.pay(no, Behaviour::Never, Form::V3).await;
    shop.clock.advance(MINUTE);
    shop.becomes(no, "success").await;
    assert_eq!(shop.stand_in.trade(no).unwrap().sent, 0);
    shop.close().await;
}

#[tokio::test]
async fn an_order_that_nobody_pays_is_closed_once_it_has_expired() {
    let shop = Shop::open(with_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    shop.clock.advance(40 * MINUTE);
    shop.becomes(no, "closed").await;
    let refused = shop.stand_in.pay(no, Behaviour::Usual, Form::V3).await;
    assert_eq!(refused.unwrap_err().code, "ORDER_CLOSED");
    // A new tap under the old reference is a new order.
    assert_ne!(shop.buy("oCustomer").await, no);
    shop.close().await;
}

#[tokio::test]
async fn a_close_that_the_channel_does_not_answer_stays_due_until_it_does() {
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
async fn a_payment_that_was_quicker_than_the_close_wins() {
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
async fn a_refund_that_the_channel_does_not_answer_goes_back_once_all_the_same() {
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
async fn while_the_channel_is_down_nothing_is_lost_and_nothing_is_closed() {
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
