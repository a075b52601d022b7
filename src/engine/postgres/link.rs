//! Connections: made when they are needed, made again when they are lost.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout};

use super::connect::Hosts;
use super::connection::{Link, from_on};
use super::failure::Failure;
use super::options::PostgresOptions;
use super::url;
use crate::error::{Error, StorageError, StorageErrorKind};

/// How many changes are under way at once.
pub(super) const LANES: usize = 4;

/// How many reads are.
const READERS: usize = 4;

/// How long an attempt may take before its connection counts as lost.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How long attempts go on before the answer is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first pause between attempts, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

pub(super) struct Links {
    hosts: Hosts,
    lanes: [Mutex<Option<Link>>; LANES],
    readers: [Mutex<Option<Link>>; READERS],
    next: AtomicUsize,
    pub(super) rows: Mutex<std::ops::Range<u64>>,
}

impl Links {
    pub(super) fn new(url: &str, options: &PostgresOptions) -> Result<Self, Error> {
        Ok(Self {
            hosts: Hosts::new(&url::parse(url)?, options.clone())?,
            lanes: Default::default(),
            readers: Default::default(),
            next: AtomicUsize::new(0),
            rows: Mutex::new(0..0),
        })
    }

    /// Reads; again, as long as there is patience.
    pub(super) async fn read<T>(
        &self,
        look: impl AsyncFn(&mut Link) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.again(self.reader(), ATTEMPT, look).await
    }

    /// One that is free, if there is any.
    async fn reader(&self) -> MutexGuard<'_, Option<Link>> {
        let [one, ..] = &self.readers;
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let mut readers = from_on(&self.readers, turn);
        if let Some(free) = readers.clone().find_map(|reader| reader.try_lock().ok()) {
            return free;
        }
        readers.next().unwrap_or(one).lock().await
    }

    /// Acts on a connection of its own, for as long as `limit`; again, where it was cut off.
    pub(super) async fn long<T>(
        &self,
        limit: Duration,
        act: impl AsyncFn(&mut Link) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let own = Mutex::new(None);
        self.again(own.lock(), limit, act).await
    }

    /// Changes something that may be changed again: what comes of it a second time is
    /// what `act` sees to.
    pub(super) async fn change<T>(
        &self,
        lane: usize,
        act: impl AsyncFn(&mut Link) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some(place) = self.lanes.get(lane % LANES) else {
            return Err(Failure::fatal("there is no lane"));
        };
        self.again(place.lock(), ATTEMPT, act).await
    }

    /// Attempts until one succeeds, one fails for good, or patience ends: then it is what
    /// the attempts leave open.
    async fn again<T>(
        &self,
        place: impl Future<Output = MutexGuard<'_, Option<Link>>>,
        limit: Duration,
        act: impl AsyncFn(&mut Link) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let end = Instant::now() + PATIENCE;
        let mut link = place.await;
        if Instant::now() >= end {
            // Others, who came first, took all of the time.
            return Err(Failure::Not(timed_out()));
        }
        let (mut pause, longest) = PAUSES;
        let mut is_open = false;
        loop {
            let failure = match self.attempt(&mut link, limit, &act).await {
                Ok(done) => return Ok(done),
                Err(failure @ Failure::Never(_)) if !is_open => return Err(failure),
                Err(failure) => failure,
            };
            is_open |= matches!(failure, Failure::Maybe(_));
            if Instant::now() + pause >= end {
                return Err(match failure {
                    Failure::Not(cause) | Failure::Never(cause) if is_open => Failure::Maybe(cause),
                    failure => failure,
                });
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// A connection that did not do what it was asked for is not used again. Where nothing was
    /// heard of it another host is tried first: a server may take connections, and do nothing.
    async fn attempt<T>(
        &self,
        place: &mut MutexGuard<'_, Option<Link>>,
        limit: Duration,
        act: &impl AsyncFn(&mut Link) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut link = match place.take().filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => self.hosts.connect().await?,
        };
        let done = within(limit, act(&mut link), Failure::Maybe).await;
        if link.doubtful.load(Ordering::Relaxed) {
            let why = "committed, and perhaps not replicated";
            return Err(Failure::Maybe(StorageError::new(StorageErrorKind::Io, why)));
        }
        match done {
            Ok(_) => **place = Some(link),
            Err(Failure::Maybe(_)) => self.hosts.avoid(link.host),
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

/// Half of the pause, and a part of the rest: those who failed together do not come again
/// together.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the pause is the same for all, and long enough.
    let drawn = getrandom::fill(&mut byte).map_or(255, |()| byte[0]);
    pause / 2 + pause * u32::from(drawn) / 510
}
