//! Fuzz targets: one function per target. The function takes any bytes and panics if a check fails.
//!
//! The programs in `fuzz/` call these functions with inputs guided by coverage. An ordinary test
//! calls them with the committed corpus and with seeded random bytes.
//!
//! The checks themselves are in the code that other tests share: the [`model`](super::model), the
//! oracle of the rules, and [`verify`](crate::Store::verify).

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed check panics, as in every test"
)]

#[cfg(feature = "transfer")]
mod books;
mod bytes;
mod commands;
mod decode;
mod journal;
#[cfg(feature = "wechat")]
mod messages;
mod parse;
mod transitions;

#[cfg(feature = "transfer")]
pub use books::import_books;
pub use bytes::Bytes;
pub use commands::{any_command, any_policy};
pub use decode::{decode_record, decode_record_seeds};
pub use journal::journal_replay;
pub use parse::parse;
pub use transitions::transitions;
