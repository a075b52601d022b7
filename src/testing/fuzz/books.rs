//! Books that a store imports.

use super::Bytes;
use crate::order::Conflict;
use crate::store::Store;
use crate::testing::fixtures;
use crate::transfer::{Amounts, Export, Import, ImportReport, Input, Mapping, Notice};

/// Bytes → whose books they are, in which form, how to import them, and the books. Nothing
/// panics, and every record is counted once; a dry run writes nothing; the same books twice
/// change nothing more; and what came in goes out and in again as it is.
///
/// # Panics
/// Where something does not hold.
pub fn import_books(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let (import, is_csv) = any_import(&mut bytes);
    let books = bytes.rest();
    let store = store();
    run(&store, &import.clone().dry_run(), input(books, is_csv));
    assert!(exported(&store).is_empty(), "a dry run writes nothing");
    let Some(report) = run(&store, &import, input(books, is_csv)) else {
        assert!(
            exported(&store).is_empty(),
            "what is not begun writes nothing"
        );
        return;
    };
    assert!(store.verify().wait().unwrap().is_ok());
    let once = exported(&store);
    if let Some(again) = run(&store, &import, input(books, is_csv)) {
        assert_eq!(again.records, report.records);
        assert_eq!(
            exported(&store),
            once,
            "the same books once more change nothing"
        );
    }
    comes_back(&once);
}

/// How to import, and whether the books are CSV.
fn any_import(bytes: &mut Bytes<'_>) -> (Import, bool) {
    let import = match bytes.below(3) {
        0 => Import::exported(),
        1 => Import::foreign(Mapping::of(Amounts::Yuan)),
        _ => Import::foreign(Mapping::of(Amounts::Fen)),
    };
    let choices = bytes.below(8);
    let conflict = match choices & 1 {
        0 => Conflict::Skip,
        _ => Conflict::Advance,
    };
    let import = import.conflict(conflict);
    let import = match choices & 2 {
        0 => import,
        _ => import.stop_on_error(),
    };
    (import, choices & 4 != 0)
}

/// Always at the same time: an input that fails once fails again.
fn store() -> Store {
    Store::builder().clock(fixtures::now).memory().unwrap()
}

fn input(books: &[u8], is_csv: bool) -> Input<&[u8]> {
    if is_csv {
        Input::csv(books)
    } else {
        Input::json(books)
    }
}

/// Imports; `None` where the books cannot be these at all.
fn run(store: &Store, import: &Import, input: Input<&[u8]>) -> Option<ImportReport> {
    let (mut refused, mut last) = (0, None);
    let tell = |notice| match notice {
        Notice::Refused(it) => {
            assert!(!it.to_string().is_empty());
            refused += 1;
        }
        Notice::Progress(report) => last = Some(report),
    };
    let report = match import.run(store, input, tell) {
        Ok(report) => report,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    assert_eq!(last, Some(report), "the last progress is the whole");
    let not_taken = report.refused + report.skipped_differs;
    assert_eq!(not_taken, refused);
    let became = report.imported + report.advanced + report.unchanged + report.waiting;
    assert_eq!(report.records, became + not_taken);
    Some(report)
}

fn exported(store: &Store) -> String {
    let mut books = Vec::new();
    let exported = Export::all().json_lines(store, &mut books).unwrap();
    let text = String::from_utf8(books).unwrap();
    let lines = u64::try_from(text.lines().count()).unwrap();
    assert_eq!(exported.orders + exported.waiting, lines);
    text
}

/// A store's own books give back the store: its books are the same again, but that each
/// history begins anew.
fn comes_back(books: &str) {
    let store = store();
    let report = run(&store, &Import::exported(), Input::json(books.as_bytes()));
    assert!(report.is_some_and(|report| report.refused == 0), "{books}");
    assert!(store.verify().wait().unwrap().is_ok());
    assert_eq!(but_for_versions(&exported(&store)), but_for_versions(books));
}

fn but_for_versions(books: &str) -> Vec<serde_json::Value> {
    let lines = books.lines().map(|line| {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        record.as_object_mut().unwrap().remove("version").unwrap();
        record
    });
    lines.collect()
}
