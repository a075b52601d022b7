//! The one suite, on every engine that is built in.

use std::cell::RefCell;

use orderstore::engine::{Engine, MemoryEngine};
use orderstore::testing::SharedEngine;
use orderstore::testing::conformance::Harness;
use orderstore::{Builder, Store, conformance_suite};

/// Engines in memory. What was opened last can be opened again: the engine outlives the
/// store.
#[derive(Default)]
struct InMemory {
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

conformance_suite!(memory, InMemory::default());
