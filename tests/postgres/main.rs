//! The engine on PostgreSQL, against servers of the tests' own on loopback.
//!
//! A machine without PostgreSQL's programs is told so and passes; where `POSTGRES_REQUIRED`
//! is set, as after an installation, it fails.

#![cfg(unix)]

#[path = "../it/history/checker.rs"]
mod checker;
mod cluster;
mod conformance;
mod cuts;
mod histories;
mod load;
mod processes;
mod proxy;
mod server;
