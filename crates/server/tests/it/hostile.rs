//! Slow, greedy and forged clients. The store records nothing of them, and the server continues.

use std::time::Duration;

use orderstore::Store;
use orderstore_server::{Limits, Listen, Server};
use rustix::process::Resource;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::harness::{JSON, Place, Rig, connect, order, read_all, read_reply, request};

/// Checks that the server still serves, and that the store has no event.
async fn goes_on_with_nothing_recorded(rig: Rig) {
    assert_eq!(*rig.get("/v1/feed").await.at("/events"), json!([]));
    rig.create("A1").await;
    rig.close().await;
}

#[tokio::test]
async fn slow_header_is_disconnected() {
    let limits = Limits {
        header: Duration::from_millis(300),
        ..Limits::default()
    };
    let rig = Rig::tcp(limits).await;
    let text = request("POST", "/v1/orders", JSON, &order("A9").to_string());
    for sent in [0, 9, 40] {
        let mut connection = rig.connect().await;
        connection
            .write_all(&text.as_bytes()[..sent])
            .await
            .unwrap();
        let reply = read_all(&mut connection).await;
        assert!(!reply.contains("200 OK"), "{reply}");
    }
    goes_on_with_nothing_recorded(rig).await;
}

#[tokio::test]
async fn half_body_is_refused() {
    // The store also has this time for a reply, and its disk can be slow.
    let limits = Limits {
        request: Duration::from_secs(3),
        ..Limits::default()
    };
    let rig = Rig::tcp(limits).await;
    let text = request("POST", "/v1/orders", JSON, &order("A9").to_string());
    let mut connection = rig.connect().await;
    connection
        .write_all(&text.as_bytes()[..text.len() - 1])
        .await
        .unwrap();
    let refused = read_reply(&mut connection).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (408, ("body-timeout", "notApplied"))
    );
    // A client that disconnects in the middle of its body.
    let mut connection = rig.connect().await;
    connection
        .write_all(&text.as_bytes()[..text.len() - 1])
        .await
        .unwrap();
    drop(connection);
    goes_on_with_nothing_recorded(rig).await;
}

#[tokio::test]
async fn oversized_body_is_refused() {
    let limits = Limits {
        batch: 1 << 20,
        ..Limits::default()
    };
    let rig = Rig::tcp(limits).await;
    for (path, len) in [("/v1/orders", 65 << 10), ("/v1/batch", (1 << 20) + 1)] {
        // The server refuses the announced length, and does not wait for the body.
        let head = format!("content-length: {len}\r\n{JSON}");
        let text = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{head}\r\n");
        let mut connection = rig.connect().await;
        connection.write_all(text.as_bytes()).await.unwrap();
        let refused = read_reply(&mut connection).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (413, ("too-large", "notApplied"))
        );
    }
    // A body without an announced length.
    let text = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: localhost\r\n{JSON}transfer-encoding: chunked\r\n\r\n"
    );
    let mut connection = rig.connect().await;
    connection.write_all(text.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    connection.write_all(chunk.as_bytes()).await.unwrap();
    connection.write_all(b"1\r\n \r\n").await.unwrap();
    assert_eq!(read_reply(&mut connection).await.problem().0, "too-large");
    goes_on_with_nothing_recorded(rig).await;
}

#[tokio::test]
async fn deeply_nested_json_is_refused() {
    let rig = Rig::unix().await;
    let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
    let refused = rig.send("POST", "/v1/batch", JSON, &deep).await;
    assert_eq!(refused.problem(), ("invalid-request", "notApplied"));
    for item in [
        format!(r#"{{"commands":{deep}}}"#),
        format!(r#"{{"commands":[{{"command":"hide","outTradeNo":"A9","more":{deep}}}]}}"#),
        format!(r#"{{"commands":[{{"command":{deep},"outTradeNo":"A9"}}]}}"#),
    ] {
        let refused = rig.send("POST", "/v1/batch", JSON, &item).await;
        let kind = refused.at("/results/0/problem/type");
        assert_eq!(*kind, "urn:orderstore:problem:invalid-request");
    }
    goes_on_with_nothing_recorded(rig).await;
}

#[tokio::test]
async fn wrong_host_or_forged_origin_is_refused() {
    let rig = Rig::tcp(Limits::default()).await;
    let body = order("A9").to_string();
    for (headers, kind) in [
        ("host: evil.example\r\n", "unknown-host"),
        (
            "host: evil.example\r\norigin: http://evil.example\r\n",
            "unknown-host",
        ),
        ("host: localhost.evil.example:80\r\n", "unknown-host"),
        ("host: 10.0.0.7\r\n", "unknown-host"),
        ("host: localhost\r\nhost: localhost\r\n", "unknown-host"),
        ("origin: http://evil.example\r\n", "foreign-origin"),
        ("origin: null\r\n", "foreign-origin"),
        ("origin: http://localhost:1\r\n", "foreign-origin"),
        (
            "origin: http://localhost\r\norigin: http://localhost\r\n",
            "foreign-origin",
        ),
    ] {
        let headers = format!("{JSON}{headers}");
        let refused = rig.send("POST", "/v1/orders", &headers, &body).await;
        assert_eq!(refused.problem(), (kind, "notApplied"), "{headers}");
    }
    assert_eq!(*rig.get("/v1/feed").await.at("/events"), json!([]));
    let own = format!("{JSON}host: [::1]:7700\r\norigin: http://[::1]:7700\r\n");
    assert_eq!(
        rig.send("POST", "/v1/orders", &own, &body).await.outcome(),
        "created"
    );
    rig.close().await;
}

/// A browser sends no `Origin` with a plain `GET`, for example for an image of another site's page.
#[tokio::test]
async fn reads_for_other_sites_are_refused() {
    for rig in [Rig::tcp(Limits::default()).await, Rig::unix().await] {
        for site in [
            "cross-site",
            "same-site",
            "none\r\nsec-fetch-site: cross-site",
        ] {
            let header = format!("sec-fetch-site: {site}\r\n");
            for path in [
                "/v1/totals?from=0&to=1",
                "/v1/orders",
                "/metrics",
                "/healthz",
            ] {
                let refused = rig.send("GET", path, &header, "").await;
                assert_eq!(refused.problem(), ("foreign-origin", "none"), "{path}");
                assert_eq!(refused.status, 403);
            }
        }
        for site in ["same-origin", "none"] {
            let header = format!("sec-fetch-site: {site}\r\n");
            let read = rig.send("GET", "/v1/counts", &header, "").await;
            assert_eq!(read.status, 200, "{site}");
        }
        rig.close().await;
    }
}

/// A proxy that passes `Host` on, and one that replaces it.
#[tokio::test]
async fn named_host_of_proxy_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let (unix, tcp) = (dir.path().join("api.sock"), ([127, 0, 0, 1], 0).into());
    for listen in [Listen::Unix(unix.clone()), Listen::Tcp(tcp)] {
        let bound = Server::bind(Store::memory().unwrap(), listen, Limits::default()).await;
        let server = bound.unwrap().with_hosts(vec!["pay.example".to_owned()]);
        let address = server.address().map(Place::Tcp);
        let place = address.unwrap_or_else(|| Place::Unix(unix.clone()));
        let serving = tokio::spawn(server.serve(std::future::pending()));
        let own = "sec-fetch-site: same-origin\r\norigin: https://pay.example\r\n";
        let other = "sec-fetch-site: same-site\r\norigin: https://pay.example:8443\r\n";
        for (host, origin, status) in [
            ("pay.example", own, 200),
            ("localhost", own, 200),
            ("localhost", other, 403),
            ("pay.example", other, 403),
            ("localhost", "origin: https://evil.example\r\n", 403),
            (
                "localhost",
                "origin: https://pay.example.evil.example\r\n",
                403,
            ),
        ] {
            let more = format!("host: {host}\r\n{origin}");
            let mut connection = connect(&place).await;
            let text = request("GET", "/v1/counts", &more, "");
            connection.write_all(text.as_bytes()).await.unwrap();
            let reply = read_reply(&mut connection).await;
            assert_eq!(reply.status, status, "{place:?} {more}");
        }
        serving.abort();
    }
}

/// Its answers would otherwise stay in memory until the connection is old.
#[tokio::test]
async fn client_that_never_reads_is_disconnected() {
    let limits = Limits {
        connections: 1,
        write: Duration::from_millis(200),
        ..Limits::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let unix = Listen::Unix(dir.path().join("api.sock"));
    for rig in [Rig::tcp(limits).await, Rig::at(unix, dir, limits).await] {
        let mut deaf = rig.connect().await;
        let text = request("GET", "/v1/openapi.json", "", "");
        let text = text.replace("connection: close\r\n", "").repeat(200);
        deaf.write_all(text.as_bytes()).await.unwrap();
        // The only slot is free again, although the client stays.
        assert_eq!(rig.get("/healthz").await.status, 200);
        drop(deaf);
        rig.close().await;
    }
}

#[tokio::test]
async fn forged_origin_is_refused_on_unix_socket() {
    let rig = Rig::unix().await;
    let headers = format!("{JSON}origin: http://evil.example\r\n");
    let refused = rig
        .send("POST", "/v1/orders", &headers, &order("A9").to_string())
        .await;
    assert_eq!(refused.problem().0, "foreign-origin");
    goes_on_with_nothing_recorded(rig).await;
}

/// Raises this process's limit of open files as far as it may. Many systems begin with 1,024, and
/// both ends of each connection belong to this process.
fn allow_many_files() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(Resource::Nofile, limit).unwrap();
}

#[tokio::test]
async fn two_thousand_idle_connections_leave_others_served() {
    let limits = Limits {
        connections: 4_096,
        ..Limits::default()
    };
    let rig = Rig::tcp(limits).await;
    allow_many_files();
    let mut idle = Vec::new();
    for _ in 0..2_000 {
        idle.push(rig.connect().await);
    }
    for number in 0..20 {
        rig.create(&format!("A{number}")).await;
    }
    assert_eq!(*rig.get("/v1/counts").await.at("/byStatus/wait"), 20);
    drop(idle);
    rig.close().await;
}

#[tokio::test]
async fn largest_limits_leave_commands_answered() {
    let limits = Limits {
        connections: usize::MAX,
        header: Duration::MAX,
        batch: usize::MAX,
        request: Duration::MAX,
        write: Duration::MAX,
        lifetime: Duration::MAX,
    };
    let rig = Rig::tcp(limits).await;
    rig.create("A1").await;
    let commands = json!({ "commands": [] });
    assert_eq!(rig.post("/v1/batch", &commands).await.status, 200);
    assert_eq!(rig.get("/v1/counts").await.status, 200);
    rig.close().await;
}

#[tokio::test]
async fn connections_beyond_limit_wait_for_free_slot() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let rig = Rig::tcp(limits).await;
    let first = rig.connect().await;
    let mut second = rig.connect().await;
    second
        .write_all(request("GET", "/healthz", "", "").as_bytes())
        .await
        .unwrap();
    drop(first);
    assert_eq!(read_reply(&mut second).await.status, 200);
    drop(second);
    goes_on_with_nothing_recorded(rig).await;
}
