//! Command-line arguments. Unknown arguments are rejected.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::measure::Task;
use crate::record::Sizes;
use crate::rival::System;
use crate::rivals;

pub(crate) const USAGE: &str = "\
cargo run --release --manifest-path benches/rivals/Cargo.toml -- [options]
systems and parts
  --only NAME,NAME,…   systems to measure (all that are installed)
  --skip NAME,NAME,…   systems to leave out
  --parts PART,PART,…  parts to measure (callers,pipelined,batches,reads,numbers)
  --callers N,N,…      numbers of threads, one run each (1,16,64,256)
how much
  --seconds S          duration of each run and of each kind of read (10)
  --commands N         number of commands in the batches (4000000)
  --orders N           number of orders to read (1000000)
  --quick              everything briefly, as a smoke test
  --rounds N           number of rounds, the systems in turn; figures are medians (1)
in several starts
  --save FILE          keep figures in this file; figures already in it are not
                       measured again, and the page uses all of them
  --minutes M          begin no measurement after this time; exit code 3 means that
                       some are left for the next start. 0 only writes the page
output
  --durable FILE       lines of `cargo bench --bench durable -- … --json`, for figures
                       of this store only; may be repeated
  --dir DIR            directory for the databases (beside the program)
  --out DIR            directory for performance.md and performance.svg (docs)
  --json               one JSON object a line instead of a table";

/// Parsed arguments.
pub(crate) struct Args {
    pub(crate) systems: Vec<System>,
    pub(crate) parts: Vec<Part>,
    pub(crate) callers: Vec<usize>,
    pub(crate) sizes: Sizes,
    pub(crate) rounds: usize,
    pub(crate) save: Option<PathBuf>,
    pub(crate) patience: Duration,
    pub(crate) durable: Vec<PathBuf>,
    pub(crate) dir: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) json: bool,
}

/// One part of the measurements.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Callers,
    Pipelined,
    Batches,
    Reads,
    Numbers,
}

impl Part {
    const ALL: [(&'static str, Self); 5] = [
        ("callers", Self::Callers),
        ("pipelined", Self::Pipelined),
        ("batches", Self::Batches),
        ("reads", Self::Reads),
        ("numbers", Self::Numbers),
    ];
}

impl Args {
    /// Parses the arguments after the program's name.
    pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self::default();
        while let Some(option) = given.next() {
            let mut value = || given.next().ok_or(format!("{option} needs a value"));
            match option.as_str() {
                "--only" => args.systems = list(&value()?, system)?,
                "--skip" => args.leave_out(&list(&value()?, system)?),
                "--parts" => args.parts = list(&value()?, part)?,
                "--callers" => args.callers = list(&value()?, callers)?,
                "--seconds" => args.sizes.seconds = seconds(&value()?)?,
                "--commands" => args.sizes.commands = count(&value()?)?,
                "--orders" => args.sizes.orders = count(&value()?)?,
                "--quick" => args.sizes = Sizes::QUICK,
                "--rounds" => args.rounds = rounds(&value()?)?,
                "--save" => args.save = Some(value()?.into()),
                "--minutes" => args.patience = minutes(&value()?)?,
                "--durable" => args.durable.push(value()?.into()),
                "--dir" => args.dir = value()?.into(),
                "--out" => args.out = value()?.into(),
                "--json" => args.json = true,
                _ => return Err(format!("unknown option {option}")),
            }
        }
        Ok(args)
    }

    fn leave_out(&mut self, skipped: &[System]) {
        let is_skipped = |system: &System| skipped.iter().any(|other| other.name == system.name);
        self.systems.retain(|system| !is_skipped(system));
    }

    /// Returns the measurements of one round, in order. The systems take turns, so that all of them
    /// meet the same conditions.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        let length = Duration::from_secs_f64(self.sizes.seconds);
        let (commands, orders) = (self.sizes.commands, self.sizes.orders);
        let mut tasks = Vec::new();
        for part in &self.parts {
            match part {
                Part::Callers => {
                    let run = |count: &usize| Task::Callers {
                        count: *count,
                        length,
                    };
                    tasks.extend(self.callers.iter().map(run));
                }
                Part::Pipelined => tasks.push(Task::Pipelined { length }),
                Part::Batches => tasks.push(Task::Batches { commands }),
                Part::Reads => tasks.push(Task::Reads { orders, length }),
                Part::Numbers => tasks.push(Task::Numbers { length }),
            }
        }
        tasks
    }
}

impl Default for Args {
    fn default() -> Self {
        Self {
            systems: rivals::ALL.to_vec(),
            parts: Part::ALL.map(|(_, part)| part).to_vec(),
            callers: vec![1, 16, 64, 256],
            sizes: Sizes::WHOLE,
            rounds: 1,
            save: None,
            patience: Duration::MAX,
            durable: Vec::new(),
            dir: beside_the_program().unwrap_or_else(std::env::temp_dir),
            out: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs"),
            json: false,
        }
    }
}

/// Returns the build directory, which is on a disk; a temporary directory may be in memory.
fn beside_the_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.parent().map(Path::to_owned)
}

fn list<T>(text: &str, read: fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(read).collect()
}

fn system(name: &str) -> Result<System, String> {
    let named = |system: &System| system.name.eq_ignore_ascii_case(name);
    let found = rivals::ALL.into_iter().find(named);
    let names = rivals::ALL.map(|system| system.name).join(", ");
    found.ok_or(format!("unknown name {name}; expected one of {names}"))
}

fn part(name: &str) -> Result<Part, String> {
    let found = Part::ALL.into_iter().find(|(named, _)| *named == name);
    let names = Part::ALL.map(|(named, _)| named).join(", ");
    let (_, part) = found.ok_or(format!("unknown name {name}; expected one of {names}"))?;
    Ok(part)
}

fn callers(text: &str) -> Result<usize, String> {
    within(text, rivals::CALLERS_MAX)
}

fn rounds(text: &str) -> Result<usize, String> {
    within(text, 99)
}

fn count(text: &str) -> Result<usize, String> {
    within(text, 100_000_000)
}

fn within(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=most).contains(n));
    number.ok_or(format!("{text} is not within 1 to {most}"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|s| (0.01..=3600.0).contains(s));
    number.ok_or(format!("{text} is not within 0.01 to 3600"))
}

fn minutes(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|m| (0.0..=6000.0).contains(m));
    let minutes: f64 = number.ok_or(format!("{text} is not within 0 to 6000"))?;
    Ok(Duration::from_secs_f64(minutes * 60.0))
}
