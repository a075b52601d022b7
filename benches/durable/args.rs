//! Command-line arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;

use crate::parse::{count, seconds};
use crate::setting::Setting;

/// Benchmark of durable commands. Without a mode it runs `--callers 1,16,64,256`.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo bench --bench durable --")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) modes: Modes,
    /// All modes, with the sizes of docs/performance.md
    #[arg(long)]
    all: bool,
    /// Run every mode once, briefly
    #[arg(long)]
    test: bool,
    /// Settings of the stores: targets, defaults
    #[arg(long, value_delimiter = ',', value_parser = Setting::named, default_value = "targets")]
    pub(crate) setting: Vec<Setting>,
    #[command(flatten)]
    pub(crate) sizes: Sizes,
    /// Directory for the stores
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    pub(crate) dir: PathBuf,
    /// Directory of the store, if this process is the one to be killed
    #[arg(long, hide = true)]
    pub(crate) victim: Option<PathBuf>,
    /// Cargo's own flag
    #[arg(long, hide = true)]
    bench: bool,
}

/// Modes, in the order of their runs.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Modes {
    /// Peak memory of a store that is filled and read
    #[arg(long)]
    pub(crate) memory: bool,
    /// Numbers of concurrent threads, one run each. A thread waits for each reply
    #[arg(long, value_delimiter = ',', value_parser = count::<usize>)]
    pub(crate) callers: Vec<usize>,
    /// Threads, each with a number of commands in flight
    #[arg(long, value_parser = pipelined, value_name = "4x512")]
    pub(crate) pipelined: Option<(usize, usize)>,
    /// Two threads that submit this many commands at a time to an empty store
    #[arg(long, value_parser = count::<usize>, value_name = "COMMANDS")]
    pub(crate) batch: Option<usize>,
    /// Numbers of concurrent threads that use a store with a mirror on the same disk, one run each
    #[arg(long, value_delimiter = ',', value_parser = count::<usize>)]
    pub(crate) mirror: Vec<usize>,
    /// Numbers of concurrent threads that use a store with an archive on the same disk, one run each
    #[cfg(feature = "archive")]
    #[arg(long, value_delimiter = ',', value_parser = count::<usize>)]
    pub(crate) archive: Vec<usize>,
    /// Numbers of concurrent threads that use a store with a standby on the same disk, one run each
    #[cfg(feature = "archive")]
    #[arg(long, value_delimiter = ',', value_parser = count::<usize>)]
    pub(crate) standby: Vec<usize>,
    /// 64 callers create this many orders; figures for every million
    #[arg(long, value_parser = count::<u64>, value_name = "ORDERS")]
    pub(crate) grow: Option<u64>,
    /// Evenly spaced commands at half the rate of 64 callers
    #[arg(long)]
    pub(crate) latency: bool,
    /// Kill a process with a full journal, then reopen its store
    #[arg(long)]
    pub(crate) reopen: bool,
    /// Rate of 64 callers during a backup, relative to their rate without one
    #[arg(long)]
    pub(crate) backup: bool,
}

/// Sizes of the measurements.
#[derive(Debug, Clone, Copy, clap::Args, Serialize)]
pub(crate) struct Sizes {
    /// Duration of a run
    #[arg(long, value_parser = seconds, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Number of commands in the batches
    #[arg(long, value_parser = count::<u64>, default_value_t = 4_000_000)]
    pub(crate) commands: u64,
    /// Orders in the store for --latency, --reopen, --backup and --memory
    #[arg(long, default_value_t = 5_000_000)]
    pub(crate) base: u64,
    /// Users of the orders of --grow and --base
    #[arg(long, value_parser = count::<u64>, default_value_t = 5_000_000)]
    pub(crate) users: u64,
}

impl Sizes {
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

impl Args {
    /// Parses the arguments of this process. Wrong ones end it.
    pub(crate) fn get() -> Self {
        let mut args = Self::parse();
        if args.test {
            args.modes = Modes::all(&[1, 16], (2, 64), 512, 2_000);
            args.setting = vec![Setting::TEST];
            args.sizes = Sizes {
                seconds: 0.07,
                commands: 4_096,
                base: 2_000,
                users: 1_000,
            };
        } else if args.all {
            args.modes = Modes::all(&[1, 16, 64, 256], (4, 512), 8_192, 10_000_000);
        } else if args.modes == Modes::default() {
            args.modes.callers = vec![1, 16, 64, 256];
        }
        args
    }
}

impl Modes {
    fn all(callers: &[usize], pipelined: (usize, usize), batch: usize, grow: u64) -> Self {
        Self {
            memory: true,
            callers: callers.to_vec(),
            pipelined: Some(pipelined),
            batch: Some(batch),
            mirror: callers
                .iter()
                .copied()
                .filter(|count| *count != 256)
                .collect(),
            #[cfg(feature = "archive")]
            archive: vec![64.min(*callers.last().unwrap_or(&64))],
            #[cfg(feature = "archive")]
            standby: vec![64.min(*callers.last().unwrap_or(&64))],
            grow: Some(grow),
            latency: true,
            reopen: true,
            backup: true,
        }
    }
}

fn pipelined(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('x');
    let (threads, tickets) = parts.ok_or("the form 4x512 is required")?;
    Ok((count(threads)?, count(tickets)?))
}
