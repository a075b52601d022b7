//! The store on a PostgreSQL server compared with handwritten SQL: durable commands per second, in
//! turns on the same server.
//!
//! - Both sides keep the same rows in identical tables: the order with its record's bytes, an event
//!   for each command, the transaction's key, and the list entries. The bench counts them after
//!   each run and reports differences.
//! - A command counts when its reply arrives: the server has synced its commit.
//! - Each handwritten caller has its own connection, prepared statements, and one commit for each
//!   command. The store's callers share one store, and each waits for each reply.
//! - A wrong reply ends the run with an error. A slow figure does not.
//!
//! ```sh
//! cargo bench --features postgres --bench cluster
//! ```
//!
//! The bench starts its own server, with safe settings, in the directory for temporary files
//! (`TMPDIR`). `--url` selects a running server instead. Without PostgreSQL's programs the bench
//! prints a notice and measures nothing.
//!
//! One command passes between several threads and processes. If anything else runs on the machine,
//! each of them waits for its turn, and the figures are those of the scheduler. A median latency of
//! 4 ms is a sign of this.

mod args;
mod connected;
#[path = "../support/expect.rs"]
mod expect;
#[path = "../support/figures.rs"]
mod figures;
mod hand;
#[path = "../support/latencies.rs"]
mod latencies;
#[expect(dead_code, reason = "the bench of the local store uses the rest")]
#[path = "../durable/lifecycle.rs"]
mod lifecycle;
#[path = "../support/lines.rs"]
mod lines;
#[path = "../support/machine.rs"]
mod machine;
#[path = "../support/parse.rs"]
mod parse;
mod place;
mod rows;
#[path = "../support/sample.rs"]
mod sample;
#[expect(
    dead_code,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the tests' own module: tests use the rest of it and may panic"
)]
#[path = "../../tests/postgres/server.rs"]
mod server;
mod statements;
mod turns;
#[path = "../support/usage.rs"]
mod usage;

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use args::Args;
use place::Place;
use sample::Checked;

fn main() -> ExitCode {
    match run(&Args::get()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Returns an error with its causes, because the driver's own text only names the operation.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

#[derive(Serialize)]
struct Settings<'a> {
    postgresql: String,
    #[serde(flatten)]
    args: &'a Args,
}

fn run(args: &Args) -> Checked<()> {
    let most = args.callers.iter().copied().max().unwrap_or_default();
    let Some(place) = Place::find(args.url.as_deref(), most)? else {
        eprintln!("the cluster bench was skipped: PostgreSQL is not installed");
        return Ok(());
    };
    let postgresql = place.version()?;
    lines::start(
        "cluster",
        &std::env::temp_dir(),
        &Settings { postgresql, args },
    )?;
    let length = Duration::from_secs_f64(args.seconds);
    for way in &args.hand {
        for callers in &args.callers {
            lines::print(&turns::measure(&place, *way, *callers, length)?)?;
        }
    }
    Ok(())
}
