//! Tests of help texts and shell completions.

use insta::assert_snapshot;

use crate::rig::Place;

const VERBS: [&str; 31] = [
    "init",
    "create",
    "show",
    "list",
    "history",
    "due",
    "anomalies",
    "resolve",
    "confirm",
    "begin-close",
    "record-close",
    "abort-close",
    "end-order",
    "refund",
    "number",
    "stats",
    "report",
    "verify",
    "repair",
    "backup",
    "copy",
    "restore",
    "mirror",
    "archive",
    "follow",
    "promote",
    "serve",
    "export",
    "import",
    "reconcile",
    "completions",
];

#[test]
fn help_names_every_verb_and_exit_code() {
    let ran = Place::new().run("--help").ends(0);
    for verb in VERBS {
        assert!(ran.out.contains(&format!("\n  {verb} ")), "{verb}");
    }
    for code in 0..=7 {
        assert!(ran.out.contains(&format!("\n  {code}  ")), "{code}");
    }
    assert_snapshot!("help", ran.text());
}

#[test]
fn verb_help_matches_snapshot() {
    let place = Place::new();
    for verb in VERBS {
        let ran = place.run(&format!("{verb} --help")).ends(0);
        assert_snapshot!(format!("help_{verb}"), ran.text());
    }
    for step in ["request", "record", "refused"] {
        let ran = place.run(&format!("refund {step} --help")).ends(0);
        assert_snapshot!(format!("help_refund_{step}"), ran.text());
    }
    for step in ["ship", "status", "snapshots", "verify", "prune"] {
        let ran = place.run(&format!("archive {step} --help")).ends(0);
        assert_snapshot!(format!("help_archive_{step}"), ran.text());
    }
    for step in ["fill", "accept", "detach"] {
        let ran = place.run(&format!("mirror {step} --help")).ends(0);
        assert_snapshot!(format!("help_mirror_{step}"), ran.text());
    }
    assert!(place.names().is_empty());
}

#[test]
fn completion_script_contains_every_verb() {
    let place = Place::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = place.run(&format!("completions {shell}")).ends(0);
        for verb in VERBS {
            assert!(ran.out.contains(verb), "{shell}: {verb}");
        }
    }
    place.run("completions tcsh").ends(2);
}
