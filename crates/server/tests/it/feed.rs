//! The change feed: long poll and server-sent events.

use std::time::Duration;

use orderstore::testing::{Fault, Operation};
use orderstore_server::Limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::harness::{Io, LIMIT, Rig, read_all, read_reply, request};
use crate::schema::check;

#[tokio::test]
async fn long_poll_is_woken_by_write() {
    let rig = Rig::unix().await;
    rig.create("A1").await;
    let all = rig.get("/v1/feed").await;
    let next = all.at("/next").as_str().unwrap();
    let mut poll = rig.connect().await;
    let text = request("GET", &format!("/v1/feed?after={next}&wait=60"), "", "");
    poll.write_all(text.as_bytes()).await.unwrap();
    // Other clients get many answers, and the poll gets none.
    for _ in 0..50 {
        assert_eq!(rig.get("/healthz").await.status, 200);
    }
    let mut first = [0];
    let early = poll.read_exact(&mut first);
    assert!(
        timeout(Duration::ZERO, early).await.is_err(),
        "the poll did not wait"
    );
    rig.create("A2").await;
    let reply = read_reply(&mut poll).await;
    assert_eq!(reply.at("/events").as_array().unwrap().len(), 1);
    assert_eq!(*reply.at("/events/0/event/outTradeNo"), "A2");
    let none = rig
        .get(&format!(
            "/v1/feed?after={}",
            reply.at("/next").as_str().unwrap()
        ))
        .await;
    assert_eq!(
        (none.at("/events"), none.at("/next")),
        (&json!([]), reply.at("/next"))
    );
    rig.close().await;
}

#[tokio::test]
async fn long_poll_without_write_ends_empty() {
    let rig = Rig::unix().await;
    let reply = rig.get("/v1/feed?wait=1").await;
    assert_eq!(*reply.at("/events"), json!([]));
    let refused = rig.get("/v1/feed?wait=61").await;
    assert_eq!(refused.problem(), ("invalid-request", "none"));
    rig.close().await;
}

/// Client of a stream.
struct Stream {
    connection: Box<dyn Io>,
    text: String,
}

impl Stream {
    async fn open(rig: &Rig, path: &str, more: &str) -> Self {
        let mut connection = rig.connect().await;
        let text = request("GET", path, more, "");
        connection.write_all(text.as_bytes()).await.unwrap();
        let mut stream = Self {
            connection,
            text: String::new(),
        };
        stream.read_until("\r\n\r\n").await;
        let (head, rest) = stream.text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("text/event-stream"), "{head}");
        stream.text = rest.to_owned();
        stream
    }

    /// Reads until the text contains a pattern.
    async fn read_until(&mut self, pattern: &str) {
        let mut some = [0; 4096];
        while !self.text.contains(pattern) {
            let reading = timeout(LIMIT, self.connection.read(&mut some)).await;
            let count = reading.expect("no event came").unwrap();
            assert_ne!(count, 0, "the stream ended: {}", self.text);
            self.text
                .push_str(std::str::from_utf8(&some[..count]).unwrap());
        }
    }

    /// Reads the next event: its id and its data.
    async fn next(&mut self) -> (String, Value) {
        self.read_until("\ndata: ").await;
        let start = self.text.find("id: ").unwrap_or(0);
        self.text.drain(..start);
        self.read_until("\n\n").await;
        let (event, rest) = self.text.split_once("\n\n").unwrap();
        let field = |name: &str| {
            let mut lines = event.lines();
            lines
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
                .to_owned()
        };
        let (id, data) = (
            field("id: "),
            serde_json::from_str(&field("data: ")).unwrap(),
        );
        self.text = rest.to_owned();
        check("FeedEvent", &data);
        assert_eq!(data["cursor"], id);
        (id, data)
    }
}

#[tokio::test]
async fn stream_resumes_after_last_event_id() {
    let rig = Rig::unix().await;
    for no in ["A1", "A2"] {
        rig.create(no).await;
    }
    let mut stream = Stream::open(&rig, "/v1/feed/stream", "").await;
    let (first, event) = stream.next().await;
    assert_eq!(event["event"]["outTradeNo"], "A1");
    assert_eq!(stream.next().await.1["event"]["outTradeNo"], "A2");
    drop(stream);
    // The client lost what came after the first event. It connects again with the same URL.
    let header = format!("last-event-id: {first}\r\n");
    let mut stream = Stream::open(&rig, "/v1/feed/stream", &header).await;
    assert_eq!(stream.next().await.1["event"]["outTradeNo"], "A2");
    rig.create("A3").await;
    let (third, event) = stream.next().await;
    assert_eq!(event["event"]["outTradeNo"], "A3");
    let path = format!("/v1/feed/stream?after={third}");
    let mut late = Stream::open(&rig, &path, "").await;
    rig.create("A4").await;
    assert_eq!(late.next().await.1["event"]["outTradeNo"], "A4");
    rig.close().await;
}

/// A read that panics on a thread of the runtime ends its connection without a reply.
#[tokio::test]
async fn end_of_long_poll_reads_on_blocking_thread() {
    let (rig, faults) = Rig::failing(Limits::default(), 100).await;
    let mut poll = rig.connect().await;
    let text = request("GET", "/v1/feed?wait=60", "", "");
    poll.write_all(text.as_bytes()).await.unwrap();
    // Other clients get many answers, so the poll waits.
    for _ in 0..50 {
        assert_eq!(rig.get("/healthz").await.status, 200);
    }
    faults.fail_next(Operation::Read, Fault::Panic);
    rig.create("A1").await;
    assert_eq!(read_reply(&mut poll).await.problem(), ("internal", "none"));
    rig.close().await;
}

/// The stream ends between two messages, with the end of the body.
#[tokio::test]
async fn stream_of_old_connection_ends_completely() {
    let limits = Limits {
        lifetime: Duration::from_secs(2),
        request: 10 * LIMIT,
        ..Limits::default()
    };
    let rig = Rig::tcp(limits).await;
    rig.create("A1").await;
    let mut connection = rig.connect().await;
    let text = request("GET", "/v1/feed/stream", "", "");
    connection.write_all(text.as_bytes()).await.unwrap();
    let streamed = timeout(LIMIT / 2, read_all(&mut connection)).await;
    let streamed = streamed.expect("the stream does not end");
    assert!(streamed.contains("A1"), "{streamed}");
    assert!(streamed.ends_with("0\r\n\r\n"), "{streamed}");
    rig.close().await;
}

#[tokio::test]
async fn invalid_begin_of_stream_is_problem() {
    let rig = Rig::unix().await;
    rig.create("A1").await;
    let header = "last-event-id: 7\r\n";
    let refused = rig.send("GET", "/v1/feed/stream", header, "").await;
    assert_eq!(refused.problem(), ("invalid-request", "none"));
    let refused = rig.get("/v1/feed/stream?after=7").await;
    assert_eq!(refused.problem(), ("invalid-request", "none"));
    rig.close().await;
}
