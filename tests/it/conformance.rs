//! Runs the conformance suite on every built-in engine.

use crate::harness::{InMemory, Local};

orderstore::conformance_suite!(memory, InMemory::default());
orderstore::conformance_suite!(local, Local::new());
