//! Benchmark of durable commands: rates and latencies, also of a store that grows, is loaded,
//! killed and reopened. It has its own harness.
//!
//! - A command counts when its reply arrives: a power loss after that does not lose it.
//! - Each run creates a store of its own and removes it. Every figure names its setting.
//! - A wrong reply ends the run with an error. A slow figure does not.
//!
//! # Run everything
//!
//! Run these on an otherwise idle machine, in this order. The times are estimates for two cores and
//! a disk that syncs in 100 µs.
//!
//! ```sh
//! mkdir -p docs/bench
//! # The small paths: rules, codec, numbers, get, page. Minutes.
//! cargo bench --bench small
//! # All measurements of this store alone. Half an hour, most of it for the ten million orders of
//! # --grow; select single modes to save time.
//! cargo bench --bench durable -- --all > docs/bench/durable.jsonl
//! # The same with the default settings.
//! cargo bench --bench durable -- --callers 1,16,64,256 --pipelined 4x512 --batch 8192 \
//!     --setting defaults >> docs/bench/durable.jsonl
//! # The same work on other databases, in three rounds of three quarters of an hour. The first run
//! # builds RocksDB in 20 minutes and needs libclang, cmake and the headers of LZ4.
//! cargo run --release --manifest-path benches/rivals/Cargo.toml > docs/bench/rivals.jsonl
//! # The tables and the picture in docs/.
//! python3 benches/report.py docs/bench/*.jsonl
//! ```
//!
//! After a run of a single mode, append its lines to the same file.
//!
//! One caller runs seven turns of one second. `--latency`, `--reopen`, `--backup` and `--memory`
//! each fill a store with five million orders first; `--base` makes it smaller. `--memory` reports
//! the resident memory of the whole process, so it runs first. With several settings, run it for
//! each of them alone. `--test` runs everything with tiny sizes.

#[cfg(feature = "archive")]
mod archive;
mod args;
mod backup;
mod batch;
mod callers;
#[path = "../support/expect.rs"]
mod expect;
#[path = "../support/figures.rs"]
mod figures;
#[path = "../support/fsync.rs"]
mod fsync;
mod grow;
#[path = "../support/latencies.rs"]
mod latencies;
mod latency;
mod lifecycle;
#[path = "../support/lines.rs"]
mod lines;
#[path = "../support/machine.rs"]
mod machine;
mod memory;
mod mirror;
#[path = "../support/parse.rs"]
mod parse;
mod pipelined;
mod reopen;
#[path = "../support/sample.rs"]
mod sample;
mod setting;
#[cfg(feature = "archive")]
mod standby;
#[path = "../support/usage.rs"]
mod usage;
mod watch;

use std::path::Path;

use args::{Args, Sizes};
use sample::Checked;
use setting::Setting;

/// Number of orders of the small base that `--reopen` opens; the large one has `--base` orders.
const SMALL_BASE: u64 = 100_000;

fn main() -> Checked<()> {
    let args = Args::get();
    if let (Some(dir), Some(setting)) = (&args.victim, args.setting.first()) {
        return reopen::be_killed(*setting, dir, args.sizes.base, args.sizes.users);
    }
    lines::start("durable", &args.dir, &args.sizes)?;
    for setting in &args.setting {
        measure(*setting, &args)?;
    }
    Ok(())
}

/// Runs all modes, each with a directory of its own.
fn measure(setting: Setting, args: &Args) -> Checked<()> {
    let (modes, length) = (&args.modes, args.sizes.length());
    let Sizes {
        commands,
        base,
        users,
        ..
    } = args.sizes;
    let small = SMALL_BASE.min(base / 2);
    let in_dir = |work: &dyn Fn(&Path) -> Checked<()>| {
        let scratch = tempfile::tempdir_in(&args.dir)?;
        work(scratch.path())
    };
    // The other modes would leave memory in the process.
    if modes.memory {
        in_dir(&|dir| setting.print(&memory::measure(setting, dir, (base, users), length)?))?;
    }
    for count in &modes.callers {
        in_dir(&|dir| setting.print(&callers::measure(setting, dir, *count, length)?))?;
    }
    if let Some(shape) = modes.pipelined {
        in_dir(&|dir| setting.print(&pipelined::measure(setting, dir, shape, length)?))?;
    }
    if let Some(batch) = modes.batch {
        in_dir(&|dir| setting.print(&batch::measure(setting, dir, batch, commands)?))?;
    }
    for count in &modes.mirror {
        in_dir(&|dir| setting.print(&mirror::measure(setting, dir, *count, length)?))?;
    }
    #[cfg(feature = "archive")]
    for count in &modes.archive {
        in_dir(&|dir| setting.print(&archive::measure(setting, dir, *count, length)?))?;
    }
    #[cfg(feature = "archive")]
    for count in &modes.standby {
        in_dir(&|dir| setting.print(&standby::measure(setting, dir, *count, length)?))?;
    }
    if let Some(orders) = modes.grow {
        in_dir(&|dir| grow::measure(setting, dir, (orders, users), length))?;
    }
    if modes.latency {
        in_dir(&|dir| setting.print(&latency::measure(setting, dir, (base, users), length)?))?;
    }
    for orders in [small, base].into_iter().filter(|_| modes.reopen) {
        in_dir(&|dir| setting.print(&reopen::measure(setting, dir, (orders, users))?))?;
    }
    if modes.backup {
        in_dir(&|dir| setting.print(&backup::measure(setting, dir, (base, users), length)?))?;
    }
    Ok(())
}
