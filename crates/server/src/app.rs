//! State that all routes share.

use std::sync::Arc;
use std::time::Duration;

use orderstore::{Call, Store, Totals};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::problem::{EffectWord, Kind, Problem};

/// Maximum number of reads that run at once. Each of them holds a blocking thread, for as long as
/// the disk hangs. Further reads wait.
const READS: usize = 4;

/// Limits of a server against slow, greedy or broken clients. A time above a year counts as a year,
/// and a number of connections above the maximum of the runtime as that maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of open connections. Default: 4,096. Further clients wait in the operating
    /// system's queue. The process may open more files than this, because the store needs some.
    pub connections: usize,
    /// Maximum time until a complete request header has arrived, also on an idle connection.
    /// Default: 30 s.
    pub header: Duration,
    /// Maximum size of the body of a batch, in bytes. Default: 4 MiB. Other bodies have at most
    /// 64 KiB.
    pub batch: usize,
    /// Maximum time for the body of a request to arrive, and then for the store to reply.
    /// Default: 30 s. A server that drains gives every connection this time.
    pub request: Duration,
    /// Maximum age of a connection before the server asks it to end. Default: 5 min.
    pub lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            header: Duration::from_secs(30),
            batch: 4 << 20,
            request: Duration::from_secs(30),
            lifetime: Duration::from_secs(300),
        }
    }
}

/// Maximum of each time limit. A later deadline may be past the end of the clock.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Limits {
    /// Returns the limits without values that timers and semaphores cannot represent.
    pub(crate) fn clamped(self) -> Self {
        Self {
            connections: self.connections.min(Semaphore::MAX_PERMITS),
            header: self.header.min(YEAR),
            batch: self.batch,
            request: self.request.min(YEAR),
            lifetime: self.lifetime.min(YEAR),
        }
    }
}

/// Store, limits, and the end of the server.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    /// Cancelled when the server drains: it is not ready any more, and long polls end.
    pub(crate) draining: CancellationToken,
    pub(crate) metrics: Metrics,
    /// Has one permit for each read that may run at once.
    reads: Arc<Semaphore>,
    /// Has the permit for the only totals that may run at once.
    totals: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(store: Store, limits: Limits) -> Self {
        Self {
            store,
            limits: limits.clamped(),
            draining: CancellationToken::new(),
            metrics: Metrics::default(),
            reads: Arc::new(Semaphore::new(READS)),
            totals: Arc::new(Semaphore::new(1)),
        }
    }

    /// Returns the time until which the store must reply to a command that begins now.
    pub(crate) fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.limits.request).unwrap_or(now)
    }

    /// Runs a read of the store on a blocking thread, and waits for it.
    ///
    /// The first poll of a call reads from a local disk. On a thread of the runtime, a slow disk
    /// would stop the other requests, the timers and the health check.
    pub(crate) async fn read<T: Send + 'static>(&self, call: Call<T>) -> Result<T, Problem> {
        let read = run_blocking(&self.reads, self.deadline(), || call.wait()).await?;
        read.map_err(|error| Problem::of_read(&error))
    }

    /// Runs a read of totals, and waits for it. Refuses the read while another one runs: the store
    /// runs them one after another, and each of them reads every order of its period.
    pub(crate) async fn read_totals(&self, call: Call<Totals>) -> Result<Totals, Problem> {
        let permit = Arc::clone(&self.totals).try_acquire_owned().map_err(|_| {
            let why = "the server already computes totals; try again when they are done";
            Problem::new(Kind::Overloaded, why)
        })?;
        let read = timeout_at(self.deadline(), run_with(permit, || call.wait())).await;
        let read = read.unwrap_or_else(|_| Err(Problem::timeout(EffectWord::None)))?;
        read.map_err(|error| Problem::of_read(&error))
    }
}

/// Runs a closure on a blocking thread once a permit is free, and waits for it until the deadline.
///
/// The thread keeps the permit until the closure has returned, even after the deadline. Without
/// that, each request to a store that hangs would block another thread.
async fn run_blocking<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    deadline: Instant,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let running = async {
        let permit = Arc::clone(permits).acquire_owned().await.map_err(failed)?;
        run_with(permit, run).await
    };
    let ran = timeout_at(deadline, running).await;
    ran.unwrap_or_else(|_| Err(Problem::timeout(EffectWord::None)))
}

/// Runs a closure on a blocking thread, which keeps the permit until the closure has returned.
async fn run_with<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let running = spawn_blocking(move || {
        let result = run();
        drop(permit);
        result
    });
    running.await.map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Problem {
    let why = format_args!("the read failed: {error}; an operator must look at the server's log");
    Problem::new(Kind::Internal, why)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use axum::http::{StatusCode, header};
    use axum::response::IntoResponse;
    use orderstore::Timestamp;
    use tokio::time::timeout;

    use super::*;

    /// The runtime of the test has one thread: if a read blocked it, the test would hang.
    #[tokio::test]
    async fn reads_that_hang_hold_their_permits_and_no_request() {
        let permits = Arc::new(Semaphore::new(2));
        let soon = || Instant::now() + Duration::from_millis(20);
        let mut gates = Vec::new();
        for _ in 0..2 {
            let (release, gate) = channel::<()>();
            gates.push(release);
            let hangs = run_blocking(&permits, soon(), move || {
                let _ = gate.recv();
            })
            .await;
            assert_eq!(hangs.unwrap_err().urn(), Kind::Timeout.urn());
        }
        // No permit is free, so the next read gives up without a thread.
        let next = run_blocking(&permits, soon(), || panic!("ran")).await;
        let refused: Problem = next.unwrap_err();
        assert_eq!(refused.urn(), Kind::Timeout.urn());
        drop(gates);
        let long = Instant::now() + Duration::from_secs(60);
        assert_eq!(run_blocking(&permits, long, || 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn second_totals_are_refused_until_first_have_ended() {
        let app = App::new(Store::memory().unwrap(), Limits::default());
        let totals = || {
            let times = Timestamp::EPOCH..Timestamp::MAX;
            app.read_totals(app.store.totals(times))
        };
        let (release, gate) = channel::<()>();
        let permit = Arc::clone(&app.totals).try_acquire_owned().unwrap();
        let first = run_with(permit, move || {
            let _ = gate.recv();
        });
        // The first request gives up, and its read still runs.
        assert!(timeout(Duration::from_millis(20), first).await.is_err());
        let refused = totals().await.unwrap_err();
        assert_eq!(refused.urn(), Kind::Overloaded.urn());
        let refused = refused.into_response();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.headers().contains_key(header::RETRY_AFTER));
        drop(release);
        let free = timeout(Duration::from_secs(60), app.totals.acquire()).await;
        drop(free.unwrap().unwrap());
        assert!(totals().await.is_ok());
    }

    #[tokio::test]
    async fn read_that_panics_is_problem_and_returns_permit() {
        let permits = Arc::new(Semaphore::new(1));
        let long = Instant::now() + Duration::from_secs(60);
        let failed = run_blocking(&permits, long, || panic!("a bug")).await;
        let failed: Problem = failed.unwrap_err();
        assert_eq!(failed.urn(), Kind::Internal.urn());
        assert_eq!(run_blocking(&permits, long, || 7).await.unwrap(), 7);
    }
}
