//! The store from outside, by subject.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect fails, as it should"
)]

mod conformance;
mod crash;
mod feed;
mod flow;
mod harness;
mod model;
mod numbers;
mod privacy;
mod processes;
