//! Interface of a measured system. Each system has one file in [`crate::rivals`].

use std::path::{Path, PathBuf};

use orderstore::{OrderNo, Store};

use crate::sample::Checked;
use crate::work::Command;

/// A database with its tables, in a directory of its own.
pub(crate) trait Rival: Send + Sync {
    /// Returns the access of one thread; called on that thread.
    fn caller(&self) -> Checked<Box<dyn Caller + '_>>;

    /// Returns the generator of order numbers, if the system has one.
    fn numbers(&self) -> Option<Store> {
        None
    }

    /// Returns the number of command groups so far, if the system counts them.
    fn groups(&self) -> Option<u64> {
        None
    }

    /// Moves durable data from the log and from memory to its final place.
    fn settle(&self) -> Checked<()>;

    /// Counts all rows.
    fn rows(&self) -> Checked<Rows>;

    /// Closes the database. Returns the bytes in use in its files, if the system reports them.
    fn close(self: Box<Self>) -> Checked<Option<u64>>;
}

/// Access of one thread.
pub(crate) trait Caller {
    /// Applies the commands durably, in one transaction if the system has transactions. A command
    /// without its expected effect is an error.
    fn apply(&mut self, commands: &[Command]) -> Checked<()>;

    /// Submits a command without waiting for its reply. Only this store supports that.
    fn hand_over(&mut self, _command: &Command) -> Checked<Waiting> {
        Err("the system waits for each reply".into())
    }

    /// Reads an order by its number, in a transaction of its own.
    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>>;

    /// Reads a page of a user's orders, at most `limit`, newest first, each completely; returns
    /// their number.
    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize>;
}

/// Waits for the reply to a submitted command, which must be the expected one.
pub(crate) type Waiting = Box<dyn FnOnce() -> Checked<()>>;

/// Checked fields of an order that was read completely.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) no: OrderNo,
    pub(crate) fee: u64,
    pub(crate) paid: bool,
}

/// Number of rows of each kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) orders: u64,
    pub(crate) openids: u64,
    pub(crate) statuses: u64,
    pub(crate) transactions: u64,
    pub(crate) events: u64,
}

impl Rows {
    /// Returns the rows after this many complete units.
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

/// Creates a system's database in a directory.
pub(crate) type Open = fn(&Path) -> Checked<Box<dyn Rival>>;

/// A measured system.
#[derive(Clone)]
pub(crate) struct System {
    /// Name on the command line and in the tables.
    pub(crate) name: &'static str,
    /// Whether it runs in the process that uses it.
    pub(crate) in_process: bool,
    /// Whether it is this store, which has tickets and order numbers of its own.
    pub(crate) is_ours: bool,
    /// Returns its version, or the reason why it cannot be measured here.
    pub(crate) version: fn() -> Checked<String>,
    /// Its settings, in one sentence.
    pub(crate) setting: &'static str,
    pub(crate) open: Open,
}

/// Returns the bytes of a directory on disk, without holes.
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
