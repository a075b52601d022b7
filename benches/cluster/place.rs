//! The server that both sides use, and a schema for each of them.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, Row};

use crate::sample::Checked;
use crate::server::Server;

/// Server settings as safe as PostgreSQL's defaults, unlike those of the tests, with enough WAL for
/// a run without a checkpoint.
const SETTINGS: [&str; 7] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=512MB",
    "max_wal_size=8GB",
    "checkpoint_timeout=30min",
    "random_page_cost=1.1",
];

/// Number of connections in addition to the callers': the store's, and the bench's own client.
const OTHERS: usize = 32;

pub(crate) struct Place {
    url: String,
    /// Client that creates and drops the schemas and counts their rows.
    client: Client,
    runtime: Runtime,
    _own: Option<Server>,
}

impl Place {
    /// Connects to the server of this URL, or starts one. Returns `None`, with a notice, if
    /// PostgreSQL is not installed.
    pub(crate) fn find(url: Option<&str>, callers: usize) -> Checked<Option<Self>> {
        if let Some(url) = url {
            return Self::at(url.to_owned(), None).map(Some);
        }
        let connections = format!("max_connections={}", callers + OTHERS);
        let settings: Vec<&str> = SETTINGS.into_iter().chain([connections.as_str()]).collect();
        let Some(server) = Server::start(&settings) else {
            return Ok(None);
        };
        let url = format!("postgres://shop@127.0.0.1:{}/postgres", server.port);
        Self::at(url, Some(server)).map(Some)
    }

    fn at(url: String, own: Option<Server>) -> Checked<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(connect(&url))?;
        Ok(Self {
            url,
            client,
            runtime,
            _own: own,
        })
    }

    /// Creates a schema that no other run uses. It is dropped with the returned value.
    pub(crate) fn schema(&self) -> Checked<Schema<'_>> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("orderstore_bench_{}_{next}", std::process::id());
        self.run(&format!("CREATE SCHEMA {name}"))?;
        Ok(Schema { place: self, name })
    }

    pub(crate) fn version(&self) -> Checked<String> {
        Ok(self
            .row("SELECT split_part(version(), ' ', 2)")?
            .try_get(0)?)
    }

    pub(crate) fn run(&self, sql: &str) -> Checked<()> {
        Ok(self.runtime.block_on(self.client.batch_execute(sql))?)
    }

    fn row(&self, sql: &str) -> Checked<Row> {
        Ok(self.runtime.block_on(self.client.query_one(sql, &[]))?)
    }
}

/// Schema with the tables of one side.
pub(crate) struct Schema<'p> {
    pub(crate) place: &'p Place,
    pub(crate) name: String,
}

impl Schema<'_> {
    /// Returns the URL of the server with this schema.
    pub(crate) fn url(&self) -> String {
        let url = &self.place.url;
        let sign = if url.contains('?') { '&' } else { '?' };
        format!("{url}{sign}options=-csearch_path%3D{}", self.name)
    }

    /// Runs a query on this schema's tables and returns its only row.
    pub(crate) fn row(&self, sql: &str) -> Checked<Row> {
        (self.place).run(&format!("SET search_path = {}", self.name))?;
        self.place.row(sql)
    }
}

impl Drop for Schema<'_> {
    fn drop(&mut self) {
        let dropped = (self.place).run(&format!("DROP SCHEMA {} CASCADE", self.name));
        if let Err(error) = dropped {
            eprintln!("{}: {}", self.name, crate::with_causes(&*error));
        }
    }
}

/// Opens a connection, driven by the current runtime.
pub(crate) async fn connect(url: &str) -> Checked<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        // Ignore the error, because the client's requests also fail when the connection ends.
        drop(connection.await);
    });
    Ok(client)
}
