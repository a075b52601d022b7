//! What the command line asks for. What it does not know it refuses.

use std::path::PathBuf;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
cargo bench --bench durable -- [options]
  --callers N,N,…   how many threads, one run each (1,16,64,256)
  --seconds S       how long each run takes (10)
  --dir DIR         where the stores are made (in the target directory)
  --json            one JSON object a line instead of a table
  --test            everything once, briefly";

/// The options of one start.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) callers: Vec<usize>,
    pub(crate) length: Duration,
    pub(crate) dir: PathBuf,
    pub(crate) json: bool,
}

impl Args {
    /// Reads the arguments that follow the program's name.
    pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self {
            callers: vec![1, 16, 64, 256],
            length: Duration::from_secs(10),
            dir: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            json: false,
        };
        while let Some(option) = given.next() {
            let mut value = || given.next().ok_or(format!("{option} needs a value"));
            match option.as_str() {
                "--callers" => args.callers = callers(&value()?)?,
                "--seconds" => args.length = seconds(&value()?)?,
                "--dir" => args.dir = value()?.into(),
                "--json" => args.json = true,
                "--test" => args.shorten(),
                "--bench" => {} // cargo's own
                _ => return Err(format!("{option} is not known")),
            }
        }
        Ok(args)
    }

    fn shorten(&mut self) {
        self.callers = vec![1, 16];
        self.length = Duration::from_millis(50);
    }
}

fn callers(list: &str) -> Result<Vec<usize>, String> {
    let number = |text: &str| text.parse().ok().filter(|n| (1..=4096).contains(n));
    let numbers: Option<Vec<usize>> = list.split(',').map(number).collect();
    numbers.ok_or(format!("{list} is no list of 1 to 4096"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|s| (0.01..=3600.0).contains(s));
    let seconds = number.ok_or(format!("{text} is not within 0.01 to 3600"));
    seconds.map(Duration::from_secs_f64)
}
