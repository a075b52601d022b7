//! A connection and its prepared statements.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio_postgres::{Client, Row, Statement};

use super::columns::Parameter;
use super::failure::Failure;

/// Statement that commits without changing a value. It still writes to PostgreSQL's WAL, so its
/// commit waits for the standbys.
pub(super) const SETTLE: &str = "UPDATE orderstore_meta SET rows = rows RETURNING true";

/// A connection and its prepared statements.
pub(super) struct Connection {
    pub(super) client: Client,
    /// Index of the connected host.
    pub(super) host: usize,
    /// Prepared statements by SQL text, with their number of uses.
    prepared: HashMap<&'static str, (Statement, u64)>,
    /// Whether the server warned that a commit may not be replicated yet.
    pub(super) maybe_unreplicated: Arc<AtomicBool>,
    /// Whether all commits from before this connection are known to be on a standby.
    is_settled: bool,
}

impl Connection {
    pub(super) fn new(client: Client, host: usize, doubtful: Arc<AtomicBool>) -> Self {
        Self {
            client,
            host,
            prepared: HashMap::new(),
            maybe_unreplicated: doubtful,
            is_settled: false,
        }
    }

    /// Runs a statement and returns its rows.
    ///
    /// The engine prepares the statement at its first use, and again after 2, 4, 8 … uses. A plan
    /// for empty, vacuumed tables reads them completely, and the server keeps that plan while the
    /// tables grow. Preparing again makes the server plan again.
    pub(super) async fn query(
        &mut self,
        sql: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let uses = self.prepared.get(sql).map_or(0, |(_, uses)| *uses) + 1;
        if uses.is_power_of_two() {
            let prepared = self.client.prepare(sql).await?;
            self.prepared.insert(sql, (prepared, uses));
        }
        let Some((statement, used)) = self.prepared.get_mut(sql) else {
            return Err(Failure::fatal(
                "internal error: a prepared statement is missing",
            ));
        };
        *used = uses;
        Ok(self.client.query(&*statement, parameters).await?)
    }

    /// Waits until every commit visible on this server is replicated to the required standbys.
    ///
    /// A commit can be visible although it never waited for a standby, for example after a crash of
    /// the server during the wait. This statement commits later and waits, and standbys receive
    /// commits in order. The statement must change a row, because an empty commit does not wait.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        match self.query(SETTLE, &[]).await?.len() {
            1 => Ok(()),
            _ => Err(Failure::lost_meta()),
        }
    }

    /// Waits, once per connection, until the commits visible on it are replicated. A restarted
    /// server may show commits that no standby has.
    pub(super) async fn settled(&mut self) -> Result<(), Failure> {
        if !self.is_settled {
            self.settle().await?;
            self.is_settled = true;
        }
        Ok(())
    }
}

/// Iterates over all items once, starting at index `turn` (modulo the length).
pub(super) fn from_on<T>(all: &[T], turn: usize) -> impl Iterator<Item = &T> + Clone {
    let turn = turn.checked_rem(all.len()).unwrap_or_default();
    let (before, from) = all.split_at(turn);
    from.iter().chain(before)
}
