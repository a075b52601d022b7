//! Orders that a customer creates by tapping the button "buy".

use orderstore::Status;
use payment_server::{Fault, Point};
use serde_json::json;

use crate::harness::{Shop, until, without_a_sweeper};

#[tokio::test]
async fn concurrent_taps_create_one_order() {
    let shop = Shop::open(without_a_sweeper()).await;
    for round in 0..20 {
        let customer = format!("oCustomer{round}");
        let (one, other) = tokio::join!(shop.buy(&customer), shop.buy(&customer));
        assert_eq!(one, other);
    }
    assert_eq!(shop.store.counts().await.unwrap().of(Status::Pending), 20);
    assert_eq!(shop.stand_in.trades().len(), 20);
    shop.close().await;
}

#[tokio::test]
async fn price_comes_from_server_not_client() {
    let shop = Shop::open(without_a_sweeper()).await;
    let asked = json!({
        "openid": "oCustomer", "sku": "tea", "reference": "cart", "totalFee": 1, "price": 1,
    });
    let answer = shop.post("/wxPay", asked).await;
    assert_eq!(*answer.at("/totalFee"), 8800);
    let trade = shop.stand_in.trade(answer.order_no().unwrap()).unwrap();
    assert_eq!(trade.total, 8800);
    shop.close().await;
}

#[tokio::test]
async fn invalid_order_request_is_rejected_and_stores_nothing() {
    let shop = Shop::open(without_a_sweeper()).await;
    for (openid, sku, reference, status, code) in [
        ("oCustomer", "gold", "cart", 404, "noSuchGoods"),
        ("o Customer", "tea", "cart", 400, "badOrder"),
        ("", "tea", "cart", 400, "badOrder"),
        ("oCustomer", "tea", "", 400, "badOrder"),
    ] {
        let answer = shop.client.buy(openid, sku, reference).await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(*answer.at("/code"), code);
    }
    let answer = shop.post("/wxPay", json!({ "sku": "tea" })).await;
    assert_eq!(
        (answer.status, answer.at("/code")),
        (400, &json!("badBody"))
    );
    assert!(shop.stand_in.trades().is_empty());
    assert_eq!(*shop.get("/orders").await.at("/orders"), json!([]));
    shop.close().await;
}

#[tokio::test]
async fn reference_of_paid_order_is_bound_to_customer_and_item() {
    let shop = Shop::open(without_a_sweeper()).await;
    let no = shop.sell("oCustomer").await;
    for (openid, sku) in [("oSomebody", "stamp"), ("oCustomer", "tea")] {
        let answer = shop
            .client
            .buy(openid, sku, "cart-oCustomer")
            .await
            .unwrap();
        assert_eq!(answer.status, 409);
        assert_eq!(*answer.at("/code"), "referenceTaken");
    }
    let again = shop.tap("oCustomer").await;
    assert_eq!(again.order_no(), Some(no));
    assert_eq!(
        (again.at("/paid"), again.at("/payment")),
        (&json!(true), &json!(null))
    );
    shop.close().await;
}

#[tokio::test]
async fn order_is_stored_before_channel_is_called() {
    let shop = Shop::open(without_a_sweeper()).await;
    shop.stand_in.break_at(Point::Prepay, Fault::Down);
    let answer = shop.tap("oCustomer").await;
    assert_eq!(
        (answer.status, answer.at("/code")),
        (502, &json!("channelDown"))
    );
    let kept = shop.get("/orders?openid=oCustomer").await;
    assert_eq!(*kept.at("/orders/0/status"), "wait");
    assert!(shop.stand_in.trades().is_empty());
    shop.stand_in.mend(Point::Prepay);
    let no = shop.buy("oCustomer").await;
    assert_eq!(*kept.at("/orders/0/outTradeNo"), no.as_str());
    shop.close().await;
}

#[tokio::test]
async fn next_tap_after_lost_answer_reuses_order() {
    let shop = Shop::open(without_a_sweeper()).await;
    shop.stand_in.break_at(Point::Prepay, Fault::Mute);
    let answer = shop.tap("oCustomer").await;
    assert_eq!(
        (answer.status, answer.at("/code")),
        (502, &json!("channelDown"))
    );
    let known = async || shop.stand_in.trades().len() == 1;
    until("the channel has the trade", known).await;
    shop.stand_in.mend(Point::Prepay);
    let no = shop.buy("oCustomer").await;
    assert_eq!(shop.stand_in.trades()[0].no, no);
    assert_eq!(shop.stand_in.trades().len(), 1);
    shop.close().await;
}

#[tokio::test]
async fn tap_for_paid_order_reports_it_as_paid() {
    let shop = Shop::open(without_a_sweeper()).await;
    shop.stand_in.break_at(Point::Prepay, Fault::Mute);
    let lost = shop.tap("oCustomer").await;
    assert_eq!(lost.status, 502);
    let no = shop.stand_in.trades()[0].no;
    // The customer pays in WeChat's password dialog, but the server receives no notification.
    shop.pay(
        no,
        payment_server::Behaviour::Never,
        payment_server::Form::V3,
    )
    .await;
    shop.stand_in.mend(Point::Prepay);
    let again = shop.tap("oCustomer").await;
    assert_eq!((again.status, again.at("/paid")), (200, &json!(true)));
    assert_eq!(shop.status(no).await, "success");
    shop.close().await;
}
