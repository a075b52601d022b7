//! Reads that combine the memtables, the record cache and the B-tree.

mod feed;
pub(crate) mod merge;
pub(crate) mod record_cache;
pub(crate) mod view;
