//! Schedule tests of the commit pipeline: each test runs in thousands of thread schedules.
//!
//! They exist only with `--cfg shuttle`, where [`crate::sync`] hands the pipeline a scheduler's
//! locks and threads. The threads of the operating system would run in few different schedules,
//! and no failure could be repeated.
//!
//! A failed test prints its schedule. The environment variable `SHUTTLE_ITERATIONS` sets the number
//! of schedules per test and scheduler. Default: 1,000.

mod fixture;
mod tests;
