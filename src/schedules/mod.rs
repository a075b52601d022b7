//! Schedule tests of the commit pipeline: each test runs in thousands of thread schedules.
//!
//! This module compiles the source of [`crate::commit`] a second time, with another [`sync`]. Its
//! scheduler controls the threads and can repeat a schedule. The threads of the operating system
//! would run in few different schedules, and no failure could be repeated.
//!
//! A failed test prints its schedule. The environment variable `SHUTTLE_ITERATIONS` sets the number
//! of schedules per test and scheduler. Default: 1,000.

mod faults;
mod shop;
mod sync;
mod tests;

#[allow(
    clippy::duplicate_mod,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a second copy of the commit pipeline, of which these tests use a part"
)]
#[path = "../commit/mod.rs"]
mod commit;
