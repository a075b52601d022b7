//! Tests of the store through its public API, one module for each subject.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an unexpected result must fail the test"
)]

#[path = "../support/stores.rs"]
mod stores;

mod archive;
mod backup;
mod books;
mod conformance;
mod copy;
mod crash;
mod damage;
mod disk_full;
mod each;
mod environment;
mod feed;
mod flow;
mod fuzz;
mod golden;
mod harness;
mod history;
mod hooked;
mod layout;
mod manual_zh;
mod meddled;
mod merge;
mod mirror;
mod model;
mod numbers;
mod odd_numbers;
#[cfg(unix)]
mod places;
mod privacy;
mod process;
mod processes;
mod readmes;
#[cfg(feature = "remote")]
mod remote;
mod repair;
mod standby;
