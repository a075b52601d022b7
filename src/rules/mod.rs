//! The whole state machine, pure: no I/O, no clock, no randomness, no bytes.
//!
//! [`decide`] says what happens when a command meets a record; [`evolve`] folds what
//! happened into the record; [`needs`] names the other records a decision looks at;
//! Its types are exhaustive on purpose: who matches them should be told of a new case.
//! [`index_entries`] and [`unique_keys`] are what lists and uniqueness are made of.

mod change;
mod close;
mod confirm;
mod create;
mod decide;
mod decision;
mod ending;
mod evolve;
mod import;
mod index;
mod policy;
mod query;
mod refund;
mod refund_fact;
mod refund_misfit;
mod resolve;
#[cfg(test)]
mod tests;

pub use decide::{decide, needs};
pub use decision::{Context, Decision, Shows};
pub use evolve::evolve;
#[cfg(feature = "transfer")]
pub(crate) use import::taken_by;
pub(crate) use index::each_entry;
pub use index::{Index, IndexEntry, UniqueKey, index_entries, unique_keys};
pub use policy::{ChannelPolicy, Policy};
