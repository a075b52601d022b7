//! Every write can be repeated after a cut reply.

use std::time::Duration;

use orderstore_server::Limits;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::harness::{APPID, JSON, Rig, order, payment, request, until};

/// Returns one write of each kind, in an order in which each of them changes the store.
fn writes() -> Vec<(&'static str, Value)> {
    let refund = |no: &str| json!({ "refundNo": no, "transactionId": "T1", "amount": 10 });
    let report = json!({ "transactionId": "T1", "amount": 10, "state": "SUCCESS" });
    let anomaly = json!({ "decision": "dismiss", "note": "seen" });
    let batch = json!({ "commands": [
        { "command": "create", "outTradeNo": "A4", "appid": APPID, "totalFee": 5 },
        { "command": "beginClose", "outTradeNo": "A4" },
    ] });
    vec![
        ("/v1/orders", order("A1")),
        (
            "/v1/orders/A1/annotate",
            json!({ "version": 1, "metadata": "shelf 7" }),
        ),
        (
            "/v1/orders/A1/prepay",
            json!({ "kind": "JSAPI", "value": "wx20141027" }),
        ),
        ("/v1/orders/A1/unanswered", json!({})),
        ("/v1/orders/A1/confirm", payment("T1")),
        ("/v1/orders/A1/confirm", payment("T2")),
        ("/v1/orders/A1/anomalies/1/resolve", anomaly),
        ("/v1/orders/A1/refunds", refund("R1")),
        ("/v1/orders/A1/refunds/R1/unanswered", json!({})),
        ("/v1/orders/A1/refunds/R1/record", report),
        ("/v1/orders/A1/refunds", refund("R2")),
        (
            "/v1/orders/A1/refunds/R2/refused",
            json!({ "code": "NOTENOUGH" }),
        ),
        ("/v1/orders", order("A2")),
        ("/v1/orders/A2/close/begin", json!({})),
        ("/v1/orders/A2/close/abort", json!({})),
        ("/v1/orders/A2/close/begin", json!({})),
        ("/v1/orders/A2/close/record", json!({ "reply": "closed" })),
        ("/v1/orders/A2/query", json!({ "tradeState": "CLOSED" })),
        ("/v1/orders/A2/hide", json!({})),
        ("/v1/orders/A2/unhide", json!({})),
        (
            "/v1/orders",
            json!({ "outTradeNo": "A3", "appid": APPID, "totalFee": 1, "expiresAt": 1 }),
        ),
        ("/v1/orders/A3/end", json!({ "note": "gone" })),
        ("/v1/batch", batch),
        ("/v1/orders", order("A5")),
        ("/v1/orders/A5/query", json!({ "tradeState": "USERPAYING" })),
    ]
}

/// Returns the history of an order.
async fn history(rig: &Rig, no: &str) -> Value {
    rig.get(&format!("/v1/orders/{no}/history")).await.body
}

/// Returns the history of an order without its checks at the channel.
async fn without_checks(rig: &Rig, no: &str) -> Vec<Value> {
    let history = history(rig, no).await;
    let events = history["events"].as_array().unwrap().iter();
    let kinds = events.map(|event| event["what"].clone());
    kinds.filter(|what| what.get("checked").is_none()).collect()
}

/// Returns the number of events in the feed.
async fn events(rig: &Rig) -> usize {
    let feed = rig.get("/v1/feed?limit=1000").await;
    feed.at("/events").as_array().unwrap().len()
}

#[tokio::test]
async fn every_write_repeated_after_cut_reply_is_applied_once() {
    let (once, twice) = (Rig::unix().await, Rig::unix().await);
    let mut kinds = std::collections::BTreeSet::new();
    for (path, body) in writes() {
        // Checks at the channel become due. Both clocks show the same time.
        once.clock.advance(Duration::from_secs(600));
        twice.clock.advance(Duration::from_secs(600));
        let before = events(&once).await;
        let events_before_cut = events(&twice).await;
        assert_eq!(once.post(path, &body).await.status, 200, "{path}");
        let count = events(&once).await - before;
        assert!(
            count > 0,
            "{path} {body} changes nothing, so its repetition shows nothing"
        );
        let mut cut = twice.connect().await;
        let text = request("POST", path, JSON, &body.to_string());
        cut.write_all(text.as_bytes()).await.unwrap();
        // A server that sees the client leave may never run the command. The client therefore stays
        // until the command is applied, and leaves without the reply.
        until("the first write is applied", async || {
            events(&twice).await >= events_before_cut + count
        })
        .await;
        drop(cut);
        let again = twice.post(path, &body).await;
        assert_eq!(again.status, 200, "{path}: {again:?}");
        kinds.insert(path.rsplit('/').next().unwrap().to_owned());
    }
    assert_eq!(kinds.len(), 16, "{kinds:?}");
    for no in ["A1", "A2", "A3", "A4"] {
        assert_eq!(history(&twice, no).await, history(&once, no).await, "{no}");
    }
    // The store counts each unpaid answer of the channel as a check, also a repeated one. The next
    // check is then later, and nothing else differs.
    let found = without_checks(&twice, "A5").await;
    assert_eq!(found, without_checks(&once, "A5").await);
    once.close().await;
    twice.close().await;
}

#[tokio::test]
async fn command_of_lost_client_completes() {
    let (rig, faults) = Rig::failing(Limits::default(), 100).await;
    faults.hold();
    for (path, body) in [
        ("/v1/orders", order("A1")),
        (
            "/v1/batch",
            json!({ "commands": [
            { "command": "create", "outTradeNo": "A2", "appid": APPID, "totalFee": 5 },
            { "command": "create", "outTradeNo": "A3", "appid": APPID, "totalFee": 5 },
        ] }),
        ),
    ] {
        let mut connection = rig.connect().await;
        let text = request("POST", path, JSON, &body.to_string());
        connection.write_all(text.as_bytes()).await.unwrap();
        // The store has the commands now, and the client disconnects before their reply.
        let no_of_last = if path == "/v1/batch" { 2 } else { 0 };
        until("the store has the commands", async || {
            let queued = rig.get("/v1/stats").await.at("/queued").as_u64().unwrap();
            faults.applies() == 1 && queued == no_of_last
        })
        .await;
        drop(connection);
    }
    faults.release();
    for no in ["A1", "A2", "A3"] {
        let path = format!("/v1/orders/{no}");
        until("the order exists", async || {
            rig.get(&path).await.status == 200
        })
        .await;
    }
    rig.close().await;
}
