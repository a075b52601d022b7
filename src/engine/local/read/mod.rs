//! Reads the memtables, the record cache and the B-tree as one.

pub(crate) mod merge;
pub(crate) mod record_cache;
pub(crate) mod view;
