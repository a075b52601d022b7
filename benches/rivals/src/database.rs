//! A database under measurement, and the number of units that it has acknowledged so far.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use orderstore::Store;
use serde::Serialize;

use crate::expect::expect;
use crate::figures::{float, rate, to};
use crate::grouped::Grouped;
use crate::sample::Checked;
use crate::system::{Rival, Rows, Seen, System};
use crate::usage::{Cost, Usage};
use crate::work::{Create, Units};

/// Maximum number of orders on a page.
pub(crate) const PAGE: usize = 20;

/// Mean number of orders of a user after the database was filled.
const ORDERS_PER_USER: u64 = 50;

pub(crate) struct Database {
    pub(crate) rival: Box<dyn Rival>,
    pub(crate) users: u64,
    /// Store that generates the order numbers: the measured store itself, or one in memory.
    numbers: Store,
    workers: AtomicU64,
    units: AtomicU64,
}

impl Database {
    /// Creates a database for about this many orders.
    pub(crate) fn create(
        system: &System,
        is_grouped: bool,
        dir: &Path,
        orders: u64,
    ) -> Checked<Self> {
        let mut rival = (system.open)(dir)?;
        if is_grouped {
            rival = Box::new(Grouped::start(rival));
        }
        Ok(Self {
            numbers: rival.numbers().map_or_else(Store::memory, Ok)?,
            rival,
            users: (orders / ORDERS_PER_USER).max(1),
            workers: AtomicU64::new(0),
            units: AtomicU64::new(0),
        })
    }

    /// Returns a stream of units, with orders and transactions of its own.
    pub(crate) fn stream(&self) -> Checked<Units> {
        let worker = self.workers.fetch_add(1, Ordering::Relaxed);
        Units::new(&self.numbers, worker, self.users)
    }

    /// Counts complete units.
    pub(crate) fn acknowledge(&self, units: u64) {
        self.units.fetch_add(units, Ordering::Relaxed);
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.units.load(Ordering::Relaxed)
    }

    /// Reads paid orders back, by their numbers and in their users' lists.
    pub(crate) fn check(&self, orders: &[Create]) -> Checked<()> {
        let mut caller = self.rival.caller()?;
        for order in orders {
            expect(&caller.get(&order.no)?, &Some(Seen::paid(order)))?;
            if caller.page(order.openid.as_str(), PAGE)? == 0 {
                return Err("the order is missing from its user's list".into());
            }
        }
        Ok(())
    }

    /// Checks that the database holds what was acknowledged and nothing else, and closes it.
    /// Returns the bytes in use in its files, if the system reports them.
    pub(crate) fn close(self) -> Checked<Option<u64>> {
        expect(&self.rival.rows()?, &Rows::of_units(self.acknowledged()))?;
        drop(self.numbers);
        self.rival.close()
    }

    /// Starts the clock.
    pub(crate) fn clock(&self) -> Clock<'_> {
        Clock {
            usage: self.rival.usage(),
            groups: self.rival.groups(),
            rival: &*self.rival,
            began: Instant::now(),
        }
    }
}

/// A running clock.
pub(crate) struct Clock<'d> {
    rival: &'d dyn Rival,
    began: Instant,
    usage: Checked<Usage>,
    groups: Option<u64>,
}

/// Durable commands per second, and what each of them cost.
#[derive(Serialize)]
pub(crate) struct Rates {
    commands: u64,
    /// Rate until the last reply.
    rate: f64,
    /// Rate until all background work has ended.
    rate_settled: f64,
    /// Cost until all background work has ended.
    #[serde(flatten)]
    cost: Cost,
    /// Mean number of commands in a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_mean: Option<f64>,
}

impl Clock<'_> {
    /// Stops after the last reply to these commands, and again after the database has settled.
    pub(crate) fn stop(self, commands: u64) -> Checked<Rates> {
        let (answered, groups) = (self.began.elapsed(), self.rival.groups());
        self.rival.settle()?;
        let settled = self.began.elapsed();
        let usage = self.rival.usage()?.since(self.usage?);
        let groups = groups
            .zip(self.groups)
            .map(|(after, before)| after - before);
        Ok(Rates {
            commands,
            rate: rate(commands, answered),
            rate_settled: rate(commands, settled),
            cost: usage.cost(commands),
            group_mean: groups.map(|groups| to(10.0, float(commands) / float(groups.max(1)))),
        })
    }
}
