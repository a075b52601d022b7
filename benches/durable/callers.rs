//! Threads that submit one command at a time and wait for its reply.
//!
//! Each run also measures synced appends to a file in the same directory. With one caller, the
//! bench alternates between the store and the appends, in slices of at most a second. A change in
//! the speed of the disk then affects both. With more callers, the bench measures the appends first.

use std::path::Path;
use std::time::Duration;

use orderstore::Store;
use serde::Serialize;

use crate::figures::{median, to};
use crate::fsync::Fsync;
use crate::lifecycle::{Callers, Figures, Seen, USERS};
use crate::sample::Checked;
use crate::setting::Setting;
use crate::watch::{Watched, watched};

/// Maximum length of one turn of the store or the disk.
const SLICE: Duration = Duration::from_secs(1);

/// Number of turns of the store and of the disk, with one caller.
const TURNS: u32 = 7;

/// Figures of one run. Rates are per second, of durable commands and of synced appends.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "callers")]
pub(crate) struct Called {
    callers: usize,
    #[serde(flatten)]
    figures: Figures,
    fsync_rate: f64,
    /// Ratio of the store's rate to that of synced appends: the median over
    /// pairs of adjacent slices. Only one caller has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    #[serde(flatten)]
    watched: Watched,
}

pub(crate) fn measure(
    setting: Setting,
    dir: &Path,
    callers: usize,
    length: Duration,
) -> Checked<Called> {
    let mut fsync = Fsync::prepare(dir)?;
    let store = setting.init(&dir.join("store"))?;
    let mut crowd = Callers::new(callers, USERS)?;
    let (turns, watched) = watched(&store, setting, || {
        if callers == 1 {
            return take_turns(&mut crowd, &store, &mut fsync, length);
        }
        let fsync_rate = fsync.rate(length.min(SLICE))?;
        let seen = crowd.run(&store, length)?;
        Ok(Turns {
            seen,
            fsync_rate,
            ratio: None,
        })
    })?;
    store.shutdown().wait()?;
    Ok(Called {
        callers,
        figures: turns.seen.figures(),
        fsync_rate: to(1.0, turns.fsync_rate),
        ratio: turns.ratio.map(|ratio| to(1000.0, ratio)),
        watched,
    })
}

/// Results of the alternating turns of the disk and the store.
struct Turns {
    seen: Seen,
    fsync_rate: f64,
    ratio: Option<f64>,
}

fn take_turns(
    crowd: &mut Callers,
    store: &Store,
    fsync: &mut Fsync,
    length: Duration,
) -> Checked<Turns> {
    let slice = SLICE.min(length / TURNS);
    let mut seen = Seen::default();
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let rate = fsync.rate(slice)?;
        let part = crowd.run(store, slice)?;
        rates.push(rate);
        ratios.push(part.rate() / rate);
        seen.add(part);
    }
    Ok(Turns {
        seen,
        fsync_rate: median(rates),
        ratio: Some(median(ratios)),
    })
}
