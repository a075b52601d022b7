//! URLs of clusters hold passwords: wherever one stands, it is not said again, and no file or
//! directory is named after it.

use crate::rig::Place;
use crate::shop::shop;

const SECRET: &str = "geheim";

/// URLs as people write them; the parts of the last ones are not where they belong.
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

/// Where a URL may stand by mistake; all of it is understood before anything is opened.
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
fn a_url_that_stands_where_none_belongs_is_refused_and_its_password_not_said() {
    let place = shop();
    for url in URLS {
        for line in MISTAKES {
            let line = line.replace("URL", url);
            let ran = place.run(&line).ends(2);
            let said = [ran.out, ran.err].concat();
            assert!(!said.is_empty() && !said.contains(SECRET), "{line}: {said}");
            assert_eq!(place.names(), ["shop"], "{line}");
        }
    }
}

#[test]
fn a_cluster_that_is_not_there_is_told_without_its_password() {
    let place = shop();
    // None of them can be read as the URL of a host that is asked, and so none is waited for.
    for url in &URLS[5..] {
        for line in ["list", "init", "copy other"] {
            let ran = place.run(&format!("{line} --store {url}"));
            let said = [&ran.out[..], &ran.err].concat();
            assert!(!said.is_empty() && !said.contains(SECRET), "{line}: {said}");
            assert_eq!(ran.code, 2, "{said}");
        }
        let ran = place.run(&format!("copy {url}")).ends(2);
        assert!(!ran.err.contains(SECRET), "{ran:?}");
    }
    assert_eq!(place.names(), ["shop"]);
}

#[cfg(unix)]
#[test]
fn a_url_that_is_no_text_is_no_directory_either() {
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
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!said.is_empty() && !said.contains(SECRET), "{said}");
        assert!(place.names().is_empty());
    }
}
