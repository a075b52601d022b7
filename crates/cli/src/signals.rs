//! Signals that end a verb.

use crate::failure::Failure;

/// Calls `handler` at each SIGINT or SIGTERM.
pub(crate) fn on_stop(handler: impl FnMut() + Send + 'static) -> Result<(), Failure> {
    let handled = ctrlc::set_handler(handler);
    handled.map_err(|error| Failure::usage(format!("signals cannot be handled: {error}")))
}
