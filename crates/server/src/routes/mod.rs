//! Routes of the API.

pub(crate) mod extract;
pub(crate) mod feed;
pub(crate) mod metrics;
pub(crate) mod read;
pub(crate) mod remote;
pub(crate) mod stats;
pub(crate) mod write;
