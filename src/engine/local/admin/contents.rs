//! What a directory contains, and what is being created in it.

pub(super) const IDENTITY: &str = "identity";

/// The identity of a backup: nothing that has it and no other is opened as a store.
pub(super) const BACKUP: &str = "backup.identity";

/// What a directory turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::local) enum Contents {
    Missing,
    Empty,
    Foreign,
    Incomplete,
    /// A backup, or a store with the orders of another one, in the making.
    Unfinished(Making),
    Backup,
    /// Base or journal, whose identity was lost.
    Headless,
    Store,
}

/// What is made in a directory. It is named by its draft from the first moment on, and by
/// its seal when all of it is there: what was cut short is never taken for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::local) enum Making {
    /// A new store.
    Store,
    /// A store that goes on with the orders of another one.
    Successor,
    /// A backup.
    Backup,
}

impl Making {
    pub(super) const EVERY: [Self; 3] = [Self::Store, Self::Successor, Self::Backup];

    pub(super) const fn draft(self) -> &'static str {
        match self {
            Self::Store => "identity.tmp",
            Self::Successor => "restored.tmp",
            Self::Backup => "backup.tmp",
        }
    }

    pub(super) const fn seal(self) -> &'static str {
        match self {
            Self::Store | Self::Successor => IDENTITY,
            Self::Backup => BACKUP,
        }
    }

    pub(super) fn drafted(name: &str) -> Option<Self> {
        let mut every = Self::EVERY.into_iter();
        every.find(|making| making.draft() == name)
    }

    /// It may begin in such a directory, or go on there.
    pub(super) fn may_begin_in(self, contents: Contents) -> bool {
        match contents {
            Contents::Missing | Contents::Empty | Contents::Incomplete => true,
            Contents::Unfinished(making) => making == self,
            _ => false,
        }
    }
}
