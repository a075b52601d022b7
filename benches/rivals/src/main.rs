//! Benchmark of this store and other databases. All do the same work, and no acknowledged command is
//! lost in a power loss. The bench prints JSON lines; `benches/report.py` makes tables of them.
//!
//! - All systems keep the same rows: the orders, one event for each command, and indexes by user,
//!   by status and by transaction.
//! - The other embedded databases are measured twice: as they come, and *grouped*, behind a writer
//!   thread that commits all waiting commands as one transaction. This store has such a thread
//!   itself. PostgreSQL is measured once, with a connection for each caller.
//! - Each system first fills a database, and then does all other parts on it. The bench counts the
//!   rows at the end. A system that lost a row, or fails otherwise, gets no figures for
//!   that turn.

mod args;
mod batches;
mod callers;
mod database;
#[path = "../../support/expect.rs"]
mod expect;
#[path = "../../support/figures.rs"]
#[expect(dead_code, reason = "`report.py` computes the medians")]
mod figures;
#[path = "../../support/fsync.rs"]
mod fsync;
mod grouped;
mod kv;
#[path = "../../support/latencies.rs"]
mod latencies;
#[path = "../../support/lines.rs"]
mod lines;
#[path = "../../support/machine.rs"]
mod machine;
mod numbers;
#[path = "../../support/parse.rs"]
mod parse;
mod reads;
mod rivals;
mod rows;
#[path = "../../support/sample.rs"]
#[expect(dead_code, reason = "`work.rs` draws orders for systems of every kind")]
mod sample;
mod submitted;
mod system;
#[path = "../../support/usage.rs"]
mod usage;
mod work;

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;
use serde_json::Value;

use args::{Args, Part};
use database::Database;
use fsync::Fsync;
use sample::Checked;
use system::{System, bytes_on_disk};

/// A system, either as it comes or grouped.
#[derive(Serialize)]
struct Entrant {
    name: String,
    version: String,
    setting: String,
    #[serde(skip)]
    is_grouped: bool,
    #[serde(skip)]
    system: &'static System,
}

#[derive(Serialize)]
struct Settings<'a> {
    #[serde(flatten)]
    args: &'a Args,
    systems: &'a [Entrant],
}

#[derive(Serialize)]
struct Line<'l> {
    system: &'l str,
    round: usize,
    #[serde(flatten)]
    figure: Value,
}

fn main() -> Checked<()> {
    let args = Args::parse();
    let systems = &entrants(&args)?;
    let settings = Settings {
        args: &args,
        systems,
    };
    lines::start("rivals", &args.dir(), &settings)?;
    let mut failures = 0;
    for round in 1..=args.rounds {
        for entrant in systems {
            let dir = tempfile::tempdir_in(args.dir())?;
            match take_turn(entrant, &args, dir.path()) {
                Ok(figures) => {
                    for figure in figures {
                        let system = &entrant.name;
                        lines::print(&Line {
                            system,
                            round,
                            figure,
                        })?;
                    }
                }
                Err(error) => {
                    eprintln!("{}, round {round}: {error}", entrant.name);
                    failures += 1;
                }
            }
        }
    }
    if failures > 0 {
        return Err(format!("{failures} turns failed").into());
    }
    Ok(())
}

/// Returns the selected systems that are installed, and prints why the others are left out.
fn entrants(args: &Args) -> Checked<Vec<Entrant>> {
    let (mut entrants, mut names) = (Vec::new(), Vec::new());
    for system in rivals::ALL {
        for is_grouped in [false, true] {
            let (name, setting) = match is_grouped {
                true => (format!("{} grouped", system.name), "one writer thread"),
                false => (system.name.to_owned(), system.setting),
            };
            if is_grouped && !system.can_group {
                continue;
            }
            names.push(name.clone());
            if !args.selects(&name) {
                continue;
            }
            match (system.version)() {
                Ok(version) => entrants.push(Entrant {
                    name,
                    version,
                    setting: setting.to_owned(),
                    is_grouped,
                    system,
                }),
                Err(why) => eprintln!("{name} is left out: {why}"),
            }
        }
    }
    match args.unknown(&names) {
        Some(name) => Err(format!("no system is called {name}: use {}", names.join(", ")).into()),
        None => Ok(entrants),
    }
}

/// Runs all parts on one database.
fn take_turn(entrant: &Entrant, args: &Args, dir: &Path) -> Checked<Vec<Value>> {
    let length = Duration::from_secs_f64(args.seconds);
    let Entrant {
        is_grouped, system, ..
    } = *entrant;
    let mut fsync = Fsync::prepare(dir)?;
    let orders = u64::try_from(args.orders)?;
    let database = Database::create(system, is_grouped, dir, orders)?;
    let mut figures = Figures(Vec::new());
    let (filled, numbers) = batches::measure(&database, args.orders)?;
    // A grouped system skips these parts, because the writer thread does not affect them.
    let is_in = |part| args.has(part) && !is_grouped;
    if is_in(Part::Batches) {
        figures.add(&filled)?;
    }
    if is_in(Part::Reads) {
        figures.add(&reads::measure(&database, &numbers, length)?)?;
    }
    drop(numbers);
    for count in args.callers.iter().filter(|_| args.has(Part::Callers)) {
        let callers = (*count, false);
        figures.add(&callers::measure(&database, &mut fsync, callers, length)?)?;
    }
    if args.has(Part::Refused) {
        let callers = (64, true);
        figures.add(&callers::measure(&database, &mut fsync, callers, length)?)?;
    }
    if let Some(submit) = database.rival.submit() {
        if args.has(Part::Tasks) {
            figures.add(&submitted::tasks(&database, &submit, length)?)?;
        }
        if args.has(Part::Pipelined) {
            figures.add(&submitted::pipelined(&database, &submit, length)?)?;
        }
        for rate in args.arrivals.iter().filter(|_| args.has(Part::Arrivals)) {
            figures.add(&submitted::arrivals(&database, &submit, *rate, length)?)?;
        }
    }
    if let (true, Some(store)) = (args.has(Part::Numbers), database.rival.numbers()) {
        figures.add(&numbers::measure(&store, length)?)?;
    }
    let orders = database.acknowledged();
    let bytes_on_disk = bytes_on_disk(dir)?;
    let bytes_in_use = database.close()?;
    if is_in(Part::Space) {
        figures.add(&Space {
            orders,
            bytes_in_use,
            bytes_on_disk,
        })?;
    }
    Ok(figures.0)
}

/// Figures of one turn, which count only if the turn succeeds.
struct Figures(Vec<Value>);

impl Figures {
    fn add(&mut self, figure: &impl Serialize) -> Checked<()> {
        self.0.push(serde_json::to_value(figure)?);
        Ok(())
    }
}

/// Size of a database after all other parts of the turn.
#[derive(Serialize)]
#[serde(tag = "part", rename = "space")]
struct Space {
    orders: u64,
    /// Bytes of the files without free space, if the system reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_in_use: Option<u64>,
    /// Bytes of the directory, with logs and free space.
    bytes_on_disk: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::Reply;
    use crate::work::Command;

    #[test]
    fn every_form_of_every_system_keeps_every_row() -> Checked<()> {
        let sizes = ["rivals", "--orders=8192", "--seconds=0.02", "--callers=4"];
        let args = Args::parse_from(sizes.into_iter().chain(["--arrivals=1000"]));
        for entrant in entrants(&args)? {
            let dir = tempfile::tempdir()?;
            let figures = take_turn(&entrant, &args, dir.path());
            let figures = figures.map_err(|error| format!("{}: {error}", entrant.name))?;
            assert!(figures.len() >= 2, "{}: {figures:?}", entrant.name);
        }
        Ok(())
    }

    #[test]
    fn refused_command_leaves_the_rest_of_its_transaction_alone() -> Checked<()> {
        for system in rivals::ALL.iter().filter(|system| system.can_group) {
            let dir = tempfile::tempdir()?;
            let database = Database::create(system, false, dir.path(), 10)?;
            let mut stream = database.stream()?;
            let [(one, pay_one), (two, pay_two)] = [stream.draw()?, stream.draw()?];
            let commands = [
                Command::Create(one.clone()),
                Command::Create(one.with_another_fee()?),
                Command::Confirm(pay_one.clone()),
                Command::Confirm(pay_one),
                Command::Create(two),
                Command::Confirm(pay_two),
            ];
            let (done, refused) = (Reply::Done, Reply::Refused);
            let due = [done, refused, done, refused, done, done];
            let replies = database.rival.caller()?.apply(&commands)?;
            assert_eq!(replies, due, "{}", system.name);
            database.acknowledge(2);
            database.close()?;
        }
        Ok(())
    }
}
