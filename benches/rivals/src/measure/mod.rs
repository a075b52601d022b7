//! What is measured, each on a database made for it alone and thrown away afterwards.
//!
//! - Callers: threads that each wait for each answer.
//! - Pipelined: the same without waiting, for those who can.
//! - Batches: many commands handed over at a time.
//! - Reads: orders by number and by user, from a base all of which is in memory, and the
//!   bytes that it takes.
//!
//! Afterwards the rows are counted and one order is read back: who lost a row has no figure.

mod batches;
mod callers;
mod check;
mod pipelined;
mod reads;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

pub(crate) use batches::Batched;
pub(crate) use callers::Called;
pub(crate) use pipelined::{Pipelined, THREADS, TICKETS};
pub(crate) use reads::Read;

use crate::rival::{Rival, System};
use crate::sample::Checked;
use orderstore::Store;

/// How many commands a batch hands over.
pub(crate) const BATCH: usize = 8_192;

/// How many threads hand batches over.
pub(crate) const BATCH_THREADS: usize = 2;

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
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Figure {
    Called(Called),
    Pipelined(Pipelined),
    Batched(Batched),
    Read(Read),
}

/// Measures one thing of one system, in a directory under `dir`; `None` where it cannot do
/// that thing.
pub(crate) fn measure(system: &System, task: Task, dir: &Path) -> Checked<Option<Figure>> {
    let dir = tempfile::tempdir_in(dir)?;
    let dir = dir.path();
    Ok(match task {
        Task::Callers { count, length } => {
            let called = callers::measure(system, dir, count, length)?;
            Some(Figure::Called(called))
        }
        Task::Pipelined { length } => {
            let pipelined = pipelined::measure(system, dir, length)?;
            pipelined.map(Figure::Pipelined)
        }
        Task::Batches { commands } => {
            let batched = batches::measure(system, dir, commands)?;
            Some(Figure::Batched(batched))
        }
        Task::Reads { orders, length } => {
            let read = reads::measure(system, dir, orders, length)?;
            Some(Figure::Read(read))
        }
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
    fn everyone_who_is_here_keeps_every_row() -> Checked<()> {
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
            ] {
                let done = measure(&system, task, dir.path());
                done.map_err(|error| format!("{}, {task:?}: {error}", system.name))?;
            }
        }
        Ok(())
    }
}
