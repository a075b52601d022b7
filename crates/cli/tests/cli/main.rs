//! Tests that run the program `orderstore` on stores in temporary directories.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect fails, as it should"
)]

mod changes;
mod endings;
mod help;
mod looks;
mod moves;
mod privacy;
mod reconcile;
mod rig;
mod shop;
mod short_numbers;
mod upkeep;
mod urls;
