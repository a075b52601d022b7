//! Health of a store.

use crate::error::StorageError;

/// Health of the store: whether it accepts commands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Health {
    /// The store accepts commands.
    Ok,
    /// The store accepts commands and throttles them, because the disk is too slow for them.
    Throttled,
    /// The disk is full. The store refuses commands until there is free space. Refused commands are
    /// certainly not applied.
    DiskFull,
    /// A background operation fails: the next segment of the journal cannot be created, a
    /// checkpoint failed, or the directory was moved. The store retries by itself and accepts
    /// commands as long as possible. Refused commands are certainly not applied.
    Failing(StorageError),
    /// The store accepts commands, but the data under corrupt pages is unreadable. `verify` lists
    /// these pages, and `repair` builds a sound store. Without a repair, a checkpoint may fail, and
    /// the store then refuses commands once the memtable is full.
    Damaged {
        /// Number of corrupt pages that reads found.
        pages: u64,
    },
    /// The store accepts commands, but only one directory of the mirror holds them: the other one
    /// failed, is missing or is being filled. [`Stats::mirror`](crate::Stats::mirror) shows which. The loss of the
    /// remaining disk would lose data until the mirror is complete. The store retries by itself.
    Unmirrored {
        /// Reason why the other directory is missing. `None` if the mirror is new.
        cause: Option<StorageError>,
    },
    /// The store accepts commands, but the archive lacks some of them: it cannot be reached, is full,
    /// or has no snapshot yet. [`Stats::archive`](crate::Stats::archive) has the figures. The store retries by itself.
    ArchiveBehind {
        /// Reason of the last failure. `None` if the store has just been opened.
        cause: Option<StorageError>,
    },
    /// The store is a standby: it refuses commands, and follows the archive of another store.
    /// [`Stats::standby`](crate::Stats::standby) has its lag.
    Standby {
        /// Reason why it cannot follow. It tries again by itself. `None` if it follows.
        cause: Option<StorageError>,
    },
    /// An earlier write failed midway. Reads continue. To write again, open the store again.
    Poisoned(StorageError),
    /// The store was shut down.
    ShutDown,
}
