//! Errors: of URLs, and of an object store as errors of input and output.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use object_store::Error;

use crate::error::OpenError;

/// Text before the status of a reply, and after it the body of the reply.
const STATUS: &str = "status code: ";

/// Returns the error for a URL or a setting that cannot be used.
pub(super) fn invalid(why: impl Into<String>) -> OpenError {
    OpenError::Invalid {
        what: "url",
        why: why.into(),
    }
}

/// Converts an error. The text contains no reply of a server, because a reply may quote the
/// credentials of the request.
pub(super) fn io_error(error: &Error) -> io::Error {
    io::Error::new(kind(error), text(error))
}

/// Returns whether the error says that the bucket or the container does not exist.
pub(super) fn names_bucket(error: &Error) -> bool {
    let text = error.to_string();
    ["NoSuchBucket", "ContainerNotFound"]
        .iter()
        .any(|code| text.contains(code))
}

/// Returns the text of an error: its head, the error code of the server, and the deepest cause.
pub(super) fn text(error: &Error) -> String {
    let mut text = head(&error.to_string());
    let mut cause: &dyn StdError = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let cause = head(&cause.to_string());
    if !text.contains(&cause) {
        text = format!("{text}: {cause}");
    }
    text
}

fn kind(error: &Error) -> ErrorKind {
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            ErrorKind::PermissionDenied
        }
        Error::NotFound { .. } => ErrorKind::NotFound,
        Error::InvalidPath { .. } => ErrorKind::InvalidInput,
        Error::NotSupported { .. } | Error::NotImplemented { .. } => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

/// Returns the start of a text, up to the body of a reply, and the error code in that body.
fn head(text: &str) -> String {
    let from_status = |at: usize| {
        let after = at.saturating_add(STATUS.len());
        let rest = text.get(after..).unwrap_or_default();
        rest.find(':').map(|end| after.saturating_add(end))
    };
    let end_of_status = text.find(STATUS).and_then(from_status);
    let markup = text.find(['<', '{', '"']);
    let ends = end_of_status.into_iter().chain(markup);
    let end = ends.min().unwrap_or(text.len());
    let head = text
        .get(..end)
        .unwrap_or_default()
        .trim_end_matches([' ', ':']);
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    match code {
        Some((code, _)) if code.chars().all(char::is_alphanumeric) => format!("{head}: {code}"),
        _ => head.to_owned(),
    }
}
