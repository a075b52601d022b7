//! Command-line arguments.

use clap::{Parser, ValueEnum};
use serde::Serialize;

use crate::parse::{count, seconds};
use crate::statements::Way;

/// The store on a PostgreSQL server compared with handwritten SQL.
#[derive(Debug, Parser, Serialize)]
#[command(bin_name = "cargo bench --features postgres --bench cluster --")]
pub(crate) struct Args {
    /// Numbers of concurrent callers, one run each. A caller waits for each reply
    #[arg(long, value_delimiter = ',', value_parser = count::<usize>, default_value = "1,16,64")]
    pub(crate) callers: Vec<usize>,
    /// Total time of each side in a run
    #[arg(long, value_parser = seconds, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Kinds of handwritten SQL
    #[arg(long, value_delimiter = ',', default_value = "plain,statement")]
    pub(crate) hand: Vec<Way>,
    /// URL of a running server, without `options`; the bench creates schemas there and drops them
    #[arg(long)]
    #[serde(skip)]
    pub(crate) url: Option<String>,
    /// Measure everything once, briefly
    #[arg(long)]
    test: bool,
    /// Cargo's own flag
    #[arg(long, hide = true)]
    #[serde(skip)]
    bench: bool,
}

impl Args {
    /// Parses the arguments of this process. Wrong ones end it.
    pub(crate) fn get() -> Self {
        let mut args = Self::parse();
        if args.test {
            args.callers = vec![1, 4];
            args.hand = Way::value_variants().to_vec();
            args.seconds = 0.1;
        }
        args
    }
}
