//! The same work on the store and on other databases, at settings that keep what was
//! answered when the power fails: a table, a page and a picture.
//!
//! - Everyone keeps the same rows: the order, a user's orders newest first, the orders of a
//!   status, the transactions, each once, and an event for each command.
//! - A figure that was not measured is absent. Who fails is named, and the others go on.

mod args;
#[path = "../../support/fsync.rs"]
mod fsync;
mod kv;
#[path = "../../support/machine.rs"]
mod machine;
mod measure;
mod report;
mod rival;
mod rivals;
mod rows;
#[path = "../../support/sample.rs"]
#[expect(dead_code, reason = "orders are drawn here, for stores of every kind")]
mod sample;
mod work;

use std::process::ExitCode;
use std::time::SystemTime;

use orderstore::Timestamp;

use args::{Args, USAGE};
use machine::Machine;
use report::{Line, Run, Who};
use sample::Checked;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match compare(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures everything, and writes it down. Whether everyone did all that was asked.
fn compare(args: &Args) -> Checked<bool> {
    let mut run = Run {
        when: Timestamp::from_system(SystemTime::now()),
        machine: serde_json::to_value(Machine::look(&args.dir))?,
        systems: Vec::new(),
        lines: Vec::new(),
    };
    let present = present(args, &mut run);
    run.print_head(args.json);
    let mut failures = 0;
    for task in args.tasks() {
        for system in &present {
            match measure::measure(system, task, &args.dir) {
                Ok(None) => {}
                Ok(Some(figure)) => {
                    let system = system.name;
                    let line = Line { system, figure };
                    line.print(args.json)?;
                    run.lines.push(line);
                }
                Err(error) => {
                    eprintln!("{}: {error}", system.name);
                    failures += 1;
                }
            }
        }
    }
    run.write(&args.out)?;
    Ok(failures == 0)
}

/// Who of those asked for is here. The others are named.
fn present(args: &Args, run: &mut Run) -> Vec<rival::System> {
    let mut present = args.systems.clone();
    present.retain(|system| match (system.version)() {
        Ok(version) => {
            run.systems.push(Who {
                name: system.name,
                in_process: system.in_process,
                version,
                setting: system.setting,
            });
            true
        }
        Err(why) => {
            eprintln!("{} is left out: {why}", system.name);
            false
        }
    });
    present
}
