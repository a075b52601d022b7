//! Waits for a standby.

use std::thread;
use std::time::Duration;

use orderstore::{Health, OpenError, StorageError, Store};

use crate::patience::{POLL, Patience};

/// Time in which a failed attempt is repeated.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// Returns the reason why a standby cannot follow its archive.
pub(crate) fn failure_of(store: &Store) -> Option<StorageError> {
    match store.health() {
        Health::Standby { cause } => cause,
        _ => None,
    }
}

/// Waits until a standby shows what its archive held at the call. Fails if that does not succeed for a
/// while. Another store needs no wait.
pub(crate) fn catch_up(store: &Store) -> Result<(), OpenError> {
    let mut patience = Patience::new(GIVE_UP_AFTER);
    while store
        .stats()
        .standby
        .is_some_and(|standby| standby.lag.is_none())
    {
        let failure = failure_of(store);
        if patience.is_over(failure.is_some())
            && let Some(cause) = failure
        {
            return Err(OpenError::Archive(cause));
        }
        thread::sleep(POLL);
    }
    Ok(())
}
