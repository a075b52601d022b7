//! Connections: made when they are needed, made again when they are lost.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Row, Socket, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::columns::Parameter;
use super::failure::Failure;
use super::{hosts, schema};
use crate::error::{Error, StorageError, StorageErrorKind};

/// How many changes are under way at once.
pub(super) const LANES: usize = 4;

/// How many reads are.
const READERS: usize = 4;

/// How long an attempt may take before its connection counts as lost.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How long attempts go on before the answer is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// The connections to one host that this process holds at most. A server that hangs keeps those
/// whose answers nobody awaits any more.
const OPEN_MAX: usize = 16;

/// The statements are few, and for each one plan is right: by the keys, whatever the server
/// thinks that it knows of the tables, which at first are empty. To plan one again takes longer
/// than to run it. A commit that waits for nothing would be answered before it is safe, and one whose wait was
/// cut short must be told of.
const SETTINGS: [&str; 5] = [
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET jit = off",
    "SET client_min_messages = warning",
    "SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') IN ('off', 'local')",
];

/// Where the server waits for its followers, whatever language it says so in.
const WAIT_FOR_FOLLOWERS: &str = "SyncRepWaitForLSN";

/// The first pause between attempts, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

pub(super) struct Links {
    /// One for each host: none may use up another's time.
    hosts: Vec<Host>,
    /// The host that is tried first: the one that took the last connection, unless that was
    /// lost.
    host: AtomicUsize,
    /// By the system's certificates; nothing, where it has none.
    tls: Option<MakeRustlsConnect>,
    lanes: [Mutex<Option<Link>>; LANES],
    readers: [Mutex<Option<Link>>; READERS],
    next: AtomicUsize,
    pub(super) rows: Mutex<std::ops::Range<u64>>,
}

struct Host {
    /// Among the hosts.
    place: usize,
    config: Config,
    /// Held by each connection to it that is open.
    open: Arc<()>,
}

/// A connection, and the statements that were prepared on it.
pub(super) struct Link {
    pub(super) client: Client,
    /// Which host it leads to.
    host: usize,
    prepared: HashMap<&'static str, Statement>,
    /// The server said that a commit may be on no other machine yet.
    doubtful: Arc<AtomicBool>,
    /// What was there when it was made is on as many machines as it ought to be.
    is_settled: bool,
}

impl Link {
    /// The rows that a statement answers; it is prepared once.
    pub(super) async fn query(
        &mut self,
        sql: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        if !self.prepared.contains_key(sql) {
            let prepared = self.client.prepare(sql).await?;
            self.prepared.insert(sql, prepared);
        }
        let Some(statement) = self.prepared.get(sql) else {
            return Err(Failure::fatal("a statement is not there"));
        };
        Ok(self.client.query(statement, parameters).await?)
    }

    /// Returns when all that is to be seen on this server is on as many machines as it ought
    /// to be: a commit may be seen that did not wait for that, and this one, which comes later,
    /// does.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        self.query(schema::SETTLE, &[]).await.map(drop)
    }

    /// The same, once: a server that came back shows what it had committed alone.
    pub(super) async fn settled(&mut self) -> Result<(), Failure> {
        if !self.is_settled {
            self.settle().await?;
            self.is_settled = true;
        }
        Ok(())
    }
}

impl Links {
    pub(super) fn new(url: &str) -> Result<Self, Error> {
        let invalid = |why: &str| Error::Invalid {
            what: "url",
            why: why.to_owned(),
        };
        let config: Config = url
            .parse()
            .map_err(|_| invalid("it is no PostgreSQL URL"))?;
        if config.get_hosts().is_empty() {
            return Err(invalid("it names no host"));
        }
        let host = |(place, config)| Host {
            place,
            config,
            open: Arc::default(),
        };
        let hosts = hosts::each(&config, ATTEMPT / 2).enumerate();
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => MakeRustlsConnect::with_native_certs().ok(),
        };
        Ok(Self {
            tls: tls.map(|(tls, _)| tls),
            hosts: hosts.map(host).collect(),
            host: AtomicUsize::new(0),
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

    /// Reads on a connection of its own, for as long as `limit`; again, where it was cut off.
    pub(super) async fn read_long<T>(
        &self,
        limit: Duration,
        look: impl AsyncFn(&mut Link) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let own = Mutex::new(None);
        self.again(own.lock(), limit, look).await
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
            None => self.connect().await?,
        };
        let done = within(limit, act(&mut link), Failure::Maybe).await;
        if link.doubtful.load(Ordering::Relaxed) {
            let why = "committed, and perhaps not replicated";
            return Err(Failure::Maybe(StorageError::new(StorageErrorKind::Io, why)));
        }
        match done {
            Ok(_) => **place = Some(link),
            Err(Failure::Maybe(_)) => self.host.store(link.host + 1, Ordering::Relaxed),
            Err(_) => {}
        }
        done
    }

    /// Tries one host after the other, from the last good one on. Nothing was asked of any
    /// yet: whatever fails here, nothing was done. Where each refuses the user or the
    /// database, it does so again.
    async fn connect(&self) -> Result<Link, Failure> {
        let first = self.host.load(Ordering::Relaxed);
        let mut failed = Failure::fatal("there is no host");
        for host in from_on(&self.hosts, first) {
            let limit = ATTEMPT / 2;
            match (
                within(limit, self.connect_to(host), Failure::Not).await,
                failed,
            ) {
                (Ok(link), _) => {
                    self.host.store(host.place, Ordering::Relaxed);
                    return Ok(link);
                }
                (Err(Failure::Never(cause)), Failure::Never(_)) => failed = Failure::Never(cause),
                (Err(failure), _) => failed = Failure::Not(failure.cause()),
            }
        }
        Err(failed)
    }

    /// Where the machine has no certificates, what asks for TLS fails, and what prefers it
    /// goes on without.
    async fn connect_to(&self, host: &Host) -> Result<Link, Failure> {
        if Arc::strong_count(&host.open) > OPEN_MAX {
            let why = "too many connections wait for a server that does not answer";
            return Err(Failure::Not(StorageError::new(StorageErrorKind::Io, why)));
        }
        match &self.tls {
            Some(tls) => connect_by(host, tls.clone()).await,
            None => connect_by(host, NoTls).await,
        }
    }
}

/// All of them, from one of them on.
fn from_on<T>(all: &[T], turn: usize) -> impl Iterator<Item = &T> + Clone {
    let turn = turn.checked_rem(all.len()).unwrap_or_default();
    let (before, from) = all.split_at(turn);
    from.iter().chain(before)
}

async fn connect_by<T>(host: &Host, tls: T) -> Result<Link, Failure>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: 'static,
{
    // Held for as long as the connection is open.
    let open = Arc::clone(&host.open);
    let (client, mut connection) = host.config.connect(tls).await?;
    let doubtful = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&doubtful);
    spawn_local(async move {
        let mut next = std::future::poll_fn(|context| connection.poll_message(context));
        while let Some(Ok(message)) = (&mut next).await {
            if let AsyncMessage::Notice(notice) = message
                && *notice.code() == SqlState::WARNING
                && notice.routine() == Some(WAIT_FOR_FOLLOWERS)
            {
                told.store(true, Ordering::Relaxed);
            }
        }
        drop(open);
    });
    for setting in SETTINGS {
        // Servers that only speak PostgreSQL's wire may not know it, and plan as they do.
        drop(client.batch_execute(setting).await);
    }
    Ok(Link {
        client,
        host: host.place,
        prepared: HashMap::new(),
        doubtful,
        is_settled: false,
    })
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
