//! What fuzzers run: one function per target, which takes any bytes and panics where
//! something does not hold.
//!
//! The targets of `fuzz/` call them with what coverage finds, and an ordinary test calls
//! them with the committed corpus and with seeded chance. What must hold stands elsewhere,
//! where the tests that are not fuzzers have it too: in the [`model`](super::model), in the
//! shop beneath the tests of the rules, and in [`verify`](crate::Store::verify).

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what must hold and does not is told by a panic, as in every test"
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
