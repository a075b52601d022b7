//! State that all routes share.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use orderstore::{Call, Store, Totals};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::blocking;
use crate::metrics::Metrics;
use crate::problem::{Kind, Problem};

/// Maximum number of reads that run at once. Each of them holds a blocking thread, for as long as
/// the disk hangs. Further reads wait.
const READS: usize = 4;

/// Maximum number of requests of the command line that run at once. One of them may be long, such as a
/// backup.
const REMOTE: usize = 8;

/// Maximum size of the batches that are under way at the same time, in KiB.
const BATCHES: usize = 64 << 10;

/// Limits of a server against slow, greedy or broken clients. A time above a year counts as a year,
/// and a number of connections above the maximum of the runtime as that maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of open connections. Default: 512. Further clients wait in the operating
    /// system's queue. Each connection is an open file. Many systems allow a process 1,024 of them,
    /// and the store needs some.
    pub connections: usize,
    /// Maximum time until a complete request header has arrived, also on an idle connection.
    /// Default: 30 s.
    pub header: Duration,
    /// Maximum size of the body of a batch, in bytes. Default: 4 MiB. Other bodies have at most
    /// 64 KiB. All batches under way have at most 64 MiB together. A larger limit here raises
    /// that sum.
    pub batch: usize,
    /// Maximum time for the body of a request to arrive, and then for the store to reply.
    /// Default: 30 s. A server that drains gives every connection this time.
    pub request: Duration,
    /// Maximum time that a client reads no byte of an answer. Then it is disconnected. Default: 30 s.
    pub write: Duration,
    /// Maximum age of a connection before the server asks it to end. Default: 5 min.
    pub lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            header: Duration::from_secs(30),
            batch: 4 << 20,
            request: Duration::from_secs(30),
            write: Duration::from_secs(30),
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
            write: self.write.min(YEAR),
            lifetime: self.lifetime.min(YEAR),
        }
    }

    /// Returns the maximum size of the batches that are under way at the same time, in KiB.
    fn all_batches(&self) -> usize {
        let one = self.batch.div_ceil(1 << 10);
        one.max(BATCHES)
            .min(u32::MAX as usize)
            .min(Semaphore::MAX_PERMITS)
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
    /// Has one permit for each KiB of the batches that may be under way at once.
    batches: Arc<Semaphore>,
    /// Has the permit for the only totals that may run at once.
    totals: Arc<Semaphore>,
    /// Has one permit for each request of the command line that may run at once.
    pub(crate) remote: Arc<Semaphore>,
    /// Has the permit for the only long one of these.
    pub(crate) long: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(store: Store, limits: Limits, draining: CancellationToken) -> Self {
        let limits = limits.clamped();
        Self {
            store,
            limits,
            draining,
            metrics: Metrics::default(),
            reads: Arc::new(Semaphore::new(READS)),
            batches: Arc::new(Semaphore::new(limits.all_batches())),
            totals: Arc::new(Semaphore::new(1)),
            remote: Arc::new(Semaphore::new(REMOTE)),
            long: Arc::new(Semaphore::new(1)),
        }
    }

    /// Returns the time until which the store must reply to a command that begins now.
    pub(crate) fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.limits.request).unwrap_or(now)
    }

    /// Runs a read of the store on a blocking thread, and waits for it.
    pub(crate) async fn read<T: Send + 'static>(&self, call: Call<T>) -> Result<T, Problem> {
        let read = self.run_read(|| call.wait()).await?;
        read.map_err(|error| Problem::of_read(&error))
    }

    /// Runs a closure that reads the store on a blocking thread, and waits for it.
    pub(crate) async fn run_read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = Arc::clone(&self.reads).acquire_owned();
        blocking::run(permit, self.limits.request, |_| read()).await
    }

    /// Waits until there is memory for the body of a batch, and returns the permit for it. Without
    /// that, each connection could hold a batch of the largest size.
    pub(crate) async fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let wanted = bytes.div_ceil(1 << 10).min(self.limits.all_batches());
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.batches).acquire_many_owned(wanted);
        match timeout(self.limits.request, permits).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                let why = "the server has too many batches under way; send the batch again later";
                Err(Problem::not_applied(Kind::Busy, why))
            }
        }
    }

    /// Runs a read of totals, and waits for it. Refuses the read while another one runs: the store
    /// runs them one after another, and each of them reads every order of its period.
    pub(crate) async fn read_totals(&self, call: Call<Totals>) -> Result<Totals, Problem> {
        let permit = Arc::clone(&self.totals).try_acquire_owned().map_err(|_| {
            let why = "the server already computes totals; try again when they are done";
            Problem::new(Kind::Busy, why)
        })?;
        let read = blocking::run(ready(permit), self.limits.request, |_| call.wait()).await?;
        read.map_err(|error| Problem::of_read(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use axum::http::{StatusCode, header};
    use axum::response::IntoResponse;
    use orderstore::Timestamp;

    use super::*;

    #[tokio::test]
    async fn second_totals_are_refused_until_first_have_ended() {
        let app = App::new(
            Store::memory().unwrap(),
            Limits::default(),
            CancellationToken::new(),
        );
        let totals = || {
            let times = Timestamp::EPOCH..Timestamp::MAX;
            app.read_totals(app.store.totals(times))
        };
        let (release, gate) = channel::<()>();
        let permit = Arc::clone(&app.totals).try_acquire_owned().unwrap();
        let soon = Duration::from_millis(20);
        let first = blocking::run(ready(permit), soon, move |_| gate.recv().is_ok());
        // The first request gives up, and its read still runs.
        assert!(first.await.is_err());
        let refused = totals().await.unwrap_err();
        assert_eq!(refused.kind, Kind::Busy);
        let refused = refused.into_response();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.headers().contains_key(header::RETRY_AFTER));
        drop(release);
        let free = timeout(Duration::from_secs(60), app.totals.acquire()).await;
        drop(free.unwrap().unwrap());
        assert!(totals().await.is_ok());
    }
}
