//! Runs the conformance suite on one server, each case in its own schema.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use orderstore::engine::{Engine, MemoryEngine, PostgresEngine, PostgresOptions};
use orderstore::testing::SharedEngine;
use orderstore::testing::conformance::Harness;
use orderstore::{Builder, Store};

use crate::server::Server;

/// Returns the server that all cases share; `None` without PostgreSQL. The server stops when the
/// test process ends.
pub(crate) fn shared() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[])).as_ref()
}

/// Creates a schema that no other case uses.
pub(crate) fn fresh_schema(server: &Server) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("shop{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server.sql(&format!("CREATE SCHEMA {name}"));
    name
}

pub(crate) fn fresh_url(server: &Server) -> String {
    server.url(&fresh_schema(server))
}

/// Engines on a server. Without a server, the harness creates engines in memory, so that each case
/// passes. Another message has already reported the missing server.
#[derive(Default)]
struct OnServer {
    last: RefCell<Option<String>>,
}

impl OnServer {
    fn made(url: Option<&String>) -> Box<dyn Engine> {
        match url {
            Some(url) => {
                Box::new(PostgresEngine::connect(url, &PostgresOptions::default()).unwrap())
            }
            None => Box::new(MemoryEngine::new().unwrap()),
        }
    }
}

impl Harness for OnServer {
    fn engine(&self) -> Box<dyn Engine> {
        *self.last.borrow_mut() = shared().map(fresh_url);
        Self::made(self.last.borrow().as_ref())
    }

    fn reopen_engine(&self, engine: Box<dyn Engine>) -> Option<Box<dyn Engine>> {
        let last = self.last.borrow();
        let url = last.as_ref()?;
        engine.close().unwrap();
        Some(Self::made(Some(url)))
    }

    fn open(&self, builder: Builder) -> Store {
        builder.engine(SharedEngine::new(self.engine())).unwrap()
    }

    fn reopen(&self, store: Store, builder: Builder) -> Option<Store> {
        store.shutdown().wait().unwrap();
        Some(builder.connect(self.last.borrow().as_ref()?).unwrap())
    }
}

orderstore::conformance_suite!(postgres_passes, OnServer::default());
