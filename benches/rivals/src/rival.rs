//! What everyone measured must be able to do. One file for each is in [`crate::rivals`].

use std::path::{Path, PathBuf};

use orderstore::{OrderNo, Store};

use crate::sample::Checked;
use crate::work::Command;

/// A database with its tables made, in a directory of its own.
pub(crate) trait Rival: Send + Sync {
    /// What one thread works with; made on that thread.
    fn caller(&self) -> Checked<Box<dyn Caller + '_>>;

    /// Where order numbers come from, if it has a generator of its own.
    fn numbers(&self) -> Option<Store> {
        None
    }

    /// The groups that its commands formed so far, if it counts them.
    fn groups(&self) -> Option<u64> {
        None
    }

    /// Brings what is durable but only logged or held in memory to where it stays.
    fn settle(&self) -> Checked<()>;

    /// Counts every row there is.
    fn rows(&self) -> Checked<Rows>;

    /// Closes it, and says how many bytes of its files are in use, where it can tell.
    fn close(self: Box<Self>) -> Checked<Option<u64>>;
}

/// One thread's access.
pub(crate) trait Caller {
    /// Makes the commands durable, all in one transaction where there is one. A command
    /// that does not do what it should is an error.
    fn apply(&mut self, commands: &[Command]) -> Checked<()>;

    /// Hands a command over without waiting for its answer. Only the store can.
    fn hand_over(&mut self, _command: &Command) -> Checked<Waiting> {
        Err("it waits for each answer".into())
    }

    /// The order under a number, in a transaction of its own.
    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>>;

    /// How many of a user's orders the page holds: at most `limit`, newest first, each
    /// read whole.
    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize>;
}

/// Waits for the answer to what was handed over, which must be the one that is due.
pub(crate) type Waiting = Box<dyn FnOnce() -> Checked<()>>;

/// What is looked at of an order that was read whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) no: OrderNo,
    pub(crate) fee: u64,
    pub(crate) paid: bool,
}

/// How many rows there are of each kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) orders: u64,
    pub(crate) openids: u64,
    pub(crate) statuses: u64,
    pub(crate) transactions: u64,
    pub(crate) events: u64,
}

impl Rows {
    /// What so many whole units leave behind.
    pub(crate) const fn of_units(units: u64) -> Self {
        Self {
            orders: units,
            openids: units,
            statuses: units,
            transactions: units,
            events: units.saturating_mul(2),
        }
    }
}

/// Makes a rival's database in a directory.
pub(crate) type Open = fn(&Path) -> Checked<Box<dyn Rival>>;

/// Who is measured.
#[derive(Clone)]
pub(crate) struct System {
    /// Its name on the command line and in the tables.
    pub(crate) name: &'static str,
    /// Whether it lives in the process that uses it.
    pub(crate) in_process: bool,
    /// Whether it is the store itself, which has tickets and numbers of its own.
    pub(crate) is_ours: bool,
    /// Its version, or why it cannot be measured here.
    pub(crate) version: fn() -> Checked<String>,
    /// How it is set up, in a sentence.
    pub(crate) setting: &'static str,
    pub(crate) open: Open,
}

/// The bytes that a directory takes on the disk, holes not counted.
pub(crate) fn bytes_on_disk(dir: &Path) -> Checked<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut left: Vec<PathBuf> = vec![dir.to_owned()];
    let mut blocks = 0_u64;
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            blocks = blocks.saturating_add(meta.blocks());
            if meta.is_dir() {
                left.push(entry.path());
            }
        }
    }
    Ok(blocks.saturating_mul(512))
}
