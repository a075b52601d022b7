//! How commands pass through queue, group and engine, from many threads and tasks. The engine can
//! be held, made to fail and made to panic.

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
