//! A transactional payment-order store that a payment server links in.

pub mod engine;
mod error;
mod order;
pub mod rules;
mod value;
mod verify;
#[cfg(feature = "wechat")]
pub mod wechat;

pub use error::{Error, StorageError, StorageErrorKind};
pub use order::*;
pub use value::*;
pub use verify::{Invariant, Report, Violation};
