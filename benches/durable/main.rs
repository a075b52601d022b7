//! Durable commands per second, and how long callers wait for them: a plain harness.
//!
//! - A command counts when its answer is there: after it, power may fail.
//! - What the disk itself gives is measured beside each run, in the same directory; with
//!   one caller in slices that alternate with the store's, so that both meet the same disk.
//! - Each run makes a store of its own, and removes it.

mod args;
mod fsync;
mod lifecycle;
mod report;
#[path = "../support/sample.rs"]
mod sample;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use orderstore::Store;

use args::{Args, USAGE};
use fsync::Fsync;
use lifecycle::{Callers, Seen};
use report::{Machine, Row};
use sample::Checked;

/// How much of the base every store keeps in memory.
const CACHE_BYTES: usize = 1 << 30;

/// How long the store and the disk take turns.
const SLICE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Checked<()> {
    Machine::look(&args.dir).print(args.json)?;
    for callers in &args.callers {
        let dir = tempfile::tempdir_in(&args.dir)?;
        let row = measure(*callers, args.length, dir.path())?;
        row.print(args.json)?;
    }
    Ok(())
}

fn open(dir: &Path) -> Checked<Store> {
    Ok(Store::builder().cache_bytes(CACHE_BYTES).init(dir)?)
}

fn measure(callers: usize, length: Duration, dir: &Path) -> Checked<Row> {
    let mut fsync = Fsync::prepare(dir)?;
    let store = open(&dir.join("store"))?;
    let mut crowd = Callers::new(callers)?;
    let row = if callers == 1 {
        let turns = take_turns(&mut crowd, &store, &mut fsync, length)?;
        row(callers, &turns.seen, turns.fsync_rate, Some(turns.ratio))
    } else {
        let fsync_rate = fsync.rate(length.min(SLICE))?;
        row(callers, &crowd.run(&store, length)?, fsync_rate, None)
    };
    store.shutdown().wait()?;
    Ok(row)
}

/// What came of slices of the disk and of the store, one after the other.
struct Turns {
    seen: Seen,
    fsync_rate: f64,
    ratio: f64,
}

fn take_turns(
    crowd: &mut Callers,
    store: &Store,
    fsync: &mut Fsync,
    length: Duration,
) -> Checked<Turns> {
    let mut seen = Seen::default();
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    let mut left = length;
    while !left.is_zero() {
        let slice = left.min(SLICE);
        left -= slice;
        let rate = fsync.rate(slice)?;
        let part = crowd.run(store, slice)?;
        rates.push(rate);
        ratios.push(part.rate() / rate);
        seen.add(part);
    }
    Ok(Turns {
        seen,
        fsync_rate: median(rates),
        ratio: median(ratios),
    })
}

/// The one in the middle, or what lies between the two there.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    f64::midpoint(at(lower), at(upper))
}

fn row(callers: usize, seen: &Seen, fsync_rate: f64, ratio: Option<f64>) -> Row {
    let to = |places: f64, value: f64| (value * places).round() / places;
    Row {
        callers,
        rate: to(1.0, seen.rate()),
        p50_us: to(10.0, seen.percentile(500)),
        p99_us: to(10.0, seen.percentile(990)),
        p999_us: to(10.0, seen.percentile(999)),
        group_mean: to(10.0, seen.group_mean()),
        fsync_rate: to(1.0, fsync_rate),
        ratio: ratio.map(|ratio| to(1000.0, ratio)),
    }
}
