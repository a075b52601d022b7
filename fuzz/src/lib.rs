//! What the targets run and the crate does not hold itself: the store under operations and
//! crashes, from the files of its tests.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "the files hold more than the target takes of them"
)]

#[path = "../../tests/it/crash/ledger.rs"]
mod ledger;
#[path = "../../tests/it/crash/store_ops.rs"]
mod operations;
#[path = "../../tests/it/crash/rig.rs"]
mod rig;

/// See the file.
pub fn store_ops(bytes: &[u8]) {
    operations::store_ops(bytes);
}
