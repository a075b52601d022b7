//! `import`: imports an export of a store, or the data of another system.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use orderstore::transfer::{
    Amounts, Field, Import as StoreImport, ImportError, ImportReport, Input, Mapping, Notice,
    Position, PositionError,
};
use orderstore::{AppId, Conflict, MchId, Status};

use super::list::status;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location::{self, is_named_csv};
use crate::output::{Cell, Column, shown};
use crate::progress;

/// Import orders from JSON or CSV, and report the position and reason of each refused record
///
/// Name the source: an export of a store (--exported), or another system with the unit of its
/// amounts (--amounts). Run the import with --dry-run first. Running the same import again changes
/// nothing more. The exit code is 1 if a record was refused or differs from its order in the store,
/// or if a payment became an anomaly.
#[derive(Args)]
pub(crate) struct Import {
    /// File to import; - is stdin
    #[arg(value_parser = location::path())]
    file: PathBuf,
    /// Format of the file. Default: CSV if its name ends in .csv, otherwise JSON
    #[arg(long, value_enum, value_name = "FORM")]
    input: Option<Written>,
    #[command(flatten)]
    whose: Whose,
    /// Meaning of a status word in the file, instead of the built-in meaning. Repeatable
    #[arg(long, value_name = "WORD=STATUS", value_parser = word, conflicts_with = "exported")]
    status: Vec<(String, Status)>,
    /// Name that a field of the order has in the file. Repeatable
    #[arg(long, value_name = "FIELD=NAME", value_parser = field, conflicts_with = "exported")]
    field: Vec<(Field, String)>,
    /// Field of the file that the metadata must not contain. Repeatable
    #[arg(long, value_name = "NAME", conflicts_with = "exported")]
    without: Vec<String>,
    /// App of orders whose record has no app
    #[arg(long, value_parser = AppId::parse, conflicts_with = "exported")]
    appid: Option<AppId>,
    /// Merchant of orders whose record has no merchant
    #[arg(long, value_parser = MchId::parse, conflicts_with = "exported")]
    mch_id: Option<MchId>,
    /// Behaviour if an order with the same number exists
    #[arg(long, value_enum, default_value_t = Known::Skip)]
    conflict: Known,
    /// Stop at the first refused record
    #[arg(long)]
    stop_on_error: bool,
    /// Write nothing, and report which records would be refused
    #[arg(long)]
    dry_run: bool,
    /// Continue after this position, which an earlier import has printed as `settled`
    #[arg(long, value_name = "PLACE", value_parser = place)]
    resume_after: Option<Position>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
/// Source of the file: a store or another system.
struct Whose {
    /// The file is from `orderstore export`
    #[arg(long)]
    exported: bool,
    /// The file is from another system, with amounts in this unit
    #[arg(long, value_enum, value_name = "UNIT")]
    amounts: Option<Unit>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Unit {
    /// Yuan, or the unit of another currency. Rounding errors of floats are accepted:
    /// 0.5700000000000001 is 57 fen
    Yuan,
    /// Fen, or the minor unit of another currency, as integers
    Fen,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Written {
    /// JSON objects one after another, each on one or several lines, or one JSON array
    Json,
    /// CSV with a header, in UTF-8
    Csv,
}

#[derive(Clone, Copy, ValueEnum)]
enum Known {
    /// Write nothing
    Skip,
    /// Record new payments and refunds. No order returns to an earlier status
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
        format!("unknown field: use one of {names}")
    })?;
    Ok((found, theirs.to_owned()))
}

fn word(text: &str) -> Result<(String, Status), String> {
    let (theirs, ours) = pair(text, "payed=success")?;
    Ok((theirs.to_owned(), status(ours)?))
}

fn pair<'a>(text: &'a str, example: &str) -> Result<(&'a str, &'a str), String> {
    let parts = text.split_once('=');
    let filled = parts.filter(|(left, right)| !left.is_empty() && !right.is_empty());
    filled.ok_or_else(|| format!("write two words joined by =, such as {example}"))
}

fn place(text: &str) -> Result<Position, PositionError> {
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
        context.location()?;
        let reader = BufReader::new(open(&self.file)?);
        let input = match self.written() {
            Written::Json => Input::json(reader),
            Written::Csv => Input::csv(reader),
        };
        context.with_store(|store| {
            progress::restart("importing");
            let report = import.run(store, input, print_refusal).map_err(failed)?;
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

    fn import(&self) -> Result<StoreImport, Failure> {
        let mut import = match self.whose.amounts {
            Some(unit) => StoreImport::mapped(self.foreign(unit)),
            None if self.written() == Written::Csv => {
                return Err(Failure::usage(
                    "--exported needs JSON, because a CSV export is only a report: export with \
                     --format jsonl, or add --input json if the file contains JSON",
                ));
            }
            None => StoreImport::exported(),
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
        Ok(match self.resume_after {
            Some(place) => import.resume_after(place),
            None => import,
        })
    }

    fn foreign(&self, unit: Unit) -> Mapping {
        let mut mapping = Mapping::of(match unit {
            Unit::Yuan => Amounts::Yuan,
            Unit::Fen => Amounts::Fen,
        });
        for (word, status) in &self.status {
            mapping = mapping.status(word, *status);
        }
        for (field, name) in &self.field {
            mapping = mapping.field(*field, name);
        }
        for name in &self.without {
            mapping = mapping.without(name);
        }
        if let Some(appid) = &self.appid {
            mapping = mapping.appid(appid.clone());
        }
        if let Some(mch_id) = &self.mch_id {
            mapping = mapping.mch_id(mch_id.clone());
        }
        mapping
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
            "{} is a directory: name a file",
            path.display()
        )));
    }
    Ok(Box::new(progress::reading(file, about.len())))
}

fn print_refusal(notice: Notice) {
    if let Notice::Refused(refused) = notice {
        progress::print_line(&refused.to_string());
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
        report.unclaimed.into(),
        report.refused.into(),
        Cell::maybe(report.settled),
    ]
}

/// Converts a read error. Invalid data, such as a wrong encoding, has another exit code than a disk
/// error.
fn unread(error: &io::Error) -> Failure {
    let what = "the input could not be read";
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
            "Records before this point are done: continue with --resume-after {place}, or run \
             the whole import again"
        )),
        None => failure,
    }
}
