//! The targets: definition, measured value and verdict of each. They are ratios if possible, so
//! that they mean the same on every machine.

use std::fmt::Write;

use super::alone::{TARGETS, at_least, exactly};
use super::page::row;
use super::{OURS, Run, thousands};
use crate::measure::{NUMBERS_THREADS, Read};
use crate::sample::Checked;

/// Systems that single targets name.
const ROCKSDB: &str = "RocksDB";
const LMDB: &str = "LMDB";
const SQLITE: &str = "SQLite";

/// One target.
struct Target {
    what: &'static str,
    /// Definition: what is divided by what, and when the clock runs.
    means: String,
    bound: Bound,
    unit: Unit,
    measured: Option<Measured>,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

#[derive(Clone, Copy)]
enum Unit {
    Times,
    Commands,
    Nanos,
    Millis,
    Rate,
}

struct Measured {
    value: f64,
    /// System that it is compared with, if the definition does not name it.
    whom: Option<String>,
}

impl From<f64> for Measured {
    fn from(value: f64) -> Self {
        Self { value, whom: None }
    }
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::Times => format!("{value:.2} ×"),
            Self::Commands => format!("{value:.1} commands"),
            Self::Nanos => format!("{value:.0} ns"),
            Self::Millis => format!("{value:.1} ms"),
            Self::Rate => format!("{}/s", thousands(value)),
        }
    }
}

impl Target {
    fn new(
        what: &'static str,
        means: impl Into<String>,
        bound: Bound,
        unit: Unit,
        measured: Option<impl Into<Measured>>,
    ) -> Self {
        Self {
            what,
            means: means.into(),
            bound,
            unit,
            measured: measured.map(Into::into),
        }
    }

    fn cells(&self) -> [String; 5] {
        let bound = match self.bound {
            AtLeast(bound) => format!("≥ {}", self.unit.text(bound)),
            AtMost(bound) => format!("≤ {}", self.unit.text(bound)),
        };
        let (measured, verdict) = match &self.measured {
            Some(measured) => {
                let whom = measured.whom.as_ref();
                let whom = whom.map_or_else(String::new, |whom| format!(" {whom}"));
                let text = self.unit.text(measured.value);
                (text + &whom, self.bound.verdict(measured.value))
            }
            None => ("not measured".to_owned(), String::new()),
        };
        [
            self.what.to_owned(),
            self.means.clone(),
            bound,
            measured,
            verdict,
        ]
    }
}

impl Bound {
    /// Returns whether a value is within the bound, and its distance from the bound.
    fn verdict(self, value: f64) -> String {
        let (bound, is_reached, way) = match self {
            AtLeast(bound) => (bound, value >= bound, "below"),
            AtMost(bound) => (bound, value <= bound, "above"),
        };
        let percent = ((value - bound) / bound * 100.0).abs();
        let percent = if percent < 10.0 {
            format!("{percent:.1}")
        } else {
            thousands(percent)
        };
        if is_reached {
            format!("reached, {percent} % to spare")
        } else {
            format!("**not reached**, {percent} % {way}")
        }
    }
}

pub(super) fn table(page: &mut String, run: &Run) -> Checked<()> {
    writeln!(page, "\n## Targets\n\n{ABOUT}\n")?;
    let titles = ["what", "definition", "target", "measured", "verdict"];
    row(page, &titles.map(ToOwned::to_owned))?;
    row(page, &titles.map(|_| "---".to_owned()))?;
    let mut targets = callers(run);
    targets.extend(many(run));
    targets.extend(over_time(run));
    targets.extend(reads(run));
    targets.extend(numbers(run));
    targets.extend(room(run));
    for target in targets {
        row(page, &target.cells())?;
    }
    Ok(())
}

const ABOUT: &str = "\
Targets are ratios of figures of one run, if possible. *Best blocking* is the highest rate of a
system with blocking callers, for any number of callers. `cargo bench --bench durable` measures what
only this store has.";

fn callers(run: &Run) -> Vec<Target> {
    let mut targets = vec![
        Target::new(
            "1 caller, the disk's limit",
            "commands per second over synced appends per second, slices of a second in turn, \
             median of seven",
            AtLeast(0.9),
            Unit::Times,
            run.alone
                .figure((TARGETS, "callers"), exactly("callers", 1), "/ratio"),
        ),
        Target::new(
            "1 caller, the others",
            "over the quickest other system",
            AtLeast(1.0),
            Unit::Times,
            ahead_with(run, 1),
        ),
    ];
    let bounds = [
        ("16 callers", 16, 2.0),
        ("64 callers", 64, 3.0),
        ("256 callers", 256, 3.5),
    ];
    for (what, callers, bound) in bounds {
        let ratio = ratio(rate(run, OURS, callers), rate(run, ROCKSDB, callers));
        let means = "over RocksDB with the same callers and rows";
        targets.push(Target::new(what, means, AtLeast(bound), Unit::Times, ratio));
    }
    let ours = run.of(OURS, 64);
    targets.push(Target::new(
        "64 callers, mean group",
        "commands that share a write and a sync, on average",
        AtLeast(32.0),
        Unit::Commands,
        ours.and_then(|called| called.group_mean),
    ));
    targets
}

fn many(run: &Run) -> Vec<Target> {
    let pipelined = run.pipelined().find(|(name, _)| *name == OURS);
    let pipelined = pipelined.map(|(_, pipelined)| pipelined.rate);
    let (best, settled) = (run.best(ROCKSDB), settled(run));
    vec![
        Target::new(
            "pipelined",
            "over RocksDB's best blocking",
            AtLeast(5.0),
            Unit::Times,
            ratio(pipelined, best),
        ),
        Target::new(
            "batches",
            "flushed to the end, over RocksDB's best blocking",
            AtLeast(4.0),
            Unit::Times,
            ratio(settled, best),
        ),
        Target::new(
            "batches, the others settled",
            "flushed to the end, over the best other system with the same batch in one \
             transaction, settled too",
            AtLeast(1.0),
            Unit::Times,
            ahead(
                settled,
                run.batched().map(|(name, b)| (name, b.rate_settled)),
            ),
        ),
        Target::new(
            "batches, the others not settled",
            "the same, where only the store's flushes are counted",
            AtLeast(1.0),
            Unit::Times,
            ahead(settled, run.batched().map(|(name, b)| (name, b.rate))),
        ),
        Target::new(
            "batches, the ambition",
            "flushed to the end, over what TigerBeetle did on a machine of two cores with \
             batches of 8,189",
            AtLeast(552_000.0),
            Unit::Rate,
            settled,
        ),
    ]
}

fn over_time(run: &Run) -> Vec<Target> {
    let latency = run.alone.figure(
        (TARGETS, "latency"),
        at_least("base_orders", 5_000_000),
        "/p999_us",
    );
    vec![
        Target::new(
            "growth",
            "64 callers: the rate over the tenth million orders, over that of the second",
            AtLeast(0.7),
            Unit::Times,
            run.alone
                .figure((TARGETS, "grown"), exactly("orders", 10_000_000), "/growth"),
        ),
        Target::new(
            "latency under load",
            "p99.9 from when a command was due; evenly spaced, at half the rate of 64 \
             callers, on 5 million orders, with three flushes inside",
            AtMost(20.0),
            Unit::Millis,
            latency.map(|micros| micros / 1000.0),
        ),
    ]
}

fn reads(run: &Run) -> Vec<Target> {
    let (ours, lmdb) = (read(run, OURS), read(run, LMDB));
    let of = |read: Option<&Read>, figure: fn(&Read) -> f64| read.map(figure);
    let against = |figure| ratio(of(ours, figure), of(lmdb, figure));
    vec![
        Target::new(
            "get, memtable hit",
            "any of the orders that were just written",
            AtMost(200.0),
            Unit::Nanos,
            of(ours, |read| read.get_new_ns),
        ),
        Target::new(
            "get, base hit",
            "any order after a flush, its checksum verified, over LMDB with a transaction each",
            AtMost(1.25),
            Unit::Times,
            against(|read| read.get_ns),
        ),
        Target::new(
            "page of 20",
            "a user's latest orders, each read whole, over LMDB with a transaction each",
            AtMost(1.25),
            Unit::Times,
            against(|read| read.page_us),
        ),
    ]
}

fn numbers(run: &Run) -> Vec<Target> {
    let numbered = run.numbered();
    let ours = numbered.map(|numbered| numbered.order_no.number_ns);
    let over = |other: Option<f64>| ratio(other, ours);
    vec![
        Target::new(
            "order numbers",
            "drawn and formatted, on one thread; no crash repeats one",
            AtMost(80.0),
            Unit::Nanos,
            ours,
        ),
        Target::new(
            "order numbers, many threads",
            format!("the rate of {NUMBERS_THREADS} threads together, over that of one"),
            AtLeast(1.0),
            Unit::Times,
            numbered.map(|n| n.order_no.rate_16 / n.order_no.rate_1),
        ),
        Target::new(
            "order numbers, uuid v7",
            "what a uuid v7 to text takes, over it",
            AtLeast(1.0),
            Unit::Times,
            over(numbered.map(|n| n.uuid_v7.number_ns)),
        ),
        Target::new(
            "order numbers, ulid",
            "what a ulid to text takes, over it",
            AtLeast(1.0),
            Unit::Times,
            over(numbered.map(|n| n.ulid.number_ns)),
        ),
    ]
}

fn room(run: &Run) -> Vec<Target> {
    let in_use = |name| read(run, name)?.bytes_in_use.map(super::float);
    let reopened = run.alone.figure(
        (TARGETS, "reopen"),
        at_least("base_orders", 1_000_000),
        "/first_answer_ms",
    );
    let filled = || at_least("orders", 1_000_000);
    let held = |what| run.alone.figure((TARGETS, "memory"), filled(), what);
    vec![
        Target::new(
            "space",
            "bytes in use, free pages not counted, over SQLite's for the same orders and events",
            AtMost(1.0),
            Unit::Times,
            ratio(in_use(OURS), in_use(SQLITE)),
        ),
        Target::new(
            "reopen",
            "from a kill with a full journal to the first answer, on a large base",
            AtMost(2_000.0),
            Unit::Millis,
            reopened,
        ),
        Target::new(
            "memory",
            "the most that the process held, filled and then read all over, over two \
             memtables, cache and queue",
            AtMost(1.0),
            Unit::Times,
            ratio(held("/memory/resident_max"), held("/memory/bound")),
        ),
    ]
}

fn ratio(ours: Option<f64>, theirs: Option<f64>) -> Option<f64> {
    Some(ours? / theirs?)
}

fn rate(run: &Run, system: &str, callers: usize) -> Option<f64> {
    run.of(system, callers).map(|called| called.rate)
}

fn ahead_with(run: &Run, callers: usize) -> Option<Measured> {
    let here = run.called().filter(|(_, called)| called.callers == callers);
    let rates = here.map(|(name, called)| (name, called.rate));
    ahead(rate(run, OURS, callers), rates)
}

/// Returns a rate of this store divided by the best rate of the others.
fn ahead<'r>(ours: Option<f64>, rates: impl Iterator<Item = (&'r str, f64)>) -> Option<Measured> {
    let others = rates.filter(|(name, _)| *name != OURS);
    let (name, best) = others.max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(Measured {
        value: ours? / best,
        whom: Some(name.to_owned()),
    })
}

fn settled(run: &Run) -> Option<f64> {
    let ours = run.batched().find(|(name, _)| *name == OURS);
    ours.map(|(_, batched)| batched.rate_settled)
}

fn read<'r>(run: &'r Run, system: &str) -> Option<&'r Read> {
    let found = run.read().find(|(name, _)| *name == system);
    found.map(|(_, read)| read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_shows_the_margin() {
        let said = [
            AtLeast(2.0).verdict(3.0),
            AtLeast(2.0).verdict(1.9),
            AtMost(200.0).verdict(150.0),
            AtMost(200.0).verdict(500.0),
        ];
        let due = [
            "reached, 50 % to spare",
            "**not reached**, 5.0 % below",
            "reached, 25 % to spare",
            "**not reached**, 150 % above",
        ];
        assert_eq!(said, due);
    }

    #[test]
    fn lead_is_measured_against_the_best_other() {
        let rates = [(OURS, 30.0), ("a", 10.0), ("b", 20.0)];
        let found = ahead(Some(30.0), rates.into_iter());
        let found = found.map(|measured| (measured.value, measured.whom));
        assert_eq!(found, Some((1.5, Some("b".to_owned()))));
        assert!(ahead(Some(30.0), [(OURS, 30.0)].into_iter()).is_none());
    }
}
