//! Orders from their creation to their end, and every read.

use orderstore_server::Limits;
use serde_json::{Value, json};

use crate::harness::{APPID, Rig, order, payment};

#[tokio::test]
async fn order_lives_its_whole_life_over_unix_socket() {
    live(Rig::unix().await).await;
}

#[tokio::test]
async fn order_lives_its_whole_life_over_tcp() {
    live(Rig::tcp(Limits::default()).await).await;
}

async fn live(rig: Rig) {
    let numbers = rig.post("/v1/order-numbers", &json!({ "count": 3 })).await;
    let numbers: Vec<_> = numbers.at("/outTradeNos").as_array().unwrap().clone();
    assert_eq!(numbers.len(), 3);
    let no = numbers[0].as_str().unwrap();
    let new = json!({
        "outTradeNo": no, "appid": APPID, "totalFee": 1990, "_openid": "oUser", "mchId": "1900",
        "description": "茶", "attach": "a", "reference": "cart-1", "metadata": { "hex": "ff00" },
    });
    let created = rig.post("/v1/orders", &new).await;
    assert_eq!(
        (created.outcome().as_str(), created.at("/acknowledge")),
        ("created", &json!(true))
    );
    assert_eq!(*created.at("/order/metadata/hex"), "ff00");
    let path = |rest: &str| format!("/v1/orders/{no}{rest}");
    let prepay = json!({ "kind": "JSAPI", "value": "wx201410272009395522657a69" });
    assert_eq!(rig.outcome(&path("/prepay"), &prepay).await, "recorded");
    let pending = state("NOTPAY");
    assert_eq!(rig.outcome(&path("/query"), &pending).await, "stillPending");
    let mut paid = payment("4200001");
    paid["paidFee"] = json!(1990);
    paid["source"] = json!({ "callback": { "notifyId": "EV-1" } });
    paid["openid"] = json!("oUser");
    assert_eq!(rig.outcome(&path("/confirm"), &paid).await, "applied");
    let state = json!({ "tradeState": "SUCCESS", "payment": paid });
    assert_eq!(rig.outcome(&path("/query"), &state).await, "payment");
    let refund = json!({ "refundNo": "R1", "transactionId": "4200001", "amount": 90 });
    assert_eq!(rig.outcome(&path("/refunds"), &refund).await, "requested");
    let report = |state: &str| json!({ "transactionId": "4200001", "amount": 90, "state": state });
    let record = path("/refunds/R1/record");
    assert_eq!(rig.outcome(&record, &report("PROCESSING")).await, "moved");
    let unanswered = rig
        .outcome(&path("/refunds/R1/unanswered"), &json!({}))
        .await;
    assert_eq!(unanswered, "putOff");
    assert_eq!(rig.outcome(&record, &report("SUCCESS")).await, "moved");
    let order = rig.get(&path("")).await;
    assert_eq!(*order.at("/payStatus"), "success");
    assert_eq!(*order.at("/refunds/0/status"), "success");
    let version = order.at("/version");
    let note = json!({ "version": version, "metadata": "shelf 7" });
    assert_eq!(rig.outcome(&path("/annotate"), &note).await, "annotated");
    assert_eq!(rig.outcome(&path("/annotate"), &note).await, "versionMoved");
    assert_eq!(rig.outcome(&path("/hide"), &json!({})).await, "hidden");
    assert_eq!(rig.outcome(&path("/unhide"), &json!({})).await, "shown");
    let history = rig.get(&path("/history")).await;
    let events = history.at("/events").as_array().unwrap().len();
    assert_eq!(json!(events), *rig.get(&path("")).await.at("/version"));
    reads_agree(&rig, no).await;
    rig.close().await;
}

/// Reads every list and checks that it shows the paid order.
async fn reads_agree(rig: &Rig, no: &str) {
    for selection in [
        "",
        "openid=oUser&status=success,latePaid&withHidden=true",
        "transactionId=4200001&channel=wechat",
        "refundNo=R1",
        "reference=cart-1",
        "status=success&from=0&to=9999999999999&reverse=true&limit=1",
        "status=success,closed",
    ] {
        let list = rig.get(&format!("/v1/orders?{selection}")).await;
        assert_eq!(*list.at("/rows/0/outTradeNo"), no, "{selection}: {list:?}");
    }
    let none = rig.get("/v1/orders?status=wait").await;
    assert_eq!(*none.at("/rows"), json!([]));
    assert_eq!(*rig.get("/v1/counts").await.at("/byStatus/success"), 1);
    let totals = rig.get("/v1/totals?from=0&to=9999999999999").await;
    assert_eq!(
        *totals.at("/paid/CNY"),
        json!({ "count": 1, "minorUnits": "1990" })
    );
    assert_eq!(*totals.at("/refunded/CNY/minorUnits"), "90");
    for list in ["/v1/anomalies", "/v1/due", "/v1/refunds/closed"] {
        assert_eq!(*rig.get(list).await.at("/rows"), json!([]), "{list}");
    }
    let stats = rig.get("/v1/stats").await;
    assert_eq!(*stats.at("/health/state"), "ok");
    assert!(stats.at("/commands").as_u64().unwrap() > 10, "{stats:?}");
    assert!(stats.at("/recovery/lastLsn").is_string());
    assert_eq!(*rig.get("/healthz").await.at("/status"), "ok");
    assert_eq!(*rig.get("/readyz").await.at("/acceptsCommands"), true);
    let feed = rig.get("/v1/feed?limit=2").await;
    assert_eq!(*feed.at("/events/0/event/outTradeNo"), no);
    assert_eq!(feed.at("/events/1/cursor"), feed.at("/next"));
}

/// Returns the channel's answer to a query of an order without a payment.
fn state(state: &str) -> Value {
    json!({ "tradeState": state })
}

/// Returns the decision of a person about an anomaly.
fn decide(decision: &str, note: &str) -> Value {
    json!({ "decision": decision, "note": note })
}

/// Returns the decision to refund the payment of an anomaly.
fn refund_by(refund_no: &str) -> Value {
    json!({ "decision": "refund", "refundNo": refund_no, "note": "twice" })
}

/// Sends one command after the other, and checks the word of each outcome.
async fn run(rig: &Rig, steps: &[(&str, Value, &str)]) {
    for (path, body, outcome) in steps {
        let path = format!("/v1/orders{path}");
        assert_eq!(rig.outcome(&path, body).await, *outcome, "{path} {body}");
    }
}

#[tokio::test]
async fn unpaid_orders_close_and_end() {
    let rig = Rig::unix().await;
    let none = || json!({});
    let reply = |reply: &str| json!({ "reply": reply });
    let steps = [
        ("", order("A1"), "created"),
        ("", order("A1"), "exists"),
        (
            "",
            json!({ "outTradeNo": "A1", "appid": APPID, "totalFee": 1 }),
            "existsWithDifferent",
        ),
        ("/A1/unanswered", none(), "stillPending"),
        ("/A1/hide", none(), "notEnded"),
        ("/A1/close/abort", none(), "notClosing"),
        ("/A1/close/begin", none(), "closing"),
        ("/A1/close/begin", none(), "already"),
        ("/A1/query", state("NOTPAY"), "stillClosing"),
        ("/A1/close/record", reply("retry"), "stillClosing"),
        ("/A1/close/abort", none(), "reopened"),
        ("/A1/close/begin", none(), "closing"),
        ("/A1/close/record", reply("closed"), "mustQuery"),
        ("/A1/query", state("CLOSED"), "moved"),
        ("/A1/query", state("CLOSED"), "already"),
        (
            "/A1/prepay",
            json!({ "kind": "NATIVE", "value": "weixin://1" }),
            "notPayable",
        ),
        ("/A1/confirm", payment("T1"), "late"),
        (
            "/A1/anomalies/1/resolve",
            decide("accept", "ok"),
            "resolved",
        ),
        ("/A1/anomalies/1/resolve", decide("accept", "ok"), "already"),
        (
            "/A1/anomalies/1/resolve",
            decide("dismiss", ""),
            "different",
        ),
        ("/A1/anomalies/9/resolve", decide("dismiss", ""), "notFound"),
        ("/A1/close/begin", none(), "alreadyPaid"),
        (
            "/A1/prepay",
            json!({ "kind": "NATIVE", "value": "weixin://1" }),
            "alreadyPaid",
        ),
        ("", order("A2"), "created"),
        ("/A2/end", json!({ "note": "gone" }), "tooEarly"),
        ("/A2/query", state("REVOKED"), "moved"),
        ("/A2/query", state("NOTPAY"), "stale"),
        ("/A2/hide", none(), "hidden"),
        ("/A2/hide", none(), "already"),
        (
            "",
            json!({ "outTradeNo": "A3", "appid": APPID, "totalFee": 1, "expiresAt": 1 }),
            "created",
        ),
        ("/A3/end", json!({ "note": "gone" }), "closed"),
        ("", order("A4"), "created"),
        ("/A4/close/begin", none(), "closing"),
        ("/A4/close/record", reply("orderPaid"), "mustQuery"),
        ("/B1/query", state("ACCEPT"), "notFound"),
        ("/B1/close/begin", none(), "notFound"),
        (
            "/B1/annotate",
            json!({ "version": 1, "metadata": "" }),
            "notFound",
        ),
        ("/B1/hide", none(), "notFound"),
        (
            "/B1/prepay",
            json!({ "kind": "H5", "value": "https://h5" }),
            "notFound",
        ),
    ];
    run(&rig, &steps).await;
    rig.close().await;
}

#[tokio::test]
async fn payments_that_do_not_fit_become_anomalies() {
    let rig = Rig::unix().await;
    let mut other_amount = payment("T2");
    other_amount["paidFee"] = json!(99);
    let mut other_app = payment("T3");
    other_app["appid"] = json!("wx2");
    let purchase = |no: &str, fee: u64| json!({ "outTradeNo": no, "appid": APPID, "totalFee": fee, "reference": "cart-1" });
    let refunding = refund_by("R9");
    let steps = [
        ("/A1/confirm", payment("T1"), "unclaimed"),
        ("", order("A1"), "createdAndPaid"),
        ("/A1/confirm", payment("T1"), "duplicate"),
        ("/A1/confirm", payment("T4"), "doublePayment"),
        ("", order("A2"), "created"),
        ("/A2/confirm", payment("T1"), "transactionTaken"),
        ("/A2/confirm", other_amount, "amountMismatch"),
        ("/A2/confirm", other_app, "identityMismatch"),
        (
            "/A1/anomalies/1/resolve",
            decide("dismiss", ""),
            "different",
        ),
        (
            "/A1/anomalies/2/resolve",
            decide("accept", ""),
            "notAcceptable",
        ),
        ("/A1/anomalies/2/resolve", refunding, "resolved"),
        ("/A2/anomalies/1/resolve", refund_by("R8"), "notRefundable"),
        ("", purchase("A5", 100), "created"),
        ("", purchase("A6", 101), "referenceBusy"),
        ("/A5/confirm", payment("T5"), "applied"),
        ("", purchase("A6", 101), "referencePaid"),
        ("/A5/query", state("REVOKED"), "reversed"),
        ("/A5/query", state("PAYERROR"), "channelDisagrees"),
        ("/A5/query", state("CLOSED"), "stale"),
        (
            "/A1/query",
            json!({ "tradeState": "REFUND", "payment": payment("T1") }),
            "refundUnknown",
        ),
        (
            "/A3/refunds/R3/record",
            refund("T9", 5, "SUCCESS"),
            "unclaimed",
        ),
    ];
    run(&rig, &steps).await;
    let open = rig.get("/v1/anomalies?limit=3").await;
    assert_eq!(open.at("/rows").as_array().unwrap().len(), 3);
    let cursor = open.at("/next").as_str().unwrap();
    let rest = rig.get(&format!("/v1/anomalies?cursor={cursor}")).await;
    assert_ne!(rest.at("/rows/0/anomaly"), open.at("/rows/0/anomaly"));
    let due = rig.get("/v1/due?at=9999999999999").await;
    assert!(!due.at("/rows").as_array().unwrap().is_empty());
    assert_eq!(rig.get("/v1/orders/A3/history").await.status, 200);
    assert_eq!(
        rig.get("/v1/orders/A3").await.problem().0,
        "order-not-found"
    );
    rig.close().await;
}

/// Returns a report of the channel about a refund.
fn refund(transaction: &str, amount: u64, state: &str) -> Value {
    json!({ "transactionId": transaction, "amount": amount, "state": state })
}

#[tokio::test]
async fn refunds_get_every_answer() {
    let rig = Rig::unix().await;
    let ask = |no: &str, transaction: &str, amount: u64, attempt: u32| json!({ "refundNo": no, "transactionId": transaction, "amount": amount, "attempt": attempt });
    let code = json!({ "code": "NOTENOUGH" });
    let (request, record) = ("/A1/refunds", "/A1/refunds/R1/record");
    let refuse = "/A1/refunds/R1/refused";
    let steps = [
        (request, ask("R1", "T1", 1, 1), "notFound"),
        ("", order("A1"), "created"),
        (request, ask("R1", "T1", 1, 1), "notPaid"),
        ("/A1/confirm", payment("T1"), "applied"),
        (request, ask("R1", "T1", 200, 1), "refused"),
        (request, ask("R1", "T1", 60, 1), "requested"),
        (request, ask("R1", "T1", 60, 1), "exists"),
        (request, ask("R1", "T1", 61, 1), "existsWithDifferent"),
        (refuse, code.clone(), "closed"),
        (refuse, code.clone(), "already"),
        ("/A1/refunds/R7/refused", code.clone(), "notFound"),
        ("/A1/refunds/R7/unanswered", json!({}), "notFound"),
        ("/A1/refunds/R1/unanswered", json!({}), "notOpen"),
        (request, ask("R1", "T1", 60, 1), "ended"),
        (request, ask("R1", "T1", 60, 2), "requested"),
        (record, refund("T1", 60, "CLOSED"), "mustQuery"),
        (record, refund("T1", 60, "PROCESSING"), "moved"),
        (record, refund("T1", 60, "PROCESSING"), "duplicate"),
        (refuse, json!({ "code": "X", "attempt": 2 }), "notRequested"),
        (record, refund("T1", 60, "SUCCESS"), "moved"),
        (record, refund("T1", 60, "PROCESSING"), "stale"),
        (
            "/A1/refunds/R2/record",
            refund("T1", 10, "PROCESSING"),
            "adopted",
        ),
        (
            "/A1/refunds/R2/record",
            refund("T2", 10, "PROCESSING"),
            "differs",
        ),
        (
            "/A1/refunds/R3/record",
            refund("T1", 90, "SUCCESS"),
            "exceeds",
        ),
        ("", order("A2"), "created"),
        (
            "/A2/refunds/R1/record",
            refund("T8", 1, "SUCCESS"),
            "refundNoTaken",
        ),
        (
            "/A2/refunds/R4/record",
            refund("T1", 1, "SUCCESS"),
            "refundedElsewhere",
        ),
    ];
    run(&rig, &steps).await;
    let reopened = rig
        .post("/v1/orders/A1/refunds", &ask("R5", "T1", 10, 1))
        .await;
    assert_eq!(reopened.outcome(), "requested");
    let refused = rig.outcome("/v1/orders/A1/refunds/R5/refused", &code).await;
    assert_eq!(refused, "closed");
    let closed = rig.get("/v1/refunds/closed").await;
    assert_eq!(*closed.at("/rows/0/refund/refundNo"), "R5");
    rig.close().await;
}

#[tokio::test]
async fn cursor_reads_list_page_by_page() {
    let rig = Rig::unix().await;
    for number in 0..5 {
        rig.create(&format!("A{number}")).await;
    }
    let (mut found, mut path) = (Vec::new(), "/v1/orders?limit=2&reverse=true".to_owned());
    loop {
        let page = rig.get(&path).await;
        let rows = page.at("/rows").as_array().unwrap();
        found.extend(
            rows.iter()
                .map(|row| row["outTradeNo"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page.at("/next").as_str() else {
            break;
        };
        path = format!("/v1/orders?limit=2&reverse=true&cursor={cursor}");
    }
    assert_eq!(found, ["A0", "A1", "A2", "A3", "A4"]);
    rig.close().await;
}

#[tokio::test]
async fn number_with_special_characters_is_escaped_in_path() {
    let rig = Rig::unix().await;
    rig.create("a|b*c@d").await;
    let path = "/v1/orders/a%7Cb*c%40d";
    assert_eq!(
        rig.outcome(&format!("{path}/close/begin"), &json!({}))
            .await,
        "closing"
    );
    assert_eq!(*rig.get(path).await.at("/outTradeNo"), "a|b*c@d");
    rig.close().await;
}

/// The JSON of a reply is the one of the library's own reply.
#[tokio::test]
async fn reply_equals_json_of_library() {
    let rig = Rig::unix().await;
    rig.create("A1").await;
    let no = orderstore::OrderNo::parse("A1").unwrap();
    let ours = rig.post("/v1/orders/A1/close/begin", &json!({})).await;
    let again = rig.store.begin_close(no).await.unwrap();
    let own = serde_json::to_value(&again).unwrap();
    assert_eq!(own["order"], *ours.at("/order"));
    assert_eq!(
        (&own["outcome"], own.as_object().unwrap().len()),
        (&json!("already"), 3)
    );
    assert_eq!(
        rig.post("/v1/orders/A1/close/begin", &json!({})).await.body,
        own
    );
    rig.close().await;
}
