//! Exit codes. Each code requires another reaction of the script or the operator.

use std::process::ExitCode;

/// Exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did its work, or an earlier command had already done it.
    Done = 0,
    /// The store refused the command, there was no result, or a person must decide.
    Refused = 1,
    /// The arguments are invalid. The command changed nothing.
    Usage = 2,
    /// Another process has the store open.
    InUse = 3,
    /// The store is damaged.
    Damaged = 4,
    /// A file, a disk or the output failed.
    Io = 5,
    /// The verb cannot use the directory or database: for example, it contains no store.
    NoStore = 6,
    /// The outcome is unknown. Run the same command again to see the outcome.
    Unknown = 7,
}

/// Text at the end of `--help` about exit codes, times and amounts.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done, or already done by an earlier command
  1  refused by the rules, no result, or a person must decide: anomalies, differences,
     refused records
  2  invalid arguments; nothing was changed
  3  the store is in use by another process
  4  the store is damaged
  5  a file, a disk or the output failed
  6  the directory or database does not fit the verb: missing, empty, not a store, a backup,
     another format version, already a store, or one directory of a mirrored store
  7  outcome unknown: a write failed midway; run the same command again to see the outcome

Times: write yyyy-MM-dd, yyyy-MM-dd HH:mm:ss or yyyyMMddHHmmss in Beijing time, or RFC 3339.
Tables and CSV show Beijing time. JSON shows Unix milliseconds.
Amounts: use --fen or --yuan. The output shows yuan.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// Returns `Done` if `done` is true, otherwise `Refused`.
    pub(crate) const fn of(done: bool) -> Self {
        if done { Self::Done } else { Self::Refused }
    }
}
