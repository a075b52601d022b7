//! Notifications from the channel, and forged ones.

use orderstore::Status;
use payment_server::{Behaviour, Fault, Form, Notification, Plan, PlatformKey, Point, Subject};
use serde_json::{Value, json};

use crate::harness::{Shop, transaction, until, without_a_sweeper};

const ID: &str = "4200001234202601010000000001";

/// Returns the cloud's event of a payment, which anybody can forge.
fn event(no: &str, fee: u64) -> Value {
    json!({
        "returnCode": "SUCCESS", "resultCode": "SUCCESS",
        "openid": "oCustomer", "totalFee": fee, "cashFee": fee, "feeType": "CNY",
        "transactionId": ID, "outTradeNo": no, "timeEnd": "20260101120000",
    })
}

#[tokio::test]
async fn forged_event_leaves_order_pending_and_claims_no_transaction() {
    let shop = Shop::open(without_a_sweeper()).await;
    let (no, other) = (shop.buy("oCustomer").await, shop.buy("oOther").await);
    let reply = shop.post("/payCallBack", event(no.as_str(), 1)).await;
    assert_eq!(reply.status, 200);
    assert_ne!(*reply.at("/errcode"), 0);
    let order = shop.order(no).await;
    assert_eq!(*order.at("/status"), "wait");
    assert_eq!(*order.at("/transactionId"), Value::Null);
    assert_eq!(*order.at("/anomalies"), json!([]));
    assert_eq!(shop.store.counts().await.unwrap().unclaimed, 0);
    // The forged event did not claim the transaction, so the transaction can still pay its real
    // order.
    let now = shop.clock.now();
    let real = transaction(other.as_str(), ID, "oOther", 1, now);
    assert_eq!(shop.tell(&real).await, 204);
    let order = shop.store.get(other).await.unwrap().unwrap();
    assert_eq!(order.transaction_id().unwrap().as_str(), ID);
}

#[tokio::test]
async fn forged_event_for_unknown_order_stores_nothing() {
    let shop = Shop::open(without_a_sweeper()).await;
    let reply = shop
        .post("/payCallBack", event("NEVERORDERED0001", 1))
        .await;
    assert_ne!(*reply.at("/errcode"), 0);
    for nonsense in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "outTradeNo": 7 }),
    ] {
        let reply = shop.post("/payCallBack", nonsense).await;
        assert_eq!(reply.status, 200);
        assert_ne!(*reply.at("/errcode"), 0);
    }
    assert!(
        shop.store
            .history("NEVERORDERED0001".parse().unwrap())
            .await
            .unwrap()
            .is_empty()
    );
    shop.close().await;
}

/// Returns the cloud's event of a refund, which anybody can forge.
fn refund_event(no: &str, refund_no: &str, transaction_id: &str) -> Value {
    json!({
        "returnCode": "SUCCESS", "outTradeNo": no, "outRefundNo": refund_no,
        "refundId": "50000001234202601010000000001", "transactionId": transaction_id,
        "refundFee": 1, "refundStatus": "SUCCESS", "successTime": "2026-01-01 12:00:00",
    })
}

#[tokio::test]
async fn forged_refund_event_under_another_order_records_nothing() {
    let shop = Shop::open(without_a_sweeper()).await;
    let (refunded, other) = (shop.sell("oRefunded").await, shop.sell("oOther").await);
    let path = format!("/orders/{refunded}/refund");
    let asked = json!({ "refundNo": "R1", "amount": 1 });
    assert_eq!(shop.post(&path, asked).await.status, 200);
    let is_back = async || *shop.order(refunded).await.at("/refunds/0/status") == "success";
    until("the refund has succeeded", is_back).await;

    let order = shop.order(other).await;
    let own = order.at("/transactionId").as_str().unwrap().to_owned();
    let unknown = "NEVERORDERED0001";
    for (no, transaction_id) in [
        (other.as_str(), own.as_str()),
        (other.as_str(), ID),
        (unknown, ID),
    ] {
        let reply = shop
            .post("/payCallBack", refund_event(no, "R1", transaction_id))
            .await;
        assert_eq!(reply.status, 200);
        assert_ne!(*reply.at("/errcode"), 0, "{no} {transaction_id}");
    }
    let after = shop.order(other).await;
    assert_eq!(after.json, order.json, "the other order is unchanged");
    let history = shop.store.history(unknown.parse().unwrap()).await.unwrap();
    assert!(history.is_empty(), "{history:?}");
    assert_eq!(shop.store.counts().await.unwrap().open_anomalies, 0);

    // The same event under the right order is recorded, because the channel confirms it.
    let event = refund_event(refunded.as_str(), "R1", ID);
    let reply = shop.post("/payCallBack", event).await;
    assert_eq!(*reply.at("/errcode"), 0);
    shop.close().await;
}

#[tokio::test]
async fn forged_payment_of_unpaid_order_adds_no_history() {
    let shop = Shop::open(without_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    let before = shop.store.get(no).await.unwrap().unwrap();
    for _ in 0..10 {
        let reply = shop.post("/payCallBack", event(no.as_str(), 1)).await;
        assert_ne!(*reply.at("/errcode"), 0);
        let asked = shop.get(&format!("/orders/{no}?refresh=1")).await;
        assert_eq!(*asked.at("/status"), "wait");
    }
    let after = shop.store.get(no).await.unwrap().unwrap();
    assert_eq!(
        after, before,
        "nothing is recorded and the next check stays due"
    );
    shop.close().await;
}

#[tokio::test]
async fn event_is_acknowledged_after_channel_query_confirms_it() {
    let shop = Shop::open(without_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    shop.stand_in.break_at(Point::Query, Fault::Down);
    shop.pay(no, Behaviour::Usual, Form::Cloud).await;
    let twice = async || shop.stand_in.trade(no).unwrap().sent >= 2;
    until("the event comes again", twice).await;
    assert_eq!(shop.stand_in.trade(no).unwrap().acknowledged, 0);
    assert_eq!(shop.status(no).await, "wait");
    shop.stand_in.mend(Point::Query);
    shop.acknowledges(no, 1).await;
    assert_eq!(shop.status(no).await, "success");
    shop.close().await;
}

#[tokio::test]
async fn early_repeated_or_late_notification_pays_once() {
    let shop = Shop::open(without_a_sweeper()).await;
    shop.stand_in.plan("oEarly", Plan::Early);
    let early = shop.tap("oEarly").await;
    assert_eq!((early.status, early.at("/paid")), (200, &json!(true)));

    for form in [Form::V3, Form::Cloud] {
        let twice = shop.buy(&format!("oTwice{form:?}")).await;
        shop.pay(twice, Behaviour::Twice, form).await;
        shop.acknowledges(twice, 2).await;
        assert_eq!(shop.status(twice).await, "success");
    }
    let late = shop.buy("oLate").await;
    shop.pay(late, Behaviour::Late, Form::V3).await;
    let asked = shop.get(&format!("/orders/{late}?refresh=1")).await;
    assert_eq!(*asked.at("/status"), "success");
    shop.acknowledges(late, 1).await;
    shop.close().await;
}

fn changed(notice: &Notification, name: &str, value: &str) -> Notification {
    let mut notice = notice.clone();
    let header = notice.headers.iter_mut().find(|(own, _)| *own == name);
    value.clone_into(&mut header.unwrap().1);
    notice
}

#[tokio::test]
async fn unsigned_or_stale_notification_is_rejected_without_effect() {
    let shop = Shop::open(without_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    let now = shop.clock.now();
    let json = transaction(no.as_str(), ID, "oCustomer", 1, now);
    let notify = |key: &PlatformKey, at| {
        let bytes = json.to_string().into_bytes();
        let notice = key.notify(Subject::Transaction, "TRANSACTION.SUCCESS", bytes, at);
        notice.unwrap()
    };
    let real = notify(shop.stand_in.key(), now);
    let old = now.saturating_sub(std::time::Duration::from_secs(301));
    let mut tampered = real.clone();
    tampered.body = tampered
        .body
        .replace("encrypt-resource", "Encrypt-resource");
    for (what, forged) in [
        (
            "another key",
            notify(&PlatformKey::generate().unwrap(), now),
        ),
        ("recorded earlier", notify(shop.stand_in.key(), old)),
        ("another body", tampered),
        (
            "another signature",
            changed(&real, "wechatpay-signature", "AAAA"),
        ),
        ("another nonce", changed(&real, "wechatpay-nonce", "0")),
        ("no time", changed(&real, "wechatpay-timestamp", "soon")),
        ("another serial", changed(&real, "wechatpay-serial", "0")),
    ] {
        assert_eq!(shop.send(&forged).await, 401, "{what}");
    }
    let unsigned = shop.post("/notify/v3", json!({})).await;
    assert_eq!(
        (unsigned.status, unsigned.at("/code")),
        (401, &json!("SIGN_ERROR"))
    );
    assert_eq!(
        shop.store.history(no).await.unwrap().len(),
        2,
        "created and prepaid"
    );
    assert_eq!(shop.send(&real).await, 204);
    assert_eq!(shop.status(no).await, "success");
}

#[tokio::test]
async fn repeated_notification_is_acknowledged_without_effect() {
    let shop = Shop::open(without_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    shop.pay(no, Behaviour::Never, Form::V3).await;
    let notice = shop.stand_in.sealed_notice(no).unwrap();
    let mut histories = Vec::new();
    for _ in 0..3 {
        assert_eq!(shop.send(&notice).await, 204);
        histories.push(shop.store.history(no).await.unwrap());
    }
    assert!(histories.windows(2).all(|pair| pair[0] == pair[1]));
    shop.close().await;
}

#[tokio::test]
async fn signed_payment_of_wrong_amount_becomes_anomaly() {
    let shop = Shop::open(without_a_sweeper()).await;
    let no = shop.buy("oCustomer").await;
    let now = shop.clock.now();
    let amount = transaction(no.as_str(), ID, "oCustomer", 2, now);
    assert_eq!(
        shop.tell(&amount).await,
        204,
        "a recorded payment must be acknowledged"
    );
    let order = shop.order(no).await;
    assert_eq!(*order.at("/status"), "wait");
    assert_eq!(*order.at("/anomalies/0/open"), true);

    let unknown = transaction("NEVERORDERED0001", "42000099", "oCustomer", 1, now);
    assert_eq!(
        shop.tell(&unknown).await,
        503,
        "an unclaimed payment must not be acknowledged"
    );
    assert_eq!(shop.store.counts().await.unwrap().unclaimed, 1);
    let anomalies = shop.get("/anomalies").await;
    assert_eq!(*anomalies.at("/anomalies/0/outTradeNo"), no.as_str());
    assert_eq!(*anomalies.at("/anomalies/1/outTradeNo"), "NEVERORDERED0001");
    assert_eq!(shop.store.counts().await.unwrap().of(Status::Pending), 1);
}

#[tokio::test]
async fn signed_malformed_message_is_not_acknowledged() {
    let shop = Shop::open(without_a_sweeper()).await;
    for nonsense in [json!(null), json!({}), json!({ "out_trade_no": "x" })] {
        assert_eq!(shop.tell(&nonsense).await, 503);
    }
    shop.close().await;
}
