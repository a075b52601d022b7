//! Waits for a standby.

use std::thread;
use std::time::{Duration, Instant};

use orderstore::{Health, OpenError, StorageError, Store};

/// Time in which a failed attempt is repeated.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(20);

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
    let mut failing_since = None;
    while store
        .stats()
        .standby
        .is_some_and(|standby| standby.lag.is_none())
    {
        match failure_of(store) {
            Some(cause) => {
                let since = failing_since.get_or_insert_with(Instant::now);
                if since.elapsed() > GIVE_UP_AFTER {
                    return Err(OpenError::Archive(cause));
                }
            }
            None => failing_since = None,
        }
        thread::sleep(POLL);
    }
    Ok(())
}
