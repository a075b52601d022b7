//! State that all routes share.

use std::time::Duration;

use orderstore::{Error, Store};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::problem::{EffectWord, Problem};

/// Limits of a server against slow, greedy or broken clients.
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

/// Store, limits, and the end of the server.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    /// Cancelled when the server drains: it is not ready any more, and long polls end.
    pub(crate) draining: CancellationToken,
    pub(crate) metrics: Metrics,
}

impl App {
    /// Returns the time until which the store must reply to a command that begins now.
    pub(crate) fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.limits.request).unwrap_or(now)
    }

    /// Waits for a read of the store.
    pub(crate) async fn read<T>(
        &self,
        call: impl IntoFuture<Output = Result<T, Error>>,
    ) -> Result<T, Problem> {
        let read = timeout(self.limits.request, call.into_future()).await;
        let read = read.map_err(|_| Problem::timeout(EffectWord::None))?;
        Ok(read?)
    }
}
