//! `WeChat`'s own messages as typed values.
//!
//! Invariants:
//! - Reading is lenient where nothing depends on it, and strict where money or identity
//!   does: what decides nothing is dropped if it is malformed, what decides something is
//!   refused by name.
//! - Nothing here talks to the network or to a store: bytes come in, values go out.
//! - No error and no `Debug` shows an openid in full.

mod cloud;
mod error;
mod fields;
mod reply;

pub use cloud::{CloudEvent, CloudFailure};
pub use error::{CloudEventError, FieldError};
pub use reply::CloudReply;
