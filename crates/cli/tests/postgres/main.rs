//! Tests of the command line on a PostgreSQL server that the tests start.
//!
//! If the programs of PostgreSQL are not installed, the tests pass and print a notice. If
//! `POSTGRES_REQUIRED` is set, they fail instead.

#![cfg(unix)]
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an unexpected result must fail the test, and the tests use only some server methods"
)]

mod program;
#[path = "../../../../tests/postgres/server.rs"]
mod server;
