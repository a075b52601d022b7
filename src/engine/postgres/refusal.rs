//! Reasons why a connection to a host failed.

use std::error::Error;
use std::io::{self, ErrorKind};

use super::failure;

/// Reason why a connection to one host failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server or this engine refuses the connection. A retry fails in the same way.
    Refused,
    /// The store's options refuse the server's replication settings. An administrator may change
    /// them at any moment.
    Unsafe,
    /// No server listens at the address, or the host name is unknown.
    Absent,
    /// The server accepts no writes.
    ReadOnly,
    /// Any other reason. A retry may succeed.
    Unclear,
}

#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) cause: Cause,
    pub(super) why: String,
}

impl Refusal {
    pub(super) fn new(cause: Cause, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { cause, why }
    }
}

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        let cause = match error.code() {
            Some(code) if failure::is_for_good(code) => Cause::Refused,
            Some(_) => Cause::Unclear,
            None => cause_beneath(&error),
        };
        Self::new(cause, failure::text(&error))
    }
}

/// Classifies an error without SQLSTATE, by the cause from the operating system or TLS library.
fn cause_beneath(error: &tokio_postgres::Error) -> Cause {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    let io = causes.find_map(|cause| cause.downcast_ref::<io::Error>());
    match (io.map(io::Error::kind), error.source()) {
        (Some(ErrorKind::ConnectionRefused | ErrorKind::NotFound), _) => Cause::Absent,
        // `InvalidData` and `InvalidInput` mean an invalid certificate; `PermissionDenied` means a
        // socket that this process may not open.
        (Some(ErrorKind::InvalidData | ErrorKind::InvalidInput), _)
        | (Some(ErrorKind::PermissionDenied), _)
        // The driver itself refused: the password is missing, or the server does not support TLS.
        | (None, Some(_)) => Cause::Refused,
        _ => Cause::Unclear,
    }
}
