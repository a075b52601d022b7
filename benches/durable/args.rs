//! Command-line arguments. Unknown arguments are rejected.

use std::path::PathBuf;
use std::time::Duration;

use crate::setting::Setting;

pub(crate) const USAGE: &str = "\
cargo bench --bench durable -- [modes] [options]
modes, in the order in which they run (default: --callers 1,16,64,256)
  --callers N,N,…    numbers of threads that wait for each reply, one run each
  --pipelined TxN    T threads, each with N commands in flight
  --batch N          two threads that submit N commands at a time to an empty store
  --grow N           64 callers create N orders; figures for every million
  --latency          evenly spaced commands at half the rate of 64 callers
  --reopen           kill with a full journal, then reopen
  --backup           64 callers during a backup, and the part of their rate they keep
  --memory           peak memory of a store that is filled and read
  --all              all modes, as in docs/performance.md
options
  --seconds S        duration of a run (10)
  --commands N       number of commands in the batches (4000000)
  --base N           orders in the store before the last four modes (5000000)
  --users N          users of the orders of --grow and --base (5000000)
  --defaults         also run everything with the default settings
  --dir DIR          directory for the stores (in the target directory)
  --json             one JSON object a line instead of a table
  --test             every mode once, briefly";

/// Parsed arguments.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) modes: Vec<Mode>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) sizes: Sizes,
    pub(crate) dir: PathBuf,
    pub(crate) json: bool,
    /// Directory of the store, if this process is the one to be killed.
    pub(crate) victim: Option<PathBuf>,
}

/// Measurement mode.
#[derive(Debug, Clone)]
pub(crate) enum Mode {
    Callers(usize),
    Pipelined { threads: usize, tickets: usize },
    Batch(usize),
    Grow(u64),
    Latency,
    Reopen,
    Backup,
    Memory,
}

/// Sizes of the measurements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) length: Duration,
    pub(crate) commands: u64,
    pub(crate) base: u64,
    pub(crate) users: u64,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            modes: Vec::new(),
            settings: vec![Setting::TARGETS],
            sizes: Sizes {
                length: Duration::from_secs(10),
                commands: 4_000_000,
                base: 5_000_000,
                users: 5_000_000,
            },
            dir: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            json: false,
            victim: None,
        }
    }
}

impl Args {
    /// Parses the arguments after the program's name.
    pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self::default();
        while let Some(option) = given.next() {
            let mut value = || given.next().ok_or(format!("{option} needs a value"));
            match option.as_str() {
                "--callers" => args.modes.extend(callers(&value()?)?),
                "--pipelined" => args.modes.push(pipelined(&value()?)?),
                "--batch" => args.modes.push(Mode::Batch(number(&value()?, 65_536)?)),
                "--grow" => args.modes.push(Mode::Grow(count(&value()?)?)),
                "--latency" => args.modes.push(Mode::Latency),
                "--reopen" => args.modes.push(Mode::Reopen),
                "--backup" => args.modes.push(Mode::Backup),
                "--memory" => args.modes.push(Mode::Memory),
                "--all" => args.modes.extend(all()),
                "--seconds" => args.sizes.length = seconds(&value()?)?,
                "--commands" => args.sizes.commands = count(&value()?)?,
                "--base" => args.sizes.base = count(&value()?)?,
                "--users" => args.sizes.users = count(&value()?)?,
                "--defaults" => args.settings = vec![Setting::TARGETS, Setting::DEFAULTS],
                "--setting" => args.settings = vec![Setting::named(&value()?)?],
                "--dir" => args.dir = value()?.into(),
                "--json" => args.json = true,
                "--test" => args.shorten(),
                "--victim" => args.victim = Some(value()?.into()),
                "--bench" => {} // cargo's own
                _ => return Err(format!("unknown option {option}")),
            }
        }
        if args.modes.is_empty() {
            args.modes = [1, 16, 64, 256].map(Mode::Callers).to_vec();
        }
        Ok(args)
    }

    fn shorten(&mut self) {
        self.modes = vec![
            Mode::Callers(1),
            Mode::Callers(16),
            Mode::Pipelined {
                threads: 2,
                tickets: 64,
            },
            Mode::Batch(512),
            Mode::Grow(2_000),
            Mode::Latency,
            Mode::Reopen,
            Mode::Backup,
            Mode::Memory,
        ];
        self.settings = vec![Setting::TEST];
        self.sizes = Sizes {
            length: Duration::from_millis(70),
            commands: 4_096,
            base: 2_000,
            users: 1_000,
        };
    }
}

fn all() -> Vec<Mode> {
    let mut modes = [1, 16, 64, 256].map(Mode::Callers).to_vec();
    modes.push(Mode::Pipelined {
        threads: 4,
        tickets: 512,
    });
    modes.push(Mode::Batch(8_192));
    modes.push(Mode::Grow(10_000_000));
    modes.extend([Mode::Latency, Mode::Reopen, Mode::Backup, Mode::Memory]);
    modes
}

fn callers(list: &str) -> Result<Vec<Mode>, String> {
    let one = |text| number(text, 4096).map(Mode::Callers);
    list.split(',').map(one).collect()
}

fn pipelined(text: &str) -> Result<Mode, String> {
    let wrong = || format!("{text} does not have the form 4x512");
    let (threads, tickets) = text.split_once('x').ok_or_else(wrong)?;
    Ok(Mode::Pipelined {
        threads: number(threads, 256)?,
        tickets: number(tickets, 16_384)?,
    })
}

fn number(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=most).contains(n));
    number.ok_or(format!("{text} is not within 1 to {most}"))
}

fn count(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|n| (1..=1 << 30).contains(n));
    number.ok_or(format!("{text} is not within 1 to {}", 1 << 30))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|s| (0.01..=3600.0).contains(s));
    let seconds = number.ok_or(format!("{text} is not within 0.01 to 3600"));
    seconds.map(Duration::from_secs_f64)
}
