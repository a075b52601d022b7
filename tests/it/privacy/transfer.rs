//! Privacy of imports and exports.

use orderstore::transfer::{
    Amounts, Export, Field, Import, ImportError, ImportReport, Input, Mapping, Notice,
};

use super::*;

fn foreign() -> Mapping {
    Mapping::of(Amounts::Yuan).status("paid", Status::Success)
}

/// Returns a record with personal data in every possible field. One field has the given value
/// instead.
fn record(field: Field, value: &str) -> String {
    let fields = [
        (Field::No, "\"order-1\"".to_owned()),
        (Field::Openid, format!("\"{USER}\"")),
        (Field::Appid, "\"wxa\"".to_owned()),
        (Field::TotalFee, "0.57".to_owned()),
        (Field::PayStatus, "\"success\"".to_owned()),
        (Field::CreateTime, "1647840000000".to_owned()),
        (Field::TransactionId, "\"T1\"".to_owned()),
        (Field::TimeEnd, "\"20220321132007\"".to_owned()),
        (Field::Description, format!("\"{WORDS}\"")),
    ];
    let json = fields.map(|(own, usual)| {
        let value = if own == field { value } else { &usual };
        format!("\"{}\":{value}", own.name())
    });
    format!("{{{},\"phone\":\"{WORDS}\"}}\n", json.join(","))
}

fn run(import: &Import, books: &str) -> (Result<ImportReport, ImportError>, Vec<Notice>) {
    let store = Store::memory().unwrap();
    let mut notices = Vec::new();
    let input = Input::json(books.as_bytes());
    assert_private(&input);
    let report = import.run(&store, input, |notice| notices.push(notice));
    (report, notices)
}

#[test]
fn debug_output_of_import_hides_user() {
    let import = Import::mapped(foreign());
    assert_private(&import);
    assert_private(&Export::all());
    let (report, notices) = run(&import, &record(Field::Attach, ""));
    assert_eq!(report.as_ref().unwrap().imported, 1);
    assert_private(&report);
    assert_private(&notices);
    let store = filled_store();
    assert_private(&Export::all().csv(&store, std::io::sink()).unwrap());
}

#[test]
fn import_errors_do_not_repeat_refused_record() {
    let personal = format!("\"{USER} {WORDS}\"");
    let fields = [
        Field::No,
        Field::Openid,
        Field::Appid,
        Field::TotalFee,
        Field::PayStatus,
        Field::CreateTime,
        Field::TransactionId,
        Field::TimeEnd,
    ];
    let mut books: Vec<String> = fields
        .iter()
        .map(|field| record(*field, &personal))
        .collect();
    books.push(format!("{{\"{USER}\" {WORDS}}}\n"));
    books.push(format!("{USER} {WORDS}\n"));
    books.push(format!("{{\"outTradeNo\":\"{WORDS}\n"));
    for import in [Import::mapped(foreign()), Import::exported()] {
        let (_, notices) = run(&import, &books.concat());
        let refused = notices.iter().filter_map(|notice| match notice {
            Notice::Refused(refused) => Some(refused),
            _ => None,
        });
        let mut count = 0;
        for refused in refused {
            count += 1;
            assert_private(refused);
            assert_silent("a refused record", &refused.to_string());
        }
        assert_eq!(count, books.len());
    }
}

#[test]
fn debug_output_of_refused_import_hides_user() {
    let store = filled_store();
    let mut books = Vec::new();
    let _ = Export::all().json_lines(&store, &mut books).unwrap();
    let books = String::from_utf8(books).unwrap();
    assert!(
        books.contains(USER) && books.contains(WORDS),
        "the export lacks a field"
    );
    for (from, to) in [
        ("\"wait\"", WORDS),
        ("\"payStatus\":", USER),
        ("\"version\":", "\"version\":-"),
    ] {
        let (report, notices) = run(
            &Import::exported(),
            &books.replace(from, &format!("\"{to}\"")),
        );
        assert_private(&(report, notices));
    }
}
