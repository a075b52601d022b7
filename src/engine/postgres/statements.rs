//! Statements, prepared once for each connection.

use std::collections::HashMap;

use tokio_postgres::{Client, Statement};

use super::link::Failure;

#[derive(Default)]
pub(super) struct Statements(HashMap<&'static str, Statement>);

impl Statements {
    pub(super) async fn of(
        &mut self,
        client: &Client,
        sql: &'static str,
    ) -> Result<Statement, Failure> {
        if let Some(known) = self.0.get(sql) {
            return Ok(known.clone());
        }
        let prepared = client.prepare(sql).await?;
        self.0.insert(sql, prepared.clone());
        Ok(prepared)
    }
}
