//! Personal data leaves in forms for programs, or where the operator asks for it.

use crate::rig::Place;
use crate::shop::{ALICE, BOB, PHONE, PREPAY, shop};

const LOOKS: [&str; 7] = [
    "list",
    "show order-waits",
    "show order-paid",
    "show order-late",
    "history order-waits",
    "history order-short",
    "anomalies",
];

/// All that was said in one form.
fn all(place: &Place, more: &str) -> String {
    let run = |line| place.run(&format!("{line} {more}")).ends(0);
    let said = LOOKS.map(run).map(|ran| [ran.out, ran.err].concat());
    said.concat()
}

#[test]
fn tables_show_openids_and_texts_only_where_that_is_asked_for() {
    let place = shop();
    let covered = all(&place, "--format table");
    for personal in [ALICE, BOB, PHONE, PREPAY] {
        assert!(!covered.contains(personal), "{personal}");
    }
    assert!(covered.contains(" oZW…") && covered.contains("(11 bytes)"));
    let lifted = all(&place, "--format table --show-openid");
    for personal in [ALICE, BOB, PHONE] {
        assert!(lifted.contains(personal), "{personal}");
    }
    assert!(!lifted.contains(PREPAY));
}

#[test]
fn json_and_csv_hold_values_and_no_short_forms() {
    let place = shop();
    for form in ["json", "jsonl", "csv"] {
        let said = all(&place, &format!("--format {form}"));
        for personal in [ALICE, BOB, PHONE] {
            assert!(said.contains(personal), "{form}: {personal}");
        }
        for short in [PREPAY, "OpenId(", "…", " bytes)"] {
            assert!(!said.contains(short), "{form}: {short}");
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
    // What JSON holds can be said again.
    let openid = paid["_openid"].as_str().unwrap();
    let listed = place
        .run(&format!("list --openid {openid} --format jsonl"))
        .ends(0);
    assert_eq!(listed.out.lines().count(), 2);
}

#[test]
fn report_names_no_user_whatever_is_asked_for() {
    let place = shop();
    for more in ["", " --show-openid"] {
        let report = place.run(&format!("export --format csv{more}")).ends(0);
        for personal in [ALICE, BOB, PHONE, PREPAY] {
            assert!(!report.out.contains(personal), "{personal}");
        }
    }
}

#[test]
fn what_is_refused_is_not_repeated() {
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
