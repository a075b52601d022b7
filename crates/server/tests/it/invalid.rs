//! Requests with invalid values.

use serde_json::json;

use crate::harness::{JSON, Rig, order, payment};

#[tokio::test]
async fn invalid_body_is_refused_with_its_field() {
    let rig = Rig::unix().await;
    let create = |more: &str| format!(r#"{{"outTradeNo":"A1","appid":"wx1","totalFee":1{more}}}"#);
    let nested = format!(r#","metadata":{}1{}"#, "[".repeat(9_000), "]".repeat(9_000));
    for (body, detail) in [
        ("{".to_owned(), "invalid JSON"),
        ("[]".to_owned(), "expected an object"),
        ("{}".to_owned(), "missing field `outTradeNo`"),
        (create(r#","total":1"#), "unknown field `total`"),
        (create(r#","totalFee":2"#), "duplicate field `totalFee`"),
        (
            create(r#","outTradeNo":"A2""#),
            "duplicate field `outTradeNo`",
        ),
        (
            create(r#","metadata":{"hex":"00","hex":"11"}"#),
            "duplicate field `hex`",
        ),
        (
            create(r#","metadata":{"hex":"00","more":1}"#),
            "`metadata`: unknown field",
        ),
        (create(r#","command":"create""#), "unknown field `command`"),
        (
            create(r#","expiresAt":"secret""#),
            "`expiresAt`: expected i64",
        ),
        (create(r#","_openid":"secret secret""#), "`_openid`: "),
        (create(&nested), "`metadata`: "),
        (create("").replace(":1", ":0"), "`totalFee`: "),
        (create("").replace(":1", ":1.5"), "`totalFee`: expected u64"),
        (create("").replace("A1", "no spaces"), "`outTradeNo`: "),
    ] {
        let refused = rig.send("POST", "/v1/orders", JSON, &body).await;
        assert_eq!(
            refused.problem(),
            ("invalid-request", "notApplied"),
            "{body}"
        );
        let found = refused.at("/detail").as_str().unwrap();
        assert!(found.contains(detail), "{detail} is not in: {found}");
        assert!(!found.contains("secret"), "{found}");
    }
    for (path, body) in [
        ("/v1/orders/A1/query", json!({ "tradeState": "SUCCESS" })),
        (
            "/v1/orders/A1/query",
            json!({ "tradeState": "NOTPAY", "payment": payment("T1") }),
        ),
        ("/v1/orders/A1/query", json!({ "tradeState": "LOST" })),
        ("/v1/orders/A1/hide", json!({ "outTradeNo": "A2" })),
        ("/v1/orders/%FF/hide", json!({})),
        (
            "/v1/orders/A1/anomalies/x/resolve",
            json!({ "decision": "accept", "note": "" }),
        ),
        (
            "/v1/orders/A1/anomalies/1/resolve",
            json!({ "decision": "refund", "note": "" }),
        ),
        (
            "/v1/orders/A1/anomalies/1/resolve",
            json!({ "decision": "accept", "refundNo": "R1", "note": "" }),
        ),
        (
            "/v1/orders/A1/anomalies/1/resolve",
            json!({ "anomaly": 2, "decision": "accept", "note": "" }),
        ),
        (
            "/v1/orders/A1/refunds",
            json!({ "refundNo": "R1", "transactionId": "T1", "amount": 0 }),
        ),
        ("/v1/order-numbers", json!({ "count": 0 })),
        ("/v1/order-numbers", json!({ "count": 1025 })),
        ("/v1/batch", json!({ "commands": [], "more": 1 })),
        ("/v1/batch", json!({})),
    ] {
        let refused = rig.post(path, &body).await;
        assert_eq!(
            refused.problem(),
            ("invalid-request", "notApplied"),
            "{path} {body}"
        );
    }
    for path in [
        "/v1/orders?openid=oUser&reference=r",
        "/v1/orders?status=paid",
        "/v1/orders?limit=0",
        "/v1/orders?limit=1001",
        "/v1/orders?limit=1&limit=2",
        "/v1/orders?cursor=7",
        "/v1/orders/no%20spaces",
        "/v1/orders/%FF",
        "/v1/orders/%FF/history",
        "/v1/totals?from=1",
        "/v1/feed?limit=1001",
    ] {
        let refused = rig.get(path).await;
        assert_eq!(refused.problem(), ("invalid-request", "none"), "{path}");
    }
    assert_eq!(*rig.get("/v1/feed").await.at("/events"), json!([]));
    rig.close().await;
}

/// Node and other readers of JSON round larger numbers.
const EXACT_MAX: u64 = (1 << 53) - 1;

#[tokio::test]
async fn amount_that_readers_round_is_refused() {
    let rig = Rig::unix().await;
    let create = |no: &str, fee: u64| {
        let mut order = order(no);
        order["totalFee"] = json!(fee);
        order
    };
    let created = rig.post("/v1/orders", &create("A1", EXACT_MAX)).await;
    assert_eq!(*created.at("/order/totalFee"), EXACT_MAX);
    let with = |field: &str| {
        let mut payment = payment("T1");
        payment[field] = json!(EXACT_MAX + 1);
        payment
    };
    let query = json!({ "tradeState": "SUCCESS", "payment": with("paidFee") });
    let refund = json!({ "refundNo": "R1", "transactionId": "T1", "amount": EXACT_MAX + 1 });
    let mut record = refund.clone();
    record["state"] = json!("SUCCESS");
    record.as_object_mut().unwrap().remove("refundNo");
    for (path, body, field) in [
        ("/v1/orders", create("A2", EXACT_MAX + 1), "totalFee"),
        ("/v1/orders/A1/confirm", with("paidFee"), "paidFee"),
        ("/v1/orders/A1/confirm", with("payerTotal"), "payerTotal"),
        (
            "/v1/orders/A1/confirm",
            with("settlementTotal"),
            "settlementTotal",
        ),
        ("/v1/orders/A1/query", query, "paidFee"),
        ("/v1/orders/A1/refunds", refund, "amount"),
        ("/v1/orders/A1/refunds/R1/record", record, "amount"),
    ] {
        let refused = rig.post(path, &body).await;
        assert_eq!(refused.problem(), ("invalid-request", "notApplied"));
        let detail = refused.at("/detail").as_str().unwrap();
        assert!(detail.contains(&format!("`{field}`: ")), "{detail}");
        assert!(detail.contains("above 9007199254740991"), "{detail}");
    }
    rig.close().await;
}

#[tokio::test]
async fn payment_without_names_is_refused() {
    let rig = Rig::unix().await;
    rig.create("A1").await;
    let values = json!([
        "T1", 100, 1, "query", null, null, null, null, null, null, null, null, null
    ]);
    let body = json!({ "tradeState": "SUCCESS", "payment": values });
    let refused = rig.post("/v1/orders/A1/query", &body).await;
    assert_eq!(refused.problem(), ("invalid-request", "notApplied"));
    let detail = refused.at("/detail").as_str().unwrap();
    assert!(detail.contains("`payment`: expected an object"), "{detail}");
    let body = json!({ "tradeState": "NOTPAY", "payment": null });
    assert_eq!(rig.post("/v1/orders/A1/query", &body).await.status, 200);
    rig.close().await;
}
