//! Tests of import and export, on the memory engine.

mod exported;
mod foreign;
mod report;
mod running;

use super::*;
use crate::order::{Order, Status};
use crate::store::Store;
use crate::types::{OrderNo, Timestamp};

/// Export of a cloud database's `order` collection.
const REAL: &str = include_str!("../../../tests/data/transfer/cloud_db_export.json");

fn no(text: &str) -> OrderNo {
    OrderNo::parse(text).unwrap()
}

fn order(store: &Store, number: &str) -> Order {
    let found = store.get(no(number)).wait().unwrap();
    found
        .unwrap_or_else(|| panic!("no order {number}"))
        .as_ref()
        .clone()
}

fn millis(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

/// Imports JSON records. Returns the report and the refused records.
fn import(store: &Store, import: &Import, json: &str) -> (ImportReport, Vec<Refused>) {
    run(store, import, Input::json(json.as_bytes()))
}

/// Runs an import and checks that the counts of its report are consistent.
fn run(store: &Store, import: &Import, input: Input<&[u8]>) -> (ImportReport, Vec<Refused>) {
    let (mut refused, mut last) = (Vec::new(), None);
    let report = import
        .run(store, input, |notice| match notice {
            Notice::Refused(refusal) => refused.push(refusal),
            Notice::Progress(report) => last = Some(report),
        })
        .unwrap();
    assert_eq!(last, Some(report), "the last progress has the final counts");
    let not_taken = report.refused + report.skipped_differs;
    assert_eq!(not_taken, refused.len() as u64);
    let became = report.imported + report.advanced + report.unchanged + report.unclaimed;
    assert_eq!(report.records, became + not_taken);
    (report, refused)
}

/// Returns an import of another system's records with amounts in yuan.
fn in_yuan() -> Import {
    Import::mapped(Mapping::of(Amounts::Yuan))
}

/// Returns a paid record of a cloud database. `changes` replaces the JSON values of the named
/// fields.
fn record(number: &str, changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("outTradeNo", format!("\"{number}\"")),
        ("_openid", "\"oZWaC4\"".to_owned()),
        ("appid", "\"wxa\"".to_owned()),
        ("totalFee", "0.57".to_owned()),
        ("payStatus", "\"success\"".to_owned()),
        ("createTime", "1647840000000".to_owned()),
        ("updateTime", "1647840009000".to_owned()),
        ("transactionId", format!("\"T-{number}\"")),
        ("timeEnd", "\"20220321132007\"".to_owned()),
    ];
    for (name, value) in changes {
        fields.retain(|(own, _)| own != name);
        fields.push((name, (*value).to_owned()));
    }
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}\n", fields.join(","))
}

/// Changes with which [`record`] returns an unpaid record.
const UNPAID: [(&str, &str); 3] = [
    ("payStatus", "\"wait\""),
    ("transactionId", "null"),
    ("timeEnd", "null"),
];
