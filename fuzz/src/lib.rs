//! Fuzz target for a whole store under operations and crashes, built from files of the crate's
//! tests.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "the files contain more than the target uses"
)]

#[path = "../../tests/it/crash/ledger.rs"]
mod ledger;
#[path = "../../tests/it/crash/store_ops.rs"]
mod operations;
#[path = "../../tests/it/crash/rig.rs"]
mod rig;

/// Runs operations and crashes on a store; see `tests/it/crash/store_ops.rs`.
pub fn store_ops(bytes: &[u8]) {
    operations::store_ops(bytes);
}
