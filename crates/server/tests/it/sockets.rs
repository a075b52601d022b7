//! Unix sockets and addresses: who can connect, and what is refused.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use orderstore::Store;
use orderstore_server::{Limits, Listen, ServeError, Server, admin_socket, serve};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::{JSON, Place, Reply, Rig, connect, read_reply, request, until};

fn path_of(rig: &Rig) -> PathBuf {
    match &rig.place {
        Place::Unix(path) => path.clone(),
        Place::Tcp(address) => panic!("{address}"),
    }
}

async fn refused(listen: Listen) -> ServeError {
    let store = Store::memory().unwrap();
    Server::bind(store, listen, Limits::default())
        .await
        .unwrap_err()
}

/// Returns the names of the entries of a directory.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn only_owner_can_use_socket_and_end_removes_it() {
    let rig = Rig::unix().await;
    let path = path_of(&rig);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(names(rig.dir.path()), ["api.sock", "orders"]);
    let (serving, store, dir) = rig.stop();
    serving.await.unwrap();
    assert_eq!(names(dir.path()), ["orders"]);
    store.shutdown().await.unwrap();
}

#[tokio::test]
async fn socket_of_killed_server_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    drop(UnixListener::bind(&path).unwrap());
    let stale = std::fs::metadata(&path).unwrap().ino();
    let rig = Rig::at(Listen::Unix(path.clone()), dir, Limits::default()).await;
    assert_ne!(std::fs::metadata(&path).unwrap().ino(), stale);
    rig.create("A1").await;
    rig.close().await;
}

#[tokio::test]
async fn socket_of_running_server_stays() {
    let rig = Rig::unix().await;
    let path = path_of(&rig);
    let error = refused(Listen::Unix(path.clone())).await;
    assert!(matches!(error, ServeError::InUse { .. }), "{error}");
    rig.create("A1").await;
    rig.close().await;
}

/// Two stores get the same path by mistake. Without a lock, the second server could remove the
/// socket of the first one, because it has found a socket without a listener before.
#[test]
fn only_one_of_many_servers_gets_socket() {
    let dir = tempfile::tempdir().unwrap();
    let (path, store) = (dir.path().join("api.sock"), Store::memory().unwrap());
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let runtimes = [(); 4].map(|()| runtime());
    for round in 0..200 {
        if round % 2 == 0 {
            drop(UnixListener::bind(&path).unwrap());
        }
        let start = Barrier::new(runtimes.len());
        let bind = |runtime: &Runtime| {
            start.wait();
            let listen = Listen::Unix(path.clone());
            runtime.block_on(Server::bind(store.clone(), listen, Limits::default()))
        };
        let bound: Vec<_> = thread::scope(|scope| {
            let threads = runtimes.each_ref();
            let threads = threads.map(|runtime| scope.spawn(|| bind(runtime)));
            threads.map(|thread| thread.join().unwrap()).into()
        });
        let (winners, losers): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
        assert_eq!(winners.len(), 1, "round {round}");
        for error in losers.into_iter().map(Result::unwrap_err) {
            assert!(matches!(error, ServeError::InUse { .. }), "{error}");
        }
        assert!(UnixStream::connect(&path).is_ok(), "round {round}");
        drop(winners);
        assert!(names(dir.path()).is_empty(), "round {round}");
    }
}

/// Some clients name the socket, an empty host or none.
#[tokio::test]
async fn client_of_socket_needs_no_host() {
    let rig = Rig::unix().await;
    for head in [
        "HTTP/1.1\r\nhost:\r\n",
        "HTTP/1.1\r\nhost: %2Frun%2Fapi.sock\r\n",
        "HTTP/1.1\r\nhost: api.sock\r\n",
        "HTTP/1.1\r\n",
        "HTTP/1.0\r\n",
    ] {
        let mut connection = rig.connect().await;
        let text = format!("GET /v1/counts {head}connection: close\r\n\r\n");
        connection.write_all(text.as_bytes()).await.unwrap();
        assert_eq!(read_reply(&mut connection).await.status, 200, "{head}");
    }
    rig.close().await;
}

#[tokio::test]
async fn unusable_socket_path_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "keep").unwrap();
    let error = refused(Listen::Unix(file.clone())).await;
    assert!(matches!(error, ServeError::NotASocket { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "keep");
    let fill = 100 - dir.path().as_os_str().len() - 1;
    let longest = dir.path().join("s".repeat(fill));
    let too_long = dir.path().join("s".repeat(fill + 1));
    let error = refused(Listen::Unix(too_long)).await;
    assert!(
        error
            .to_string()
            .contains("has 101 bytes, and the limit is 100"),
        "{error}"
    );
    let error = refused(Listen::Unix(dir.path().join("missing/s"))).await;
    assert!(matches!(error, ServeError::Bind { .. }), "{error}");
    let bound = Server::bind(
        Store::memory().unwrap(),
        Listen::Unix(longest),
        Limits::default(),
    );
    drop(bound.await.unwrap());
    assert_eq!(names(dir.path()), ["file"]);
}

/// The private directory makes the path longer for a moment. The limit counts it in.
#[tokio::test]
async fn short_name_in_long_directory_fits() {
    let dir = tempfile::tempdir().unwrap();
    let fill = 98 - dir.path().as_os_str().len() - 1;
    let long = dir.path().join("d".repeat(fill));
    std::fs::create_dir(&long).unwrap();
    let path = long.join("s");
    assert_eq!(path.as_os_str().len(), 100);
    let store = Store::memory().unwrap();
    let bound = Server::bind(store, Listen::Unix(path.clone()), Limits::default()).await;
    drop(bound.unwrap());
    assert!(!path.exists());
}

#[tokio::test]
async fn address_beyond_loopback_is_refused() {
    for address in ["0.0.0.0:0", "10.0.0.7:7700", "[::]:0"] {
        let address: SocketAddr = address.parse().unwrap();
        let error = refused(Listen::Tcp(address)).await;
        assert!(error.to_string().contains("no tokens yet"), "{error}");
    }
}

#[tokio::test]
async fn server_of_closed_store_is_refused() {
    let store = Store::memory().unwrap();
    store.shutdown().await.unwrap();
    let listen = Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    let error = serve(store, listen, Limits::default(), async {})
        .await
        .unwrap_err();
    assert!(matches!(error, ServeError::ShutDown), "{error}");
}

/// Store in a directory, and the server of its admin socket.
struct Operated {
    store: Store,
    dir: TempDir,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Operated {
    async fn begin() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let orders = dir.path().join("orders");
        let store = Store::init(&orders).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(admin_socket(store.clone(), orders, async {
            let _ = stopped.await;
        }));
        let operated = Self {
            store,
            dir,
            stop,
            serving,
        };
        until("no admin socket", async || operated.socket().exists()).await;
        operated
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("orders/admin.sock")
    }

    async fn ask(&self, wanted: &str) -> Reply {
        let mut connection = connect(&Place::Unix(self.socket())).await;
        let text = remote(wanted).to_string();
        let text = request("POST", "/v1/remote", JSON, &text);
        connection.write_all(text.as_bytes()).await.unwrap();
        read_reply(&mut connection).await
    }
}

/// Message of the command line.
fn remote(wanted: &str) -> Value {
    let version = concat!(env!("CARGO_PKG_VERSION"), "/1");
    json!({ "version": version, "store": null, "request": wanted })
}

#[tokio::test]
async fn admin_socket_that_never_serves_is_removed_also_at_a_long_path() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["orders".to_owned(), "x".repeat(200)] {
        let orders = dir.path().join(name);
        let store = Store::init(&orders).unwrap();
        let server = Server::bind_admin(store.clone(), &orders).await.unwrap();
        assert!(orders.join("admin.sock").exists());
        drop(server);
        assert!(!names(&orders).iter().any(|name| name.contains("sock")));
        store.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn only_the_admin_socket_takes_requests_of_the_command_line() {
    for rig in [Rig::unix().await, Rig::tcp(Limits::default()).await] {
        let refused = rig.post("/v1/remote", &remote("counts")).await;
        assert_eq!(refused.status, 404);
        rig.close().await;
    }
    let operated = Operated::begin().await;
    let socket = operated.socket();
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let reply = operated.ask("counts").await;
    assert_eq!((reply.status, reply.at("/Ok/unclaimed")), (200, &json!(0)));
    operated.stop.send(()).unwrap();
    operated.serving.await.unwrap().unwrap();
    assert!(!socket.exists());
    operated.store.shutdown().await.unwrap();
}
