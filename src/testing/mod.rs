//! Test tools for authors of engines and of servers.
//!
//! - [`conformance`] is the test suite for engines. The [`model`] is an oracle for long random
//!   runs.
//! - [`fuzz`] contains the fuzz targets.
//! - [`SimulatedDisk`] simulates power loss, disk faults and a full disk, driven by a seed.
//! - [`ManualClock`] lets a server's tests skip over expiry times and retry pauses.
//! - [`FailingEngine`] injects every kind of failure that an engine can return, so that a server's
//!   tests can cover each one.
//!
//! Do not use this module in production: invalid values panic.

mod clock;
pub mod conformance;
mod failing_engine;
pub mod fixtures;
pub mod fuzz;
pub mod model;
mod oracle;
mod shared;

pub use crate::archive::{ArchiveFault, MemoryArchive, StorageFault};
pub use crate::engine::simulation::{
    DiskFault, FaultInjection, Loss, SeededRng, SimulatedDisk, Sizes, Snapshot,
};
pub use clock::ManualClock;
pub use failing_engine::{FailingEngine, Fault, Faults, Operation};
pub(crate) use oracle::{Oracle, check_decision};
pub use shared::SharedEngine;

use crate::error::StorageError;
use crate::order::Record;

/// Encodes a record and decodes it again. For benchmarks of the codec, which is private.
///
/// # Errors
/// Fails if a value is too large to be stored.
pub fn through_the_codec(record: &Record) -> Result<(Vec<u8>, Record), StorageError> {
    crate::format::codec::stored_and_read(record)
}
