//! The engine on PostgreSQL, against servers of the tests' own on loopback.
//!
//! A machine without PostgreSQL's programs is told so and passes; where `POSTGRES_REQUIRED`
//! is set, as after an installation, it fails.

#![cfg(unix)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect fails, as it should"
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
#[cfg(feature = "cli")]
mod program;
mod proxy;
mod reachable;
mod refused;
mod replication;
mod server;
mod tables;
mod tls;
mod unconfirmed;
