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
use super::hosts;
use crate::error::{Error, StorageError, StorageErrorKind};

/// How many changes are under way at once.
pub(super) const LANES: usize = 4;

/// How many reads are.
const READERS: usize = 4;

/// How long an attempt may take before its connection counts as lost.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How long attempts go on before the answer is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// What looks at everything may take so long.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// The statements are few, and for each one plan is right: by the keys, whatever the server
/// thinks that it knows of the tables, which at first are empty. To plan one again takes longer
/// than to run it.
const SETTINGS: [&str; 3] = [
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET jit = off",
];

/// The first pause between attempts, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

pub(super) struct Links {
    /// One for each host: none may use up another's time.
    hosts: Vec<Config>,
    /// The host that took the last connection.
    host: AtomicUsize,
    /// By the system's certificates; nothing, where it has none.
    tls: Option<MakeRustlsConnect>,
    lanes: [Mutex<Option<Link>>; LANES],
    readers: [Mutex<Option<Link>>; READERS],
    next: AtomicUsize,
    pub(super) rows: Mutex<std::ops::Range<u64>>,
}

/// A connection, and the statements that were prepared on it.
pub(super) struct Link {
    pub(super) client: Client,
    prepared: HashMap<&'static str, Statement>,
    /// The server said that a commit may be on no other machine yet.
    doubtful: Arc<AtomicBool>,
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
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => MakeRustlsConnect::with_native_certs().ok(),
        };
        Ok(Self {
            tls: tls.map(|(tls, _)| tls),
            hosts: hosts::each(&config, ATTEMPT / 2),
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
        let reader = self.next.fetch_add(1, Ordering::Relaxed) % READERS;
        let Some(place) = self.readers.get(reader) else {
            return Err(Failure::fatal("there is no reader"));
        };
        self.again(place, ATTEMPT, look).await
    }

    /// Reads for as long as it takes; again, where it was cut off.
    pub(super) async fn read_long<T>(
        &self,
        look: impl AsyncFn(&mut Link) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let own = Mutex::new(None);
        self.again(&own, LONG, look).await
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
        self.again(place, ATTEMPT, act).await
    }

    /// Attempts until one succeeds, one fails for good, or patience ends: then it is what
    /// the attempts leave open.
    async fn again<T>(
        &self,
        place: &Mutex<Option<Link>>,
        limit: Duration,
        act: impl AsyncFn(&mut Link) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let end = Instant::now() + PATIENCE;
        let (mut pause, longest) = PAUSES;
        let mut link = place.lock().await;
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

    /// A connection that did not do what it was asked for is not used again: another host may.
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
        if matches!(done, Ok(_) | Err(Failure::Never(_))) {
            **place = Some(link);
        }
        done
    }

    /// Tries one host after the other, from the last good one on. Nothing was asked of any
    /// yet: whatever fails here, nothing was done. Where each refuses the user or the
    /// database, it does so again.
    async fn connect(&self) -> Result<Link, Failure> {
        let first = self.host.load(Ordering::Relaxed);
        let mut failed = Failure::fatal("there is no host");
        for step in 0..self.hosts.len() {
            let host = (first + step) % self.hosts.len();
            let Some(config) = self.hosts.get(host) else {
                break;
            };
            let limit = ATTEMPT / 2;
            match (
                within(limit, self.connect_to(config), Failure::Not).await,
                failed,
            ) {
                (Ok(link), _) => {
                    self.host.store(host, Ordering::Relaxed);
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
    async fn connect_to(&self, config: &Config) -> Result<Link, Failure> {
        match &self.tls {
            Some(tls) => connect_by(config, tls.clone()).await,
            None => connect_by(config, NoTls).await,
        }
    }
}

async fn connect_by<T>(config: &Config, tls: T) -> Result<Link, Failure>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: 'static,
{
    let (client, mut connection) = config.connect(tls).await?;
    let doubtful = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&doubtful);
    spawn_local(async move {
        let mut next = std::future::poll_fn(|context| connection.poll_message(context));
        while let Some(Ok(message)) = (&mut next).await {
            if let AsyncMessage::Notice(notice) = message
                && *notice.code() == SqlState::WARNING
                && notice.message().contains("synchronous replication")
            {
                told.store(true, Ordering::Relaxed);
            }
        }
    });
    for setting in SETTINGS {
        // Servers that only speak PostgreSQL's wire may not know it, and plan as they do.
        drop(client.batch_execute(setting).await);
    }
    Ok(Link {
        client,
        prepared: HashMap::new(),
        doubtful,
    })
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>>,
    late: fn(StorageError) -> Failure,
) -> Result<T, Failure> {
    let done = timeout(limit, work).await;
    done.unwrap_or_else(|_| {
        let kind = std::io::ErrorKind::TimedOut;
        Err(late(std::io::Error::from(kind).into()))
    })
}

/// Half of the pause, and a part of the rest: those who failed together do not come again
/// together.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the pause is the same for all, and long enough.
    let drawn = getrandom::fill(&mut byte).map_or(255, |()| byte[0]);
    pause / 2 + pause * u32::from(drawn) / 510
}
