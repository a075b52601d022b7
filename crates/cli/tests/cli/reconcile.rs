//! Tests of the reconciliation of a daily bill with the store.

use insta::assert_snapshot;

use crate::rig::{Place, texts};

const BILL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/data/wechat/trade_bill_2021-01-28.csv"
);
/// Command line that compares the bill with the store.
const RECONCILE: &str = "reconcile bill --day 2021-01-28 --mch-id 1601959334";

/// Creates a store with one of the two orders of the bill. The order is unpaid.
fn place() -> Place {
    let place = Place::new();
    std::fs::copy(BILL, place.path("bill")).unwrap();
    place.run("init").ends(0);
    let create = "create --no S20210128153505214586 --appid wx81be3101902f7cb2 --fen 1";
    place.run(create).ends(0);
    place
}

#[test]
fn reconcile_lists_differences_and_changes_nothing() {
    let place = place();
    let runs = ["table", "json", "jsonl", "csv"]
        .map(|form| place.run(&format!("{RECONCILE} --format {form}")).ends(1));
    assert_snapshot!("reconcile", texts(&runs));
    let order = "show S20210128153505214586 --format json";
    assert_eq!(place.run(order).ends(0).json()["payStatus"], "wait");
}

#[test]
fn reconcile_applies_bill_payments_once() {
    let place = place();
    let first = place.run(&format!("{RECONCILE} --apply")).ends(1);
    let create = "create --no S20210128165824499930 --appid wx81be3101902f7cb2 --fen 1";
    let claimed = place.run(create).ends(0);
    let again = place.run(&format!("{RECONCILE} --apply")).ends(0);
    let after = place.run(RECONCILE).ends(0);
    assert_snapshot!("reconcile_apply", texts(&[first, claimed, again, after]));
    let stats = place.run("stats --format json").ends(0).json();
    assert_eq!(
        (&stats["success"], &stats["unclaimed"]),
        (&2.into(), &0.into())
    );
}

#[test]
fn bill_without_line_of_merchant_is_rejected() {
    let place = place();
    for apply in ["", " --apply"] {
        let line = "reconcile bill --day 2021-01-28 --mch-id 1900000000 --format json";
        let ran = place.run(&format!("{line}{apply}")).ends(1);
        assert!(ran.err.contains("no line of the bill is of this merchant"));
        let counts = ran.json();
        assert_eq!(
            (&counts["lines"], &counts["ofOthers"]),
            (&0.into(), &2.into())
        );
    }
}

#[test]
fn bill_of_another_day_is_not_applied() {
    let place = place();
    let day = RECONCILE.replace("2021-01-28", "2021-01-27");
    let ran = place.run(&format!("{day} --apply")).ends(1);
    assert!(ran.err.contains("are of another day"));
    let stats = place.run("stats --format json").ends(0).json();
    assert_eq!(
        (&stats["wait"], &stats["unclaimed"]),
        (&1.into(), &0.into())
    );
}

/// The bill has a line of another merchant, and a line whose order number is too long for the
/// store.
#[test]
fn invalid_order_number_does_not_end_reconcile() {
    let place = place();
    let bill = std::fs::read_to_string(BILL).unwrap();
    let mut lines: Vec<_> = bill.lines().map(str::to_owned).collect();
    let other = lines[1]
        .replace("`1601959334,`0", "`1601959334,`1712734762")
        .replace("`S20210128153505214586", "`till 7");
    lines.insert(1, other);
    let long = format!("`{}", "7".repeat(33));
    lines[3] = lines[3].replace("`S20210128165824499930", &long);
    let bill = lines.join("\n").replace("`2,`0.02", "`3,`0.03");
    let bill = bill.replace("`0.00000,`0.02", "`0.00000,`0.03");
    std::fs::write(place.path("bill"), bill).unwrap();
    let applied = place.run(&format!("{RECONCILE} --apply")).ends(1);
    let again = place.run(&format!("{RECONCILE} --format json")).ends(1);
    assert_snapshot!("reconcile_odd", texts(&[applied, again]));
    let stats = place.run("stats --format json").ends(0).json();
    assert_eq!(stats["success"], 1);
}

#[test]
fn wrong_bill_encoding_error_names_command() {
    let place = place();
    for (bytes, remedy) in [
        (&b"\x1f\x8b\x08\0"[..], "gunzip"),
        (b"\xff\xfea\0", "iconv"),
    ] {
        std::fs::write(place.path("bill"), bytes).unwrap();
        let ran = place.run(RECONCILE).ends(1);
        assert!(ran.err.contains(remedy), "{ran:?}");
        let ran = place.run("import bill --amounts yuan").ends(1);
        assert!(ran.err.contains(remedy), "{ran:?}");
    }
}

#[test]
fn truncated_bill_is_rejected_and_not_applied() {
    let place = place();
    let bill = std::fs::read_to_string(BILL).unwrap();
    let cut = bill.lines().take(2).collect::<Vec<_>>().join("\n");
    std::fs::write(place.path("bill"), cut).unwrap();
    let cut = place.run(&format!("{RECONCILE} --apply")).ends(1);
    std::fs::write(place.path("bill"), "no trade on this day").unwrap();
    let none = place.run(RECONCILE).ends(1);
    assert_snapshot!("reconcile_refused", texts(&[cut, none]));
    let stats = place.run("stats --format json").ends(0).json();
    assert_eq!(
        (&stats["wait"], &stats["unclaimed"]),
        (&1.into(), &0.into())
    );
}
