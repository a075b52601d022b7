//! Power losses, kills, I/O errors and damage on a simulated disk, beneath whole stores; and
//! processes that are killed on the machine's own disk.
//!
//! Every failure prints the seed of its run; `CRASH_SEED=… cargo test --test it crash` runs
//! that one again and nothing else. The figures of a long run are raised by
//! - `POWER_LOSS_IMAGES`: how many disks that lost power or were left by a kill are opened
//!   (50,000),
//! - `SMALL_COMMANDS`: how many commands the complete workloads have (2),
//! - `IO_ERROR_WORKLOADS`: workloads whose every call fails in every way (20),
//! - `CORRUPTION_BYTES`: bytes of a closed store that are damaged, one by one (2,000),
//! - `KILL9_KILLS`: how often a process is killed (100),
//! - `UPKEEP_RUNS`: backups, restores and repairs, each, in which the power fails (12) or every
//!   call fails in every way (a sixth of that).

mod corruption;
mod io_error;
mod kill9;
mod ledger;
mod power_loss;
mod rig;
mod self_test;
pub(crate) mod store_ops;
mod upkeep;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::environment::figure;

/// Runs seeds until `run` has counted `images`, or the one that is to be run again.
fn seeded(what: &str, images: usize, mut run: impl FnMut(u64) -> Result<usize, String>) {
    if let Ok(seed) = std::env::var("CRASH_SEED") {
        run(seed.parse().unwrap()).unwrap();
        return;
    }
    let mut seen = 0;
    for seed in 1.. {
        if seen >= images {
            break;
        }
        seen += told(what, seed, || run(seed));
    }
    println!("{what}: {seen} images");
}

/// What `run` counts; a failure or a panic of it tells the seed.
fn told(what: &str, seed: u64, run: impl FnOnce() -> Result<usize, String>) -> usize {
    let again = format!("CRASH_SEED={seed} cargo test --test it {what}");
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(seen)) => seen,
        Ok(Err(why)) => panic!("{why}\nagain with: {again}"),
        Err(cause) => {
            eprintln!("a panic; again with: {again}");
            std::panic::resume_unwind(cause)
        }
    }
}
