//! The store on a PostgreSQL server, beside SQL that is written by hand: durable commands per
//! second, one turn after the other on the same server.
//!
//! - Both keep the same rows, in tables of the same making: the order with its record's bytes,
//!   an event for each command, the transaction's key, the places in the lists. They are
//!   counted after each run, and told where they differ.
//! - A command counts when its answer is there: the server has synced its commit.
//! - By hand, each caller has a connection of its own, prepared statements, and a commit for
//!   each command. The store's callers share the store, and each waits for each answer.
//! - A wrong answer ends the run. A timing ends nothing.
//!
//! ```sh
//! cargo bench --features postgres --bench cluster
//! ```
//!
//! The server is the bench's own, in the directory for temporary files (`TMPDIR`), and safe;
//! or it is one that runs already: `--url`. Where PostgreSQL's programs are missing, that is
//! said, and nothing is measured.
//!
//! One command passes from thread to thread and from process to process: where anything else
//! runs on the machine, each of them waits for its turn, and the figures are those of the
//! scheduler. A median of 4 ms is such a figure.

mod args;
mod connected;
#[path = "../support/figures.rs"]
mod figures;
#[expect(
    dead_code,
    reason = "of the disk, only the size of an append is asked for"
)]
#[path = "../support/fsync.rs"]
mod fsync;
mod hand;
#[path = "../support/latencies.rs"]
mod latencies;
#[expect(dead_code, reason = "the bench of the local store uses the rest")]
#[path = "../durable/lifecycle.rs"]
mod lifecycle;
#[path = "../support/machine.rs"]
mod machine;
mod place;
mod report;
mod rows;
#[path = "../support/sample.rs"]
mod sample;
#[expect(
    dead_code,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the tests' own, who use the rest, and end where they may"
)]
#[path = "../../tests/postgres/server.rs"]
mod server;
mod statements;
mod turns;

use std::process::ExitCode;

use args::{Args, USAGE};
use machine::Machine;
use place::Place;
use report::Report;
use sample::Checked;

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
            eprintln!("{}", told(&*error));
            ExitCode::FAILURE
        }
    }
}

/// With its causes: the driver's own text says only where it failed.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

fn run(args: &Args) -> Checked<()> {
    let most = args.callers.iter().copied().max().unwrap_or_default();
    let Some(place) = Place::find(args.url.as_deref(), most)? else {
        eprintln!("the cluster bench was skipped: there is no PostgreSQL server");
        return Ok(());
    };
    let report = Report { json: args.json };
    report.head(&Machine::look(&std::env::temp_dir()), &place.version()?)?;
    for way in &args.ways {
        for callers in &args.callers {
            report.row(&turns::measure(&place, *way, *callers, args.length)?)?;
        }
    }
    Ok(())
}
