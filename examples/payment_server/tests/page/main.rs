//! Tests of the pages in a real headless browser, each against a server of its own.
//!
//! Every wait is for a condition, with a limit far above the usual time. Without Chromium or its
//! driver the tests pass with a notice. If `BROWSER_REQUIRED` is set, they fail instead.

#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect fails, as it should"
)]

mod browser;
mod driver;
mod money;
mod operator;
mod pages;
mod retries;
mod shop;
