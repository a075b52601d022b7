//! One connection, and the statements prepared on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio_postgres::{Client, Row, Statement};

use super::columns::Parameter;
use super::failure::Failure;

/// A commit that changes nothing.
pub(super) const SETTLE: &str = "UPDATE orderstore_meta SET rows = rows RETURNING true";

/// A connection, and the statements that were prepared on it.
pub(super) struct Link {
    pub(super) client: Client,
    /// Which host it leads to.
    pub(super) host: usize,
    /// Each with how often it was used.
    prepared: HashMap<&'static str, (Statement, u64)>,
    /// The server said that a commit may be on no other machine yet.
    pub(super) doubtful: Arc<AtomicBool>,
    /// What was there when it was made is on as many machines as it ought to be.
    is_settled: bool,
}

impl Link {
    pub(super) fn new(client: Client, host: usize, doubtful: Arc<AtomicBool>) -> Self {
        Self {
            client,
            host,
            prepared: HashMap::new(),
            doubtful,
            is_settled: false,
        }
    }

    /// The rows that a statement answers. Its plan is kept, and made anew after 2, 4, 8 … uses:
    /// where the tables were empty and vacuumed, the server plans to read them whole, and it
    /// notices their growth only when something has it plan again.
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
            return Err(Failure::fatal("a statement is not there"));
        };
        *used = uses;
        Ok(self.client.query(&*statement, parameters).await?)
    }

    /// Returns when all that is to be seen on this server is on as many machines as it ought
    /// to be: a commit may be seen that did not wait for that, and this one, which comes later,
    /// does. A commit that changed no row would not wait, either.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        match self.query(SETTLE, &[]).await?.len() {
            1 => Ok(()),
            _ => Err(Failure::lost_meta()),
        }
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

/// All of them, from one of them on.
pub(super) fn from_on<T>(all: &[T], turn: usize) -> impl Iterator<Item = &T> + Clone {
    let turn = turn.checked_rem(all.len()).unwrap_or_default();
    let (before, from) = all.split_at(turn);
    from.iter().chain(before)
}
