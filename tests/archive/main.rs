//! Tests of archives on real storage.
//!
//! Without Ceph's programs the tests of S3 pass with a notice. If `S3_REQUIRED` is set, they fail
//! instead.

#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an unexpected result must fail the test"
)]

#[path = "../support/stores.rs"]
mod stores;

#[path = "../it/process.rs"]
mod process;

mod claims;
mod kills;
mod s3;
mod server;
mod takeover;
