//! Tests against a server that serves a real store over a real socket.
//!
//! The harness checks every reply against the OpenAPI document.

#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an unexpected result must fail the test"
)]

mod batch;
mod curl;
mod drain;
mod feed;
mod harness;
mod hostile;
mod invalid;
mod life;
mod metrics;
mod openapi;
mod ops;
mod problems;
mod repeats;
mod schema;
mod scrape;
mod sockets;
