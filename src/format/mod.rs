//! The stored format, which the engines share: record and event bytes, keys, tables.

pub(crate) mod codec;
pub(crate) mod keys;
pub(crate) mod tables;
#[cfg(any(feature = "postgres", feature = "testing"))]
pub(crate) mod values;
