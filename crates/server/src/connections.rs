//! Client connections: how many are open at once, and when each one ends.
//!
//! Invariants:
//! - No more than `Limits::connections` connections are open. Further clients wait in the operating
//!   system's queue.
//! - Every connection ends, whatever its client does. A client that sends no complete header within
//!   `Limits::header` is disconnected, even if the connection is idle. Any other connection is
//!   asked to end after `Limits::lifetime`, and disconnected after its last request had its time.
//! - A client that reads no byte of its answer for `Limits::write` is disconnected.

use std::io::{self, ErrorKind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::app::Limits;
use crate::write_limit::WriteLimit;

/// Pause after an `accept` that failed, for example because no file descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Maximum time that a long poll may wait. The last request of an old connection may be one, so it
/// has this time.
pub(crate) const LONG_POLL: Duration = Duration::from_secs(60);

/// Listener of a server.
pub trait Listener: Send + Sync + 'static {
    /// Stream of one connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Accepts the next connection.
    ///
    /// # Errors
    /// Those of the operating system. The caller may try again.
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.accept().await?;
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "set TCP_NODELAY failed");
        }
        Ok(stream)
    }
}

#[cfg(unix)]
impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.accept().await?;
        Ok(stream)
    }
}

/// Serves a router until `ended` is cancelled. Then it accepts no more connections and returns when
/// the open ones have ended. Each of them has [`Limits::request`] for its last answer.
///
/// The function applies these fields of the limits: `connections`, `header`, `request`, `write` and
/// `lifetime`. The router must limit the size of bodies, and the time of an answer.
pub async fn serve_connections(
    listener: impl Listener,
    router: Router,
    limits: Limits,
    ended: CancellationToken,
) {
    let limits = limits.clamped();
    let slots = Arc::new(Semaphore::new(limits.connections));
    let tasks = TaskTracker::new();
    loop {
        let accepting = ended.run_until_cancelled(accept(&listener, &slots));
        let Some(Some((stream, slot))) = accepting.await else {
            break;
        };
        let connection = connection(stream, router.clone(), limits, ended.clone());
        tasks.spawn(async move {
            connection.await;
            drop(slot);
        });
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// Accepts the next connection once a slot is free.
async fn accept<L: Listener>(
    listener: &L,
    slots: &Arc<Semaphore>,
) -> Option<(L::Stream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    loop {
        match listener.next().await {
            Ok(stream) => return Some((stream, slot)),
            Err(error) if is_of_one_client(error.kind()) => debug!(%error, "accept failed"),
            Err(error) => {
                warn!(%error, "accept failed; trying again in a second");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Returns whether the error concerns one client that has disconnected. It does not affect the next
/// `accept`.
const fn is_of_one_client(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

/// Time at which the server asks a connection to end, as an extension of its requests. A stream of
/// events ends then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndOfConnection(pub(crate) Instant);

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    limits: Limits,
    ended: CancellationToken,
) {
    let begun = Instant::now();
    let end = EndOfConnection(begun.checked_add(limits.lifetime).unwrap_or(begun));
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(end);
        router.call(request)
    });
    let stream = TokioIo::new(WriteLimit::new(stream, limits.write));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        // Thousands of connections together must not hold much memory.
        .max_buf_size(64 << 10)
        .header_read_timeout(limits.header)
        .serve_connection(stream, service);
    let mut serving = pin!(serving);
    let is_old = tokio::select! {
        served = &mut serving => return log_error(served),
        () = ended.cancelled() => false,
        () = sleep_until(end.0) => true,
    };
    serving.as_mut().graceful_shutdown();
    if is_old {
        tokio::select! {
            served = &mut serving => return log_error(served),
            () = ended.cancelled() => {}
            () = sleep(LONG_POLL) => {}
        }
    }
    match timeout(limits.request, serving).await {
        Ok(served) => log_error(served),
        Err(_) => warn!("disconnected a client that did not end its connection in time"),
    }
}

fn log_error(served: hyper::Result<()>) {
    if let Err(error) = served {
        debug!(%error, "a connection failed");
    }
}

#[cfg(test)]
mod tests {
    use axum::Extension;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// A stream that began late on an old connection must end with the connection.
    #[tokio::test]
    async fn requests_of_connection_have_same_end() {
        let (seen, mut ends) = tokio::sync::mpsc::unbounded_channel();
        let note = move |Extension(EndOfConnection(end))| async move { seen.send(end).unwrap() };
        let router = Router::new().route("/", get(note));
        let (mut client, server) = duplex(4096);
        let ended = CancellationToken::new();
        let serving = tokio::spawn(connection(server, router, Limits::default(), ended.clone()));
        for _ in 0..2 {
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        }
        let first = ends.recv().await.unwrap();
        assert_eq!(ends.recv().await.unwrap(), first);
        assert!(first <= Instant::now() + Limits::default().lifetime);
        ended.cancel();
        serving.await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text.matches("200 OK").count(), 2);
    }
}
