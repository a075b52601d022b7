//! Reads the memtables, the record cache and the B-tree as one.

pub(in crate::engine::local) mod merge;
pub(in crate::engine::local) mod record_cache;
pub(in crate::engine::local) mod view;
