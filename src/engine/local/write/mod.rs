//! Turns a group of mutations into one batch of writes.

pub(crate) mod batch;
pub(crate) mod lookup_cache;
pub(crate) mod planner;
