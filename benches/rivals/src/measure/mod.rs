//! What is measured, each on a database made for it alone and thrown away afterwards.
//!
//! - Callers: threads that each wait for each answer.
//! - Pipelined: the same without waiting, for those who can.
//! - Batches: many commands handed over at a time.
//! - Reads: orders by number and by user, from a base all of which is in memory, orders just
//!   written, and the bytes that it takes.
//! - Numbers: the store's own beside two other kinds of identifier.
//!
//! Afterwards the rows are counted and one order is read back: who lost a row has no figure.

mod batches;
mod callers;
mod check;
mod numbers;
mod pipelined;
mod reads;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use batches::Batched;
pub(crate) use callers::Called;
pub(crate) use numbers::{Kind, Numbered, THREADS as NUMBERS_THREADS};
pub(crate) use pipelined::{Pipelined, THREADS, TICKETS};
pub(crate) use reads::Read;

use crate::rival::{Rival, System};
use crate::sample::Checked;
use orderstore::Store;

/// How many commands a batch hands over.
pub(crate) const BATCH: usize = 8_192;

/// How many threads hand batches over.
pub(crate) const BATCH_THREADS: usize = 2;

/// How many batches of orders are written last, before those are read: few enough to be in
/// a memtable still.
pub(crate) const NEW_BATCHES: usize = 8;

/// How many orders the users who are asked for a page have, on average.
pub(crate) const ORDERS_PER_USER: u64 = 50;

/// The rows of a page.
pub(crate) const PAGE: usize = 20;

/// Something to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task {
    Callers { count: usize, length: Duration },
    Pipelined { length: Duration },
    Batches { commands: usize },
    Reads { orders: usize, length: Duration },
    Numbers { length: Duration },
}

/// What came of it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub(crate) enum Figure {
    #[serde(rename = "callers")]
    Called(Called),
    Pipelined(Pipelined),
    #[serde(rename = "batches")]
    Batched(Batched),
    #[serde(rename = "reads")]
    Read(Read),
    #[serde(rename = "numbers")]
    Numbered(Numbered),
}

impl Task {
    /// Whether it is something that a system can do.
    pub(crate) const fn is_for(&self, system: &System) -> bool {
        match self {
            Self::Pipelined { .. } | Self::Numbers { .. } => system.is_ours,
            Self::Callers { .. } | Self::Batches { .. } | Self::Reads { .. } => true,
        }
    }

    /// What its figure is called.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Callers { count, .. } => format!("callers {count}"),
            Self::Pipelined { .. } => "pipelined".to_owned(),
            Self::Batches { .. } => "batches".to_owned(),
            Self::Reads { .. } => "reads".to_owned(),
            Self::Numbers { .. } => "numbers".to_owned(),
        }
    }
}

impl Figure {
    /// What it is called among those of its system and its round.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Called(called) => format!("callers {}", called.callers),
            Self::Pipelined(_) => "pipelined".to_owned(),
            Self::Batched(_) => "batches".to_owned(),
            Self::Read(_) => "reads".to_owned(),
            Self::Numbered(_) => "numbers".to_owned(),
        }
    }
}

/// Measures one thing of one system, in a directory under `dir`.
pub(crate) fn measure(system: &System, task: Task, dir: &Path) -> Checked<Figure> {
    let dir = tempfile::tempdir_in(dir)?;
    let dir = dir.path();
    Ok(match task {
        Task::Callers { count, length } => {
            Figure::Called(callers::measure(system, dir, count, length)?)
        }
        Task::Pipelined { length } => Figure::Pipelined(pipelined::measure(system, dir, length)?),
        Task::Batches { commands } => Figure::Batched(batches::measure(system, dir, commands)?),
        Task::Reads { orders, length } => {
            Figure::Read(reads::measure(system, dir, orders, length)?)
        }
        Task::Numbers { length } => Figure::Numbered(numbers::measure(system, dir, length)?),
    })
}

/// Where order numbers come from: the rival's own generator, or one in memory.
fn source_of_numbers(rival: &dyn Rival) -> Checked<Store> {
    match rival.numbers() {
        Some(store) => Ok(store),
        None => Ok(Store::memory()?),
    }
}

/// Rounded to so many places of ten.
fn to(places: f64, value: f64) -> f64 {
    (value * places).round() / places
}

#[expect(clippy::cast_precision_loss, reason = "a figure is rounded anyway")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals;

    #[test]
    fn every_available_store_keeps_every_row() -> Checked<()> {
        let length = Duration::from_millis(20);
        let (count, commands, orders) = (4, 2 * BATCH, BATCH);
        let dir = tempfile::tempdir()?;
        for system in rivals::ALL {
            if (system.version)().is_err() {
                continue;
            }
            for task in [
                Task::Callers { count, length },
                Task::Pipelined { length },
                Task::Batches { commands },
                Task::Reads { orders, length },
                Task::Numbers { length },
            ]
            .into_iter()
            .filter(|task| task.is_for(&system))
            {
                let done = measure(&system, task, dir.path());
                let done = done.map_err(|error| format!("{}, {task:?}: {error}", system.name))?;
                assert_eq!(done.key(), task.key());
            }
        }
        Ok(())
    }
}
