//! Fuzz target: import of a CSV or JSON file with orders of another system.

use super::Bytes;
use crate::order::Conflict;
use crate::store::Store;
use crate::testing::fixtures;
use crate::transfer::{Amounts, Export, Import, ImportReport, Input, Mapping, Notice};

/// Imports a file. The first bytes select the format and settings of the import; the rest is the
/// file.
///
/// Checks that nothing panics, and that the report counts every record once. A dry run must write
/// nothing, and a repeated import must change nothing. An export must be importable without loss.
///
/// # Panics
/// If a check fails.
pub fn import_books(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let (import, is_csv) = any_import(&mut bytes);
    let file = bytes.rest();
    let store = store();
    run(&store, &import.clone().dry_run(), input(file, is_csv));
    assert!(exported(&store).is_empty(), "a dry run wrote something");
    let Some(report) = run(&store, &import, input(file, is_csv)) else {
        assert!(
            exported(&store).is_empty(),
            "an import that failed at its start wrote something"
        );
        return;
    };
    assert!(store.verify().wait().unwrap().is_ok());
    let once = exported(&store);
    if let Some(again) = run(&store, &import, input(file, is_csv)) {
        assert_eq!(again.records, report.records);
        assert_eq!(
            exported(&store),
            once,
            "a repeated import changed the store"
        );
    }
    check_reimport(&once);
}

/// Returns the import settings, and whether the file is CSV.
fn any_import(bytes: &mut Bytes<'_>) -> (Import, bool) {
    let import = match bytes.below(3) {
        0 => Import::exported(),
        1 => Import::mapped(Mapping::of(Amounts::Yuan)),
        _ => Import::mapped(Mapping::of(Amounts::Fen)),
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

/// Creates an empty store with a fixed clock, so that a failing input fails again.
fn store() -> Store {
    Store::builder().clock(fixtures::now).memory().unwrap()
}

fn input(file: &[u8], is_csv: bool) -> Input<&[u8]> {
    if is_csv {
        Input::csv(file)
    } else {
        Input::json(file)
    }
}

/// Runs an import and checks its report. Returns `None` if the import failed as a whole.
fn run(store: &Store, import: &Import, input: Input<&[u8]>) -> Option<ImportReport> {
    let (mut refused, mut last) = (0, None);
    let observe = |notice| match notice {
        Notice::Refused(refusal) => {
            assert!(!refusal.to_string().is_empty());
            refused += 1;
        }
        Notice::Progress(report) => last = Some(report),
    };
    let report = match import.run(store, input, observe) {
        Ok(report) => report,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    assert_eq!(
        last,
        Some(report),
        "the last progress differs from the report"
    );
    let not_taken = report.refused + report.skipped_differs;
    assert_eq!(not_taken, refused);
    let became = report.imported + report.advanced + report.unchanged + report.unclaimed;
    assert_eq!(report.records, became + not_taken);
    Some(report)
}

fn exported(store: &Store) -> String {
    let mut output = Vec::new();
    let exported = Export::all().json_lines(store, &mut output).unwrap();
    let text = String::from_utf8(output).unwrap();
    let lines = u64::try_from(text.lines().count()).unwrap();
    assert_eq!(exported.orders + exported.unclaimed, lines);
    text
}

/// Checks that an export can be imported into an empty store without loss. Only the versions may
/// differ, because the import starts each history at version 1.
fn check_reimport(file: &str) {
    let store = store();
    let report = run(&store, &Import::exported(), Input::json(file.as_bytes()));
    assert!(report.is_some_and(|report| report.refused == 0), "{file}");
    assert!(store.verify().wait().unwrap().is_ok());
    assert_eq!(without_versions(&exported(&store)), without_versions(file));
}

fn without_versions(file: &str) -> Vec<serde_json::Value> {
    let lines = file.lines().map(|line| {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        record.as_object_mut().unwrap().remove("version").unwrap();
        record
    });
    lines.collect()
}
