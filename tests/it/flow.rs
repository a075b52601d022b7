//! The way of a command, from many threads and tasks, over an engine that can be held,
//! made to fail and made to panic.

mod clocks;
mod ending;
mod failures;
mod futures;
mod groups;
mod others;
pub(crate) mod rig;
mod storm;
mod tickets;
mod verbs;
mod wakers;
