//! Stored format that the engines share: encodings of records and events, keys, and tables.

pub(crate) mod codec;
pub(crate) mod keys;
pub(crate) mod tables;
mod v1;
#[cfg(feature = "postgres")]
pub(crate) mod values;
