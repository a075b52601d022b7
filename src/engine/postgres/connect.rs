//! Connects to the host that takes writes, if its server meets the engine's requirements.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_local;
use tokio::time::timeout;
use tokio_postgres::config::Host as Name;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::{Connection, from_on};
use super::failure::Failure;
use super::options::PostgresOptions;
use super::refusal::{Cause, Refusal};
use super::session::{self, Session};
use super::url::Address;
use super::{hosts, tls};
use crate::error::{OpenError, StorageError, StorageErrorKind};
use crate::log::event;

/// Maximum number of open connections to one host from this process. Connections to a hung server
/// stay open after the engine has stopped waiting for their answers.
const OPEN_MAX: usize = 16;

/// Maximum time for one connection attempt to one host.
const LIMIT: Duration = Duration::from_millis(2500);

/// Name of the PostgreSQL function that waits for standbys. Notices from it contain this name, also
/// when the server translates their text.
const WAIT_FOR_FOLLOWERS: &str = "SyncRepWaitForLSN";

pub(super) struct Hosts {
    /// Hosts, each with its own configuration and time limit: a hung host cannot use up the time of
    /// the other hosts.
    all: Vec<Host>,
    /// Index of the host to try first: the host of the last connection, or the host after it if
    /// that connection was lost.
    first: AtomicUsize,
    tls: Option<MakeRustlsConnect>,
    options: PostgresOptions,
    /// Whether an earlier connection succeeded, which shows that address and permissions are right.
    was_connected: AtomicBool,
}

struct Host {
    /// Index in the list of hosts.
    place: usize,
    /// Host name and port, for error texts.
    name: String,
    config: Config,
    /// Reference count of the open connections to this host. Each connection holds a clone.
    open: Arc<()>,
    /// Start time of the server that was examined last. A server with another start time is
    /// examined again.
    examined: Mutex<Option<String>>,
}

impl Hosts {
    pub(super) fn new(address: &Address, options: PostgresOptions) -> Result<Self, OpenError> {
        let host = |(place, config): (usize, Config)| Host {
            place,
            name: name(&config),
            config,
            open: Arc::default(),
            examined: Mutex::default(),
        };
        let all = hosts::each(&address.config, LIMIT).enumerate();
        Ok(Self {
            all: all.map(host).collect(),
            first: AtomicUsize::new(0),
            tls: tls::connector(address)?,
            options,
            was_connected: AtomicBool::new(false),
        })
    }

    /// Makes the next connection attempt start with the host after the one at index `place`.
    pub(super) fn avoid(&self, place: usize) {
        self.first.store(place + 1, Ordering::Relaxed);
    }

    /// Tries the hosts one by one, starting with the host of the last good connection. A failure
    /// here means that nothing was written: no statement was sent yet.
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let first = self.first.load(Ordering::Relaxed);
        let mut refusals = Vec::with_capacity(self.all.len());
        for host in from_on(&self.all, first) {
            let late = |_| {
                Err(Refusal::new(
                    Cause::Unclear,
                    format!("no answer within {} ms", LIMIT.as_millis()),
                ))
            };
            match timeout(LIMIT, self.connect_to(host))
                .await
                .unwrap_or_else(late)
            {
                Ok(link) => {
                    let before = self.first.swap(host.place, Ordering::Relaxed);
                    let is_first = !self.was_connected.swap(true, Ordering::Relaxed);
                    if is_first || before != host.place {
                        event!(
                            info,
                            "connected to server",
                            host = host.name.as_str(),
                            is_first = is_first
                        );
                    }
                    return Ok(link);
                }
                Err(refusal) => refusals.push((host.name.as_str(), refusal)),
            }
        }
        let was_connected = self.was_connected.load(Ordering::Relaxed);
        Err(failure_of(&refusals, was_connected))
    }

    async fn connect_to(&self, host: &Host) -> Result<Connection, Refusal> {
        let client = self.client(host).await?;
        let session = Session::of(&client.client).await?;
        session.takes_writes()?;
        self.examine(host, &client.client, &session).await?;
        session::set_up(&client.client).await?;
        Ok(Connection::new(client.client, host.place, client.doubtful))
    }

    /// Checks each server once: that no pooler is in front of it, and its replication settings.
    ///
    /// The check must run before the first `SET`. A pooler in transaction mode shares a server
    /// connection between processes, and the setting would apply to the others, too.
    async fn examine(
        &self,
        host: &Host,
        client: &Client,
        session: &Session,
    ) -> Result<(), Refusal> {
        let mut examined = host.examined.lock().await;
        if examined.as_deref() == Some(session.started()) {
            return Ok(());
        }
        let other = self.client(host).await?;
        session.check_no_pooler(client, &other.client).await?;
        session::check_replication(client, &self.options, &host.name).await?;
        *examined = Some(session.started().to_owned());
        Ok(())
    }

    async fn client(&self, host: &Host) -> Result<Fresh, Refusal> {
        if Arc::strong_count(&host.open) > OPEN_MAX {
            let why = "too many open connections wait for this server, which does not answer";
            return Err(Refusal::new(Cause::Unclear, why));
        }
        let made = match &self.tls {
            Some(tls) => fresh(host, tls.clone()).await,
            None => fresh(host, NoTls).await,
        };
        let error = match made {
            Ok(fresh) => return Ok(fresh),
            Err(error) => error,
        };
        let mut refusal = Refusal::from(error);
        if refusal.cause == Cause::Unclear && is_unknown(&host.config).await {
            refusal.cause = Cause::Absent;
        }
        Err(refusal)
    }
}

/// Returns the failure after every host refused: `Failure::Retry` if the engine must try again,
/// otherwise `Failure::Refused`.
///
/// - After a first connection, the cluster is known to exist. Only a refusal by every server is
///   final.
/// - Before the first connection, the engine retries only conditions that end without help. These
///   are a server that starts, and a failover: one host is absent and another is still read-only.
fn failure_of(refusals: &[(&str, Refusal)], was_connected: bool) -> Failure {
    let why: Vec<String> = refusals
        .iter()
        .map(|(name, refusal)| format!("{name}: {}", refusal.why))
        .collect();
    let error = StorageError::new(StorageErrorKind::Io, why.join("; "));
    let all = |good: &dyn Fn(Cause) -> bool| refusals.iter().all(|(_, host)| good(host.cause));
    let any = |cause| refusals.iter().any(|(_, host)| host.cause == cause);
    let is_refused = all(&|cause| cause == Cause::Refused);
    let is_between_leaders = any(Cause::ReadOnly) && any(Cause::Absent);
    let is_clear = all(&|cause| cause != Cause::Unclear) && !is_between_leaders;
    if is_refused {
        Failure::Refused(error.permanent())
    } else if is_clear && !was_connected {
        // A server that is absent may start later: the caller decides whether to wait for it.
        Failure::Refused(error)
    } else {
        Failure::Retry(error)
    }
}

/// New connection whose session settings are not applied yet.
struct Fresh {
    client: Client,
    /// Whether the server warned that a commit may not be replicated yet.
    doubtful: Arc<AtomicBool>,
}

async fn fresh<T>(host: &Host, tls: T) -> Result<Fresh, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: 'static,
{
    // The connection's task keeps this clone until the connection closes, so that the clones count
    // the open connections.
    let open = Arc::clone(&host.open);
    let (client, mut connection) = host.config.connect(tls).await?;
    let doubtful = Arc::new(AtomicBool::new(false));
    let warned = Arc::clone(&doubtful);
    // PostgreSQL commits locally and then waits for its standbys. If somebody cancels this wait,
    // the server reports success and a warning. Record the warning before the driver delivers the
    // answer. Otherwise the engine would acknowledge a commit that is on one machine only.
    spawn_local(async move {
        let mut next = std::future::poll_fn(|context| connection.poll_message(context));
        while let Some(Ok(message)) = (&mut next).await {
            if let AsyncMessage::Notice(notice) = message
                && *notice.code() == SqlState::WARNING
                && notice.routine() == Some(WAIT_FOR_FOLLOWERS)
            {
                warned.store(true, Ordering::Relaxed);
            }
        }
        drop(open);
    });
    Ok(Fresh { client, doubtful })
}

/// Returns whether the host name cannot be resolved to an address.
async fn is_unknown(config: &Config) -> bool {
    let (Some(Name::Tcp(name)), [port]) = (config.get_hosts().first(), config.get_ports()) else {
        return false;
    };
    config.get_hostaddrs().is_empty() && tokio::net::lookup_host((&**name, *port)).await.is_err()
}

fn name(config: &Config) -> String {
    let port = config.get_ports().first().copied().unwrap_or_default();
    match config.get_hosts().first() {
        Some(Name::Tcp(name)) => format!("{name}:{port}"),
        #[cfg(unix)]
        Some(Name::Unix(path)) => format!("{}:{port}", path.display()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn open_retries_only_temporary_refusals() {
        use Cause::{Absent, ReadOnly, Refused, Unclear, Unsafe};
        let ends_at_once = |causes: &[Cause], was_connected| {
            let refusal = |cause: &Cause| ("one", Refusal::new(*cause, "why"));
            let refusals: Vec<_> = causes.iter().map(refusal).collect();
            matches!(failure_of(&refusals, was_connected), Failure::Refused(_))
        };
        for at_once in [
            &[Refused][..],
            &[Absent, Absent],
            &[Refused, Absent],
            &[ReadOnly, ReadOnly],
            &[Unsafe],
        ] {
            assert!(ends_at_once(at_once, false), "{at_once:?}");
        }
        for waits in [&[Unclear][..], &[Refused, Unclear], &[Absent, ReadOnly]] {
            assert!(!ends_at_once(waits, false), "{waits:?}");
        }
        assert!(ends_at_once(&[Refused, Refused], true));
        for waits in [Absent, ReadOnly, Unclear, Unsafe] {
            assert!(!ends_at_once(&[waits], true), "{waits:?}");
            assert!(!ends_at_once(&[waits, Refused], true), "{waits:?}");
        }
    }

    #[test]
    fn connect_error_names_each_host_and_cause() {
        let refusals = [
            ("one:1", Refusal::new(Cause::Absent, "connection refused")),
            (
                "two:2",
                Refusal::new(Cause::ReadOnly, "the server is a standby"),
            ),
        ];
        let why = failure_of(&refusals, false).cause();
        let why = why.source().unwrap().to_string();
        assert_eq!(
            why,
            "one:1: connection refused; two:2: the server is a standby"
        );
    }
}
