//! The path of commands through queue, group and engine, with many threads and tasks. The test
//! engine can block, fail or panic on request.

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
