//! Cluster URLs contain passwords: a misplaced URL must not be printed or used as a file name.

use crate::rig::Place;
use crate::shop::shop;

const SECRET: &str = "geheim";

/// URLs as users write them; the last ones are malformed.
const URLS: [&str; 10] = [
    "postgres://shop:geheim@127.0.0.1:1/orders",
    "postgresql://shop:a@geheim@127.0.0.1:1/orders",
    "postgres://shop:a?geheim@127.0.0.1:1/orders",
    "postgres://shop:geheim?a@127.0.0.1:1/orders",
    "postgres://127.0.0.1:1/orders?user=shop&password=a@geheim",
    "Postgres://shop:geheim@127.0.0.1:1/orders",
    "postgresql+tls://shop:geheim@127.0.0.1:1/orders",
    "postgres://shop:geheim",
    "postgres:/shop:geheim@127.0.0.1:1/orders",
    "dbname=orders;user=shop;password=geheim",
];

/// Command lines with a URL in a wrong place. The program rejects them before it opens anything.
const MISTAKES: [&str; 16] = [
    "URL",
    "list URL",
    "list --limit URL",
    "list --limit=URL",
    "show URL",
    "history URL",
    "create --appid URL --fen URL",
    "stats --store shop --format URL",
    "backup URL",
    "restore URL --into new",
    "restore backup --into URL",
    "repair --into URL",
    "export --output URL",
    "import URL --exported",
    "reconcile URL --day 2022-03-21 --mch-id 1",
    "copy URL URL",
];

#[test]
fn misplaced_url_is_rejected_without_its_password() {
    let place = shop();
    for url in URLS {
        for line in MISTAKES {
            let line = line.replace("URL", url);
            let ran = place.run(&line).ends(2);
            let output_text = [ran.out, ran.err].concat();
            assert!(
                !output_text.is_empty() && !output_text.contains(SECRET),
                "{line}: {output_text}"
            );
            assert_eq!(place.names(), ["shop"], "{line}");
        }
    }
}

#[test]
fn unreachable_cluster_error_hides_the_password() {
    let place = shop();
    // None of these is a valid URL of a host, so the program tries no connection and does not wait.
    for url in &URLS[5..] {
        for line in ["list", "init", "copy other"] {
            let ran = place.run(&format!("{line} --store {url}"));
            let output_text = [&ran.out[..], &ran.err].concat();
            assert!(
                !output_text.is_empty() && !output_text.contains(SECRET),
                "{line}: {output_text}"
            );
            assert_eq!(ran.code, 2, "{output_text}");
        }
        let ran = place.run(&format!("copy {url}")).ends(2);
        assert!(!ran.err.contains(SECRET), "{ran:?}");
    }
    assert_eq!(place.names(), ["shop"]);
}

#[cfg(unix)]
#[test]
fn non_utf8_url_is_not_taken_as_directory() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let place = Place::new();
    let url = OsStr::from_bytes(b"Postgres://shop:geheim\xff@127.0.0.1:1/orders");
    for words in [
        [OsStr::new("list"), OsStr::new("--store"), url],
        [OsStr::new("copy"), OsStr::new("--store=shop"), url],
        [OsStr::new("backup"), OsStr::new("--store=shop"), url],
    ] {
        let output = place.command(&words).output().unwrap();
        let output_text = [output.stdout, output.stderr].concat();
        let output_text = String::from_utf8_lossy(&output_text).into_owned();
        assert!(
            !output_text.is_empty() && !output_text.contains(SECRET),
            "{output_text}"
        );
        assert!(place.names().is_empty());
    }
}
