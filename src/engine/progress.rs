//! Callback for the progress of a long operation.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// Callback for the progress of a long operation: the amount done, then the total. Clones share
/// one callback.
#[derive(Clone)]
pub struct Progress(Arc<Mutex<dyn FnMut(u64, u64) + Send>>);

impl Progress {
    /// Creates a callback from a closure.
    pub fn new(callback: impl FnMut(u64, u64) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(callback)))
    }

    /// Calls the callback.
    pub fn report(&self, done: u64, total: u64) {
        (self.0.lock())(done, total);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
