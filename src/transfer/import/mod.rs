//! Books into a store: record by record, each whole or not at all.

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
use super::place::Place;
use crate::order::Conflict;
use crate::store::Store;

/// How books are imported.
///
/// Each order is one command: it is there whole, or nothing of it. (Facts of an export that
/// wait for their order are a command each; where one is refused, the others stand, and the
/// record is told as refused.) What is refused is told
/// with its place and its reason, and costs no other record. To run the same import again
/// changes nothing more: what is known is left as it is, or advanced.
///
/// It runs on the thread that calls it, and the store serves others meanwhile.
///
/// ```
/// use orderstore::transfer::{Amounts, Foreign, Import, Input, Notice};
/// use orderstore::{OrderNo, Status, Store};
///
/// # let store = Store::memory()?;
/// let books = r#"{"_id":"7","outTradeNo":"1647840000","_openid":"oZWaC4","appid":"wxa",
///   "totalFee":19.900000000000002,"payStatus":"success","createTime":1647840000000,
///   "transactionId":"4200001234202203210000000042","timeEnd":"20220321132007"}"#;
/// let import = Import::foreign(Mapping::of(Amounts::Yuan));
/// let report = import.run(&store, Input::json(books.as_bytes()), |notice| {
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
    const fn of(books: Books) -> Self {
        Self {
            books,
            conflict: Conflict::Skip,
            settings: Settings::NEW,
        }
    }

    /// What [`Export::json_lines`](super::Export::json_lines) wrote.
    pub const fn exported() -> Self {
        Self::of(Books::Exported)
    }

    /// Another system's books.
    pub fn foreign(books: Mapping) -> Self {
        Self::of(Books::Foreign(Box::new(books)))
    }

    /// What is done where a number is known; [`Conflict::Skip`] where nothing is said.
    pub const fn conflict(mut self, conflict: Conflict) -> Self {
        self.conflict = conflict;
        self
    }

    /// Ends at the first record that is refused, and imports none behind it. Every record is
    /// then waited for, which takes longer.
    pub const fn stop_on_error(mut self) -> Self {
        self.settings.stop_on_error = true;
        self
    }

    /// Writes nothing, and tells what would be refused: by itself, by what the store holds,
    /// or by an earlier record. Of records that bear one number only the first is held
    /// against the rules. It remembers every number and unique key of the books: some 200
    /// bytes of memory for each record.
    pub const fn dry_run(mut self) -> Self {
        self.settings.dry_run = true;
        self
    }

    /// Goes on behind the last settled record of an import that ended. The input is the
    /// whole again: what was settled is passed over.
    pub const fn resume_behind(mut self, settled: Place) -> Self {
        self.settings.resume_behind = Some(settled);
        self
    }

    /// Imports, and tells what is refused and how far it is.
    ///
    /// # Errors
    /// [`ImportError`]: the input or the store failed.
    pub fn run<R: BufRead>(
        &self,
        store: &Store,
        mut input: Input<R>,
        tell: impl FnMut(Notice),
    ) -> Result<ImportReport, ImportError> {
        if matches!(self.books, Books::Exported) && input.is_csv() {
            return Err(ImportError::ReportIsNoBooks);
        }
        let mut settler = Submitter::new(store, self.settings, tell);
        self.pass_settled(&mut input)?;
        loop {
            let settled = settler.settled();
            let failed = |source| ImportError::Input { source, settled };
            let Some(framed) = input.next().map_err(failed)? else {
                settler.settle()?;
                return Ok(settler.report());
            };
            let record: Read = read(&self.books, self.conflict, framed);
            if settler.take(record)? {
                return Ok(settler.report());
            }
        }
    }

    /// Passes the records that an earlier import settled.
    fn pass_settled<R: BufRead>(&self, input: &mut Input<R>) -> Result<(), ImportError> {
        let Some(place) = self.settings.resume_behind else {
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
        Err(ImportError::OtherBooks { place })
    }
}
