//! The pages, as they stand in `page/`.

use std::path::Path as FilePath;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Failure;

/// What may be asked for, and what it is.
const FILES: [(&str, &str); 6] = [
    ("common.js", "text/javascript; charset=utf-8"),
    ("operator.html", "text/html; charset=utf-8"),
    ("operator.js", "text/javascript; charset=utf-8"),
    ("shop.html", "text/html; charset=utf-8"),
    ("shop.js", "text/javascript; charset=utf-8"),
    ("style.css", "text/css; charset=utf-8"),
];

/// A page loads what this server serves, and nothing else; nobody may frame it.
const POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'";

pub(super) async fn shop() -> Result<Response, Failure> {
    read("shop.html")
}

pub(super) async fn operator() -> Result<Response, Failure> {
    read("operator.html")
}

pub(super) async fn file(Path(name): Path<String>) -> Result<Response, Failure> {
    read(&name)
}

fn read(name: &str) -> Result<Response, Failure> {
    let known = FILES.iter().find(|(known, _)| *known == name);
    let missing = || Failure::new(StatusCode::NOT_FOUND, "noSuchPage", "there is nothing here");
    let (name, kind) = known.ok_or_else(missing)?;
    let path = FilePath::new(env!("CARGO_MANIFEST_DIR"))
        .join("page")
        .join(name);
    let bytes = std::fs::read(path).map_err(|_| missing())?;
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, bytes).into_response())
}
