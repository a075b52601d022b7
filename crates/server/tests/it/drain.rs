//! The end of a server: what runs is answered, and nothing new begins.

use orderstore::Store;
use orderstore_server::{Limits, router, serve_connections};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::harness::{
    JSON, LIMIT, Place, Rig, connect, order, read_all, read_reply, request, until,
};

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
    // If the drain is ignored, the clients keep the server for longer than the test waits.
    let limits = Limits {
        request: 10 * LIMIT,
        lifetime: 10 * LIMIT,
        header: 10 * LIMIT,
        ..Limits::default()
    };
    let rig = Rig::tcp(limits).await;
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
    // The poll alone would keep the server for a minute.
    timeout(LIMIT / 2, serving)
        .await
        .expect("a client keeps the server")
        .unwrap();
    assert_eq!(read_reply(&mut poll).await.status, 200);
    assert!(read_all(&mut stream).await.ends_with("0\r\n\r\n"));
    assert_eq!(read_all(&mut idle).await, "");
    store.shutdown().await.unwrap();
}

/// The connections of the mounting server stay open, so only the token can end the requests.
#[tokio::test]
async fn token_of_mounted_router_ends_polls_and_streams() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let place = Place::Tcp(listener.local_addr().unwrap());
    let (draining, ended) = (CancellationToken::new(), CancellationToken::new());
    let router = router(Store::memory().unwrap(), draining.clone());
    let serving = serve_connections(listener, router, Limits::default(), ended.clone());
    let serving = tokio::spawn(serving);
    let send = async |path: &str| {
        let mut connection = connect(&place).await;
        let text = request("GET", path, "", "");
        connection.write_all(text.as_bytes()).await.unwrap();
        connection
    };
    let mut poll = send("/v1/feed?wait=60").await;
    let mut stream = send("/v1/feed/stream").await;
    assert_eq!(read_reply(&mut send("/readyz").await).await.status, 200);
    draining.cancel();
    let reading = async { (read_reply(&mut poll).await, read_all(&mut stream).await) };
    let (polled, streamed) = timeout(LIMIT / 2, reading).await.expect("they wait on");
    assert_eq!(polled.status, 200);
    assert!(streamed.ends_with("0\r\n\r\n"), "{streamed}");
    assert_eq!(read_reply(&mut send("/readyz").await).await.status, 503);
    assert_eq!(read_reply(&mut send("/v1/counts").await).await.status, 200);
    ended.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn dropped_future_of_server_drains_and_removes_socket() {
    let rig = Rig::unix().await;
    let Place::Unix(path) = rig.place.clone() else {
        panic!("no socket")
    };
    let mut poll = rig.connect().await;
    poll.write_all(request("GET", "/v1/feed?wait=60", "", "").as_bytes())
        .await
        .unwrap();
    assert_eq!(rig.get("/healthz").await.status, 200);
    let (store, dir) = rig.abort().await;
    assert!(!path.exists());
    let reply = timeout(LIMIT / 2, read_reply(&mut poll)).await;
    assert_eq!(reply.expect("the poll waits on").status, 200);
    store.shutdown().await.unwrap();
    drop(dir);
}
