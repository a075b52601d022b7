//! The exit codes: one for each thing that a script or a person does next.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done, or was so already.
    Done = 0,
    /// The rules refused it, nothing was found, or a person must look.
    Refused = 1,
    /// It was not understood; nothing was changed.
    Usage = 2,
    /// Another process has the store.
    InUse = 3,
    /// The store is damaged.
    Damaged = 4,
    /// A file, a disk or the output failed.
    Io = 5,
    /// The directory is not what the verb needs.
    NoStore = 6,
    /// Done or not: the same command, once more, tells.
    Unknown = 7,
}

/// What `--help` says of them.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done, or it was so already
  1  refused by the rules, nothing found, or a person must look: differences, refused records
  2  not understood; nothing was changed
  3  the store is in use by another process
  4  the store is damaged
  5  a file, a disk or the output failed
  6  the directory is not what the verb needs: missing, empty, something else, a backup,
     of a newer version, or a store already
  7  outcome unknown: a write failed midway; the same command, once more, tells how it ended

Times are given as yyyy-MM-dd, yyyy-MM-dd HH:mm:ss or yyyyMMddHHmmss in Beijing, or in
RFC 3339. They are shown in Beijing time in tables and CSV, and as Unix milliseconds in JSON.
Amounts are given with --fen or with --yuan, and shown in yuan.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// Of something that was done or was refused.
    pub(crate) const fn of(done: bool) -> Self {
        if done { Self::Done } else { Self::Refused }
    }
}
