//! Threads that submit one command at a time to a store with a mirror on the same disk.
//!
//! The bench alternates between three runs: the mirrored store, a store without a mirror, and a pair
//! of threads. Each of these appends to a file and syncs it, and both wait for each other. A change
//! in the speed of the disk then affects all three runs.

use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use orderstore::MirrorStatus;
use serde::Serialize;

use crate::figures::{median, to};
use crate::fsync::Fsync;
use crate::lifecycle::{Callers, USERS};
use crate::sample::Checked;
use crate::setting::Setting;

/// Number of turns of each run.
const TURNS: u32 = 7;

/// Figures of one run. Rates are per second.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "mirror")]
pub(crate) struct Mirrored {
    callers: usize,
    /// Durable commands with a mirror.
    rate: f64,
    /// Durable commands without a mirror.
    alone: f64,
    /// Pairs of synced appends.
    pairs: f64,
    /// Median ratio to the store without a mirror, over adjacent turns.
    to_alone: f64,
    /// Median ratio to the pairs of synced appends. Only one caller has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_pairs: Option<f64>,
}

pub(crate) fn measure(
    setting: Setting,
    dir: &Path,
    callers: usize,
    length: Duration,
) -> Checked<Mirrored> {
    let alone = setting.init(&dir.join("alone"))?;
    let mirrored = setting.init_mirrored(&dir.join("main"), &dir.join("mirror"))?;
    let mut crowds = [Callers::new(callers, USERS)?, Callers::new(callers, USERS)?];
    let slice = length / TURNS;
    let (mut rates, mut alone_rates, mut pair_rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        pair_rates.push(pairs(dir, slice)?);
        let [first, second] = &mut crowds;
        alone_rates.push(first.run(&alone, slice)?.rate());
        rates.push(second.run(&mirrored, slice)?.rate());
        if mirrored.stats().mirror != MirrorStatus::Complete {
            return Err("the mirror was not complete".into());
        }
    }
    alone.shutdown().wait()?;
    mirrored.shutdown().wait()?;
    let ratio = |others: &[f64]| {
        let ratios = rates.iter().zip(others).map(|(rate, other)| rate / other);
        to(1000.0, median(ratios.collect()))
    };
    let (to_alone, to_pairs) = (ratio(&alone_rates), ratio(&pair_rates));
    Ok(Mirrored {
        callers,
        rate: to(1.0, median(rates)),
        alone: to(1.0, median(alone_rates)),
        pairs: to(1.0, median(pair_rates)),
        to_alone,
        to_pairs: (callers == 1).then_some(to_pairs),
    })
}

/// Measures how often per second two threads append to a file each and both wait for both syncs.
fn pairs(dir: &Path, length: Duration) -> Checked<f64> {
    let (mut first, mut second) = (Fsync::prepare(dir)?, Fsync::prepare(dir)?);
    let (ask, asked) = channel::<()>();
    let (reply, replies) = channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for () in asked {
                if reply.send(second.append()).is_err() {
                    break;
                }
            }
        });
        let began = Instant::now();
        let mut appends = 0_u32;
        while began.elapsed() < length {
            ask.send(())?;
            first.append()?;
            replies.recv()??;
            appends += 1;
        }
        drop(ask);
        Ok(f64::from(appends) / began.elapsed().as_secs_f64())
    })
}
