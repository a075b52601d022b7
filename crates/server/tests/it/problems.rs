//! Every kind of problem that a client can get.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use orderstore::testing::{Fault, Operation};
use orderstore_server::Limits;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::harness::{JSON, LIMIT, Reply, Rig, order, payment, read_reply, until};

/// Kinds that no request of these tests can cause: a standby, a bug, or an operation without a
/// route. The unit tests of the mapping cover them.
const NOT_HERE: [&str; 5] = [
    "differs",
    "internal",
    "read-only",
    "rejected",
    "unsupported",
];

#[tokio::test]
async fn each_kind_of_problem_reaches_client() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut note = |reply: &Reply, kind: &str, effect: &str| {
        assert_eq!(reply.problem(), (kind, effect), "{reply:?}");
        assert!(reply.at("/detail").as_str().unwrap().len() > 10);
        seen.insert(kind.to_owned());
    };
    let limits = Limits {
        request: Duration::from_millis(300),
        ..Limits::default()
    };
    // The store also has this time for a reply, and its disk can be slow.
    let longer = Limits {
        request: Duration::from_secs(3),
        ..limits
    };
    let rig = Rig::tcp(longer).await;
    for (reply, kind, effect) in of_requests(&rig).await {
        note(&reply, kind, effect);
    }
    rig.close().await;
    for (reply, kind, effect) in of_engine(limits).await {
        note(&reply, kind, effect);
    }
    note(&of_totals().await, "busy", "none");
    for (reply, kind, effect) in of_shutdown().await {
        note(&reply, kind, effect);
    }
    let document = orderstore_server::document();
    let all = &document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
    let kinds = all.as_array().unwrap().iter();
    let kinds: BTreeSet<String> = kinds
        .map(|urn| urn.as_str().unwrap().rsplit(':').next().unwrap().to_owned())
        .collect();
    seen.extend(NOT_HERE.map(str::to_owned));
    assert_eq!(seen, kinds);
}

type Expected = (Reply, &'static str, &'static str);

/// Problems of the request itself.
async fn of_requests(rig: &Rig) -> Vec<Expected> {
    rig.create("A1").await;
    rig.create("A2").await;
    let confirm = "/v1/orders/A1/confirm";
    let text = payment("T1").to_string();
    let cursor = rig
        .get("/v1/orders?limit=1")
        .await
        .at("/next")
        .as_str()
        .unwrap()
        .to_owned();
    let large = json!({ "note": "x".repeat(70 << 10) }).to_string();
    let head =
        format!("POST {confirm} HTTP/1.1\r\nhost: localhost\r\n{JSON}content-length: 99\r\n\r\n{{");
    let mut slow = rig.connect().await;
    slow.write_all(head.as_bytes()).await.unwrap();
    vec![
        (
            rig.get("/v1/orders?limt=1").await,
            "invalid-request",
            "none",
        ),
        (
            rig.post(confirm, &json!({})).await,
            "invalid-request",
            "notApplied",
        ),
        (
            rig.get(&format!("/v1/due?cursor={cursor}")).await,
            "invalid-cursor",
            "none",
        ),
        (rig.get("/v1/orders/B1").await, "order-not-found", "none"),
        (
            rig.get("/v1/orders/B1/history").await,
            "order-not-found",
            "none",
        ),
        (
            rig.send("GET", "/v2", "", "").await,
            "route-not-found",
            "none",
        ),
        (
            rig.send("DELETE", "/v1/orders/A1", "", "").await,
            "method-not-allowed",
            "none",
        ),
        (
            rig.send("POST", "/v2", JSON, "{}").await,
            "route-not-found",
            "notApplied",
        ),
        (
            rig.send("POST", "/v1/counts", JSON, "{}").await,
            "method-not-allowed",
            "notApplied",
        ),
        (
            rig.send("POST", &format!("{confirm}?retrun=minimal"), JSON, &text)
                .await,
            "invalid-request",
            "notApplied",
        ),
        (
            rig.send("POST", "/v1/stats", "host: evil.example\r\n", "")
                .await,
            "unknown-host",
            "notApplied",
        ),
        (
            rig.send("POST", confirm, "content-type: text/plain\r\n", &text)
                .await,
            "media-type",
            "notApplied",
        ),
        (
            rig.send("POST", confirm, "", &text).await,
            "media-type",
            "notApplied",
        ),
        (
            rig.send("POST", "/v1/orders/A1/end", JSON, &large).await,
            "too-large",
            "notApplied",
        ),
        (
            rig.send("GET", "/v1/stats", "host: evil.example\r\n", "")
                .await,
            "unknown-host",
            "none",
        ),
        (
            rig.send("GET", "/v1/stats", "origin: http://evil.example\r\n", "")
                .await,
            "foreign-origin",
            "none",
        ),
        (read_reply(&mut slow).await, "body-timeout", "notApplied"),
    ]
}

/// Problems of an engine that fails.
async fn of_engine(limits: Limits) -> Vec<Expected> {
    let (rig, faults) = Rig::failing(limits, 1).await;
    let mut replies = Vec::new();
    for (operation, fault, kind, effect) in [
        (Operation::Apply, Fault::Retry, "unavailable", "notApplied"),
        (Operation::Apply, Fault::DiskFull, "disk-full", "notApplied"),
        (Operation::Read, Fault::Corrupted, "unreadable", "none"),
    ] {
        faults.fail_next(operation, fault);
        let reply = match operation {
            Operation::Read => rig.get("/v1/counts").await,
            _ => rig.post("/v1/orders", &order("A1")).await,
        };
        let retry = reply.head.contains("retry-after: 1");
        assert_eq!(retry, kind != "unreadable", "{reply:?}");
        replies.push((reply, kind, effect));
    }
    faults.hold();
    let late = rig.post("/v1/orders", &order("A1")).await;
    replies.push((late, "timeout", "unknown"));
    let waiting = rig.post("/v1/orders", &order("A2")).await;
    replies.push((waiting, "timeout", "unknown"));
    let overloaded = rig.post("/v1/orders", &order("A3")).await;
    assert_eq!(overloaded.status, 429);
    assert!(overloaded.head.contains("retry-after: 1"), "{overloaded:?}");
    replies.push((overloaded, "overloaded", "notApplied"));
    faults.release();
    until("the late commands are applied", async || {
        rig.get("/v1/orders/A2").await.status == 200
    })
    .await;
    let too_many = json!({ "commands": [command("A3"), command("A4")] });
    replies.push((
        rig.post("/v1/batch", &too_many).await,
        "too-large",
        "notApplied",
    ));
    faults.fail_next(Operation::Apply, Fault::UnknownButDone);
    let unknown = rig.post("/v1/orders", &order("A5")).await;
    assert_eq!(unknown.status, 500);
    replies.push((unknown, "outcome-unknown", "unknown"));
    faults.fail_next(Operation::Apply, Fault::Fatal);
    drop(rig.post("/v1/orders", &order("A6")).await);
    let poisoned = rig.post("/v1/orders", &order("A7")).await;
    replies.push((poisoned, "poisoned", "notApplied"));
    let ready = rig.get("/readyz").await;
    assert!(
        ready.at("/detail").as_str().unwrap().contains("poisoned"),
        "{ready:?}"
    );
    replies.push((ready, "not-ready", "none"));
    assert_eq!(
        *rig.get("/v1/stats").await.at("/health/acceptsCommands"),
        false
    );
    assert_eq!(rig.get("/healthz").await.status, 200);
    replies
}

fn command(no: &str) -> Value {
    let mut command = order(no);
    command["command"] = json!("create");
    command
}

/// Problem of a read of totals that begins during another one.
async fn of_totals() -> Reply {
    let rig = Rig::unix().await;
    rig.create("A1").await;
    let bursts = async {
        loop {
            let reads = (0..8).map(|_| rig.get("/v1/totals?from=0&to=9999999999999"));
            let replies = join_all(reads).await;
            let refused = replies.iter().find(|reply| reply.status != 200);
            let is_read = replies.iter().any(|reply| reply.status == 200);
            if let (Some(refused), true) = (refused, is_read) {
                break refused.clone();
            }
        }
    };
    let refused = timeout(LIMIT, bursts).await.expect("no totals are refused");
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    assert_eq!(refused.status, 429);
    rig.close().await;
    refused
}

/// Problems of a store that was shut down while the server runs.
async fn of_shutdown() -> Vec<Expected> {
    let rig = Rig::unix().await;
    rig.store.shutdown().await.unwrap();
    vec![
        (
            rig.post("/v1/orders", &order("A1")).await,
            "shut-down",
            "notApplied",
        ),
        (rig.get("/v1/counts").await, "shut-down", "none"),
        (rig.get("/readyz").await, "not-ready", "none"),
    ]
}

/// A read that panics on a thread of the runtime ends its connection without a reply. The reply
/// shows that the read ran on a blocking thread, where a slow disk stops no other request.
#[tokio::test]
async fn read_that_panics_is_problem() {
    let (rig, faults) = Rig::failing(Limits::default(), 100).await;
    rig.create("A1").await;
    for path in [
        "/v1/orders/A1",
        "/v1/orders/A1/history",
        "/v1/orders",
        "/v1/anomalies",
        "/v1/due",
        "/v1/refunds/closed",
        "/v1/counts",
        "/v1/feed",
        "/v1/feed/stream",
    ] {
        faults.fail_next(Operation::Read, Fault::Panic);
        let failed = rig.get(path).await;
        assert_eq!(failed.problem(), ("internal", "none"), "{path}");
    }
    // The store reads totals on a thread of its own, and reports the panic.
    faults.fail_next(Operation::Read, Fault::Panic);
    let failed = rig.get("/v1/totals?from=0&to=9999999999999").await;
    assert_eq!(failed.problem(), ("unreadable", "none"));
    assert_eq!(rig.get("/v1/orders/A1").await.status, 200);
    rig.close().await;
}
