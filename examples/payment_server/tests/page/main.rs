//! Tests of the pages in a real headless browser. Each test has its own server.
//!
//! Every wait is for a condition, with a time limit far above the usual duration. Without Chromium
//! or its driver the tests pass with a notice. If `BROWSER_REQUIRED` is set, they fail instead.

#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an unexpected result must fail the test"
)]

mod browser;
mod driver;
mod money;
mod operator;
mod pages;
mod retries;
mod shop;
