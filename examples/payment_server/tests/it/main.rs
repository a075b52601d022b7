//! Tests of the server through its HTTP interface: customers, channel and operator.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an unexpected result must fail the test"
)]

mod callbacks;
mod channel;
mod harness;
mod limits;
mod operator;
#[cfg(unix)]
mod process;
mod retries;
mod taps;
