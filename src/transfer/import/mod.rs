//! Import of orders into a store, record by record.

mod books;
mod dry_run;
mod error;
mod record;
mod report;
mod settings;
mod submit;

use std::io::BufRead;

use self::books::Books;
pub use self::error::ImportError;
use self::record::{Read, read};
pub use self::report::{ImportReport, Notice};
use self::settings::Settings;
use self::submit::Submitter;
use super::input::Input;
use super::mapping::Mapping;
use super::position::Position;
use crate::order::Conflict;
use crate::store::Store;

/// Settings of an import.
///
/// Each order is one command: the store imports it completely or refuses it. Each unclaimed payment
/// or refund of an export is a separate command. If the store refuses one of them, it keeps the
/// others, and the import reports the record as refused.
///
/// The import reports each refused record with its position and reason, and continues with the next
/// one. A second run of the same import changes nothing.
///
/// The import runs on the caller's thread. The store serves other callers meanwhile.
///
/// ```
/// use orderstore::transfer::{Amounts, Import, Input, Mapping, Notice};
/// use orderstore::{OrderNo, Status, Store};
///
/// # let store = Store::memory()?;
/// let records = r#"{"_id":"7","outTradeNo":"1647840000","_openid":"oZWaC4","appid":"wxa",
///   "totalFee":19.900000000000002,"payStatus":"success","createTime":1647840000000,
///   "transactionId":"4200001234202203210000000042","timeEnd":"20220321132007"}"#;
/// let import = Import::mapped(Mapping::of(Amounts::Yuan));
/// let report = import.run(&store, Input::json(records.as_bytes()), |notice| {
///     if let Notice::Refused(refused) = notice {
///         eprintln!("{refused}");
///     }
/// })?;
/// assert_eq!((report.imported, report.refused), (1, 0));
/// let order = store.get(OrderNo::parse("1647840000")?).wait()?.ok_or("no such order")?;
/// assert_eq!((order.status, order.total_fee.as_u64()), (Status::Success, 1990));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Import {
    books: Books,
    conflict: Conflict,
    settings: Settings,
}

impl Import {
    /// Creates an import with default settings.
    const fn of(books: Books) -> Self {
        Self {
            books,
            conflict: Conflict::Skip,
            settings: Settings::NEW,
        }
    }

    /// Imports the output of [`Export::json_lines`](super::Export::json_lines).
    pub const fn exported() -> Self {
        Self::of(Books::Exported)
    }

    /// Imports the records of another system, read by this mapping.
    pub fn mapped(mapping: Mapping) -> Self {
        Self::of(Books::Foreign(Box::new(mapping)))
    }

    /// Sets the action for an order number that the store already has. Default:
    /// [`Conflict::Skip`].
    pub const fn conflict(mut self, conflict: Conflict) -> Self {
        self.conflict = conflict;
        self
    }

    /// Ends the import at the first refused record, and imports no record after it. A record that
    /// is skipped as `Reason::SkippedDiffers` does not end the import.
    ///
    /// The import then waits for each record before it sends the next one, which is slower.
    pub const fn stop_on_error(mut self) -> Self {
        self.settings.stop_on_error = true;
        self
    }

    /// Makes the import a dry run: it writes nothing, and reports the records it would refuse.
    ///
    /// A dry run finds invalid records, conflicts with the store and conflicts with earlier
    /// records of the input. If several records have one order number, the dry run checks only
    /// the first against the store's rules. It keeps every order number and unique key of the
    /// input in memory: about 200 bytes per record.
    pub const fn dry_run(mut self) -> Self {
        self.settings.dry_run = true;
        self
    }

    /// Resumes after `settled`, the last settled record of an import that ended early.
    ///
    /// Pass the complete input again. The import skips the settled records.
    pub const fn resume_after(mut self, settled: Position) -> Self {
        self.settings.resume_after = Some(settled);
        self
    }

    /// Runs the import, and calls `notify` with each refused record and with the progress.
    ///
    /// # Errors
    /// [`ImportError`]: the input or the store failed.
    pub fn run<R: BufRead>(
        &self,
        store: &Store,
        mut input: Input<R>,
        notify: impl FnMut(Notice),
    ) -> Result<ImportReport, ImportError> {
        if matches!(self.books, Books::Exported) && input.is_csv() {
            return Err(ImportError::ReportNotImportable);
        }
        let mut submitter = Submitter::new(store, self.settings, notify);
        self.skip_settled(&mut input)?;
        loop {
            let settled = submitter.settled();
            let failed = |source| ImportError::Input { source, settled };
            let Some(framed) = input.next().map_err(failed)? else {
                submitter.settle()?;
                return Ok(submitter.report());
            };
            let record: Read = read(&self.books, self.conflict, framed);
            if submitter.take(record)? {
                return Ok(submitter.report());
            }
        }
    }

    /// Skips the records up to and including `resume_after`: an earlier import finished them.
    fn skip_settled<R: BufRead>(&self, input: &mut Input<R>) -> Result<(), ImportError> {
        let Some(place) = self.settings.resume_after else {
            return Ok(());
        };
        let failed = |source| ImportError::Input {
            source,
            settled: Some(place),
        };
        while let Some(framed) = input.next().map_err(failed)? {
            if framed.place == place {
                return Ok(());
            }
            if framed.place.record >= place.record {
                break;
            }
        }
        Err(ImportError::OtherInput { place })
    }
}
