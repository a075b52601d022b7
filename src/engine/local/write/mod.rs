//! Turns a group of mutations into one batch of writes.

pub(crate) mod batch;
pub(crate) mod owner_cache;
pub(crate) mod planner;
