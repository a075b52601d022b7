//! What went wrong, in words, with what to do next and the exit code.

use std::error::Error as StdError;
use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use orderstore::{Error, StorageError, StorageErrorKind};

use crate::exit::Exit;

/// Why a command ended before it was done.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    advice: &'static str,
}

const IN_USE: &str = "\
A store has one process. To look while a server has it, have the server make a backup
(Store::backup; no other process can), then `orderstore restore BACKUP --into DIR` and look
there. Or stop the server and run this again.";

const DAMAGED: &str = "\
Stop what uses the store, and leave the directory as it is. Restore a backup into another
directory (`orderstore restore BACKUP --into DIR`); where none is young enough, make a sound
store of what can be read (`orderstore repair --into DIR`).";

const UNKNOWN: &str = "Run the same command again: its answer tells how this one ended.";

impl Failure {
    /// What was said cannot be.
    pub(crate) fn usage(why: impl Display) -> Self {
        Self::new(Exit::Usage, why.to_string())
    }

    /// The input, or what was asked, does not fit.
    pub(crate) fn refused(error: &dyn StdError) -> Self {
        Self::new(Exit::Refused, chain(error))
    }

    /// What was asked for is not there.
    pub(crate) fn nothing(what: impl Display) -> Self {
        Self::new(Exit::Refused, what.to_string())
    }

    /// There is something already where something was to be made.
    #[cfg(feature = "postgres")]
    pub(crate) fn taken(what: impl Display) -> Self {
        Self::new(Exit::NoStore, what.to_string())
    }

    /// The store breaks what it promises.
    pub(crate) fn damaged(what: impl Display) -> Self {
        Self::new(Exit::Damaged, what.to_string()).with_advice(DAMAGED)
    }

    /// A file could not be opened, read or written.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let (why, advice) = match error.kind() {
            ErrorKind::NotFound => match missing_part(path) {
                Some(missing) => (
                    format!("{} does not exist", missing.display()),
                    "Correct the path, or make what is missing.",
                ),
                None => (error.to_string(), ""),
            },
            ErrorKind::AlreadyExists => (
                "it exists already, and nothing is overwritten".to_owned(),
                "Name another file.",
            ),
            _ => (error.to_string(), ""),
        };
        let message = format!("{} cannot be used: {why}", path.display());
        Self::new(Exit::Io, message).with_advice(advice)
    }

    /// The input could not be read on.
    pub(crate) fn input(what: &str, error: &io::Error) -> Self {
        Self::new(Exit::Io, format!("{what}: {error}"))
    }

    /// The output takes no more.
    pub(crate) fn output(error: &io::Error) -> Self {
        Self::new(
            Exit::Io,
            format!("the output could not be written: {error}"),
        )
    }

    fn new(exit: Exit, message: String) -> Self {
        let advice = "";
        Self {
            exit,
            message,
            advice,
        }
    }

    /// The same, with what to do.
    const fn with_advice(mut self, advice: &'static str) -> Self {
        self.advice = advice;
        self
    }

    /// The same, with something that is to be known besides.
    pub(crate) fn and(mut self, more: impl Display) -> Self {
        // A string takes everything.
        let _ = write!(self.message, "\n{more}");
        self
    }

    /// Says it on stderr, and hands out the exit code.
    pub(crate) fn tell(self) -> Exit {
        let mut to = io::stderr().lock();
        // Nobody is left to be told that this failed, too.
        let _ = writeln!(to, "orderstore: {}", self.message);
        if !self.advice.is_empty() {
            let _ = writeln!(to, "{}", self.advice);
        }
        self.exit
    }
}

/// The topmost part of a path that does not exist.
fn missing_part(path: &Path) -> Option<&Path> {
    let parts = path.ancestors().filter(|part| !part.as_os_str().is_empty());
    let missing = parts.take_while(|part| matches!(part.try_exists(), Ok(false)));
    missing.last()
}

/// The message and all that is behind it.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = exit_of(&error);
        Self {
            exit,
            advice: advice(&error, exit),
            message: chain(&error),
        }
    }
}

const fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Locked { .. } => Exit::InUse,
        Error::OutcomeUnknown(_) => Exit::Unknown,
        Error::Missing { .. }
        | Error::ParentMissing { .. }
        | Error::Empty { .. }
        | Error::Foreign { .. }
        | Error::Incomplete { .. }
        | Error::Unfinished { .. }
        | Error::IsBackup { .. }
        | Error::NotABackup { .. }
        | Error::AlreadyThere { .. }
        | Error::NoTables
        | Error::NewerFormat { .. }
        | Error::OlderFormat { .. } => Exit::NoStore,
        Error::Differs { .. } => Exit::Refused,
        Error::Invalid { .. }
        | Error::InvalidCursor { .. }
        | Error::BatchTooLarge { .. }
        | Error::Unsupported { .. } => Exit::Usage,
        Error::Poisoned(cause)
        | Error::NotApplied(cause)
        | Error::Unreadable(cause)
        | Error::Unclosed(cause)
        | Error::NotBackedUp { source: cause, .. }
        | Error::Unopened { source: cause, .. } => exit_beneath(cause),
        _ => Exit::Io,
    }
}

const fn exit_beneath(cause: &StorageError) -> Exit {
    match cause.kind() {
        StorageErrorKind::Corrupted | StorageErrorKind::Stalled => Exit::Damaged,
        StorageErrorKind::TooLarge => Exit::Refused,
        _ => Exit::Io,
    }
}

/// What to do about a failure of the store.
const fn advice(error: &Error, exit: Exit) -> &'static str {
    match (error, exit) {
        (_, Exit::InUse) => IN_USE,
        (_, Exit::Damaged) => DAMAGED,
        (_, Exit::Unknown) => UNKNOWN,
        (error, Exit::NoStore) => advice_on_place(error),
        (Error::InvalidCursor { .. }, _) => {
            "A cursor goes with the very flags and the store of the page that printed it."
        }
        (Error::Differs { .. }, _) => {
            "Orders were changed in the target: copy into a directory that is missing or empty."
        }
        (Error::Unclosed(_), _) => "What was answered is durable.",
        (Error::DiskFull, _) => "Make room on the disk, then run the same command again.",
        (_, Exit::Io) => "Mend that, then run the same command again.",
        (_, Exit::Usage) => "Correct the command: `orderstore VERB --help` explains it.",
        _ => "",
    }
}

/// What to do where a directory or a database is not what the verb needs.
const fn advice_on_place(error: &Error) -> &'static str {
    match error {
        Error::Missing { .. } => {
            "A volume that is not mounted looks like this. A new store is made by `orderstore init`."
        }
        Error::ParentMissing { .. } => {
            "A volume that is not mounted looks like this. Correct the path, or make what is missing
(`mkdir -p`)."
        }
        Error::Incomplete { .. } => "No order was ever in it; `orderstore init` finishes it.",
        Error::Unfinished { .. } => {
            "Run the same backup, restore or repair into it again: it begins anew there."
        }
        Error::IsBackup { .. } => {
            "`orderstore restore BACKUP --into DIR` makes a store of it in another directory; a new
backup takes a directory of its own."
        }
        Error::NotABackup { .. } => "Name a directory that `orderstore backup DIR` made.",
        Error::Foreign { .. } => {
            "Name the store's own directory. What is made new takes one that is missing or empty."
        }
        Error::AlreadyThere { .. } => {
            "Use that store, or name a directory that is missing or empty."
        }
        Error::NewerFormat { .. } => {
            "Use the version of this program that wrote it, or a later one."
        }
        _ => "A new store is made by `orderstore init`.",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn beneath(kind: StorageErrorKind) -> StorageError {
        StorageError::new(kind, "beneath")
    }

    #[track_caller]
    fn check(error: Error, exit: Exit, advice: &str) {
        let failure = Failure::from(error);
        assert_eq!(failure.exit, exit, "{failure:?}");
        assert!(failure.advice.contains(advice), "{failure:?}");
    }

    #[test]
    fn a_write_that_failed_midway_is_told_from_one_that_certainly_did_not_happen() {
        let unknown = Error::OutcomeUnknown(beneath(StorageErrorKind::Io));
        check(unknown, Exit::Unknown, "Run the same command again");
        check(
            Error::NotApplied(beneath(StorageErrorKind::Io)),
            Exit::Io,
            "",
        );
        check(Error::DiskFull, Exit::Io, "");
    }

    #[test]
    fn damage_is_damage_wherever_it_is_met() {
        let dir = PathBuf::from("shop");
        let source = beneath(StorageErrorKind::Corrupted);
        for error in [
            Error::Unreadable(source.clone()),
            Error::Poisoned(source.clone()),
            Error::Unopened {
                dir: dir.clone(),
                source: source.clone(),
            },
            Error::NotBackedUp { dir, source },
        ] {
            check(error, Exit::Damaged, "orderstore repair");
        }
    }

    #[test]
    fn directories_of_another_kind_are_no_store() {
        let dir = || PathBuf::from("shop");
        check(Error::Locked { dir: dir() }, Exit::InUse, "Store::backup");
        check(
            Error::Incomplete { dir: dir() },
            Exit::NoStore,
            "orderstore init",
        );
        check(
            Error::Unfinished { dir: dir() },
            Exit::NoStore,
            "begins anew",
        );
        check(Error::NewerFormat { found: 2, known: 1 }, Exit::NoStore, "");
    }

    #[test]
    fn a_message_names_every_cause() {
        let failure = Failure::from(Error::Unreadable(beneath(StorageErrorKind::Io)));
        let whole = "the store could not be read: input or output failed: beneath";
        assert_eq!(failure.message, whole);
    }

    #[test]
    fn every_failure_of_the_store_says_what_to_do() {
        let dir = || PathBuf::from("shop");
        let io = || beneath(StorageErrorKind::Io);
        for error in [
            Error::Overloaded,
            Error::DiskFull,
            Error::OutcomeUnknown(io()),
            Error::Poisoned(io()),
            Error::NotApplied(io()),
            Error::Unreadable(io()),
            Error::Unclosed(io()),
            Error::NotBackedUp {
                dir: dir(),
                source: io(),
            },
            Error::Unopened {
                dir: dir(),
                source: io(),
            },
            Error::Locked { dir: dir() },
            Error::Missing { dir: dir() },
            Error::ParentMissing {
                dir: dir().join("deeper"),
                missing: dir(),
            },
            Error::Empty { dir: dir() },
            Error::Foreign { dir: dir() },
            Error::Incomplete { dir: dir() },
            Error::Unfinished { dir: dir() },
            Error::IsBackup { dir: dir() },
            Error::NotABackup { dir: dir() },
            Error::AlreadyThere { dir: dir() },
            Error::NoTables,
            Error::NewerFormat { found: 2, known: 1 },
            Error::Differs {
                no: orderstore::OrderNo::parse("order-1").unwrap(),
            },
            Error::Unsupported { what: "a backup" },
            Error::InvalidCursor { why: "other" },
            Error::Invalid {
                what: "node",
                why: "above 999".to_owned(),
            },
        ] {
            let failure = Failure::from(error);
            assert!(!failure.advice.is_empty(), "{failure:?}");
        }
    }

    #[test]
    fn a_file_failure_names_the_topmost_missing_part() {
        let place = tempfile::tempdir().unwrap();
        let failure = |path: &Path| Failure::file(path, &ErrorKind::NotFound.into()).message;
        let missing = place.path().join("no");
        let expected = format!("{} does not exist", missing.display());
        for path in [missing.join("such/file"), missing] {
            let message = failure(&path);
            assert!(message.ends_with(&expected), "{message}");
        }
    }
}
