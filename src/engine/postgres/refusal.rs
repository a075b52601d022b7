//! Why a host was not connected to.

use std::error::Error;
use std::io::{self, ErrorKind};

use super::failure;

/// Why one host gave no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server, or this engine, refuses: the next try ends in the same way.
    Refused,
    /// The options of the store refuse what an administrator may be changing.
    Unsafe,
    /// Nobody listens there, or the name is unknown.
    Absent,
    /// The server takes no writes.
    ReadOnly,
    /// The next try may succeed.
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

/// By what the system or the TLS library said.
fn cause_beneath(error: &tokio_postgres::Error) -> Cause {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    let io = causes.find_map(|cause| cause.downcast_ref::<io::Error>());
    match (io.map(io::Error::kind), error.source()) {
        (Some(ErrorKind::ConnectionRefused | ErrorKind::NotFound), _) => Cause::Absent,
        // A certificate that is not accepted, a socket that may not be used.
        (Some(ErrorKind::InvalidData | ErrorKind::InvalidInput), _)
        | (Some(ErrorKind::PermissionDenied), _)
        // The driver itself refuses: no password is there, or the server speaks no TLS.
        | (None, Some(_)) => Cause::Refused,
        _ => Cause::Unclear,
    }
}
