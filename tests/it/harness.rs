//! Harnesses of the built-in engines for the conformance suite and the model.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;

use orderstore::engine::{Engine, LocalEngine, LocalOptions, MemoryEngine};
use orderstore::testing::SharedEngine;
use orderstore::testing::conformance::Harness;
use orderstore::{Builder, Store};
use tempfile::TempDir;

/// Engines in memory. The engine outlives the store, so the last store can be reopened.
#[derive(Default)]
pub(crate) struct InMemory {
    last: RefCell<Option<SharedEngine>>,
}

impl Harness for InMemory {
    fn engine(&self) -> Box<dyn Engine> {
        Box::new(MemoryEngine::new().unwrap())
    }

    fn reopen_engine(&self, engine: Box<dyn Engine>) -> Option<Box<dyn Engine>> {
        let shared = SharedEngine::new(engine);
        shared.close().unwrap();
        Some(Box::new(shared.again()))
    }

    fn open(&self, builder: Builder) -> Store {
        let engine = SharedEngine::new(self.engine());
        let handle = engine.again();
        *self.last.borrow_mut() = Some(engine);
        builder.engine(handle).unwrap()
    }

    fn reopen(&self, store: Store, builder: Builder) -> Option<Store> {
        store.shutdown().wait().unwrap();
        let last = self.last.borrow();
        Some(builder.engine(last.as_ref()?.again()).unwrap())
    }
}

/// Engines in temporary directories, which are removed with the harness.
pub(crate) struct Local {
    root: TempDir,
    count: Cell<u32>,
}

impl Local {
    pub(crate) fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            count: Cell::new(0),
        }
    }

    fn next(&self) -> PathBuf {
        self.count.set(self.count.get() + 1);
        self.last()
    }

    fn last(&self) -> PathBuf {
        self.root.path().join(self.count.get().to_string())
    }
}

impl Harness for Local {
    fn engine(&self) -> Box<dyn Engine> {
        let options = LocalOptions::default();
        Box::new(LocalEngine::init(self.next(), &options).unwrap())
    }

    fn reopen_engine(&self, engine: Box<dyn Engine>) -> Option<Box<dyn Engine>> {
        engine.close().unwrap();
        let options = LocalOptions::default();
        Some(Box::new(LocalEngine::open(self.last(), &options).unwrap()))
    }

    fn open(&self, builder: Builder) -> Store {
        builder.init(self.next()).unwrap()
    }

    fn reopen(&self, store: Store, builder: Builder) -> Option<Store> {
        store.shutdown().wait().unwrap();
        Some(builder.open(self.last()).unwrap())
    }
}
