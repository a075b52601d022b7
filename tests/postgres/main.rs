//! Tests of the PostgreSQL engine, on servers that the tests start on the loopback interface.
//!
//! Without PostgreSQL's programs the tests pass with a notice. If `POSTGRES_REQUIRED` is set, they
//! fail instead.

#![cfg(unix)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an unexpected result must fail the test"
)]

#[path = "../it/books.rs"]
mod books;
#[path = "../it/history/checker.rs"]
mod checker;
mod cluster;
mod conformance;
mod copy;
mod cuts;
mod damage;
mod histories;
mod load;
mod money;
mod plans;
mod poolers;
mod processes;
mod proxy;
mod reachable;
mod refused;
mod replication;
mod server;
mod tables;
mod tls;
mod unconfirmed;
