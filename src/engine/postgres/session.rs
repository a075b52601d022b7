//! What a new connection shows of its server, and what is set on it.

use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::options::{PostgresOptions, ReplicationRisk};
use super::refusal::{Cause, Refusal};

/// The statements are few, and for each one plan is right: by the keys, whatever the server
/// thinks that it knows of the tables, which at first are empty. To plan one again takes longer
/// than to run it. A commit whose wait was cut short must be told of.
const SETTINGS: [&str; 4] = [
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET jit = off",
    "SET client_min_messages = warning",
];

/// A commit that waits for less would be answered before it is safe: `remote_write` waits
/// until a standby has the bytes in memory.
const DURABLE: &str = "
SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";

const SESSION: &str = "
SELECT pg_backend_pid(), extract(epoch FROM pg_postmaster_start_time()), pg_is_in_recovery(),
    current_setting('transaction_read_only')";

/// The setting; how many receivers of the log this role sees nothing of; and the names of
/// those that count as a standby and are none: consumers of logical changes, and programs that
/// store the log and replay nothing of it.
const REPLICATION: &str = "
SELECT current_setting('synchronous_standby_names'),
    count(*) FILTER (WHERE r.state IS NULL),
    string_agg(DISTINCT r.application_name, ', ') FILTER (
        WHERE r.sync_state <> 'async' AND (s.slot_type = 'logical'
            OR r.state = 'streaming' AND r.flush_lsn IS NOT NULL AND r.replay_lsn IS NULL))
    FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid";

/// Which process of which server a statement reached.
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

    /// When the server started: another server, or the same one after a restart, says another
    /// time.
    pub(super) fn started(&self) -> &str {
        &self.started
    }

    pub(super) fn takes_writes(&self) -> Result<(), Refusal> {
        let why = match (self.is_standby, self.is_read_only) {
            (true, _) => "it is a standby, which takes no writes",
            (false, true) => "it takes no writes: default_transaction_read_only is on",
            (false, false) => return Ok(()),
        };
        Err(Refusal::new(Cause::ReadOnly, why))
    }

    /// Both connections are this process's own, and idle between statements. A pooler that
    /// hands out a server connection for one transaction gives both the same one, or one of
    /// them two in turn; whichever of its orders it follows, one of these four statements
    /// shows it.
    pub(super) async fn is_own(&self, client: &Client, other: &Client) -> Result<(), Refusal> {
        let (first, second) = (Self::of(other).await?, Self::of(other).await?);
        let again = Self::of(client).await?;
        let is_same = |one: &Self, two: &Self| one.reached() == two.reached();
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

/// Makes the settings that the statements rely on.
pub(super) async fn set_up(client: &Client) -> Result<(), Refusal> {
    client.batch_execute(DURABLE).await?;
    for setting in SETTINGS {
        // Servers that only speak PostgreSQL's wire may not know it, and plan as they do.
        drop(client.batch_execute(setting).await);
    }
    Ok(())
}

/// Looks at what a commit waits for: tells the observer of each risk, and refuses the server
/// where the options say so.
pub(super) async fn replicates(
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
    // Of a name in quotes, too, the server takes an asterisk for the wildcard.
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
    let told = client.simple_query(sql).await?;
    let row = told.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row.ok_or_else(|| Refusal::new(Cause::Unclear, "the server answered without a row"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_of_standbys_shows_its_risks() {
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
