//! Client connections: how many are open at once, and when each one ends.
//!
//! Invariants:
//! - No more than `Limits::count` connections are open. Further clients wait in the operating
//!   system's queue.
//! - Every connection ends, whatever its client does. A client that sends no complete header within
//!   `Limits::header` is disconnected, even if the connection is idle. Any other connection is
//!   asked to end after `Limits::lifetime`, and disconnected after `Limits::grace` more.

use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// Pause after an `accept` that failed, for example because no file descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Limits of the connections to one listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Maximum number of open connections.
    pub(crate) count: usize,
    /// Maximum time until a complete request header has arrived.
    pub(crate) header: Duration,
    /// Maximum age of a connection before it is asked to end.
    pub(crate) lifetime: Duration,
    /// Maximum time for the last request of a connection that was asked to end.
    pub(crate) grace: Duration,
}

/// Serves until `ended` is cancelled. Then it accepts no more connections and returns when the open
/// ones have ended.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    ended: CancellationToken,
) {
    let (slots, tasks) = (Arc::new(Semaphore::new(limits.count)), TaskTracker::new());
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
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Some((stream, slot)),
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

async fn connection(stream: TcpStream, router: Router, limits: Limits, ended: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "TCP_NODELAY cannot be set");
    }
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = pin!(serving);
    tokio::select! {
        served = &mut serving => return log_error(served),
        () = ended.cancelled() => {}
        () = sleep(limits.lifetime) => {}
    }
    serving.as_mut().graceful_shutdown();
    match timeout(limits.grace, serving).await {
        Ok(served) => log_error(served),
        Err(_) => warn!("disconnected a client that did not end its connection in time"),
    }
}

fn log_error(served: hyper::Result<()>) {
    if let Err(error) = served {
        debug!(%error, "a connection failed");
    }
}
