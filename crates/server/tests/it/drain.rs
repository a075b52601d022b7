//! The end of a server: what runs is answered, and nothing new begins.

use orderstore_server::Limits;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::harness::{JSON, LIMIT, Place, Rig, order, read_all, read_reply, request, until};

#[tokio::test]
async fn drain_answers_running_request() {
    let (rig, faults) = Rig::failing(Limits::default(), 100).await;
    let Place::Unix(path) = rig.place.clone() else {
        panic!("no socket")
    };
    faults.hold();
    let mut running = rig.connect().await;
    let text = request("POST", "/v1/orders", JSON, &order("A1").to_string());
    let text = text.replace("connection: close\r\n", "");
    running.write_all(text.as_bytes()).await.unwrap();
    until("the command runs", async || faults.applies() == 1).await;
    let (serving, store, _dir) = rig.stop();
    // The server stops to accept while the request still runs.
    until("the listener is closed", async || {
        tokio::net::UnixStream::connect(&path).await.is_err()
    })
    .await;
    assert!(!serving.is_finished());
    faults.release();
    let reply = read_reply(&mut running).await;
    assert_eq!(reply.outcome(), "created");
    assert!(reply.head.contains("connection: close"), "{reply:?}");
    timeout(LIMIT, serving).await.unwrap().unwrap();
    assert!(!path.exists());
    assert_eq!(store.counts().await.unwrap().orders(), 1);
}

#[tokio::test]
async fn drain_ends_polls_streams_and_idle_connections() {
    let rig = Rig::unix().await;
    let mut poll = rig.connect().await;
    poll.write_all(request("GET", "/v1/feed?wait=60", "", "").as_bytes())
        .await
        .unwrap();
    let mut stream = rig.connect().await;
    stream
        .write_all(request("GET", "/v1/feed/stream", "", "").as_bytes())
        .await
        .unwrap();
    let mut idle = rig.connect().await;
    // The server has answered a later request, so it has accepted the connections before.
    assert_eq!(rig.get("/healthz").await.status, 200);
    let (serving, store, _dir) = rig.stop();
    timeout(LIMIT, serving)
        .await
        .expect("a client keeps the server")
        .unwrap();
    drop((read_all(&mut poll).await, read_all(&mut stream).await));
    assert_eq!(read_all(&mut idle).await, "");
    store.shutdown().await.unwrap();
}
