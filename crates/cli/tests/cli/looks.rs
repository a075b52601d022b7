//! Tests of the read-only verbs in every output format.

use insta::assert_snapshot;

use crate::rig::{Ran, texts};
use crate::shop::{ALICE, BOB, shop};

const FORMS: [&str; 4] = ["table", "json", "jsonl", "csv"];

/// Runs a command line in every output format, and returns the joined outputs.
fn in_every_form(line: &str) -> String {
    let place = shop();
    let run = |form| place.run(&format!("{line} --format {form}")).ends(0);
    texts(&FORMS.map(run))
}

#[test]
fn show_prints_refunds_and_anomalies() {
    let place = shop();
    let show = |no: &str| place.run(&format!("show {no}")).ends(0);
    let orders = ["order-waits", "order-paid", "order-closed", "order-late"];
    assert_snapshot!("show", texts(&orders.map(show)));
    assert_snapshot!("show_forms", in_every_form("show order-paid"));
}

#[test]
fn list_is_printed_in_every_format() {
    assert_snapshot!("list", in_every_form("list --limit 3"));
}

#[test]
fn list_supports_every_filter() {
    let place = shop();
    let run = |line: &str| place.run(line).ends(0);
    let runs: [Ran; 10] = [
        &format!("list --openid {ALICE}"),
        &format!("list --openid {BOB} --oldest-first"),
        &format!("list --openid {BOB} --with-hidden --status closed"),
        "list --status success",
        "list --status success --status latePaid --oldest-first",
        "list --transaction-id 4200-late",
        "list --refund-no back-1",
        "list --reference R-order-short",
        "list --from 2022-03-21 --to 20220321130300",
        "list --from 2022-03-22",
    ]
    .map(run);
    assert_snapshot!("lists", texts(&runs));
}

#[test]
fn cursor_reads_every_page_once() {
    let place = shop();
    let mut numbers = Vec::new();
    let mut after = String::new();
    loop {
        let line = format!("list --limit 2 --format json{after}");
        let output = place.command(&line.split(' ').collect::<Vec<_>>()).output();
        let page: serde_json::Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
        for row in page["rows"].as_array().unwrap() {
            numbers.push(row["outTradeNo"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["next"].as_str() else {
            break;
        };
        after = format!(" --after {cursor}");
    }
    let newest_first = [
        "order-short",
        "order-late",
        "order-closed",
        "order-paid",
        "order-waits",
    ];
    assert_eq!(numbers, newest_first);
}

#[test]
fn list_of_all_orders_has_the_rows_of_every_page() {
    let place = shop();
    for filter in ["", " --oldest-first", " --status success --status closed"] {
        for form in ["jsonl", "csv"] {
            let page = place.run(&format!("list{filter} --limit 1000 --format {form}"));
            let all = place.run(&format!("list{filter} --all --format {form}"));
            assert_eq!(all.ends(0).out, page.ends(0).out, "{filter}");
        }
    }
    assert_snapshot!("list_all", place.run("list --all").ends(0).text());
    place.run("list --all --format json").ends(2);
    place.run("list --all --limit 5").ends(2);
}

#[test]
fn history_is_printed_in_every_format() {
    assert_snapshot!("history", in_every_form("history order-late"));
    let place = shop();
    let runs = ["order-paid", "order-unknown", "order-waits"]
        .map(|no| place.run(&format!("history {no}")).ends(0));
    assert_snapshot!("histories", texts(&runs));
}

#[test]
fn due_lists_only_actions_due_at_given_time() {
    let line = "due --at 2022-04-01T00:00:00+08:00";
    assert_snapshot!("due", in_every_form(line));
    let place = shop();
    let early = place.run("due --at 2022-03-21 --format csv").ends(0);
    assert_eq!(early.out.lines().count(), 1, "{early:?}");
}

#[test]
fn anomaly_list_is_printed_in_every_format() {
    assert_snapshot!("anomalies", in_every_form("anomalies --limit 2"));
}

#[test]
fn stats_count_orders_by_status() {
    let place = shop();
    let stats = place.run("stats --format json").ends(0).json();
    let of = |name: &str| stats[name].as_u64().unwrap();
    assert_eq!((of("orders"), of("wait"), of("success")), (5, 2, 1));
    assert_eq!((of("closed"), of("latePaid"), of("failed")), (1, 1, 0));
    assert_eq!((of("unclaimed"), of("openAnomalies")), (1, 3));
    assert_eq!(stats["wasClosed"], true);
    for form in FORMS {
        let ran = place.run(&format!("stats --format {form}")).ends(0);
        assert!(ran.out.contains("openAnomalies"), "{ran:?}");
    }
}

#[test]
fn report_by_hour_or_day_adds_up_to_the_whole() {
    let place = shop();
    let sum = |line: &str| {
        let ran = place.run(&format!("{line} --format jsonl")).ends(0);
        let rows = ran
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let mut sums = std::collections::BTreeMap::<String, (u64, u64)>::new();
        for row in rows.collect::<Vec<serde_json::Value>>() {
            let of = sums.entry(row["what"].to_string()).or_default();
            of.0 += row["count"].as_u64().unwrap();
            of.1 += row["fen"].as_u64().unwrap();
        }
        sums
    };
    for period in ["--day 2022-03-21", "--from 2022-03-20 --to 2022-03-23"] {
        let whole = sum(&format!("report {period}"));
        assert!(!whole.is_empty());
        for by in ["hour", "day"] {
            assert_eq!(sum(&format!("report {period} --by {by}")), whole, "{by}");
        }
    }
    let line = "report --from 2022-03-20 --to 2022-03-23 --by day";
    assert_snapshot!("report_by_day", place.run(line).ends(0).text());
    let refused = place.run("report --by day").ends(2);
    assert!(refused.err.contains("shorter"), "{refused:?}");
}

#[test]
fn report_sums_only_given_time_range() {
    assert_snapshot!("report", in_every_form("report --day 2022-03-21"));
    let place = shop();
    let empty = place.run("report --from 2022-03-22 --format csv").ends(0);
    assert_eq!(empty.out.lines().count(), 1, "{empty:?}");
}

#[test]
fn read_only_verbs_do_not_change_store() {
    let place = shop();
    let books = || {
        let verify = place.run("verify --format json").ends(0).json();
        (place.run("export").ends(0).out, verify)
    };
    let before = books();
    for line in [
        "list",
        "show order-paid",
        "history order-late",
        "due",
        "anomalies",
        "stats",
        "report",
        "verify --pages",
        "export --format csv",
    ] {
        place.run(line).ends(0);
    }
    assert_eq!(books(), before);
}
