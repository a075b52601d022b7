//! Tests of cluster URLs, which contain passwords: the program must not print a misplaced URL or
//! use it as a file name.

use crate::rig::Place;
use crate::shop::shop;

/// Password that every test URL contains.
const SECRET: &str = "geheim";

/// URLs that a user may write. The last five are malformed.
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

/// Command lines with a URL in place of another argument. The program rejects all of them.
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
fn misplaced_url_error_hides_password() {
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
fn malformed_url_error_hides_password() {
    let place = shop();
    // These URLs are malformed, so the program does not try to connect and does not wait.
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
fn non_utf8_url_creates_no_directory() {
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
