//! Handle on a store that another process has open.
//!
//! A store in a directory has one process. Other programs of the same version can use it through that
//! process: [`RemoteEngine`] sends requests, and [`Received`] answers them there. The caller brings
//! the [`Transport`] of the bytes.
//!
//! - Reads are answered by the store's engine. Commands run in the store itself, in its groups and by
//!   its policy.
//! - Order numbers come from a block that the store has reserved.
//! - `stats` and `health` of such a handle ask the other process, too.
//! - The messages are not stable: both sides need the same version. For other clients, use the HTTP API
//!   of the crate `orderstore-server`.
//! - The other side can do everything that an operator can. Only let those in who may read and change
//!   the store's directory.
//!
//! ```
//! use orderstore::remote::{Received, RemoteEngine, Transport, TransportError};
//! use orderstore::Store;
//!
//! /// Calls a store of this process.
//! #[derive(Debug)]
//! struct Direct(Store);
//!
//! impl Transport for Direct {
//!     fn call(&self, request: Vec<u8>) -> Result<Vec<u8>, TransportError> {
//!         Ok(Received::read(&request).answer(&self.0))
//!     }
//! }
//!
//! let store = Store::memory()?;
//! let remote = Store::builder().engine(RemoteEngine::connect(Direct(store.clone()))?)?;
//! let no = remote.next_order_no().wait()?;
//! assert_eq!(remote.get(no).wait()?, store.get(no).wait()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod engine;
mod message;

use std::fmt::Debug;
use std::io;

pub use self::answer::Received;
pub use self::engine::RemoteEngine;

/// Carries requests to the process that has the store open.
pub trait Transport: Debug + Send + Sync + 'static {
    /// Sends a request to [`Received`], and returns its answer. Several threads call it at the same time.
    ///
    /// # Errors
    /// [`TransportError`] if there is no answer.
    fn call(&self, request: Vec<u8>) -> Result<Vec<u8>, TransportError>;
}

/// Failure to get an answer.
#[derive(Debug, thiserror::Error)]
#[error("the process that has the store open does not answer")]
#[expect(
    clippy::exhaustive_structs,
    reason = "a transport builds it with all fields"
)]
pub struct TransportError {
    /// Whether the other process may have got the request. Commands may then have been applied.
    pub is_sent: bool,
    /// Cause of the failure.
    pub source: io::Error,
}
