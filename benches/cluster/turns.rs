//! Alternating turns of the two sides, so that server, disk and load are the same for both.

use std::time::Duration;

use orderstore::Store;
use serde::Serialize;

use crate::expect::expect;
use crate::figures::{median, to};
use crate::hand::Hand;
use crate::latencies::Percentiles;
use crate::lifecycle::{Callers, Figures, Seen, USERS};
use crate::place::{Place, Schema};
use crate::rows::{Counted, Pattern};
use crate::sample::Checked;
use crate::statements::Way;

/// Number of turns of each side. The side that begins alternates.
const TURNS: u32 = 8;

/// Figures of one run. Rates are durable commands per second.
#[derive(Serialize)]
pub(crate) struct Compared {
    callers: usize,
    ours: Figures,
    hand: Way,
    by_hand: Side,
    /// Ratio of the store's rate to the handwritten side's: the median over pairs of turns.
    ratio: f64,
    /// Minimum for `ratio`; absent if there is no target for this number of callers.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<f64>,
    is_missed: bool,
}

#[derive(Serialize)]
struct Side {
    rate: f64,
    #[serde(flatten)]
    latencies: Percentiles,
}

impl Side {
    fn of(seen: &mut Seen) -> Self {
        Self {
            rate: seen.rate(),
            latencies: seen.latencies.percentiles(),
        }
    }
}

pub(crate) fn measure(
    place: &Place,
    way: Way,
    callers: usize,
    length: Duration,
) -> Checked<Compared> {
    let (ours, theirs) = (place.schema()?, place.schema()?);
    let store = Store::connect(&ours.url())?;
    copy_tables(&ours, &theirs)?;
    let pattern = Pattern::draw(&store, &ours)?;
    let mut hand = Hand::new(&theirs, way, callers, pattern)?;
    let turns = take_turns(&store, &mut hand, callers, length / TURNS)?;
    drop(hand);
    check(store, &ours, &theirs, &turns)?;
    let Turns {
        ours,
        mut theirs,
        ratios,
        ..
    } = turns;
    let (ratio, target) = (to(1000.0, median(ratios)), target(way, callers));
    Ok(Compared {
        callers,
        ours: ours.figures(),
        hand: way,
        by_hand: Side::of(&mut theirs),
        ratio,
        target,
        is_missed: target.is_some_and(|target| ratio < target),
    })
}

/// Returns the minimum ratio. Only [`Way::Plain`], SQL as it is usually written, has a target.
const fn target(way: Way, callers: usize) -> Option<f64> {
    match (way, callers) {
        (Way::Plain, 1) => Some(0.9),
        (Way::Plain, 64) => Some(1.5),
        _ => None,
    }
}

/// Creates tables like the store's, with the same indexes.
fn copy_tables(ours: &Schema<'_>, theirs: &Schema<'_>) -> Checked<()> {
    for table in ["orders", "events", "keys", "entries"] {
        let (from, to) = (&ours.name, &theirs.name);
        let like = format!("LIKE {from}.orderstore_{table} INCLUDING ALL");
        (theirs.place).run(&format!("CREATE TABLE {to}.orderstore_{table} ({like})"))?;
    }
    Ok(())
}

/// Results of both sides, and the number of orders of each.
struct Turns {
    ours: Seen,
    theirs: Seen,
    ratios: Vec<f64>,
    orders: [u64; 2],
}

fn take_turns(store: &Store, hand: &mut Hand, callers: usize, slice: Duration) -> Checked<Turns> {
    let mut crowd = Callers::new(callers, USERS)?;
    // Orders without a latency: the first one of each caller in each turn.
    let untimed = u64::try_from(callers)? * u64::from(TURNS);
    let (mut ours, mut theirs) = (Seen::default(), Seen::default());
    let mut ratios = Vec::new();
    for turn in 0..TURNS {
        let (own, other) = if turn.is_multiple_of(2) {
            let own = crowd.run(store, slice)?;
            (own, hand.run(slice)?)
        } else {
            let other = hand.run(slice)?;
            (crowd.run(store, slice)?, other)
        };
        ratios.push(own.rate() / other.rate());
        ours.add(own);
        theirs.add(other);
    }
    // The store also created the order of the pattern.
    let made = |seen: &Seen| seen.latencies.count() / 2 + untimed;
    Ok(Turns {
        orders: [made(&ours) + 1, made(&theirs)],
        ours,
        theirs,
        ratios,
    })
}

/// Checks that all orders exist and are paid, that the store is sound, and that both sides wrote
/// the same.
fn check(store: Store, ours: &Schema<'_>, theirs: &Schema<'_>, turns: &Turns) -> Checked<()> {
    let [own, others] = turns.orders;
    let counts = store.counts().wait()?;
    let paid = counts.of(orderstore::Status::Success);
    expect(&[counts.orders(), paid], &[own, own])?;
    let report = store.verify().wait()?;
    if !report.is_ok() {
        return Err(format!("{report:?}").into());
    }
    store.shutdown().wait()?;
    let (ours, theirs) = (Counted::of(ours)?, Counted::of(theirs)?);
    ours.are(own)?;
    theirs.are(others)?;
    theirs.are_like(&ours)
}
