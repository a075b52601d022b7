//! Benchmark of durable commands: rates and latencies, also of a store that grows, is loaded,
//! killed and reopened. It has its own harness.
//!
//! - A command counts when its reply arrives: a power loss after that does not lose it.
//! - Each run creates a store of its own and removes it. Every figure names its setting.
//! - A wrong reply ends the run. No timing ends it.
//!
//! # Run everything
//!
//! Run these on an otherwise idle machine, in this order. The times are estimates for two cores and
//! a disk that syncs in 100 µs.
//!
//! ```sh
//! # The small paths: rules, codec, numbers, get, page. Minutes.
//! cargo bench --bench small
//! # Everything that only this store has. Half an hour, most of it for the ten million orders of
//! # --grow; select single modes to save time.
//! cargo bench --bench durable -- --all --json > durable.jsonl
//! # The same with the default settings.
//! cargo bench --bench durable -- --callers 1,16,64,256 --pipelined 4x512 --batch 8192 \
//!     --setting defaults --json >> durable.jsonl
//! # The same work on other databases, into docs/performance.md, with the lines above beside the
//! # targets. The first run builds RocksDB in 20 minutes and needs libclang; then a round takes
//! # about half an hour.
//! cargo run --release --manifest-path benches/rivals/Cargo.toml -- --durable durable.jsonl
//! ```
//!
//! If only a few minutes are available at a time: single modes append their lines to the same file.
//! The comparison continues with `--save rivals.jsonl --minutes 5`, again and again, until nothing
//! is left.
//!
//! One caller runs seven turns of one second. `--latency`, `--reopen`, `--backup` and `--memory`
//! each fill a store with five million orders first; `--base` makes it smaller. `--memory` reports
//! the resident memory of the whole process, so run it alone. `--test` runs everything with tiny
//! sizes.

mod args;
mod backup;
mod batch;
mod callers;
#[path = "../support/figures.rs"]
mod figures;
#[path = "../support/fsync.rs"]
mod fsync;
mod grow;
#[path = "../support/latencies.rs"]
mod latencies;
mod latency;
mod lifecycle;
#[path = "../support/machine.rs"]
mod machine;
mod memory;
mod pipelined;
mod reopen;
mod report;
#[path = "../support/sample.rs"]
mod sample;
mod setting;
mod watch;

use std::process::ExitCode;

use args::{Args, Mode, Sizes, USAGE};
use machine::Machine;
use report::Report;
use sample::Checked;
use setting::Setting;

/// Number of orders of the small base that `--reopen` opens; the large one has `--base` orders.
const SMALL_BASE: u64 = 100_000;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Checked<()> {
    if let (Some(dir), Some(setting)) = (&args.victim, args.settings.first()) {
        return reopen::be_killed(*setting, dir, args.sizes.base, args.sizes.users);
    }
    let report = Report { json: args.json };
    report.head(&Machine::look(&args.dir))?;
    for mode in &args.modes {
        for setting in &args.settings {
            measure(report, *setting, mode, args)?;
        }
    }
    Ok(())
}

fn measure(report: Report, setting: Setting, mode: &Mode, args: &Args) -> Checked<()> {
    let scratch = tempfile::tempdir_in(&args.dir)?;
    let dir = scratch.path();
    let Sizes {
        length,
        commands,
        base,
        users,
    } = args.sizes;
    match *mode {
        Mode::Callers(count) => {
            let called = callers::measure(setting, dir, count, length)?;
            report.row(setting, &called)
        }
        Mode::Pipelined { threads, tickets } => {
            let pipelined = pipelined::measure(setting, dir, (threads, tickets), length)?;
            report.row(setting, &pipelined)
        }
        Mode::Batch(batch) => {
            let batched = batch::measure(setting, dir, batch, commands)?;
            report.row(setting, &batched)
        }
        Mode::Grow(orders) => grow::measure(report, setting, dir, orders, users, length),
        Mode::Latency => {
            let late = latency::measure(setting, dir, (base, users), length)?;
            report.row(setting, &late)
        }
        Mode::Reopen => {
            let small = SMALL_BASE.min(base / 2);
            for (name, orders) in [("small", small), ("large", base)] {
                let dir = dir.join(name);
                std::fs::create_dir(&dir)?;
                let reopened = reopen::measure(setting, &dir, (orders, users))?;
                report.row(setting, &reopened)?;
            }
            Ok(())
        }
        Mode::Backup => {
            let backed_up = backup::measure(setting, dir, (base, users), length)?;
            report.row(setting, &backed_up)
        }
        Mode::Memory => {
            let held = memory::measure(setting, dir, (base, users), length)?;
            report.row(setting, &held)
        }
    }
}
