//! The measured systems, one file each.

mod fjall;
mod lmdb;
mod orderstore;
mod postgres;
mod redb;
mod rocksdb;
mod sqlite;

use crate::rival::System;

/// Cache size of each system in bytes; LMDB uses the operating system's page cache.
pub(crate) const CACHE_BYTES: usize = 1 << 30;

/// Maximum bytes of written data in memory, for systems that have such a setting.
pub(crate) const MEMTABLE_BYTES: usize = 256 << 20;

/// Maximum number of concurrent threads.
pub(crate) const CALLERS_MAX: usize = 1024;

/// All systems, this store first.
pub(crate) const ALL: [System; 7] = [
    orderstore::SYSTEM,
    rocksdb::SYSTEM,
    sqlite::SYSTEM,
    lmdb::SYSTEM,
    fjall::SYSTEM,
    redb::SYSTEM,
    postgres::SYSTEM,
];

/// Returns the version of a crate that this program was built with.
fn crate_version(name: &str) -> Option<&'static str> {
    let mut lines = include_str!("../../Cargo.lock").lines();
    let wanted = format!("name = \"{name}\"");
    lines.find(|line| *line == wanted)?;
    let version = lines.next()?.strip_prefix("version = \"")?;
    version.strip_suffix('"')
}

/// Returns the version of a system from its crate.
fn version_of(name: &str) -> crate::sample::Checked<String> {
    let version = crate_version(name).ok_or("the lock file does not contain the crate")?;
    Ok(version.to_owned())
}
