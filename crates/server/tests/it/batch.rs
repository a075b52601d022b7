//! Batches: each command has its own result.

use std::time::Duration;

use orderstore::testing::{Fault, Operation};
use orderstore_server::Limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::harness::{APPID, JSON, Rig, payment, read_reply, request, until, word};

/// Returns a command of a batch.
fn command(name: &str, no: &str, mut arguments: Value) -> Value {
    arguments["command"] = json!(name);
    arguments["outTradeNo"] = json!(no);
    arguments
}

fn create(no: &str) -> Value {
    command("create", no, json!({ "appid": APPID, "totalFee": 100 }))
}

#[tokio::test]
async fn batch_with_mixed_results_answers_each_command() {
    let rig = Rig::unix().await;
    let commands = [
        create("A1"),
        command("confirm", "A1", payment("T1")),
        command("confirm", "A1", json!({ "transactionId": "T1" })),
        command("hide", "B1", json!({})),
        command("fly", "A1", json!({})),
        json!({ "command": "hide" }),
        json!([1]),
        command("hide", "A1", json!({ "more": 1 })),
        command(
            "resolve",
            "A1",
            json!({ "anomaly": 1, "decision": "dismiss", "note": "" }),
        ),
        command(
            "requestRefund",
            "A1",
            json!({ "refundNo": "R1", "transactionId": "T1", "amount": 5 }),
        ),
        command(
            "recordRefundRefused",
            "A1",
            json!({ "refundNo": "R1", "code": "X" }),
        ),
    ];
    let reply = rig
        .post("/v1/batch", &json!({ "commands": commands }))
        .await;
    let results = reply.at("/results").as_array().unwrap();
    let shown = |result: &Value| match &result["problem"] {
        Value::Null => word(&result["reply"]["outcome"]),
        problem => {
            assert_eq!(problem["effect"], "notApplied");
            format!("problem: {}", problem["detail"].as_str().unwrap())
        }
    };
    let shown: Vec<String> = results.iter().map(shown).collect();
    assert_eq!(shown[..2], ["created", "applied"]);
    assert_eq!(shown[2], "problem: missing field `paidFee`");
    assert_eq!(shown[3], "notFound");
    assert!(
        shown[4].starts_with("problem: `command`: expected one of create, "),
        "{shown:?}"
    );
    assert_eq!(shown[5], "problem: missing field `outTradeNo`");
    assert_eq!(shown[6], "problem: expected an object");
    assert!(
        shown[7].starts_with("problem: unknown field `more`"),
        "{shown:?}"
    );
    assert_eq!(shown[8..], ["notFound", "requested", "closed"]);
    assert_eq!(results[1]["reply"]["order"]["payStatus"], "success");
    rig.close().await;
}

#[tokio::test]
async fn minimal_reply_has_no_order() {
    let rig = Rig::unix().await;
    let commands = json!({ "commands": [create("A1"), create("A2")] });
    let reply = rig.post("/v1/batch?return=minimal", &commands).await;
    let created = json!({ "reply": { "outcome": "created", "acknowledge": true } });
    assert_eq!(*reply.at("/results"), json!([created, created]));
    let single = rig
        .post("/v1/orders/A1/close/begin?return=minimal", &json!({}))
        .await;
    assert_eq!(
        single.body,
        json!({ "outcome": "closing", "acknowledge": true })
    );
    let full = rig
        .post("/v1/orders/A1/close/abort?return=full", &json!({}))
        .await;
    assert_eq!(*full.at("/order/payStatus"), "wait");
    rig.close().await;
}

#[tokio::test]
async fn batch_holds_at_most_1024_commands() {
    let rig = Rig::unix().await;
    let commands: Vec<_> = (0..1024)
        .map(|number| create(&format!("A{number}")))
        .collect();
    let reply = rig
        .post("/v1/batch?return=minimal", &json!({ "commands": commands }))
        .await;
    assert_eq!(reply.at("/results").as_array().unwrap().len(), 1024);
    assert_eq!(*rig.get("/v1/counts").await.at("/byStatus/wait"), 1024);
    let more: Vec<_> = (0..1025)
        .map(|number| create(&format!("B{number}")))
        .collect();
    let refused = rig.post("/v1/batch", &json!({ "commands": more })).await;
    assert_eq!(refused.problem(), ("invalid-request", "notApplied"));
    assert_eq!(
        *rig.post("/v1/batch", &json!({ "commands": [] }))
            .await
            .at("/results"),
        json!([])
    );
    assert_eq!(*rig.get("/v1/counts").await.at("/byStatus/wait"), 1024);
    rig.close().await;
}

#[tokio::test]
async fn failed_write_is_problem_of_its_commands() {
    let (rig, faults) = Rig::failing(Limits::default(), 100).await;
    faults.fail_next(Operation::Apply, Fault::DiskFull);
    let commands = json!({ "commands": [create("A1")] });
    let reply = rig.post("/v1/batch", &commands).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        *reply.at("/results/0/problem/type"),
        "urn:orderstore:problem:disk-full"
    );
    assert_eq!(*reply.at("/results/0/problem/effect"), "notApplied");
    let again = rig.post("/v1/batch", &commands).await;
    assert_eq!(*again.at("/results/0/reply/outcome"), "created");
    rig.close().await;
}

/// Without that, each connection could hold the memory of a large batch.
#[tokio::test]
async fn batch_waits_until_others_leave_memory() {
    let limits = Limits {
        batch: 64 << 20,
        ..Limits::default()
    };
    let (rig, faults) = Rig::failing(limits, 100).await;
    faults.hold();
    let send = async |commands: Value, len: usize| {
        let body = json!({ "commands": commands }).to_string();
        let text = request("POST", "/v1/batch", JSON, &(body + &" ".repeat(len)));
        let mut connection = rig.connect().await;
        connection.write_all(text.as_bytes()).await.unwrap();
        connection
    };
    let mut first = send(json!([create("A1")]), (64 << 20) - 200).await;
    until("the first batch runs", async || faults.applies() == 1).await;
    let mut second = send(json!([]), 65 << 10).await;
    // Other clients get many answers, and the second batch gets none.
    for _ in 0..50 {
        assert_eq!(rig.get("/healthz").await.status, 200);
    }
    let is_early = timeout(Duration::ZERO, second.read_u8()).await.is_ok();
    let small = rig.post("/v1/batch", &json!({ "commands": [] })).await;
    // A store that is held never ends, so a failure must not come before.
    faults.release();
    assert!(!is_early, "the second batch did not wait");
    assert_eq!(small.status, 200);
    assert_eq!(read_reply(&mut first).await.status, 200);
    assert_eq!(read_reply(&mut second).await.status, 200);
    rig.close().await;
}
