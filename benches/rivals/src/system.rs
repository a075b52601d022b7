//! Interface of a measured system. Each system has one file in `rivals`.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use orderstore::{OrderNo, Store};

use crate::expect::expect;
use crate::sample::Checked;
use crate::usage::Usage;
use crate::work::{Command, Create};

/// Cache size of each system in bytes; LMDB uses the operating system's page cache.
pub(crate) const CACHE_BYTES: usize = 1 << 30;

/// Maximum bytes of written data in memory, for systems that have such a setting.
pub(crate) const MEMTABLE_BYTES: usize = 256 << 20;

/// Maximum number of concurrent threads.
pub(crate) const CALLERS_MAX: usize = 1024;

/// A database with its tables, in a directory of its own.
pub(crate) trait Rival: Send + Sync {
    /// Returns an access for the calling thread.
    fn caller(&self) -> Checked<Box<dyn Caller + '_>>;

    /// Returns the way to submit commands without waiting, if the system has one.
    fn submit(&self) -> Option<Submit> {
        None
    }

    /// Returns the generator of order numbers, if the system has one.
    fn numbers(&self) -> Option<Store> {
        None
    }

    /// Returns the number of command groups so far, if the system counts them.
    fn groups(&self) -> Option<u64> {
        None
    }

    /// Returns the CPU time of the system and of the bench, and their context switches.
    fn usage(&self) -> Checked<Usage> {
        Usage::now()
    }

    /// Moves durable data from the log and from memory to its final place, and waits until all
    /// background work has ended.
    fn settle(&self) -> Checked<()>;

    /// Counts all rows.
    fn rows(&self) -> Checked<Rows>;

    /// Closes the database. Returns the bytes in use in its files, if the system reports them.
    fn close(self: Box<Self>) -> Checked<Option<u64>>;
}

/// Access of one thread.
pub(crate) trait Caller {
    /// Applies the commands durably, in one transaction if the system has transactions. A refused
    /// command changes nothing, and the others are applied.
    fn apply(&mut self, commands: &[Command]) -> Checked<Vec<Reply>>;

    /// Applies one command durably.
    fn one(&mut self, command: Command) -> Checked<Reply> {
        let replies = self.apply(std::slice::from_ref(&command))?;
        Ok(*replies.first().ok_or("the command has no reply")?)
    }

    /// Reads an order by its number, in a transaction of its own.
    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>>;

    /// Reads a page of a user's orders, at most `limit`, newest first, each completely; returns
    /// their number.
    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize>;
}

/// Reply to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Done,
    /// The order, or the transaction, exists already; or the payment does not fit its order.
    Refused,
}

impl Reply {
    /// Fails on any other reply.
    pub(crate) fn must_be(self, due: Self) -> Checked<()> {
        expect(&self, &due)
    }
}

/// Submits a command without waiting. Returns `None` if the queue is full.
pub(crate) type Submit = Arc<dyn Fn(Command) -> Checked<Option<Waiting>> + Send + Sync>;

/// Future of a reply.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = Checked<Reply>> + Send>>;

/// Checked fields of an order that was read completely.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) no: OrderNo,
    pub(crate) fee: u64,
    pub(crate) paid: bool,
}

impl Seen {
    /// Returns the fields of an order after its payment.
    pub(crate) const fn paid(create: &Create) -> Self {
        Self {
            no: create.no,
            fee: create.fee.as_u64(),
            paid: true,
        }
    }
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

/// A measured system.
pub(crate) struct System {
    /// Name on the command line and in the tables.
    pub(crate) name: &'static str,
    /// Whether the system is also measured grouped: behind a writer thread.
    pub(crate) can_group: bool,
    /// Returns its version, or the reason why it cannot be measured here.
    pub(crate) version: fn() -> Checked<String>,
    /// Its settings, in one sentence.
    pub(crate) setting: &'static str,
    /// Creates its database in a directory.
    pub(crate) open: fn(&Path) -> Checked<Box<dyn Rival>>,
}

/// Returns the version of a crate that this program was built with.
pub(crate) fn version_of(name: &str) -> Checked<String> {
    let mut lines = include_str!("../Cargo.lock").lines();
    let wanted = format!("name = \"{name}\"");
    let found = lines.any(|line| line == wanted).then(|| lines.next());
    let version = found.flatten().and_then(|line| line.split('"').nth(1));
    Ok(version
        .ok_or("the lock file does not contain the crate")?
        .to_owned())
}

/// Returns the version of a system, and that of the crate through which this program uses it.
pub(crate) fn with_crate(version: &str, name: &str) -> Checked<String> {
    Ok(format!("{version}, {name} {}", version_of(name)?))
}

/// Waits until several checks in a row see no background work, because one job may start the
/// next.
pub(crate) fn wait_until_idle(is_idle: impl Fn() -> Checked<bool>) -> Checked<()> {
    let mut looks = 0;
    while looks < 4 {
        std::thread::sleep(Duration::from_millis(5));
        looks = if is_idle()? { looks + 1 } else { 0 };
    }
    Ok(())
}

/// Returns the bytes that a directory occupies on disk, without the holes of sparse files.
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
