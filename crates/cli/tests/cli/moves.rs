//! Tests of the export and import of orders.

use std::io::Write as _;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::rig::{Place, texts};
use crate::shop::shop;

/// Export of another system: orders of a cloud database in JSON, in yuan.
const BOOKS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/data/transfer/cloud_db_export.json"
);

#[test]
fn import_of_export_restores_all_orders() {
    let place = shop();
    let exported = place.run("export --output books").ends(0);
    assert_eq!(
        (exported.out.as_str(), exported.err.as_str()),
        ("", "orders 5, waiting 1\n")
    );
    let books = std::fs::read_to_string(place.path("books")).unwrap();
    assert_eq!(books, place.run("export").ends(0).out);
    place.run("init --store other").ends(0);
    let runs = [
        "import books --exported --store other --dry-run",
        "import books --exported --store other",
        "import books --exported --store other",
    ]
    .map(|line| place.run(line).ends(0));
    assert_snapshot!("import_exported", texts(&runs));
    let list = |store: &str| {
        place
            .run(&format!("list --store {store} --format jsonl"))
            .out
    };
    let without_version = |text: String| {
        let rows = text.lines().map(|line| {
            let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["version"].take();
            row
        });
        rows.collect::<Vec<_>>()
    };
    assert_eq!(
        without_version(list("other")),
        without_version(list("shop"))
    );
}

#[test]
fn export_never_overwrites_and_is_owner_only() {
    let place = shop();
    place.run("export --output report --format csv").ends(0);
    let report = std::fs::read_to_string(place.path("report")).unwrap();
    assert_snapshot!("export_csv", report);
    let again = place.run("export --output report").ends(5);
    assert!(again.err.contains("report"), "{again:?}");
    assert_eq!(
        std::fs::read_to_string(place.path("report")).unwrap(),
        report
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let about = std::fs::metadata(place.path("report")).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
    }
    let none = place.run("export --from 2022-03-22 --format csv").ends(0);
    assert_eq!(none.out.lines().count(), 1, "{none:?}");
}

#[test]
fn import_with_wrong_amount_unit_exits_1() {
    let place = Place::new();
    std::fs::copy(BOOKS, place.path("books")).unwrap();
    place.run("init").ends(0);
    let runs = [
        ("import books --amounts yuan --dry-run", 0),
        (
            "import books --amounts yuan --without _id --conflict advance",
            0,
        ),
        ("import books --amounts fen --dry-run", 1),
        ("list --oldest-first", 0),
    ]
    .map(|(line, code)| place.run(line).ends(code));
    assert_snapshot!("import_foreign", texts(&runs));
    let order = "show 1647840000 --format json --show-openid";
    let order = place.run(order).ends(0).json();
    assert_eq!(
        (&order["totalFee"], &order["totalYuan"]),
        (&115_989.into(), &"1159.89".into())
    );
    assert_eq!(order["metadata"], "");
}

/// Orders of another system in CSV, in fen. The records of `order-3` and `order-4` are invalid.
const CSV: &str = "\
no,price,state,createTime,paid with,paid at
order-1,100,bought,2022-03-21 13:00:00,T1,2022-03-21 13:20:07
order-2,7,wait,2022-03-21 13:00:00,,
order-3,7,strange,2022-03-21 13:00:00,,
order-4,7.5,wait,2022-03-21 13:00:00,,
order-5,8,wait,2022-03-21 13:00:00,,
";

/// Flags that map the columns of [`CSV`].
const MAPPING: &str = "--input csv --amounts fen --status bought=success --field outTradeNo=no \
    --field totalFee=price --field payStatus=state --appid wxa --mch-id 190 --field";

/// Writes [`CSV`] to the file `books`. Returns the arguments that import it.
fn import(place: &Place, more: &str) -> Vec<String> {
    let line = format!("import books {MAPPING}");
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let rest = ["transactionId=paid with", "--field", "timeEnd=paid at"];
    words.extend(rest.map(str::to_owned));
    words.extend(more.split_whitespace().map(str::to_owned));
    std::fs::write(place.path("books"), CSV).unwrap();
    words
}

#[test]
fn import_prints_refused_positions_and_resumes() {
    let place = Place::new();
    place.run("init").ends(0);
    let run = |more: &str| {
        let words = import(&place, more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        place.run_words(&words).ends(1)
    };
    let stopped = run("--stop-on-error --format json");
    let settled = stopped.json()["settled"].as_str().unwrap().to_owned();
    let runs = [
        stopped,
        run(&format!("--resume-after {settled}")),
        run("--conflict advance"),
    ];
    assert_snapshot!("import_refused", texts(&runs));
    let words = import(&place, "--resume-after 3:4:5");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let other = place.run_words(&words).ends(2);
    assert!(other.err.contains("no record begins at"), "{other:?}");
}

#[test]
fn import_detects_format_from_file_name() {
    let place = Place::new();
    place.run("init").ends(0);
    let words = |file: &'static str| {
        let words = import(&place, "--dry-run --format json");
        let unsaid = words
            .into_iter()
            .filter(|word| !["--input", "csv"].contains(&&**word));
        unsaid.map(move |word| {
            if word == "books" {
                file.to_owned()
            } else {
                word
            }
        })
    };
    for name in ["books.csv", "BOOKS.CSV"] {
        std::fs::write(place.path(name), CSV).unwrap();
        let words: Vec<String> = words(name).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let tried = place.run_words(&words).ends(1).json();
        assert_eq!(
            (&tried["records"], &tried["refused"]),
            (&5.into(), &2.into())
        );
    }
    // The flag `--input` takes precedence over the file name.
    std::fs::copy(BOOKS, place.path("books.csv")).unwrap();
    place
        .run("import books.csv --input json --amounts yuan --dry-run")
        .ends(0);
}

#[test]
fn export_detects_format_from_file_name() {
    let place = shop();
    place.run("export --output report.csv").ends(0);
    place.run("export --output report --format csv").ends(0);
    place
        .run("export --output books.csv --format jsonl")
        .ends(0);
    place.run("export --output books").ends(0);
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(read("report.csv"), read("report"));
    assert_eq!(read("books.csv"), read("books"));
    assert_ne!(read("report"), read("books"));
}

#[test]
fn import_reads_from_stdin() {
    let place = Place::new();
    place.run("init").ends(0);
    let mut command = place.command(&["import", "-", "--amounts", "yuan", "--format", "json"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let books = std::fs::read(BOOKS).unwrap();
    child.stdin.take().unwrap().write_all(&books).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["imported"], &report["refused"]),
        (&4.into(), &0.into())
    );
}

#[test]
fn import_of_second_payment_exits_1() {
    let place = Place::new();
    place.run("init").ends(0);
    place
        .run("create --no order-1 --appid wxapp --fen 100")
        .ends(0);
    let paid = "--fen 100 --paid-at 2026-05-01";
    place
        .run(&format!("confirm order-1 --transaction-id T1 {paid}"))
        .ends(0);
    place.run("export --output there").ends(0);
    place.run("init --store other").ends(0);
    let other = "--store other --no order-1 --appid wxapp --fen 100";
    place.run(&format!("create {other}")).ends(0);
    let confirm = format!("confirm order-1 --store other --transaction-id T2 {paid}");
    place.run(&confirm).ends(0);
    let import = "import there --exported --conflict advance --store other --format json";
    let report = place.run(import).ends(1).json();
    assert_eq!(
        (&report["refused"], &report["inAnomalies"]),
        (&0.into(), &1.into())
    );
}
