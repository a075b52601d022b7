//! Tests of the CSV report that a spreadsheet opens.

use super::*;
use crate::order::{CommandKind, NewOrder, RefundState};
use crate::testing::fixtures;
use crate::types::{AppId, Currency, Description};

fn report(store: &Store) -> String {
    let mut rows = Vec::new();
    let _ = Export::all().csv(store, &mut rows).unwrap();
    String::from_utf8(rows).unwrap()
}

fn create(store: &Store, number: &str, new: NewOrder) {
    let _ = store.create(no(number), new).wait().unwrap();
}

#[test]
fn csv_report_has_bom_header_and_one_row_per_order() {
    let store = Store::memory().unwrap();
    let number = "16478392893981045823907716230948";
    let (imported, _) = import(
        &store,
        &in_yuan(),
        &record(number, &[("totalFee", "19.90")]),
    );
    assert_eq!(imported.imported, 1);
    let transaction = format!("T-{number}");
    let refund = crate::order::RefundFact::new(
        fixtures::refund_no(1),
        crate::types::TransactionId::parse(&transaction).unwrap(),
        fixtures::fen(5),
        RefundState::Success,
    );
    let kind = CommandKind::RecordRefund(Box::new(refund.unwrap()));
    let command = crate::order::Command {
        no: no(number),
        kind,
    };
    for ticket in store.submit_all(vec![command]).unwrap() {
        let _ = ticket.wait().unwrap();
    }
    let expected = format!(
        "\u{feff}outTradeNo,payStatus,createTime,timeEnd,totalFee,totalYuan,refundFee,refundYuan,\
         feeType,transactionId,appid,mchId,description,openAnomalies,deleteTime\r\n\
         `{number},`success,2022-03-21 13:20:00,2022-03-21 13:20:07,1990,19.90,5,0.05,\
         `CNY,`{transaction},`wxa,,,0,\r\n"
    );
    assert_eq!(report(&store), expected);
}

#[test]
fn csv_report_cell_is_never_formula_or_long_number() {
    let store = Store::memory().unwrap();
    for (n, start) in ["=", "+", "-", "@", "\"=", "＝", ",=", " ="]
        .iter()
        .enumerate()
    {
        let words = format!("{start}HYPERLINK(\"http://x\",\"y\")");
        let appid = AppId::parse(&format!("={n}+1")).unwrap();
        let new = NewOrder::new(appid, fixtures::fen(1)).unwrap();
        let new = new.description(Description::parse(&words).unwrap());
        create(&store, &format!("-{n:031}"), new);
    }
    let text = report(&store);
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let mut count = 0;
    for row in rows.records() {
        let row = row.unwrap();
        assert_eq!(row.len(), 15);
        for cell in &row {
            let is_safe = cell.is_empty() || cell.starts_with('`');
            let is_plain = cell
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b".-: ".contains(&byte));
            let is_short = cell.len() <= 19 && cell.starts_with(|c: char| c.is_ascii_digit());
            assert!(is_safe || (is_plain && is_short), "{cell}");
        }
        count += 1;
    }
    assert_eq!(count, 8);
}

#[test]
fn csv_report_omits_openid_and_non_cny_yuan() {
    let store = Store::memory().unwrap();
    let new = fixtures::new(500).currency(Currency::parse("JPY").unwrap());
    create(&store, "order-1", new);
    let text = report(&store);
    assert!(text.contains(",500,,0,,`JPY,"), "{text}");
    assert!(!text.contains(fixtures::openid(1).as_str()));
}
