//! URLs of archives.

use crate::archive::remote::Remote;
use crate::error::OpenError;

fn why(url: &str) -> String {
    let error = Remote::open(url).unwrap_err();
    assert!(matches!(error, OpenError::Invalid { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn bucket_is_opened_without_a_request() {
    for url in ["s3://bucket", "s3://bucket/shop/orders", "gs://bucket/shop"] {
        assert_eq!(
            format!("{:?}", Remote::open(url).unwrap()),
            format!("Remote({url:?})")
        );
    }
}

#[test]
fn unknown_form_is_refused() {
    for url in [
        "",
        "http://bucket/a",
        "memory:///",
        "s3:///a",
        "file://host/a",
        "s3://b/a//b",
    ] {
        why(url);
    }
    assert!(why("ftp://bucket/a").contains("s3://bucket/path"));
    assert!(why("s3://orders--use1-az4--x-s3/a").contains("directory bucket"));
}

#[test]
fn url_with_credentials_is_refused_and_not_repeated() {
    for url in [
        "s3://user:secret@bucket/a",
        "s3://secret@bucket/a",
        "az://secret@account/a",
        "az://container/a?sig=secret",
        "s3://bucket/a#secret",
        "ftp://secret@bucket/a",
        "s3://secret:99999999@bucket:x/a",
    ] {
        assert!(!why(url).contains("secret"), "{url}");
    }
}
