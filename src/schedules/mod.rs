//! Schedule tests of the commit pipeline: each test runs in thousands of thread schedules.
//!
//! These tests exist only with `--cfg shuttle`. Then [`crate::sync`] gives the pipeline locks and
//! threads that a test scheduler controls. The threads of the operating system would run in few
//! different schedules, and a failure could not be repeated.
//!
//! A failed test prints its schedule. The environment variable `SHUTTLE_ITERATIONS` sets the number
//! of schedules per test and scheduler. Default: 1,000.

mod fixture;
mod tests;
