//! Failure of a command, with its message, advice and exit code.

use std::error::Error as StdError;
use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use orderstore::{Error, OpenError, StorageError, StorageErrorKind, with_causes};

use crate::exit::Exit;

/// Failure that ended a command early.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    advice: &'static str,
}

/// Advice to the operator if another process has the store open.
const IN_USE: &str = "\
Only one process can open a store directory. This command cannot use the store through that process:
it needs the files, or the process has no admin socket (`orderstore serve` has one). Stop the process,
or let it make a backup (Store::backup), and read that: `orderstore restore BACKUP --into DIR`.";

/// Advice to the operator for a damaged store.
const DAMAGED: &str = "\
Stop every process that uses the store, and do not change the directory. If a recent backup
exists, restore it into another directory: `orderstore restore BACKUP --into DIR`.
Otherwise build a new store from the readable data: `orderstore repair --into DIR`.";

const UNKNOWN: &str = "Run the same command again: its answer shows whether this run was applied.";

impl Failure {
    /// Creates a failure for invalid arguments.
    pub(crate) fn usage(why: impl Display) -> Self {
        Self::new(Exit::Usage, why.to_string())
    }

    /// Creates a failure for invalid input, or for a command that the rules refused.
    pub(crate) fn refused(error: &dyn StdError) -> Self {
        Self::new(Exit::Refused, with_causes(error))
    }

    /// Creates a failure for a command that found nothing, such as an unknown order.
    pub(crate) fn nothing(what: impl Display) -> Self {
        Self::new(Exit::Refused, what.to_string())
    }

    /// Creates a failure for a location that already contains a store.
    #[cfg(feature = "postgres")]
    pub(crate) fn taken(what: impl Display) -> Self {
        Self::new(Exit::NoStore, what.to_string())
    }

    /// Creates a failure for a damaged store.
    pub(crate) fn damaged(what: impl Display) -> Self {
        Self::new(Exit::Damaged, what.to_string()).with_advice(DAMAGED)
    }

    /// Creates a failure for a file that could not be opened, read or written.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let (why, advice) = match error.kind() {
            ErrorKind::NotFound => match missing_part(path) {
                Some(missing) => (
                    format!("{} does not exist", missing.display()),
                    "Correct the path, or create what is missing.",
                ),
                None => (error.to_string(), ""),
            },
            ErrorKind::AlreadyExists => (
                "it already exists, and the program does not overwrite files".to_owned(),
                "Name another file.",
            ),
            _ => (error.to_string(), ""),
        };
        let message = format!("{} cannot be used: {why}", path.display());
        Self::new(Exit::Io, message).with_advice(advice)
    }

    /// Creates a failure for an error while reading the input.
    pub(crate) fn input(what: &str, error: &io::Error) -> Self {
        Self::new(Exit::Io, format!("{what}: {error}"))
    }

    /// Creates a failure for an error while writing the output.
    pub(crate) fn output(error: &io::Error) -> Self {
        Self::new(
            Exit::Io,
            format!("the output could not be written: {error}"),
        )
    }

    pub(crate) fn new(exit: Exit, message: String) -> Self {
        let advice = "";
        Self {
            exit,
            message,
            advice,
        }
    }

    /// Sets the advice, which is printed after the message.
    const fn with_advice(mut self, advice: &'static str) -> Self {
        self.advice = advice;
        self
    }

    /// Appends a line to the message.
    pub(crate) fn and(mut self, more: impl Display) -> Self {
        // Ignore the result, because writing to a `String` never fails.
        let _ = write!(self.message, "\n{more}");
        self
    }

    /// Prints the message and the advice to stderr, and returns the exit code.
    pub(crate) fn report(self) -> Exit {
        let mut to = io::stderr().lock();
        // Ignore an error of stderr, because there is no other stream for the message.
        let _ = writeln!(to, "orderstore: {}", self.message);
        if !self.advice.is_empty() {
            let _ = writeln!(to, "{}", self.advice);
        }
        self.exit
    }
}

/// Returns the shortest prefix of a path that does not exist on the disk.
fn missing_part(path: &Path) -> Option<&Path> {
    let parts = path.ancestors().filter(|part| !part.as_os_str().is_empty());
    let missing = parts.take_while(|part| matches!(part.try_exists(), Ok(false)));
    missing.last()
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Open(error) = error {
            return error.into();
        }
        let exit = exit_of(&error);
        Self::new(exit, with_causes(&error)).with_advice(advice(&error, exit))
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::Locked { .. } => Exit::InUse,
            OpenError::Invalid { .. } => Exit::Usage,
            OpenError::Unopened { source, .. }
            | OpenError::Unavailable(source)
            | OpenError::Archive(source) => exit_of_cause(source),
            OpenError::WeakDurability { .. } | OpenError::Unclosed { .. } => Exit::Io,
            _ => Exit::NoStore,
        };
        let advice = match (&error, exit) {
            (OpenError::Unclosed { .. }, _) => {
                "The new store is complete: serve from it. For the report, run the command again
with another directory."
            }
            (_, Exit::NoStore) => advice_on_place(&error),
            (_, exit) => advice_on(exit),
        };
        Self::new(exit, with_causes(&error)).with_advice(advice)
    }
}

/// Returns the exit code for an error of the store.
const fn exit_of(error: &Error) -> Exit {
    match error {
        Error::OutcomeUnknown(_) => Exit::Unknown,
        Error::Differs { .. } | Error::ReadOnly => Exit::Refused,
        Error::Invalid { .. }
        | Error::InvalidCursor { .. }
        | Error::BatchTooLarge { .. }
        | Error::Unsupported { .. } => Exit::Usage,
        Error::Poisoned(cause)
        | Error::NotApplied(cause)
        | Error::Unreadable(cause)
        | Error::Unclosed(cause)
        | Error::NotBackedUp { source: cause, .. } => exit_of_cause(cause),
        _ => Exit::Io,
    }
}

/// Returns the exit code for an error of the disk or of a file.
const fn exit_of_cause(cause: &StorageError) -> Exit {
    match cause.kind() {
        StorageErrorKind::Corrupted | StorageErrorKind::Stalled => Exit::Damaged,
        StorageErrorKind::TooLarge => Exit::Refused,
        _ => Exit::Io,
    }
}

/// Returns the advice for an error of the store.
const fn advice(error: &Error, exit: Exit) -> &'static str {
    match (error, exit) {
        (_, Exit::Damaged | Exit::Unknown) => advice_on(exit),
        (Error::InvalidCursor { .. }, _) => {
            "Use a cursor only with the store and the flags of the page that printed it."
        }
        (Error::ReadOnly, _) => "Run the command on the store that the standby follows.",
        (Error::Differs { .. }, _) => {
            "Orders of the target have changed. Copy into a directory that is missing or empty."
        }
        (Error::Unclosed(_), _) => {
            "No acknowledged change is lost. To check the store, run `orderstore verify`."
        }
        (Error::DiskFull, _) => "Free space on the disk, then run the same command again.",
        (_, exit) => advice_on(exit),
    }
}

/// Returns the advice that follows from the exit code alone.
const fn advice_on(exit: Exit) -> &'static str {
    match exit {
        Exit::InUse => IN_USE,
        Exit::Damaged => DAMAGED,
        Exit::Unknown => UNKNOWN,
        Exit::Io => "Fix the cause, then run the same command again.",
        Exit::Usage => "Correct the command. `orderstore VERB --help` explains it.",
        _ => "",
    }
}

/// Returns the advice for a directory or database that the verb cannot use.
const fn advice_on_place(error: &OpenError) -> &'static str {
    match error {
        OpenError::Missing { .. } => {
            "Check that the volume is mounted. To create a new store, run `orderstore init`."
        }
        OpenError::ParentMissing { .. } => {
            "Check that the volume is mounted. Otherwise correct the path, or create what is missing
(`mkdir -p`)."
        }
        OpenError::Incomplete { .. } => {
            "The store never contained an order. Run `orderstore init` to complete it."
        }
        OpenError::Unfinished { .. } => {
            "Run the same backup, restore or repair into this directory again. It starts over. If it is
a mirror, name it with --mirror and the other directory with --store."
        }
        OpenError::IsBackup { .. } => {
            "To make a store from it, run `orderstore restore BACKUP --into DIR` with another
directory. A new backup needs its own directory."
        }
        OpenError::IsStandby { .. } => {
            "To follow its archive, run `orderstore follow`. To make it the store that serves, run
`orderstore promote`. To read from it, name its archive with --archive."
        }
        OpenError::NotABackup { .. } => "Name a directory that `orderstore backup DIR` created.",
        OpenError::Foreign { .. } => {
            "Check the path: the store may be in a directory above or below it."
        }
        OpenError::MirrorMissing { .. } => {
            "Name the other directory with --mirror. If it is lost for good, run
`orderstore mirror accept` with the remaining directory as --store."
        }
        OpenError::MirrorConflict { .. } => {
            "Decide which directory counts, and move the other one away. Do not delete it before you
have compared both: each may hold changes that the other lacks."
        }
        OpenError::NotMirrored { .. } => "Use the directory as it is.",
        OpenError::ArchiveMissing { .. } => {
            "Name the archive with --archive. To open the store without it, use --without-archive: a
server ships the changes later."
        }
        OpenError::Fenced(_) => {
            "If another store serves these orders, move this directory away. If none does, restore the
archive with `orderstore restore --from URL --into DIR`, or use a new, empty archive."
        }
        OpenError::AlreadyThere { .. } => {
            "Use that store, or name a directory that is missing or empty."
        }
        OpenError::NewerFormat { .. } => {
            "Use the version of this program that wrote the store, or a later one."
        }
        OpenError::OlderFormat { .. } => {
            "Connect once with a server of this version: its `Store::connect` upgrades the tables."
        }
        _ => "To create a new store, run `orderstore init`.",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn cause(kind: StorageErrorKind) -> StorageError {
        StorageError::new(kind, "cause")
    }

    /// Checks the exit code of an error, and that its advice contains a text.
    #[track_caller]
    fn check(error: impl Into<Failure>, exit: Exit, advice: &str) {
        let failure = error.into();
        assert_eq!(failure.exit, exit, "{failure:?}");
        assert!(failure.advice.contains(advice), "{failure:?}");
    }

    #[test]
    fn unknown_outcome_has_own_exit_code() {
        let unknown = Error::OutcomeUnknown(cause(StorageErrorKind::Io));
        check(unknown, Exit::Unknown, "Run the same command again");
        check(Error::NotApplied(cause(StorageErrorKind::Io)), Exit::Io, "");
        check(Error::DiskFull, Exit::Io, "");
    }

    #[test]
    fn every_corruption_error_has_exit_code_damaged() {
        let dir = PathBuf::from("shop");
        let source = cause(StorageErrorKind::Corrupted);
        for error in [
            Error::Unreadable(source.clone()),
            Error::Poisoned(source.clone()),
            Error::NotApplied(cause(StorageErrorKind::Stalled)),
            Error::Open(OpenError::Unopened {
                dir: dir.clone(),
                source: source.clone(),
            }),
            Error::NotBackedUp { dir, source },
        ] {
            check(error, Exit::Damaged, "orderstore repair");
        }
    }

    #[test]
    fn unsuitable_directory_error_has_exit_code_and_advice() {
        let dir = || PathBuf::from("shop");
        check(
            OpenError::Locked { dir: dir() },
            Exit::InUse,
            "Store::backup",
        );
        check(
            OpenError::Incomplete { dir: dir() },
            Exit::NoStore,
            "orderstore init",
        );
        check(
            OpenError::Unfinished { dir: dir() },
            Exit::NoStore,
            "starts over",
        );
        check(
            OpenError::NewerFormat { found: 2, known: 1 },
            Exit::NoStore,
            "a later one",
        );
        check(
            OpenError::OlderFormat { found: 1, known: 2 },
            Exit::NoStore,
            "Store::connect",
        );
        check(
            OpenError::Unclosed {
                dir: dir(),
                source: cause(StorageErrorKind::Io),
            },
            Exit::Io,
            "complete",
        );
    }

    #[test]
    fn failure_message_contains_every_cause() {
        let failure = Failure::from(Error::Unreadable(cause(StorageErrorKind::Io)));
        let whole = "the store could not be read: input or output failed: cause";
        assert_eq!(failure.message, whole);
    }

    #[test]
    fn every_store_error_has_advice() {
        let dir = || PathBuf::from("shop");
        let io = || cause(StorageErrorKind::Io);
        let open = [
            OpenError::Unopened {
                dir: dir(),
                source: io(),
            },
            OpenError::Unavailable(io()),
            OpenError::Locked { dir: dir() },
            OpenError::Missing { dir: dir() },
            OpenError::ParentMissing {
                dir: dir().join("deeper"),
                missing: dir(),
            },
            OpenError::Empty { dir: dir() },
            OpenError::Foreign { dir: dir() },
            OpenError::Incomplete { dir: dir() },
            OpenError::Unfinished { dir: dir() },
            OpenError::IsBackup { dir: dir() },
            OpenError::IsStandby { dir: dir() },
            OpenError::NotABackup { dir: dir() },
            OpenError::AlreadyThere { dir: dir() },
            OpenError::NoTables,
            OpenError::NewerFormat { found: 2, known: 1 },
            OpenError::OlderFormat { found: 1, known: 2 },
            OpenError::Unclosed {
                dir: dir(),
                source: io(),
            },
            OpenError::WeakDurability { dir: dir() },
            OpenError::Invalid {
                what: "node",
                why: "above 999".to_owned(),
            },
        ];
        let of_call = [
            Error::Overloaded,
            Error::DiskFull,
            Error::ReadOnly,
            Error::OutcomeUnknown(io()),
            Error::Poisoned(io()),
            Error::NotApplied(io()),
            Error::Unreadable(io()),
            Error::Unclosed(io()),
            Error::NotBackedUp {
                dir: dir(),
                source: io(),
            },
            Error::Differs {
                no: orderstore::OrderNo::parse("order-1").unwrap(),
            },
            Error::Unsupported { what: "a backup" },
            Error::InvalidCursor {
                why: "other".into(),
            },
        ];
        for error in of_call.into_iter().chain(open.map(Error::from)) {
            let failure = Failure::from(error);
            assert!(!failure.advice.is_empty(), "{failure:?}");
        }
    }

    #[test]
    fn file_error_names_topmost_missing_path() {
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
