//! What the command line asks for. What it does not know it refuses.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::measure::Task;
use crate::rival::System;
use crate::rivals;

pub(crate) const USAGE: &str = "\
cargo run --release --manifest-path benches/rivals/Cargo.toml -- [options]
  --only NAME,NAME,…   whom to measure (everyone who is installed)
  --parts PART,PART,…  what to measure (callers,pipelined,batches,reads)
  --callers N,N,…      how many threads, one run each (1,16,64,256)
  --seconds S          how long each run and each kind of read takes (5)
  --commands N         how many commands the batches bring (4000000)
  --orders N           how many orders there are to read (1000000)
  --dir DIR            where the databases are made (beside the program)
  --out DIR            where performance.md and performance.svg go (docs)
  --json               one JSON object a line instead of a table";

/// The options of one start.
pub(crate) struct Args {
    pub(crate) systems: Vec<System>,
    pub(crate) parts: Vec<Part>,
    pub(crate) callers: Vec<usize>,
    pub(crate) length: Duration,
    pub(crate) commands: usize,
    pub(crate) orders: usize,
    pub(crate) dir: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) json: bool,
}

/// One part of the whole.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Callers,
    Pipelined,
    Batches,
    Reads,
}

impl Args {
    /// Reads the arguments that follow the program's name.
    pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self::default();
        while let Some(option) = given.next() {
            let mut value = || given.next().ok_or(format!("{option} needs a value"));
            match option.as_str() {
                "--only" => args.systems = list(&value()?, system)?,
                "--parts" => args.parts = list(&value()?, part)?,
                "--callers" => args.callers = list(&value()?, callers)?,
                "--seconds" => args.length = seconds(&value()?)?,
                "--commands" => args.commands = count(&value()?)?,
                "--orders" => args.orders = count(&value()?)?,
                "--dir" => args.dir = value()?.into(),
                "--out" => args.out = value()?.into(),
                "--json" => args.json = true,
                _ => return Err(format!("{option} is not known")),
            }
        }
        Ok(args)
    }

    /// What is to be measured, in order. The systems take turns, so that all of them meet
    /// the same hour.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        let (commands, orders, length) = (self.commands, self.orders, self.length);
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
            }
        }
        tasks
    }
}

impl Default for Args {
    fn default() -> Self {
        Self {
            systems: rivals::ALL.to_vec(),
            parts: vec![Part::Callers, Part::Pipelined, Part::Batches, Part::Reads],
            callers: vec![1, 16, 64, 256],
            length: Duration::from_secs(5),
            commands: 4_000_000,
            orders: 1_000_000,
            dir: beside_the_program().unwrap_or_else(std::env::temp_dir),
            out: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs"),
            json: false,
        }
    }
}

/// The build's directory: on a disk, where a temporary directory may be in memory.
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
    found.ok_or(format!("{name} is none of {names}"))
}

fn part(name: &str) -> Result<Part, String> {
    match name {
        "callers" => Ok(Part::Callers),
        "pipelined" => Ok(Part::Pipelined),
        "batches" => Ok(Part::Batches),
        "reads" => Ok(Part::Reads),
        _ => Err(format!(
            "{name} is none of callers, pipelined, batches, reads"
        )),
    }
}

fn callers(text: &str) -> Result<usize, String> {
    let most = rivals::CALLERS_MAX;
    let number = text.parse().ok().filter(|n| (1..=most).contains(n));
    number.ok_or(format!("{text} is not within 1 to {most}"))
}

fn count(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=100_000_000).contains(n));
    number.ok_or(format!("{text} is not within 1 to 100000000"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|s| (0.01..=3600.0).contains(s));
    let seconds = number.ok_or(format!("{text} is not within 0.01 to 3600"));
    seconds.map(Duration::from_secs_f64)
}
