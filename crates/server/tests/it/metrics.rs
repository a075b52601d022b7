//! Metrics of a served store.

use std::time::Duration;

use orderstore::Store;
use orderstore::testing::{Fault, Operation};
use orderstore_server::{Limits, router, serve_connections};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::harness::{JSON, Place, Rig, order, payment, read_all, request};
use crate::scrape::Samples;

const COUNT: &str = "orderstore_http_request_duration_seconds_count";

#[tokio::test]
async fn scrape_follows_store() {
    let rig = Rig::unix().await;
    let empty = Samples::of(&rig).await;
    for (name, value) in [
        ("up", 1.0),
        ("open_anomalies", 0.0),
        ("oldest_anomaly_age_seconds", 0.0),
        ("oldest_due_age_seconds", 0.0),
        ("feed_events_total", 0.0),
        ("commands_total", 0.0),
    ] {
        assert_eq!(empty.value(&format!("orderstore_{name}"), &[]), value);
    }
    assert_eq!(empty.all("orderstore_orders", &[]), [0.0; 6]);
    rig.create("A1").await;
    rig.create("A2").await;
    let paid = rig.outcome("/v1/orders/A1/confirm", &payment("T1")).await;
    assert_eq!(paid, "applied");
    let waits = rig.outcome("/v1/orders/A3/confirm", &payment("T3")).await;
    assert_eq!(waits, "unclaimed");
    rig.clock.advance(Duration::from_secs(600));
    let scrape = Samples::of(&rig).await;
    let of = |status| scrape.value("orderstore_orders", &[("status", status)]);
    assert_eq!((of("wait"), of("success"), of("closed")), (1.0, 1.0, 0.0));
    for name in ["open_anomalies", "unclaimed_payments"] {
        assert_eq!(scrape.value(&format!("orderstore_{name}"), &[]), 1.0);
    }
    let unclaimed = [("kind", "unclaimed")];
    let by_kind = "orderstore_open_anomalies_by_kind";
    assert_eq!(scrape.value(by_kind, &unclaimed), 1.0);
    let age = scrape.value("orderstore_oldest_anomaly_age_seconds", &[]);
    assert_eq!(age, 600.0);
    due_is_shown(&rig, &scrape).await;
    let feed = rig.get("/v1/feed").await;
    let events = feed.at("/events").as_array().unwrap().len();
    let position = feed.at("/next").as_str().unwrap().rsplit('-').next();
    assert_eq!(position, Some(events.to_string().as_str()));
    let shown = scrape.value("orderstore_feed_events_total", &[]);
    assert_eq!(shown.to_string(), events.to_string());
    let stats = rig.get("/v1/stats").await;
    for (name, pointer) in [
        ("commands_total", "/commands"),
        ("groups_total", "/groups"),
        ("journal_bytes", "/journalBytes"),
        ("memtable_bytes", "/memtableBytes"),
        ("checkpoints_total", "/checkpoints"),
    ] {
        let value = scrape.value(&format!("orderstore_{name}"), &[]);
        assert_eq!(Some(value), stats.at(pointer).as_f64(), "{name}");
    }
    let resolve = json!({ "decision": "dismiss", "note": "" });
    let path = "/v1/orders/A3/anomalies/1/resolve";
    assert_eq!(rig.outcome(path, &resolve).await, "resolved");
    let resolved = Samples::of(&rig).await;
    assert_eq!(resolved.value("orderstore_open_anomalies", &[]), 0.0);
    assert!(resolved.all(by_kind, &[]).is_empty());
    assert_eq!(
        resolved.value("orderstore_feed_events_total", &[]),
        shown + 1.0
    );
    rig.close().await;
}

/// Checks the due items against the list: one order waits for a query.
async fn due_is_shown(rig: &Rig, scrape: &Samples) {
    let due = rig.get("/v1/due").await;
    assert_eq!(*due.at("/rows/0/action"), "query");
    assert_eq!(due.at("/rows").as_array().unwrap().len(), 1);
    let query = [("action", "query")];
    assert_eq!(scrape.value("orderstore_due_items", &query), 1.0);
    let since = rig.store.now().as_millis() - due.at("/rows/0/at").as_i64().unwrap();
    let age = scrape.value("orderstore_oldest_due_age_seconds", &[]);
    assert!(since > 0);
    assert_eq!((age * 1_000.0).to_string(), since.to_string());
}

#[tokio::test]
async fn scrape_lists_at_most_one_page() {
    let rig = Rig::unix().await;
    let confirm = |number: u32| {
        let mut command = payment(&format!("T{number}"));
        command["command"] = json!("confirm");
        command["outTradeNo"] = json!(format!("A{number}"));
        command
    };
    let commands: Vec<_> = (0..1_001).map(confirm).collect();
    let batch = json!({ "commands": commands });
    let replies = rig.post("/v1/batch?return=minimal", &batch).await;
    assert_eq!(replies.status, 200);
    let scrape = Samples::of(&rig).await;
    let value = |name: &str| scrape.value(&format!("orderstore_{name}"), &[]);
    assert_eq!(value("open_anomalies"), 1_001.0);
    assert_eq!(value("open_anomalies_by_kind"), 1_000.0);
    assert_eq!(value("feed_events_total"), 1_001.0);
    rig.close().await;
}

#[tokio::test]
async fn health_is_one_of_its_states() {
    let rig = Rig::unix().await;
    let scrape = Samples::of(&rig).await;
    let state = |scrape: &Samples, state| scrape.value("orderstore_health", &[("state", state)]);
    assert_eq!(state(&scrape, "ok"), 1.0);
    assert_eq!(
        scrape.all("orderstore_health", &[]).iter().sum::<f64>(),
        1.0
    );
    rig.store.shutdown().await.unwrap();
    let closed = Samples::of(&rig).await;
    assert_eq!(state(&closed, "shutDown"), 1.0);
    assert_eq!(
        closed.all("orderstore_health", &[]).iter().sum::<f64>(),
        1.0
    );
    assert_eq!(closed.value("orderstore_up", &[]), 0.0);
}

#[tokio::test]
async fn unreadable_store_is_not_up_and_scrape_answers() {
    let (rig, faults) = Rig::failing(Limits::default(), 100).await;
    rig.create("A1").await;
    // Three lists and the first event of the feed.
    for _ in 0..4 {
        faults.fail_next(Operation::Read, Fault::Corrupted);
    }
    let failed = Samples::of(&rig).await;
    assert_eq!(failed.value("orderstore_up", &[]), 0.0);
    assert_eq!(failed.value("orderstore_commands_total", &[]), 1.0);
    for name in ["orders", "open_anomalies", "due_items", "feed_events_total"] {
        let name = format!("orderstore_{name}");
        assert!(failed.all(&name, &[]).is_empty(), "{name}");
    }
    let created = [("route", "/v1/orders"), ("method", "POST")];
    assert_eq!(failed.value(COUNT, &created), 1.0);
    let repaired = Samples::of(&rig).await;
    assert_eq!(repaired.value("orderstore_up", &[]), 1.0);
    assert_eq!(repaired.value("orderstore_feed_events_total", &[]), 1.0);
    rig.close().await;
}

#[tokio::test]
async fn requests_are_counted_by_route_pattern_only() {
    let rig = Rig::unix().await;
    rig.create("secret1").await;
    for method in ["GET", "DELETE", "SECRET"] {
        let mut connection = rig.connect().await;
        let text = request(method, "/v1/orders/secret1?openid=secret2", "", "");
        connection.write_all(text.as_bytes()).await.unwrap();
        assert!(read_all(&mut connection).await.starts_with("HTTP/1.1 "));
    }
    rig.get("/secret3").await;
    rig.send("GET", "/v1/stats", "origin: http://secret4\r\n", "")
        .await;
    let batch = json!({ "commands": [{ "command": "hide" }, { "command": "secret5" }] });
    assert_eq!(rig.post("/v1/batch", &batch).await.status, 200);
    rig.send("POST", "/v1/orders/secret1/hide", JSON, "{").await;
    let scrape = Samples::of(&rig).await;
    let one = "/v1/orders/{outTradeNo}";
    for (route, method, status, count) in [
        (one, "GET", "2xx", 1.0),
        (one, "other", "4xx", 2.0),
        ("other", "GET", "4xx", 1.0),
        ("/v1/stats", "GET", "4xx", 1.0),
        ("/v1/batch", "POST", "2xx", 1.0),
        ("/v1/orders/{outTradeNo}/hide", "POST", "4xx", 1.0),
    ] {
        let labels = [("route", route), ("method", method), ("status", status)];
        assert_eq!(scrape.value(COUNT, &labels), count, "{labels:?}");
        let bucket = "orderstore_http_request_duration_seconds_bucket";
        let all = [labels.as_slice(), &[("le", "+Inf")]].concat();
        assert_eq!(scrape.value(bucket, &all), count, "{labels:?}");
    }
    for (kind, count) in [
        ("method-not-allowed", 2.0),
        ("route-not-found", 1.0),
        ("foreign-origin", 1.0),
        ("invalid-request", 3.0),
        ("overloaded", 0.0),
        ("busy", 0.0),
    ] {
        let shown = scrape.value("orderstore_problems_total", &[("kind", kind)]);
        assert_eq!(shown, count, "{kind}");
    }
    assert!(
        !scrape.text.to_lowercase().contains("secret"),
        "{}",
        scrape.text
    );
    rig.close().await;
}

#[tokio::test]
async fn mounted_router_has_metrics_too() {
    let store = Store::memory().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let place = Place::Tcp(listener.local_addr().unwrap());
    let (draining, ended) = (CancellationToken::new(), CancellationToken::new());
    let all = axum::Router::new().nest("/pay", router(store, draining));
    let serving = serve_connections(listener, all, Limits::default(), ended.clone());
    let serving = tokio::spawn(serving);
    let first = Samples::at(&place, "/pay/metrics").await;
    assert!(first.all(COUNT, &[]).is_empty());
    let second = Samples::at(&place, "/pay/metrics").await;
    assert_eq!(second.value(COUNT, &[("route", "/pay/metrics")]), 1.0);
    ended.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn overloaded_store_is_counted() {
    let limits = Limits {
        request: Duration::from_millis(100),
        ..Limits::default()
    };
    let (rig, faults) = Rig::failing(limits, 1).await;
    faults.hold();
    for no in ["A1", "A2", "A3"] {
        drop(rig.post("/v1/orders", &order(no)).await);
    }
    let scrape = Samples::of(&rig).await;
    let problem = |kind| scrape.value("orderstore_problems_total", &[("kind", kind)]);
    assert_eq!((problem("timeout"), problem("overloaded")), (2.0, 1.0));
    assert_eq!(scrape.value("orderstore_queued_commands", &[]), 1.0);
    assert_eq!(scrape.value("orderstore_up", &[]), 1.0);
    faults.release();
    rig.close().await;
}
