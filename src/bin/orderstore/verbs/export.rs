//! `export`: a store's books into a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;
use orderstore::transfer::{Export as Books, ExportError, Exported};
use orderstore::{Store, Timestamp};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location::{self, is_named_csv};
use crate::output::{Format, Pipe};
use crate::progress;
use crate::time_arg::TimeRange;

/// Export orders, oldest first: as books in JSON Lines, or as a report in CSV
///
/// Books hold everything that another store needs to import them, personal data among it; their
/// file is readable for its owner alone. They are no backup: history, feed and number counter are
/// not in them. A report is for spreadsheets, and names no user. What waits without an order has
/// no time, and is in the books whatever --from and --to say.
#[derive(Args)]
pub(crate) struct Export {
    /// A file that is not there yet; stdout where nothing is said. A name that ends in .csv
    /// makes a report, unless --format says otherwise
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
                    "an export is --format jsonl (books) or --format csv (a report)",
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
            orders, waiting, ..
        }) = exported
        {
            progress::say(&format!("orders {orders}, waiting {waiting}"));
        }
        Ok(Exit::Done)
    }
}

/// What is to be exported.
struct Wanted {
    times: Range<Timestamp>,
    is_report: bool,
}

impl Wanted {
    fn write(&self, store: &Store, to: impl Write) -> Result<Exported, Failure> {
        let all = Timestamp::EPOCH..Timestamp::MAX;
        let mut books = Books::all();
        if self.times != all {
            books = books.created_between(self.times.clone());
        }
        let to = BufWriter::new(to);
        let exported = if self.is_report {
            books.csv(store, to)
        } else {
            books.json_lines(store, to)
        };
        exported.map_err(|error| match error {
            ExportError::Store(error) => error.into(),
            ExportError::Output(error) => Failure::output(&error),
            error => Failure::refused(&error),
        })
    }

    /// `None` where the reader closed stdout before it had all of it.
    fn to_stdout(&self, store: &Store) -> Result<Option<Exported>, Failure> {
        let mut to = Pipe::new();
        match self.write(store, &mut to) {
            Err(_) if to.is_closed() => Ok(None),
            written => written.map(Some),
        }
    }

    /// A file that is not whole goes away again.
    fn to_file(&self, store: &Store, path: &Path) -> Result<Exported, Failure> {
        let file = create(path).map_err(|error| Failure::file(path, &error))?;
        let written = self.write(store, &file).and_then(|exported| {
            let synced = file.sync_all();
            synced.map_err(|error| Failure::file(path, &error))?;
            Ok(exported)
        });
        written.map_err(|failure| match fs::remove_file(path) {
            Ok(()) => failure,
            Err(_) => failure.and(format_args!("{} is no whole export", path.display())),
        })
    }
}

/// A new file, for its owner alone.
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
