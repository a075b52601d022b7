//! Everyone who is measured, one file each.

mod fjall;
mod lmdb;
mod orderstore;
mod postgres;
mod redb;
mod rocksdb;
mod sqlite;

use crate::rival::System;

/// How much memory each may spend on what it reads again, in bytes; LMDB reads through
/// the system's own cache.
pub(crate) const CACHE_BYTES: usize = 1 << 30;

/// How much of what was written may wait in memory, for those who choose it, in bytes.
pub(crate) const MEMTABLE_BYTES: usize = 256 << 20;

/// The most threads that work at once.
pub(crate) const CALLERS_MAX: usize = 1024;

/// Everyone, the store itself first.
pub(crate) const ALL: [System; 7] = [
    orderstore::SYSTEM,
    rocksdb::SYSTEM,
    sqlite::SYSTEM,
    lmdb::SYSTEM,
    fjall::SYSTEM,
    redb::SYSTEM,
    postgres::SYSTEM,
];

/// The version of a crate that this one was built with.
fn crate_version(name: &str) -> Option<&'static str> {
    let mut lines = include_str!("../../Cargo.lock").lines();
    let wanted = format!("name = \"{name}\"");
    lines.find(|line| *line == wanted)?;
    let version = lines.next()?.strip_prefix("version = \"")?;
    version.strip_suffix('"')
}

/// A version by the crate that brings it.
fn version_of(name: &str) -> crate::sample::Checked<String> {
    let version = crate_version(name).ok_or("the lock file does not name it")?;
    Ok(version.to_owned())
}
