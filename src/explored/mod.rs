//! The flow once more, with threads and locks that are told when to run: its tests try
//! thousands of orders, and repeat the one that failed.
//!
//! It is the very source of [`crate::commit`], built beside it with another [`sync`]. The
//! machine's threads come into few of these orders, and never the same way twice.
//!
//! A failure prints the schedule that failed. `SHUTTLE_ITERATIONS` raises how many orders
//! each test tries.

mod faults;
mod shop;
mod sync;
mod tests;

#[allow(
    clippy::duplicate_mod,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the same source as the flow's own, of which tests use a part"
)]
#[path = "../commit/mod.rs"]
mod commit;
