//! `export`: writes orders to a file or to stdout.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;
use orderstore::transfer::{Export as StoreExport, ExportError, Exported};
use orderstore::{Store, Timestamp};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location::{self, is_named_csv};
use crate::output::{Format, Pipe};
use crate::progress;
use crate::time_arg::TimeRange;

/// Export orders, oldest first: complete in JSON Lines, or as a report in CSV
///
/// JSON Lines contain everything that another store needs for an import, including personal data.
/// Only the owner of the output file can read it. An export is not a backup: it has no history,
/// no feed and no counter of order numbers. The CSV report is for spreadsheets and names no user.
/// Payments and refunds that wait for an order have no creation time. --from and --to do not
/// filter them in JSON Lines.
#[derive(Args)]
pub(crate) struct Export {
    /// New output file. Default: stdout. Without --format, a name that ends in .csv selects the
    /// report
    #[arg(long, value_name = "FILE", value_parser = location::path())]
    output: Option<PathBuf>,
    #[command(flatten)]
    stretch: TimeRange,
}

impl Export {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let is_report = match context.format() {
            None => self.output.as_deref().is_some_and(is_named_csv),
            Some(Format::Jsonl) => false,
            Some(Format::Csv) => true,
            Some(Format::Table | Format::Json) => {
                return Err(Failure::usage(
                    "export supports --format jsonl (complete) and --format csv (a report)",
                ));
            }
        };
        let wanted = Wanted {
            times: self.stretch.range()?,
            is_report,
        };
        let exported = context.with_store(|store| {
            progress::begin("exporting");
            match &self.output {
                Some(path) => wanted.to_file(store, path).map(Some),
                None => wanted.to_stdout(store),
            }
        })?;
        progress::end();
        if let Some(Exported {
            orders,
            unclaimed: waiting,
            ..
        }) = exported
        {
            progress::print_line(&format!("orders {orders}, waiting {waiting}"));
        }
        Ok(Exit::Done)
    }
}

/// Time range and format of an export.
struct Wanted {
    times: Range<Timestamp>,
    is_report: bool,
}

impl Wanted {
    fn write(&self, store: &Store, to: impl Write) -> Result<Exported, Failure> {
        let all = Timestamp::EPOCH..Timestamp::MAX;
        let mut export = StoreExport::all();
        if self.times != all {
            export = export.created_between(self.times.clone());
        }
        let to = BufWriter::new(to);
        let exported = if self.is_report {
            export.csv(store, to)
        } else {
            export.json_lines(store, to)
        };
        exported.map_err(|error| match error {
            ExportError::Store(error) => error.into(),
            ExportError::Output(error) => Failure::output(&error),
            error => Failure::refused(&error),
        })
    }

    /// Exports to stdout. Returns `None` if the reader closed stdout before the end.
    fn to_stdout(&self, store: &Store) -> Result<Option<Exported>, Failure> {
        let mut to = Pipe::new();
        match self.write(store, &mut to) {
            Err(_) if to.is_closed() => Ok(None),
            written => written.map(Some),
        }
    }

    /// Exports to a new file. If the export fails, the function removes the incomplete file, so
    /// that nobody imports it.
    fn to_file(&self, store: &Store, path: &Path) -> Result<Exported, Failure> {
        let file = create(path).map_err(|error| Failure::file(path, &error))?;
        let written = self.write(store, &file).and_then(|exported| {
            let synced = file.sync_all();
            synced.map_err(|error| Failure::file(path, &error))?;
            Ok(exported)
        });
        written.map_err(|failure| match fs::remove_file(path) {
            Ok(()) => failure,
            Err(_) => failure.and(format_args!(
                "{} is incomplete and could not be removed",
                path.display()
            )),
        })
    }
}

/// Creates a new file. On Unix, only its owner can read it.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
