//! What a request may be, and how long it may take.

use std::time::Duration;

use payment_server::{Config, Fault, Point};
use serde_json::json;

use crate::harness::{Shop, without_a_sweeper};

#[tokio::test]
async fn a_body_without_end_is_refused_at_every_door() {
    let shop = Shop::open(without_a_sweeper()).await;
    let long = json!({ "openid": "o".repeat(64 << 10) });
    for path in [
        "/wxPay",
        "/payCallBack",
        "/notify/v3",
        "/orders/A0000001/refund",
    ] {
        let refused = shop.post(path, long.clone()).await;
        assert_eq!(refused.status, 413, "{path}");
    }
    shop.close().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let shop = Shop::open(without_a_sweeper()).await;
    let refused = shop
        .client
        .send("/wxPay", &[], "{".to_owned())
        .await
        .unwrap();
    assert_eq!(
        (refused.status, refused.at("/code")),
        (400, &json!("badBody"))
    );
    shop.close().await;
}

#[tokio::test]
async fn the_page_of_another_site_presses_no_button() {
    let shop = Shop::open(without_a_sweeper()).await;
    let body = json!({ "openid": "oCustomer", "sku": "tea", "reference": "r" }).to_string();
    for origin in ["http://elsewhere.example", "null", "http://127.0.0.1:1"] {
        let headers = [("origin", origin)];
        let sent = shop.client.send("/wxPay", &headers, body.clone());
        let refused = sent.await.unwrap();
        assert_eq!(
            (refused.status, refused.at("/code")),
            (403, &json!("foreignPage"))
        );
    }
    shop.close().await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_and_what_it_began_stands() {
    let config = Config {
        request_limit: Duration::from_millis(300),
        channel_limit: Duration::from_secs(30),
        ..without_a_sweeper()
    };
    let shop = Shop::open(config).await;
    shop.stand_in.break_at(Point::Prepay, Fault::Mute);
    let late = shop.tap("oCustomer").await;
    assert_eq!((late.status, late.at("/code")), (503, &json!("timeout")));
    let kept = shop.get("/orders").await;
    assert_eq!(*kept.at("/orders/0/status"), "wait");
    shop.stand_in.mend(Point::Prepay);
    let no = shop.buy("oCustomer").await;
    assert_eq!(*kept.at("/orders/0/outTradeNo"), no.as_str());
    shop.close().await;
}
