//! A served store and a client for one test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use orderstore::testing::{FailingEngine, Faults, ManualClock};
use orderstore::{Store, engine::MemoryEngine};
use orderstore_server::{Limits, Listen, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::schema::check_reply;

/// Time limit for every wait, on a machine that is busy with other work.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const APPID: &str = "wxd2565e6a04246fd1";

/// Connection of a client.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

#[derive(Debug, Clone)]
pub(crate) enum Place {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// A served store.
pub(crate) struct Rig {
    pub(crate) store: Store,
    pub(crate) place: Place,
    pub(crate) dir: TempDir,
    pub(crate) clock: ManualClock,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// Reply to a request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Reply {
    /// Returns a part of the body.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Returns the outcome of a command as one word.
    pub(crate) fn outcome(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        word(self.at("/outcome"))
    }

    /// Returns the last part of the URN of a problem, and its effect.
    pub(crate) fn problem(&self) -> (&str, &str) {
        let urn = self.at("/type").as_str().unwrap_or_default();
        assert!(self.head.contains("application/problem+json"), "{self:?}");
        assert_eq!(self.at("/status"), self.status);
        let kind = urn.strip_prefix("urn:orderstore:problem:").unwrap();
        (kind, self.at("/effect").as_str().unwrap())
    }
}

/// Returns the name of a variant: a string, or the only key of an object.
pub(crate) fn word(outcome: &Value) -> String {
    match outcome {
        Value::String(word) => word.clone(),
        Value::Object(fields) => fields.keys().next().unwrap().clone(),
        other => panic!("{other} is no outcome"),
    }
}

impl Rig {
    /// Serves a new store in a directory over a Unix socket.
    pub(crate) async fn unix() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listen = Listen::Unix(dir.path().join("api.sock"));
        Self::at(listen, dir, Limits::default()).await
    }

    /// Serves a new store in a directory over TCP.
    pub(crate) async fn tcp(limits: Limits) -> Self {
        let listen = Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        Self::at(listen, tempfile::tempdir().unwrap(), limits).await
    }

    /// Serves a new store in a directory. Its clock shows always the same time.
    pub(crate) async fn at(listen: Listen, dir: TempDir, limits: Limits) -> Self {
        let clock = ManualClock::default();
        let builder = Store::builder().clock(clock.reader());
        let store = builder.init(dir.path().join("orders")).unwrap();
        Self::serve(store, clock, dir, listen, limits).await
    }

    /// Serves a store whose engine fails on demand, with a queue of this many commands.
    pub(crate) async fn failing(limits: Limits, queue: usize) -> (Self, Faults) {
        let (engine, faults) = FailingEngine::around(MemoryEngine::new().unwrap());
        let builder = Store::builder().queue(queue, 1 << 20);
        let dir = tempfile::tempdir().unwrap();
        let listen = Listen::Unix(dir.path().join("api.sock"));
        let (store, clock) = (builder.engine(engine).unwrap(), ManualClock::default());
        let rig = Self::serve(store, clock, dir, listen, limits).await;
        (rig, faults)
    }

    pub(crate) async fn serve(
        store: Store,
        clock: ManualClock,
        dir: TempDir,
        listen: Listen,
        limits: Limits,
    ) -> Self {
        let bound = Server::bind(store.clone(), listen.clone(), limits).await;
        let server = bound.unwrap();
        let place = match (listen, server.address()) {
            (Listen::Unix(path), None) => Place::Unix(path),
            (_, Some(address)) => Place::Tcp(address),
            other => panic!("{other:?}"),
        };
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(async move { drop(stopped.await) }));
        Self {
            store,
            place,
            dir,
            clock,
            stop,
            serving,
        }
    }

    /// Begins the drain. The result completes at its end.
    pub(crate) fn stop(self) -> (JoinHandle<()>, Store, TempDir) {
        self.stop.send(()).unwrap();
        (self.serving, self.store, self.dir)
    }

    /// Drops the future of the server.
    pub(crate) async fn abort(self) -> (Store, TempDir) {
        self.serving.abort();
        assert!(self.serving.await.unwrap_err().is_cancelled());
        (self.store, self.dir)
    }

    /// Stops the server, verifies the store, and shuts it down.
    pub(crate) async fn close(self) {
        let (serving, store, _dir) = self.stop();
        timeout(LIMIT, serving)
            .await
            .expect("the drain hangs")
            .unwrap();
        assert!(store.verify().await.unwrap().is_ok());
        store.shutdown().await.unwrap();
    }

    pub(crate) async fn connect(&self) -> Box<dyn Io> {
        connect(&self.place).await
    }

    /// Sends a request on its own connection and reads the reply.
    pub(crate) async fn send(&self, method: &str, path: &str, more: &str, body: &str) -> Reply {
        let mut connection = self.connect().await;
        let text = request(method, path, more, body);
        connection.write_all(text.as_bytes()).await.unwrap();
        let reply = read_reply(&mut connection).await;
        check_reply(method, path, reply.status, &reply.body);
        reply
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, JSON, &body.to_string()).await
    }

    /// Sends a command and returns the word of its outcome.
    pub(crate) async fn outcome(&self, path: &str, body: &Value) -> String {
        let reply = self.post(path, body).await;
        assert_eq!(reply.status, 200, "{path} {body}: {reply:?}");
        reply.outcome()
    }

    /// Creates an order over 100 fen.
    pub(crate) async fn create(&self, no: &str) {
        let created = self.outcome("/v1/orders", &order(no)).await;
        assert_eq!(created, "created");
    }
}

/// Header line of a JSON body.
pub(crate) const JSON: &str = "content-type: application/json\r\n";

/// Returns the body that creates an order over 100 fen.
pub(crate) fn order(no: &str) -> Value {
    json!({ "outTradeNo": no, "appid": APPID, "totalFee": 100 })
}

/// Returns the body that confirms a payment of 100 fen.
pub(crate) fn payment(transaction: &str) -> Value {
    json!({
        "transactionId": transaction,
        "paidFee": 100,
        "timeEnd": 1_647_840_007_000_i64,
        "source": "query",
    })
}

pub(crate) async fn connect(place: &Place) -> Box<dyn Io> {
    match place {
        Place::Unix(path) => Box::new(UnixStream::connect(path).await.unwrap()),
        Place::Tcp(address) => Box::new(TcpStream::connect(address).await.unwrap()),
    }
}

/// Returns the text of a request that closes its connection.
pub(crate) fn request(method: &str, path: &str, more: &str, body: &str) -> String {
    let host = match more.lines().any(|line| line.starts_with("host:")) {
        true => "",
        false => "host: localhost\r\n",
    };
    let len = match (method, body.len()) {
        ("GET", 0) => String::new(),
        (_, len) => format!("content-length: {len}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\n{host}connection: close\r\n{more}{len}\r\n{body}")
}

/// Reads until the server closes the connection. A reset counts as closed.
pub(crate) async fn read_all(connection: &mut Box<dyn Io>) -> String {
    let mut bytes = Vec::new();
    let reading = connection.read_to_end(&mut bytes);
    drop(
        timeout(LIMIT, reading)
            .await
            .expect("the connection was not closed"),
    );
    String::from_utf8(bytes).unwrap()
}

pub(crate) async fn read_reply(connection: &mut Box<dyn Io>) -> Reply {
    parse(&read_all(connection).await)
}

fn parse(text: &str) -> Reply {
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no reply: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
    Reply {
        status,
        head: head.to_lowercase(),
        body,
    }
}

/// Waits until the condition is true. Panics after `LIMIT`.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = timeout(LIMIT, waiting).await;
    waited.unwrap_or_else(|_| panic!("timed out before this happened: {what}"));
}
