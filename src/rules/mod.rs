//! The order state machine as pure functions: no I/O, no clock, no randomness, no encoding.
//!
//! [`decide`] applies a command to a record and returns a [`Decision`]. [`evolve`] folds one
//! event into a record. [`needs`] lists the unique keys whose owners [`decide`] looks up.
//! [`index_entries`] and [`unique_keys`] derive the list entries and the unique keys of a
//! record.
//!
//! The types of this module are exhaustive on purpose: a new case must break every `match` on them.
//! Only the settings [`Policy`] and [`ChannelPolicy`] are `#[non_exhaustive]`.

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
mod refund_mismatch;
mod resolve;
mod spare;
#[cfg(test)]
mod tests;

pub use decide::{decide, needs};
pub(crate) use decide::{decide_with, needs_depend_on_record};
pub use decision::{Context, Decision, ReplyOrder};
pub use evolve::evolve;
#[cfg(feature = "transfer")]
pub(crate) use import::refusal_for_key;
pub use index::{Index, IndexEntry, UniqueKey, index_entries, unique_keys};
pub(crate) use index::{KeyChanges, each_entry};
pub use policy::{ChannelPolicy, Policy};
pub(crate) use spare::Spare;
