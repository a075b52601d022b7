//! The pages in a real browser, headless, against a server of the test's own.
//!
//! Every wait is for a condition, and every limit is far beyond what it takes. A machine
//! without Chromium or its driver is told so and passes; where `BROWSER_REQUIRED` is set, as
//! after an installation, it fails.

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
