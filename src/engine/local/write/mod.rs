//! Turns a group of mutations into one batch of writes.

pub(in crate::engine::local) mod batch;
pub(in crate::engine::local) mod lookup_cache;
pub(in crate::engine::local) mod planner;
