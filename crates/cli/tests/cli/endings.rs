//! Tests of errors: each has an exit code and a message, and changes nothing.

use std::process::Stdio;

use insta::assert_snapshot;
use orderstore::Store;

use crate::rig::{Place, names, texts};
use crate::shop::{open_shop, shop};

/// Number of the paid order in the store `shop`.
const NO: &str = "order-paid";

/// Valid command lines, at least one for every verb that needs an existing store.
const VALID_LINES: [&str; 24] = [
    "create --appid wxa --fen 5",
    "show order-paid",
    "list",
    "history order-paid",
    "due",
    "anomalies",
    "resolve order-late --anomaly 1 --accept --note x",
    "confirm order-paid --transaction-id T1 --fen 5 --paid-at 2022-03-21",
    "begin-close order-paid",
    "record-close order-paid --reply retry",
    "abort-close order-paid",
    "refund request order-paid --refund-no B --transaction-id T --fen 5",
    "refund request order-paid --refund-no B --fen 5",
    "refund record order-paid --refund-no B --transaction-id T --fen 5 --state success",
    "refund record order-paid --refund-no B --fen 5 --state success",
    "refund refused order-paid --refund-no B --code X",
    "number",
    "stats",
    "report",
    "verify",
    "repair --into new",
    "backup new",
    "export --output new",
    "import books --exported",
];

#[test]
fn invalid_arguments_exit_2_without_opening_store() {
    let place = Place::new();
    std::fs::write(place.path("books"), "").unwrap();
    for line in [
        "",
        "frob",
        "show",
        "show sh.rt",
        "list --limit 0",
        "list --limit 1001",
        "list --after 0123",
        "list --status paid",
        "list --from 2022-03-22 --to 2022-03-21",
        "list --from yesterday",
        "list --openid a --reference b",
        "list --with-hidden",
        "create --appid wxa",
        "create --appid wxa --fen 5 --yuan 0.05",
        "create --appid wxa --fen 0",
        "create --appid wxa --fen 19.90",
        "create --appid wxa --yuan 19.901",
        "create --appid wxa --yuan 5 --currency USD",
        "create --appid wxa --fen 5 --node 1000",
        "create --fen 5",
        "confirm order-paid --transaction-id T --fen 5",
        "confirm order-paid --transaction-id T --fen 0 --paid-at 2022-03-21",
        "confirm order-paid --transaction-id T --fen 5 --paid-at 2022-02-30",
        "resolve order-late --anomaly 1 --note x",
        "resolve order-late --anomaly 1 --accept --dismiss --note x",
        "resolve order-late --anomaly 1 --accept",
        "record-close order-paid --reply maybe",
        "refund request order-paid --refund-no B --transaction-id T --fen 0",
        "refund request order-paid --refund-no B --fen 0",
        "refund",
        "number --count 0",
        "report --day 2022-03-21 --from 2022-03-21",
        "repair",
        "backup",
        "restore backup",
        "export --format table",
        "export --format json",
        "import books",
        "import books --exported --amounts yuan",
        "import books --exported --input csv",
        "import books.csv --exported",
        "import books --exported --status a=success",
        "import books --amounts yuan --status a=paid",
        "import books --amounts yuan --field price",
        "import books --amounts yuan --field price=total",
        "import books --amounts yuan --resume-after 1",
        "reconcile books --day 2022-03-21",
        "reconcile books --day 2022-3-21 --mch-id 1",
        "list --format yaml",
    ] {
        let words = line.split_whitespace().collect::<Vec<_>>();
        let ran = place.run_words(&words).ends(2);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{ran:?}");
        assert_eq!(place.names(), ["books"], "{line}");
    }
}

#[test]
fn verbs_other_than_init_create_no_store() {
    let place = Place::new();
    std::fs::write(place.path("books"), "").unwrap();
    for line in VALID_LINES {
        let ran = place.run(line).ends(6);
        assert!(ran.err.contains("shop does not exist"), "{ran:?}");
        assert_eq!(place.names(), ["books"], "{line}");
    }
    std::fs::create_dir(place.path("shop")).unwrap();
    for line in VALID_LINES {
        let ran = place.run(line).ends(6);
        assert!(ran.err.contains("shop is empty"), "{ran:?}");
        assert!(names(&place.path("shop")).is_empty(), "{line}");
    }
}

#[test]
fn locked_store_exits_3_and_stays_unchanged() {
    let place = Place::new();
    let held = open_shop(&place);
    std::fs::write(place.path("books"), "").unwrap();
    for line in VALID_LINES {
        let ran = place.run(line).ends(3);
        assert!(ran.out.is_empty(), "{ran:?}");
        assert!(
            ran.err.contains("shop is in use by another process"),
            "{ran:?}"
        );
        assert!(ran.err.contains("orderstore restore BACKUP"), "{ran:?}");
        assert_eq!(place.names(), ["books", "shop"], "{line}");
    }
    assert_snapshot!("in_use", place.run("list").text());
    // Follow the advice that the program printed: the process that has the store open makes a
    // backup.
    held.store.backup(place.path("backup")).wait().unwrap();
    place.run("restore backup --into look").ends(0);
    let ran = place.run(&format!("show {NO} --store look --format json"));
    assert_eq!(ran.ends(0).json()["payStatus"], "success");
    held.store.shutdown().wait().unwrap();
    place.run("list").ends(0);
}

#[test]
fn unsuitable_directory_exits_6() {
    let place = shop();
    place.run("backup backup").ends(0);
    std::fs::create_dir(place.path("other")).unwrap();
    std::fs::write(place.path("other/diary"), "").unwrap();
    let runs = [
        "list --store backup",
        "list --store other",
        "restore shop --into new",
        "restore backup --into shop",
        "backup backup",
        "init --store other",
    ]
    .map(|line| place.run(line).ends(6));
    assert_snapshot!("other_directories", texts(&runs));
    assert_eq!(place.names(), ["backup", "other", "shop"]);
}

#[test]
fn unknown_order_exits_1() {
    let place = shop();
    let runs = ["show order-unknown", "show order-0", "history order-0"]
        .map(|line| place.run(line).ends(1));
    assert_snapshot!("not_there", texts(&runs));
}

#[test]
fn missing_store_flag_exits_2() {
    let place = Place::new();
    let mut command = place.command(&["list"]);
    let output = command.env_remove("ORDERSTORE_DIR").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr_text = String::from_utf8(output.stderr).unwrap();
    assert_snapshot!("no_store", stderr_text);
}

#[test]
fn cursor_of_another_list_exits_2() {
    let place = shop();
    let output = place
        .command(&["list", "--limit", "1", "--format", "json"])
        .output();
    let page: serde_json::Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let cursor = page["next"].as_str().unwrap();
    let ran = place.run(&format!("due --after {cursor}")).ends(2);
    assert!(ran.err.contains("the cursor cannot be used"), "{ran:?}");
}

#[test]
fn damaged_store_exits_4_with_advice() {
    let place = shop();
    let identity = place.path("shop/identity");
    let mut bytes = std::fs::read(&identity).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&identity, bytes).unwrap();
    for line in ["list", "verify", "backup new"] {
        let ran = place.run(line).ends(4);
        assert!(ran.err.contains("corrupt data"), "{ran:?}");
        assert!(ran.err.contains("orderstore repair --into"), "{ran:?}");
    }
    assert_eq!(place.names(), ["shop"]);
}

#[test]
fn missing_input_file_exits_5() {
    let place = Place::new();
    for line in [
        "import nowhere --exported",
        "import nowhere/deeper/books --exported",
        "reconcile nowhere --day 2022-03-21 --mch-id 1",
    ] {
        let ran = place.run(line).ends(5);
        assert!(ran.err.contains("nowhere does not exist"), "{ran:?}");
        assert!(place.names().is_empty());
    }
}

/// Example: `orderstore list | head -1`. The exit code depends only on the result of the command,
/// even if the reader of stdout stops early.
#[test]
fn closed_stdout_changes_no_exit_code_or_message() {
    let (read, unread) = (shop(), shop());
    for place in [&read, &unread] {
        std::fs::write(place.path("books"), "").unwrap();
    }
    let forms = ["table", "json", "jsonl", "csv"];
    let formed = |(line, form): (&str, &str)| format!("{line} --format {form}");
    let each = VALID_LINES.into_iter().zip(forms.into_iter().cycle());
    // In each format, also test output that is larger than the buffer of stdout.
    let long = forms.map(|form| ("number --count 1000", form));
    let others = ["completions bash", "--help"].map(str::to_owned);
    for line in each.chain(long).map(formed).chain(others) {
        let (expected, ran) = (read.run(&line), unread.run_unread(&line));
        assert_eq!(ran.code, expected.code, "{ran:?} {expected:?}");
        assert_eq!(ran.err, expected.err, "{line}");
    }
}

#[test]
fn closed_stdout_ends_export_without_error() {
    let place = shop();
    for form in ["jsonl", "csv"] {
        let ran = place.run_unread(&format!("export --format {form}")).ends(0);
        assert_eq!(ran.err, "");
    }
}

#[test]
fn invalid_argument_error_shows_valid_example() {
    let place = Place::new();
    for (line, example) in [
        ("show 12,345678", "1217752501201407033233368018"),
        ("show 茶茶茶", "1217752501201407033233368018"),
        ("create --appid wxa --yuan 1,159.89", "19.90"),
        ("create --appid wxa --yuan 19.901", "19.90"),
        ("create --appid wxa --yuan .5", "19.90"),
        ("create --appid wxa --fen 19.90", "1990"),
        ("create --appid wxa --fen 5 --currency cny", "CNY"),
        ("create --appid wxa --fen 5 --currency yuan", "CNY"),
        ("create --appid wxa --fen 5 --channel WeChat", "wechat"),
        ("create --appid 微信 --fen 5", "wxd678efh567hg6787"),
        ("create --appid wxa --fen 5 --mch-id 微信", "1230000109"),
        (
            "create --appid wxa --fen 5 --openid 微信",
            "oUpF8uMEb4qRXf22hE3X68TekukE",
        ),
        ("create --appid wxa --fen 5 --reference a/b", "R-1217752501"),
        (
            "create --appid wxa --fen 5 --description a\nb",
            "on one line",
        ),
        ("list --transaction-id 微信", "4200001234202203211234567890"),
        ("list --refund-no a/b", "R-1217752501"),
        ("list --from yesterday", "2022-03-21 13:20:07"),
        ("list --from 2022/03/21", "2022-03-21 13:20:07"),
        ("list --from 2022032113200y", "20220321132007"),
        (
            "list --from 2022-03-21T13:20:07",
            "2022-03-21T13:20:07+08:00",
        ),
        ("report --day 2022-3-21", "2022-03-21"),
        (
            "refund refused order-paid --refund-no B --code 余额不足",
            "NOTENOUGH",
        ),
        (
            "import books --amounts yuan --field price",
            "totalFee=price",
        ),
        (
            "import books --amounts yuan --status payed",
            "payed=success",
        ),
    ] {
        let ran = place.run(line).ends(2);
        assert!(ran.err.contains(example), "{ran:#?}");
        for bytes in ["0x", " bytes", "position"] {
            assert!(!ran.err.contains(bytes), "{ran:#?}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_to_full_disk_exits_5() {
    let place = shop();
    let full = std::fs::File::create("/dev/full").unwrap();
    let mut command = place.command(&["list"]);
    let output = command.stdout(Stdio::from(full)).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let stderr_text = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr_text.contains("the output could not be written"),
        "{stderr_text}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn failed_create_output_names_order_number() {
    let place = shop();
    let full = std::fs::File::create("/dev/full").unwrap();
    let mut command = place.command(&["create", "--appid", "wxapp", "--fen", "100"]);
    let output = command.stdout(Stdio::from(full)).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let stderr_text = String::from_utf8(output.stderr).unwrap();
    let no = stderr_text.split("--no ").nth(1).unwrap().trim();
    let again = format!("create --no {no} --appid wxapp --fen 100");
    let again = place.run(&again).ends(0);
    assert!(again.out.contains("exists"), "{again:?}");
}

#[test]
fn program_exit_closes_store() {
    let place = shop();
    place.run("list").ends(0);
    place.run("show order-0").ends(1);
    let store = Store::open(place.path("shop")).unwrap();
    assert!(store.recovery().was_closed);
    store.shutdown().wait().unwrap();
}
