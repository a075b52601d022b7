//! Turns a group of mutations into one batch of writes.

pub(in crate::engine::local) mod batch;
pub(in crate::engine::local) mod loaded;
pub(in crate::engine::local) mod planner;
