//! `import`: other books, or a store's own, into the store.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use orderstore::transfer::{
    Amounts, Field, Import as Books, ImportError, ImportReport, Input, Mapping, Notice, Place,
    PlaceError,
};
use orderstore::{AppId, Conflict, MchId, Status};

use super::list::status;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location::{self, is_named_csv};
use crate::output::{Cell, Column, shown};
use crate::progress;

/// Import orders from books in JSON or CSV, each whole or refused with its place and reason
///
/// Say whose books they are: a store's own (--exported), or other ones with the unit of their
/// amounts (--amounts). Try with --dry-run first. The same import, run again, changes nothing more.
/// Where a record was refused or a payment became an anomaly the exit code is 1.
#[derive(Args)]
pub(crate) struct Import {
    /// The books; - is stdin
    #[arg(value_parser = location::path())]
    file: PathBuf,
    /// How they are written; CSV where the file's name ends in .csv, else JSON
    #[arg(long, value_enum, value_name = "FORM")]
    input: Option<Written>,
    #[command(flatten)]
    whose: Whose,
    /// What a word of theirs means, instead of what it means here; may be said several times
    #[arg(long, value_name = "WORD=STATUS", value_parser = word, conflicts_with = "exported")]
    status: Vec<(String, Status)>,
    /// The name that a field has in them; may be said several times
    #[arg(long, value_name = "FIELD=NAME", value_parser = field, conflicts_with = "exported")]
    field: Vec<(Field, String)>,
    /// A field that is not to be kept in the metadata; may be said several times
    #[arg(long, value_name = "NAME", conflicts_with = "exported")]
    without: Vec<String>,
    /// The app of the orders that name none
    #[arg(long, value_parser = AppId::parse, conflicts_with = "exported")]
    appid: Option<AppId>,
    /// The merchant of the orders that name none
    #[arg(long, value_parser = MchId::parse, conflicts_with = "exported")]
    mch_id: Option<MchId>,
    /// What is done where a number is known
    #[arg(long, value_enum, default_value_t = Known::Skip)]
    conflict: Known,
    /// End at the first record that is refused
    #[arg(long)]
    stop_on_error: bool,
    /// Write nothing, and tell what would be refused
    #[arg(long)]
    dry_run: bool,
    /// Go on behind this place, which an import that ended has printed
    #[arg(long, value_name = "PLACE", value_parser = place)]
    resume_behind: Option<Place>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// What `orderstore export` wrote
    #[arg(long)]
    exported: bool,
    /// Another system's, with their amounts in this unit
    #[arg(long, value_enum, value_name = "UNIT")]
    amounts: Option<Unit>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Unit {
    /// Yuan, or the unit of another currency, as numbers that may have been floats:
    /// 0.5700000000000001 is 57 fen
    Yuan,
    /// Fen, or another currency's minor units, as integers
    Fen,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Written {
    /// Objects one after another, on a line each or over several, or in one array
    Json,
    /// With a header, in UTF-8
    Csv,
}

#[derive(Clone, Copy, ValueEnum)]
enum Known {
    /// Nothing
    Skip,
    /// Payments and refunds that are new are taken in; a status never goes back
    Advance,
}

const FIELDS: [Field; 14] = [
    Field::No,
    Field::Openid,
    Field::Appid,
    Field::MchId,
    Field::TotalFee,
    Field::FeeType,
    Field::PayStatus,
    Field::CreateTime,
    Field::UpdateTime,
    Field::DeleteTime,
    Field::TransactionId,
    Field::TimeEnd,
    Field::Description,
    Field::Attach,
];

fn field(text: &str) -> Result<(Field, String), String> {
    let (name, theirs) = pair(text, "totalFee=price")?;
    let mut every = FIELDS.into_iter();
    let found = every.find(|field| field.name() == name).ok_or_else(|| {
        let names = FIELDS.map(Field::name).join(", ");
        format!("a field is one of {names}")
    })?;
    Ok((found, theirs.to_owned()))
}

fn word(text: &str) -> Result<(String, Status), String> {
    let (theirs, ours) = pair(text, "payed=success")?;
    Ok((theirs.to_owned(), status(ours)?))
}

fn pair<'a>(text: &'a str, example: &str) -> Result<(&'a str, &'a str), String> {
    let parts = text.split_once('=');
    let filled = parts.filter(|(one, other)| !one.is_empty() && !other.is_empty());
    filled.ok_or_else(|| format!("it is two words that are joined by =, such as {example}"))
}

fn place(text: &str) -> Result<Place, PlaceError> {
    text.parse()
}

const COLUMNS: &[Column] = &[
    shown("outcome"),
    shown("records"),
    shown("imported"),
    shown("advanced"),
    shown("inAnomalies"),
    shown("unchanged"),
    shown("skippedDiffers"),
    shown("waiting"),
    shown("refused"),
    shown("settled"),
];

impl Import {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let import = self.import()?;
        context.place()?;
        let books = BufReader::new(open(&self.file)?);
        let input = match self.written() {
            Written::Json => Input::json(books),
            Written::Csv => Input::csv(books),
        };
        context.with_store(|store| {
            progress::restart("importing");
            let report = import.run(store, input, tell).map_err(failed)?;
            progress::end();
            let is_trial = self.dry_run;
            context.out().one(COLUMNS, cells(&report, is_trial))?;
            Ok(Exit::of(
                report.refused == 0 && report.skipped_differs == 0 && report.in_anomalies == 0,
            ))
        })
    }

    fn written(&self) -> Written {
        self.input.unwrap_or(if is_named_csv(&self.file) {
            Written::Csv
        } else {
            Written::Json
        })
    }

    fn import(&self) -> Result<Books, Failure> {
        let mut import = match self.whose.amounts {
            Some(unit) => Books::foreign(self.foreign(unit)),
            None if self.written() == Written::Csv => {
                return Err(Failure::usage(
                    "a store's own books are JSON, and what it exports as CSV is a report: \
                     export with --format jsonl, or say --input json where the books are JSON",
                ));
            }
            None => Books::exported(),
        };
        import = import.conflict(match self.conflict {
            Known::Skip => Conflict::Skip,
            Known::Advance => Conflict::Advance,
        });
        if self.stop_on_error {
            import = import.stop_on_error();
        }
        if self.dry_run {
            import = import.dry_run();
        }
        Ok(match self.resume_behind {
            Some(place) => import.resume_behind(place),
            None => import,
        })
    }

    fn foreign(&self, unit: Unit) -> Mapping {
        let mut books = Mapping::of(match unit {
            Unit::Yuan => Amounts::Yuan,
            Unit::Fen => Amounts::Fen,
        });
        for (word, status) in &self.status {
            books = books.status(word, *status);
        }
        for (field, name) in &self.field {
            books = books.field(*field, name);
        }
        for name in &self.without {
            books = books.without(name);
        }
        if let Some(appid) = &self.appid {
            books = books.appid(appid.clone());
        }
        if let Some(mch_id) = &self.mch_id {
            books = books.mch_id(mch_id.clone());
        }
        books
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(progress::reading(io::stdin(), 0)));
    }
    let unread = |error| Failure::file(path, &error);
    let file = File::open(path).map_err(unread)?;
    let about = file.metadata().map_err(unread)?;
    if about.is_dir() {
        return Err(Failure::usage(format_args!(
            "{} is a directory",
            path.display()
        )));
    }
    Ok(Box::new(progress::reading(file, about.len())))
}

fn tell(notice: Notice) {
    if let Notice::Refused(refused) = notice {
        progress::say(&refused.to_string());
    }
}

fn cells(report: &ImportReport, is_trial: bool) -> Vec<Cell> {
    let word = match (is_trial, report.stopped) {
        (true, _) => "tried",
        (false, true) => "stopped",
        (false, false) => "done",
    };
    vec![
        Cell::Word(word),
        report.records.into(),
        report.imported.into(),
        report.advanced.into(),
        report.in_anomalies.into(),
        report.unchanged.into(),
        report.skipped_differs.into(),
        report.waiting.into(),
        report.refused.into(),
        Cell::maybe(report.settled),
    ]
}

/// What is no text in UTF-8 is refused as such; nothing is wrong with the disk.
fn unread(error: &io::Error) -> Failure {
    let what = "the books could not be read";
    match error.kind() {
        io::ErrorKind::InvalidData => Failure::nothing(format_args!("{what}: {error}")),
        _ => Failure::input(what, error),
    }
}

fn failed(error: ImportError) -> Failure {
    let (failure, settled) = match error {
        ImportError::Input { source, settled } => (unread(&source), settled),
        ImportError::Store { source, settled } => (source.into(), settled),
        error => (Failure::usage(error), None),
    };
    match settled {
        Some(place) => failure.and(format_args!(
            "settled so far: go on with --resume-behind {place}, or run the whole again"
        )),
        None => failure,
    }
}
