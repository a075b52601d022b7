//! The engine on PostgreSQL, against servers of the tests' own on loopback.
//!
//! A machine without PostgreSQL's programs is told so and passes; where `POSTGRES_REQUIRED`
//! is set, as after an installation, it fails.

#![cfg(unix)]

mod conformance;
mod server;
