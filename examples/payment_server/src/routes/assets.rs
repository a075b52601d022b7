//! Serves the files in `page/`, which are part of the program.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Code, Failure};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Name, content type and text of each file.
const FILES: [(&str, &str, &str); 9] = [
    ("common.js", SCRIPT, include_str!("../../page/common.js")),
    ("confirm.js", SCRIPT, include_str!("../../page/confirm.js")),
    ("errors.js", SCRIPT, include_str!("../../page/errors.js")),
    (
        "operator.html",
        HTML,
        include_str!("../../page/operator.html"),
    ),
    (
        "operator.js",
        SCRIPT,
        include_str!("../../page/operator.js"),
    ),
    (
        "operator_words.js",
        SCRIPT,
        include_str!("../../page/operator_words.js"),
    ),
    ("shop.html", HTML, include_str!("../../page/shop.html")),
    ("shop.js", SCRIPT, include_str!("../../page/shop.js")),
    ("style.css", STYLE, include_str!("../../page/style.css")),
];

/// Content security policy: a page loads only files of this server, and no other page may embed it.
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
    let known = FILES.iter().find(|(known, ..)| *known == name);
    let missing = || Failure::new(StatusCode::NOT_FOUND, Code::NoSuchPage, "page not found");
    let (_, kind, text) = known.ok_or_else(missing)?;
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, *text).into_response())
}
