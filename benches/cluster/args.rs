//! Command-line arguments. Unknown arguments are rejected.

use std::time::Duration;

use crate::statements::Way;

pub(crate) const USAGE: &str = "\
cargo bench --features postgres --bench cluster -- [options]
  --callers N,N,…    numbers of callers that wait for each reply, one run each (1,16,64)
  --seconds S        total time of each side in a run (10)
  --hand WAY,WAY,…   kinds of handwritten SQL (plain,statement):
                     plain      a transaction, one statement at a time, the usual way
                     pipelined  the same, but independent statements are sent without waiting
                     statement  one statement for each command, written for this work only,
                                without a read before it; the fastest
                     reading    the same, but a payment reads its order first
  --url URL          a running server, without `options`; the bench creates schemas
                     in it and drops them
  --json             one JSON object a line instead of a table
  --test             everything once, briefly";

/// Parsed arguments.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) callers: Vec<usize>,
    pub(crate) ways: Vec<Way>,
    pub(crate) length: Duration,
    pub(crate) url: Option<String>,
    pub(crate) json: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            callers: vec![1, 16, 64],
            ways: vec![Way::Plain, Way::Statement],
            length: Duration::from_secs(10),
            url: None,
            json: false,
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
                "--callers" => args.callers = each(&value()?, callers)?,
                "--seconds" => args.length = seconds(&value()?)?,
                "--hand" => args.ways = each(&value()?, Way::named)?,
                "--url" => args.url = Some(value()?),
                "--json" => args.json = true,
                "--test" => args.shorten(),
                "--bench" => {} // cargo's own
                _ => return Err(format!("unknown option {option}")),
            }
        }
        Ok(args)
    }

    fn shorten(&mut self) {
        self.callers = vec![1, 4];
        self.ways = Way::ALL.to_vec();
        self.length = Duration::from_millis(100);
    }
}

fn each<T>(list: &str, one: fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    list.split(',').map(one).collect()
}

fn callers(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=1024).contains(n));
    number.ok_or(format!("{text} is not within 1 to 1024"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|s| (0.01..=3600.0).contains(s));
    let seconds = number.ok_or(format!("{text} is not within 0.01 to 3600"));
    seconds.map(Duration::from_secs_f64)
}
