//! Tools for those who test against a store: writers of engines and of servers.
//!
//! - Who writes an engine runs the suite of [`conformance`] on it, case by case, and
//!   compares long random runs with the [`model`].
//! - [`fuzz`] is what the fuzzers run.
//! - A [`SimulatedDisk`] beneath a store loses power, breaks and fills up as a seed says.
//! - Who writes a server gives its store a [`ManualClock`], so that expiry and back-off
//!   pass in no time, and a [`FailingEngine`], so that every failure that a store can
//!   answer with is seen once before production shows it.
//!
//! Nothing here is for production: values that do not fit panic, and failures are asked
//! for by name.

mod clock;
pub mod conformance;
mod failing_engine;
pub mod fixtures;
pub mod fuzz;
pub mod model;
mod oracle;
mod shared;

pub use crate::engine::simulation::{
    DiskFault, FaultInjection, Loss, SeededRng, SimulatedDisk, Sizes, Snapshot,
};
pub use clock::ManualClock;
pub use failing_engine::{FailingEngine, Fault, Faults, Operation};
pub(crate) use oracle::{Shop, look_at};
pub use shared::SharedEngine;

use crate::error::StorageError;
use crate::order::Record;

/// A record's stored bytes, and the record that they give back. For benches of the codec,
/// whose bytes nobody else sees.
///
/// # Errors
/// Where a value is too large to be stored.
pub fn through_the_codec(record: &Record) -> Result<(Vec<u8>, Record), StorageError> {
    crate::format::values::stored_and_read(record)
}
