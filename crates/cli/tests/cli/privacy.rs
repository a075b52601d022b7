//! Tests of privacy: only formats for programs contain personal data, unless the operator requests
//! it.

use crate::rig::Place;
use crate::shop::{ALICE, BOB, PHONE, PREPAY, shop};

/// Command lines of read-only verbs that print orders.
const LOOKS: [&str; 7] = [
    "list",
    "show order-waits",
    "show order-paid",
    "show order-late",
    "history order-waits",
    "history order-short",
    "anomalies",
];

/// Runs all of [`LOOKS`] with more flags, and returns the joined outputs.
fn all(place: &Place, more: &str) -> String {
    let run = |line| place.run(&format!("{line} {more}")).ends(0);
    let printed = LOOKS.map(run).map(|ran| [ran.out, ran.err].concat());
    printed.concat()
}

#[test]
fn table_hides_personal_data_unless_requested() {
    let place = shop();
    let covered = all(&place, "--format table");
    for personal in [ALICE, BOB, PHONE, PREPAY] {
        assert!(!covered.contains(personal), "{personal}");
    }
    assert!(covered.contains(" oZW…") && covered.contains("(11 bytes)"));
    let full = all(&place, "--format table --show-openid");
    for personal in [ALICE, BOB, PHONE] {
        assert!(full.contains(personal), "{personal}");
    }
    assert!(!full.contains(PREPAY));
}

#[test]
fn json_and_csv_print_full_personal_data() {
    let place = shop();
    for form in ["json", "jsonl", "csv"] {
        let printed = all(&place, &format!("--format {form}"));
        for personal in [ALICE, BOB, PHONE] {
            assert!(printed.contains(personal), "{form}: {personal}");
        }
        for short in [PREPAY, "OpenId(", "…", " bytes)"] {
            assert!(!printed.contains(short), "{form}: {short}");
        }
    }
    let show = |no: &str| {
        place
            .run(&format!("show {no} --format json"))
            .ends(0)
            .json()
    };
    let (paid, waits) = (show("order-paid"), show("order-waits"));
    assert_eq!(paid["_openid"], ALICE);
    assert_eq!(paid["payment"]["openid"], ALICE);
    assert_eq!(
        (&paid["attach"], &paid["metadata"]),
        (&"table 5".into(), &PHONE.into())
    );
    assert_eq!(waits["prepay"]["value"], serde_json::Value::Null);
    // JSON shows the full openid, so that a script can pass it to another verb.
    let openid = paid["_openid"].as_str().unwrap();
    let listed = place
        .run(&format!("list --openid {openid} --format jsonl"))
        .ends(0);
    assert_eq!(listed.out.lines().count(), 2);
}

#[test]
fn csv_report_omits_personal_data() {
    let place = shop();
    for more in ["", " --show-openid"] {
        let report = place.run(&format!("export --format csv{more}")).ends(0);
        for personal in [ALICE, BOB, PHONE, PREPAY] {
            assert!(!report.out.contains(personal), "{personal}");
        }
    }
}

#[test]
fn rejected_personal_data_is_not_printed() {
    let place = Place::new();
    let spoiled = format!("{ALICE}\u{7f}");
    for flags in [
        vec!["list", "--openid", &spoiled],
        vec![
            "create", "--appid", "wxa", "--fen", "5", "--openid", &spoiled,
        ],
        vec![
            "create",
            "--appid",
            "wxa",
            "--fen",
            "5",
            "--description",
            &spoiled,
        ],
    ] {
        let ran = place.run_words(&flags).ends(2);
        assert!(!ran.err.contains(ALICE), "{ran:?}");
        assert!(ran.err.contains("--openid") || ran.err.contains("--description"));
    }
}
