//! The measured systems, one file each.

mod fjall;
mod lmdb;
mod orderstore;
mod postgres;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod sqlite;
mod tidesdb;

use crate::system::System;

/// All systems, this store first.
pub(crate) const ALL: &[System] = &[
    orderstore::SYSTEM,
    #[cfg(feature = "rocksdb")]
    rocksdb::SYSTEM,
    #[cfg(feature = "rocksdb")]
    rocksdb::TUNED,
    tidesdb::SYSTEM,
    fjall::SYSTEM,
    lmdb::SYSTEM,
    redb::SYSTEM,
    sqlite::SYSTEM,
    postgres::SYSTEM,
];
