//! Measurements, each on a new database that is deleted afterwards.
//!
//! - Callers: threads that each wait for each reply.
//! - Pipelined: the same without waiting, for systems that support it.
//! - Batches: many commands submitted at a time.
//! - Reads: orders by number and by user from a database in memory, orders just written, and the
//!   size on disk.
//! - Numbers: the store's order numbers compared with two other kinds of identifier.
//!
//! Afterwards the bench counts the rows and reads one order back. A system that lost a row gets no
//! figure.

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

/// Number of commands in a batch.
pub(crate) const BATCH: usize = 8_192;

/// Number of threads that submit batches.
pub(crate) const BATCH_THREADS: usize = 2;

/// Number of batches written last, before those orders are read; few enough to be still in a
/// memtable.
pub(crate) const NEW_BATCHES: usize = 8;

/// Mean number of orders of a user whose page is read.
pub(crate) const ORDERS_PER_USER: u64 = 50;

/// Rows of a page.
pub(crate) const PAGE: usize = 20;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task {
    Callers { count: usize, length: Duration },
    Pipelined { length: Duration },
    Batches { commands: usize },
    Reads { orders: usize, length: Duration },
    Numbers { length: Duration },
}

/// Result of a measurement.
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
    /// Returns whether a system supports the measurement.
    pub(crate) const fn is_for(&self, system: &System) -> bool {
        match self {
            Self::Pipelined { .. } | Self::Numbers { .. } => system.is_ours,
            Self::Callers { .. } | Self::Batches { .. } | Self::Reads { .. } => true,
        }
    }

    /// Returns the name of its figure.
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
    /// Returns its name among the figures of one system and round.
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

/// Runs one measurement of one system, in a directory below `dir`.
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

/// Returns the source of order numbers: the system's own generator, or one in memory.
fn source_of_numbers(rival: &dyn Rival) -> Checked<Store> {
    match rival.numbers() {
        Some(store) => Ok(store),
        None => Ok(Store::memory()?),
    }
}

/// Rounds to a fraction of `places`.
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
