//! Lists, history, statistics and decisions of the operator.

use std::collections::HashSet;

use orderstore::ChannelState;
use payment_server::{Answer, Behaviour, Fault, Form, Point, Refusal};
use serde_json::{Value, json};

use crate::harness::{Shop, until, without_a_sweeper};

#[tokio::test]
async fn list_pages_contain_each_order_once() {
    let shop = Shop::open(without_a_sweeper()).await;
    let mut nos = HashSet::new();
    for n in 0..7 {
        let answer = shop
            .client
            .buy("oCustomer", "stamp", &format!("cart-{n}"))
            .await;
        nos.insert(answer.unwrap().order_no().unwrap().to_string());
    }
    shop.buy("oOther").await;
    for (list, count) in [("?openid=oCustomer", 7), ("?status=wait", 8), ("?", 8)] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = shop.get(&format!("/orders{list}&limit=3{cursor}")).await;
            let orders = page.at("/orders").as_array().unwrap();
            assert!(orders.len() <= 3);
            let no = |order: &Value| order["outTradeNo"].as_str().unwrap().to_owned();
            seen.extend(orders.iter().map(no));
            let Some(next) = page.at("/next").as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen.len(), count, "{list}");
        let distinct: HashSet<_> = seen.into_iter().collect();
        assert!(distinct.len() == count && distinct.is_superset(&nos));
    }
    for (path, code) in [
        ("/orders?cursor=nonsense", "badCursor"),
        ("/orders?limit=many", "badParameter"),
        ("/orders?limit=0", "badParameter"),
        ("/orders?status=paid", "badParameter"),
        ("/orders/no such number", "badNumber"),
    ] {
        let refused = shop.get(&path.replace(' ', "%20")).await;
        assert_eq!(
            (refused.status, refused.at("/code")),
            (400, &json!(code)),
            "{path}"
        );
    }
    shop.close().await;
}

#[tokio::test]
async fn history_of_unknown_order_is_not_found() {
    let shop = Shop::open(without_a_sweeper()).await;
    let no = shop.sell("oCustomer").await;
    let history = shop.get(&format!("/orders/{no}/history")).await;
    assert_eq!(history.at("/events").as_array().unwrap().len(), 3);
    for path in [
        "/orders/UNKNOWN000001",
        "/orders/UNKNOWN000001/history",
        "/nowhere",
    ] {
        assert_eq!(shop.get(path).await.status, 404, "{path}");
    }
    let close = shop.post("/orders/UNKNOWN000001/close", Value::Null).await;
    assert_eq!(
        (close.status, close.at("/code")),
        (404, &json!("noSuchOrder"))
    );
    shop.close().await;
}

#[tokio::test]
async fn stats_total_payments_and_refunds_in_fen() {
    let shop = Shop::open(without_a_sweeper()).await;
    let tea = shop.client.buy("oTea", "tea", "cart-oTea").await.unwrap();
    let tea = tea.order_no().unwrap();
    shop.pay(tea, Behaviour::Usual, Form::V3).await;
    shop.becomes(tea, "success").await;
    shop.sell("oStamp").await;
    shop.buy("oLooker").await;
    let path = format!("/orders/{tea}/refund");
    let part = shop
        .post(&path, json!({ "refundNo": "R1", "amount": 800 }))
        .await;
    assert_eq!(part.status, 200);
    let again = shop
        .post(&path, json!({ "refundNo": "R1", "amount": 800 }))
        .await;
    assert_eq!(again.at("/refunds").as_array().unwrap().len(), 1);
    for (asked, code) in [
        (json!({ "refundNo": "R1", "amount": 801 }), "refundDiffers"),
        (json!({ "refundNo": "R2", "amount": 8001 }), "exceeds"),
    ] {
        let refused = shop.post(&path, asked).await;
        assert_eq!((refused.status, refused.at("/code")), (409, &json!(code)));
    }
    for bad in [json!({ "amount": 0 }), json!({}), json!({ "amount": -1 })] {
        assert_eq!(shop.post(&path, bad).await.status, 400);
    }
    let counted = async || {
        let stats = shop.get("/stats").await;
        *stats.at("/totals/refunded") == json!({ "count": 1, "fen": 800 })
    };
    until("the refund is counted", counted).await;
    let stats = shop.get("/stats").await;
    assert_eq!(*stats.at("/counts/success"), 2);
    assert_eq!(*stats.at("/counts/wait"), 1);
    assert_eq!(
        *stats.at("/totals/paid"),
        json!({ "count": 2, "fen": 8801 })
    );
    shop.close().await;
}

#[tokio::test]
async fn payment_after_close_is_accepted_or_refunded_by_operator() {
    for (how, status, back) in [("accept", "success", 0), ("refund", "latePaid", 1)] {
        let shop = Shop::open(without_a_sweeper()).await;
        let no = shop.buy("oCustomer").await;
        // Close the order in the store first, so that the payment below is late.
        let closed = shop.store.record_query(no, ChannelState::Closed).await;
        assert!(closed.unwrap().should_acknowledge());
        shop.pay(no, Behaviour::Usual, Form::V3).await;
        shop.becomes(no, "latePaid").await;
        let waiting = shop.get("/anomalies").await;
        let anomaly = waiting.at("/anomalies/0/id");
        let path = format!("/orders/{no}/anomalies/{anomaly}/resolve");
        let decided = shop
            .post(&path, json!({ "how": how, "note": "seen" }))
            .await;
        assert_eq!(
            (decided.status, decided.at("/status")),
            (200, &json!(status))
        );
        let refunds = decided.at("/refunds").as_array().unwrap().len();
        assert_eq!(refunds, back);
        let other = if how == "accept" { "dismiss" } else { "accept" };
        let refused = shop.post(&path, json!({ "how": other })).await;
        assert_eq!(
            (refused.status, refused.at("/code")),
            (409, &json!("decided"))
        );
        assert_eq!(*shop.get("/anomalies").await.at("/anomalies"), json!([]));
    }
}

#[tokio::test]
async fn refund_rejected_by_channel_is_answered_as_failure() {
    let shop = Shop::open(without_a_sweeper()).await;
    let refusal = Refusal {
        status: 403,
        code: "NOT_ENOUGH",
    };
    shop.stand_in
        .break_at(Point::Refund, Fault::Refuses(refusal));
    let is_refused = |answer: Answer| {
        assert_eq!(
            (answer.status, answer.at("/code")),
            (409, &json!("refundRefused")),
            "{answer:?}"
        );
        assert_eq!(*answer.at("/details/channelCode"), "NOT_ENOUGH");
    };
    let no = shop.sell("oCustomer").await;
    let path = format!("/orders/{no}/refund");
    for _ in 0..2 {
        let asked = json!({ "refundNo": "R1", "amount": 1 });
        is_refused(shop.post(&path, asked).await);
    }
    // The channel also rejects the refund that resolves an anomaly, and the server answers the
    // same.
    let late = shop.buy("oLate").await;
    let closed = shop.store.record_query(late, ChannelState::Closed).await;
    assert!(closed.unwrap().should_acknowledge());
    shop.pay(late, Behaviour::Usual, Form::V3).await;
    shop.becomes(late, "latePaid").await;
    let id = shop.order(late).await.at("/anomalies/0/id").clone();
    let path = format!("/orders/{late}/anomalies/{id}/resolve");
    let decision = json!({ "how": "refund", "note": "closed before" });
    is_refused(shop.post(&path, decision).await);
    assert_eq!(shop.stand_in.given_back(), 0);
}

#[tokio::test]
async fn invalid_decision_is_rejected_with_specific_code() {
    let shop = Shop::open(without_a_sweeper()).await;
    let no = shop.sell("oCustomer").await;
    for (path, how, status, code) in [
        (
            format!("/orders/{no}/anomalies/1/resolve"),
            "dismiss",
            404,
            "noSuchAnomaly",
        ),
        (
            format!("/orders/{no}/anomalies/x/resolve"),
            "dismiss",
            400,
            "badNumber",
        ),
        (
            format!("/orders/{no}/anomalies/1/resolve"),
            "forget",
            400,
            "badBody",
        ),
    ] {
        let refused = shop.post(&path, json!({ "how": how })).await;
        assert_eq!(
            (refused.status, refused.at("/code")),
            (status, &json!(code))
        );
    }
    shop.close().await;
}
