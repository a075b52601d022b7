//! Tests that run the program `orderstore` on stores in temporary directories.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an unexpected result must fail the test"
)]

mod changes;
mod endings;
mod help;
#[cfg(unix)]
mod live;
mod looks;
mod moves;
mod privacy;
mod reconcile;
mod rig;
#[cfg(unix)]
mod serve;
mod shop;
mod short_numbers;
mod upkeep;
mod urls;
