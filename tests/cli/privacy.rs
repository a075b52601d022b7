//! Personal data leaves where the operator asks for it, and nowhere else.

use crate::rig::Place;
use crate::shop::{ALICE, BOB, PHONE, PREPAY, shop};

const LOOKS: [&str; 8] = [
    "list",
    "show order-waits",
    "show order-paid",
    "show order-late",
    "history order-waits",
    "history order-short",
    "anomalies",
    "export --format csv",
];

/// All that was said, in every form that the verb has.
fn all(place: &Place, more: &str) -> String {
    let mut said = String::new();
    for line in LOOKS {
        for form in ["table", "json", "jsonl", "csv"] {
            let line = match line.contains("--format") {
                true => format!("{line}{more}"),
                false => format!("{line} --format {form}{more}"),
            };
            let ran = place.run(&line).ends(0);
            said.push_str(&ran.out);
            said.push_str(&ran.err);
        }
    }
    said
}

#[test]
fn openids_and_texts_are_shown_in_full_only_where_that_is_asked_for() {
    let place = shop();
    let covered = all(&place, "");
    for personal in [ALICE, BOB, PHONE, PREPAY] {
        assert!(!covered.contains(personal), "{personal}");
    }
    assert!(covered.contains("OpenId(oZW…)"));
    let lifted = all(&place, " --show-openid");
    for personal in [ALICE, BOB, PHONE] {
        assert!(lifted.contains(personal), "{personal}");
    }
    assert!(!lifted.contains(PREPAY));
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
