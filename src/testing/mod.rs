//! Tools for those who test against a store: writers of engines and of servers.
//!
//! - Who writes an engine runs the suite of [`conformance`] on it, case by case, and
//!   compares long random runs with the [`model`].
//! - Who writes a server gives its store a [`ManualClock`], so that expiry and back-off
//!   pass in no time, and a [`FailingEngine`], so that every failure that a store can
//!   answer with is seen once before production shows it.
//!
//! Nothing here is for production: values that do not fit panic, and failures are asked
//! for by name.

mod clock;
pub mod conformance;
mod failing;
pub mod fixtures;
pub mod model;
mod shared;

pub use clock::ManualClock;
pub use failing::{FailingEngine, Fault, Faults, Operation};
pub use shared::SharedEngine;
