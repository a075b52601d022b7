//! Stored format that the engines share: encodings of records and events, keys, and tables.

pub(crate) mod codec;
pub(crate) mod keys;
pub(crate) mod tables;
mod v1;
#[cfg(any(feature = "postgres", feature = "testing"))]
pub(crate) mod values;
