//! Pool of connections. The engine opens a connection at its first use, and a new one after a loss.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout};

use super::connect::Hosts;
use super::connection::{Connection, from_on};
use super::failure::Failure;
use super::options::PostgresOptions;
use super::url;
use crate::error::{OpenError, StorageError, StorageErrorKind};

/// Number of connections for writes.
pub(super) const LANES: usize = 4;

/// Number of connections for reads.
const READERS: usize = 4;

/// Maximum time of one attempt. When this time is over, the connection counts as lost.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Maximum time for all attempts of one call.
const PATIENCE: Duration = Duration::from_secs(30);

/// First and longest pause between attempts. Each pause is twice the previous one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

pub(super) struct Pool {
    hosts: Hosts,
    lanes: [Mutex<Option<Connection>>; LANES],
    readers: [Mutex<Option<Connection>>; READERS],
    next: AtomicUsize,
    pub(super) rows: Mutex<std::ops::Range<u64>>,
}

impl Pool {
    pub(super) fn new(url: &str, options: &PostgresOptions) -> Result<Self, OpenError> {
        Ok(Self {
            hosts: Hosts::new(&url::parse(url)?, options.clone())?,
            lanes: Default::default(),
            readers: Default::default(),
            next: AtomicUsize::new(0),
            rows: Mutex::new(0..0),
        })
    }

    /// Runs a read on a reader connection. Retries it for up to 30 s.
    pub(super) async fn read<T>(
        &self,
        look: impl AsyncFn(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.again(self.reader(), ATTEMPT, look).await
    }

    /// Locks a free reader connection, or waits for one if none is free.
    async fn reader(&self) -> MutexGuard<'_, Option<Connection>> {
        let [first, ..] = &self.readers;
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let mut readers = from_on(&self.readers, turn);
        if let Some(free) = readers.clone().find_map(|reader| reader.try_lock().ok()) {
            return free;
        }
        readers.next().unwrap_or(first).lock().await
    }

    /// Runs a long call on a new connection. `limit` is the maximum time of one attempt. Retries if
    /// the connection is lost.
    pub(super) async fn long<T>(
        &self,
        limit: Duration,
        act: impl AsyncFn(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let own = Mutex::new(None);
        self.again(own.lock(), limit, act).await
    }

    /// Runs a write on a lane (connection for writes), with retries for up to 30 s. `act` may run
    /// again although an attempt was applied, so `act` must allow for that.
    pub(super) async fn change<T>(
        &self,
        lane: usize,
        act: impl AsyncFn(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some(place) = self.lanes.get(lane % LANES) else {
            return Err(Failure::fatal(
                "internal error: a write connection is missing",
            ));
        };
        self.again(place.lock(), ATTEMPT, act).await
    }

    /// Repeats attempts until one succeeds, one fails finally, or [`PATIENCE`] ends.
    ///
    /// The final failure covers all attempts. If any attempt was possibly applied, the result is
    /// `Failure::Unknown`, even after a refusal: a refusal proves nothing about an earlier attempt.
    /// After a possibly applied attempt, a refusal therefore does not end the loop.
    async fn again<T>(
        &self,
        place: impl Future<Output = MutexGuard<'_, Option<Connection>>>,
        limit: Duration,
        act: impl AsyncFn(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let end = Instant::now() + PATIENCE;
        let mut link = place.await;
        if Instant::now() >= end {
            // Other calls used this connection until the time limit. This call has sent nothing, so
            // its caller may retry it.
            return Err(Failure::Retry(timed_out()));
        }
        let (mut pause, longest) = PAUSES;
        let mut is_open = false;
        loop {
            let failure = match self.attempt(&mut link, limit, &act).await {
                Ok(done) => return Ok(done),
                Err(failure @ Failure::Refused(_)) if !is_open => return Err(failure),
                Err(failure) => failure,
            };
            is_open |= matches!(failure, Failure::Unknown(_));
            if Instant::now() + pause >= end {
                return Err(match failure {
                    Failure::Retry(cause) | Failure::Refused(cause) if is_open => {
                        Failure::Unknown(cause)
                    }
                    failure => failure,
                });
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Runs one attempt. Opens a connection if there is none, and drops it after any failure.
    ///
    /// After an attempt without answer, the next connection starts with another host: a hung server
    /// may accept connections and never answer.
    async fn attempt<T>(
        &self,
        place: &mut MutexGuard<'_, Option<Connection>>,
        limit: Duration,
        act: &impl AsyncFn(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut link = match place.take().filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => self.hosts.connect().await?,
        };
        let done = within(limit, act(&mut link), Failure::Unknown).await;
        // Report an unknown outcome although the statement succeeded, because the server warned
        // that the commit did not wait for its standbys. The next attempt finds the commit and
        // waits for them.
        if link.maybe_unreplicated.load(Ordering::Relaxed) {
            let why = "the server committed, but the commit may not be replicated";
            return Err(Failure::Unknown(StorageError::new(
                StorageErrorKind::Io,
                why,
            )));
        }
        match done {
            Ok(_) => **place = Some(link),
            Err(Failure::Unknown(_)) => self.hosts.avoid(link.host),
            Err(_) => {}
        }
        done
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>>,
    late: fn(StorageError) -> Failure,
) -> Result<T, Failure> {
    let done = timeout(limit, work).await;
    done.unwrap_or_else(|_| Err(late(timed_out())))
}

fn timed_out() -> StorageError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// Returns a random time between half of the pause and the full pause. Callers that failed at the
/// same moment then retry at different moments.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    // If no random byte can be drawn, the caller waits for the full pause.
    let drawn = getrandom::fill(&mut byte).map_or(255, |()| byte[0]);
    pause / 2 + pause * u32::from(drawn) / 510
}
