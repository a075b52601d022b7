//! The one suite, on every engine that is built in.

use crate::harness::{InMemory, Local};

orderstore::conformance_suite!(memory, InMemory::default());
orderstore::conformance_suite!(local, Local::new());
