//! Checks and settings of a new connection.

use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::options::{PostgresOptions, ReplicationRisk};
use super::refusal::{Cause, Refusal};

/// Settings of each connection.
///
/// - Plans: the engine has few statements, and an index scan by key is right for each. The server's
///   statistics may be wrong, because the tables are empty at first. Planning takes longer than
///   execution, so one generic plan serves all calls.
/// - Warnings: the server must report a commit whose wait for standbys was cancelled.
const SETTINGS: [&str; 4] = [
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET jit = off",
    "SET client_min_messages = warning",
];

/// Statement that raises `synchronous_commit` to `on`.
///
/// With a lower level, the server acknowledges a commit before it is durable on a standby. For
/// example, `remote_write` waits only until the standby has the bytes in memory.
const DURABLE: &str = "
SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";

const SESSION: &str = "
SELECT pg_backend_pid(), extract(epoch FROM pg_postmaster_start_time()), pg_is_in_recovery(),
    current_setting('transaction_read_only')";

/// Statement that returns three columns about replication:
///
/// 1. the setting `synchronous_standby_names`;
/// 2. the number of receivers of the WAL whose state is hidden from this role;
/// 3. the names of receivers that count as standbys but are none. These are consumers of logical
///    changes, and programs that store the WAL without replaying it.
const REPLICATION: &str = "
SELECT current_setting('synchronous_standby_names'),
    count(*) FILTER (WHERE r.state IS NULL),
    string_agg(DISTINCT r.application_name, ', ') FILTER (
        WHERE r.sync_state <> 'async' AND (s.slot_type = 'logical'
            OR r.state = 'streaming' AND r.flush_lsn IS NOT NULL AND r.replay_lsn IS NULL))
    FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid";

/// Server process that handles a connection, and the state of its server.
pub(super) struct Session {
    process: String,
    started: String,
    is_standby: bool,
    is_read_only: bool,
}

impl Session {
    pub(super) async fn of(client: &Client) -> Result<Self, Refusal> {
        let row = one(client, SESSION).await?;
        let text = |column| row.get(column).unwrap_or_default().to_owned();
        Ok(Self {
            process: text(0),
            started: text(1),
            is_standby: text(2) == "t",
            is_read_only: text(3) == "on",
        })
    }

    /// Returns the start time of the server. Another server, or the same one after a restart, has
    /// another start time.
    pub(super) fn started(&self) -> &str {
        &self.started
    }

    pub(super) fn takes_writes(&self) -> Result<(), Refusal> {
        let why = match (self.is_standby, self.is_read_only) {
            (true, _) => "the server is a standby, which takes no writes",
            (false, true) => "the server takes no writes: default_transaction_read_only is on",
            (false, false) => return Ok(()),
        };
        Err(Refusal::new(Cause::ReadOnly, why))
    }

    /// Checks that no pooler in transaction mode is between this process and the server.
    ///
    /// Such a pooler assigns a server connection per transaction. To detect it, four statements run
    /// on two idle connections in the order A, B, B, A (`self` is the first). Without a pooler,
    /// both statements of A reach one server process, and both of B reach another one. A pooler
    /// either gives A and B the same process, or gives one of them two processes.
    pub(super) async fn check_no_pooler(
        &self,
        client: &Client,
        other: &Client,
    ) -> Result<(), Refusal> {
        let (first, second) = (Self::of(other).await?, Self::of(other).await?);
        let again = Self::of(client).await?;
        let is_same = |left: &Self, right: &Self| left.reached() == right.reached();
        if is_same(self, &again) && is_same(&first, &second) && !is_same(self, &first) {
            return Ok(());
        }
        let why = "a connection pooler in transaction mode is between this process and the \
                   server, and it would mix the statements of different processes: connect to \
                   the server itself, or set the pooler to session mode (pool_mode=session)";
        Err(Refusal::new(Cause::Refused, why))
    }

    fn reached(&self) -> (&str, &str) {
        (&self.process, &self.started)
    }
}

/// Applies the settings that the statements rely on.
pub(super) async fn set_up(client: &Client) -> Result<(), Refusal> {
    client.batch_execute(DURABLE).await?;
    for setting in SETTINGS {
        // Ignore an error: other servers that use PostgreSQL's protocol may lack a setting, and the
        // statements are then only slower.
        drop(client.batch_execute(setting).await);
    }
    Ok(())
}

/// Checks the replication settings of a server. Reports each risk to the observer, and refuses the
/// server if there is a risk and the option `require_sync` is set.
pub(super) async fn check_replication(
    client: &Client,
    options: &PostgresOptions,
    host: &str,
) -> Result<(), Refusal> {
    let row = one(client, REPLICATION).await?;
    let text = |column| row.get(column).unwrap_or_default();
    let risks = risks(text(0), text(1) != "0", text(2));
    for risk in &risks {
        options.tell(host, risk);
    }
    match risks.first() {
        Some(risk) if options.require_sync => {
            let why = format!("refused, because require_sync is set: {risk}");
            Err(Refusal::new(Cause::Unsafe, why))
        }
        _ => Ok(()),
    }
}

fn risks(names: &str, is_hidden: bool, no_standbys: &str) -> Vec<ReplicationRisk> {
    let mut risks = Vec::new();
    // Split at quotes, too, because the server treats an asterisk as the wildcard even in quotes.
    let mut listed = names.split(|sign: char| ",()\"".contains(sign) || sign.is_whitespace());
    if names.trim().is_empty() {
        risks.push(ReplicationRisk::NoStandbyNamed);
    } else if listed.any(|name| name == "*") {
        risks.push(ReplicationRisk::Wildcard);
    }
    if !no_standbys.is_empty() {
        risks.push(ReplicationRisk::NotAStandby {
            names: no_standbys.to_owned(),
        });
    }
    if is_hidden {
        risks.push(ReplicationRisk::Hidden);
    }
    risks
}

async fn one(client: &Client, sql: &str) -> Result<SimpleQueryRow, Refusal> {
    let messages = client.simple_query(sql).await?;
    let row = messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row.ok_or_else(|| {
        Refusal::new(
            Cause::Unclear,
            "the server returned no row for a query of its settings",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replication_risks_match_standby_setting() {
        use ReplicationRisk::{Hidden, NoStandbyNamed, NotAStandby, Wildcard};
        for none in ["", "  "] {
            assert_eq!(risks(none, false, ""), [NoStandbyNamed]);
        }
        for wildcard in ["*", "ANY 1 (*)", "FIRST 1 (one, *)", "\"*\"", "2(one,*)"] {
            assert_eq!(risks(wildcard, false, ""), [Wildcard], "{wildcard}");
        }
        for named in ["one", "ANY 1 (one, two)", "FIRST 1 (\"a*\", two)"] {
            assert_eq!(risks(named, false, ""), [], "{named}");
        }
        let names = "feed".to_owned();
        assert_eq!(
            risks("ANY 1 (feed)", true, "feed"),
            [NotAStandby { names }, Hidden]
        );
    }
}
