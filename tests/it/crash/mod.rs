//! Power losses, kills, I/O errors and corruption on a simulated disk under a whole store. Real
//! processes are killed on the machine's own disk, too.
//!
//! Every failure prints the seed of its run; `CRASH_SEED=… cargo test --test it crash` repeats only
//! that run. These variables make the runs longer:
//! - `POWER_LOSS_IMAGES`: disks that are opened after a power loss or a kill (50,000),
//! - `SMALL_COMMANDS`: commands in each of the exhaustive workloads (2),
//! - `IO_ERROR_WORKLOADS`: workloads in which every call fails in every way (20),
//! - `CORRUPTION_BYTES`: bytes of a closed store that are corrupted, one at a time (2,000),
//! - `ARCHIVE_COMMANDS`: commands in each of the exhaustive workloads of a store with an archive (1),
//! - `ARCHIVE_RUNS`: random runs of a store with an archive (100),
//! - `MIRROR_COMMANDS`: commands in each of the exhaustive workloads of a mirrored store (1),
//! - `MIRROR_IMAGES`: disks that are opened for each call in these workloads (2),
//! - `MIRROR_OPEN_STEP`: a directory fails at one in about half as many calls of an open (4),
//! - `MIRROR_IO_ERROR_STEP`: every directory fails at one in so many calls of a mirrored store (24),
//! - `MIRROR_WORKLOADS`: workloads in which one directory of the mirror fails at many calls (3),
//! - `KILL9_KILLS`: kills of a process (100),
//! - `MIRROR_KILLS`: kills of a process with a mirrored store (40),
//! - `UPKEEP_RUNS`: runs in which the power fails during a backup, and as many for a restore and
//!   for a repair (12). A sixth as many runs make every disk call fail instead.

mod archive;
mod corruption;
mod io_error;
mod kill9;
mod ledger;
mod mirror;
mod power_loss;
mod rebuild;
mod rig;
mod self_test;
mod standby;
pub(crate) mod store_ops;
mod upkeep;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::environment::figure;

/// Runs one seed after another until `run` has checked `images` disks. With `CRASH_SEED` set, runs
/// only that seed.
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
        seen += run_and_report_seed(what, seed, || run(seed));
    }
    println!("{what}: checked {seen} disks");
}

/// Returns the number of disks that `run` checked. Prints the seed if it fails or panics.
fn run_and_report_seed(
    what: &str,
    seed: u64,
    run: impl FnOnce() -> Result<usize, String>,
) -> usize {
    let again = format!("CRASH_SEED={seed} cargo test --test it {what}");
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(seen)) => seen,
        Ok(Err(why)) => panic!("{why}\nrepeat with: {again}"),
        Err(cause) => {
            eprintln!("the test panicked; repeat with: {again}");
            std::panic::resume_unwind(cause)
        }
    }
}
