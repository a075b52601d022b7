//! Benchmark of the same work on this store and on other databases, with settings that survive a
//! power loss. It writes a table, a page and a picture.
//!
//! - All systems keep the same rows: the order, a user's orders newest first, the orders of a
//!   status, the unique transactions, and an event for each command.
//! - Figures that were not measured are absent. A failing system is reported, and the others
//!   continue.

mod args;
#[path = "../../support/fsync.rs"]
mod fsync;
mod kv;
#[path = "../../support/machine.rs"]
mod machine;
mod measure;
mod record;
mod report;
mod rival;
mod rivals;
mod rows;
#[path = "../../support/sample.rs"]
#[expect(dead_code, reason = "orders are drawn here, for stores of every kind")]
mod sample;
mod work;

use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use orderstore::Timestamp;

use args::{Args, USAGE};
use machine::Machine;
use record::{Line, Record, Start, Who};
use report::{Alone, Run};
use rival::System;
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
        Ok(Done { failed: 1.., .. }) => ExitCode::FAILURE,
        Ok(Done { left: 1.., .. }) => ExitCode::from(3),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Number of measurements that are missing.
#[derive(Default)]
struct Done {
    failed: usize,
    /// Measurements for which no time was left.
    left: usize,
}

/// Runs the measurements that are not in the record yet, and writes the results.
fn compare(args: &Args) -> Checked<Done> {
    let alone = Alone::read(&args.durable)?;
    let (present, systems) = present(args);
    let start = Start {
        when: Timestamp::from_system(SystemTime::now()).to_string(),
        machine: serde_json::to_value(Machine::look(&args.dir))?,
        sizes: args.sizes,
        systems,
    };
    start.print(args.json);
    let mut record = Record::begin(args.save.as_deref(), start)?;
    let done = measure_all(args, &present, &mut record)?;
    if let Some(run) = Run::gather(&record, alone)? {
        run.write(&args.out)?;
    }
    if done.left > 0 {
        eprintln!(
            "{} measurements are left; run the same command again",
            done.left
        );
    }
    Ok(done)
}

fn measure_all(args: &Args, present: &[System], record: &mut Record) -> Checked<Done> {
    let (began, mut done) = (Instant::now(), Done::default());
    for round in 1..=args.rounds {
        for task in args.tasks() {
            for system in present {
                if !task.is_for(system) || record.has(system.name, round, &task.key()) {
                    continue;
                }
                if began.elapsed() >= args.patience {
                    done.left += 1;
                    continue;
                }
                match measure::measure(system, task, &args.dir) {
                    Ok(figure) => {
                        let system = system.name.to_owned();
                        let line = Line {
                            system,
                            round,
                            figure,
                        };
                        line.print(args.json)?;
                        record.add(line)?;
                    }
                    Err(error) => {
                        eprintln!("{}, {}: {error}", system.name, task.key());
                        done.failed += 1;
                    }
                }
            }
        }
    }
    Ok(done)
}

/// Returns the installed systems among the selected ones; prints the others.
fn present(args: &Args) -> (Vec<System>, Vec<Who>) {
    let mut systems = Vec::new();
    let mut present = args.systems.clone();
    present.retain(|system| match (system.version)() {
        Ok(version) => {
            systems.push(Who {
                name: system.name.to_owned(),
                in_process: system.in_process,
                version,
                setting: system.setting.to_owned(),
            });
            true
        }
        Err(why) => {
            eprintln!("{} is left out: {why}", system.name);
            false
        }
    });
    (present, systems)
}
