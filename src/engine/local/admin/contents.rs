//! Contents of a directory, and the kinds of store files that can be created in it.

/// Name of a store's identity file.
pub(super) const IDENTITY: &str = "identity";

/// Name of a backup's identity file. A directory with this file alone cannot be opened as a store.
pub(super) const BACKUP: &str = "backup.identity";

/// Name of a standby's identity file. A directory with this file alone cannot be opened as a store.
pub(super) const STANDBY: &str = "standby.identity";

/// File of a mirrored store: which directories hold every acknowledged write.
pub(super) const MIRROR: &str = "mirror";

/// File of a store with an archive: the epoch in which it writes to the archive.
pub(super) const ARCHIVE: &str = "archive";

/// File name of [`ARCHIVE`] while it is written.
pub(super) const ARCHIVE_DRAFT: &str = "archive.tmp";

/// File name of [`MIRROR`] while it is written.
pub(super) const MIRROR_DRAFT: &str = "mirror.new";

/// Draft of the identity file of a store that continues without its other directory, or of a promoted
/// standby.
pub(super) const ACCEPTED: &str = "accepted.tmp";

/// Files that hold no orders.
pub(super) const SMALL_FILES: [&str; 5] = [MIRROR, MIRROR_DRAFT, ACCEPTED, ARCHIVE, ARCHIVE_DRAFT];

/// Kind of contents that a directory has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// The directory does not exist.
    Missing,
    /// The directory is empty.
    Empty,
    /// Files of another program, or the path is not a directory.
    Foreign,
    /// Files of an interrupted creation of a new store.
    Incomplete,
    /// Files of an interrupted backup, restore or repair.
    Unfinished(Creation),
    /// A finished backup.
    Backup,
    /// A standby, which follows an archive.
    Standby,
    /// A B-tree or a journal without an identity file.
    MissingIdentity,
    /// A store that can be opened.
    Store,
}

/// Kind of store files that are created in a directory.
///
/// The first step creates a draft file, whose name shows the kind. The last step renames the draft
/// to the identity file. Thus an interrupted creation is never mistaken for another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    /// A new store.
    Store,
    /// A store that continues with the orders of another one: a restored or repaired store.
    Successor,
    /// A backup.
    Backup,
    /// A directory of a mirrored store, which is filled from the other one.
    Mirror,
    /// A standby, which is built from a snapshot of an archive.
    Standby,
}

impl Creation {
    pub(super) const EVERY: [Self; 5] = [
        Self::Store,
        Self::Successor,
        Self::Backup,
        Self::Mirror,
        Self::Standby,
    ];

    /// Name of the draft: the identity file before the creation is complete.
    pub(super) const fn draft(self) -> &'static str {
        match self {
            Self::Store => "identity.tmp",
            Self::Successor => "restored.tmp",
            Self::Backup => "backup.tmp",
            Self::Mirror => "mirror.tmp",
            Self::Standby => "standby.tmp",
        }
    }

    /// Name that the identity file gets when the creation is complete.
    pub(super) const fn seal(self) -> &'static str {
        match self {
            Self::Store | Self::Successor | Self::Mirror => IDENTITY,
            Self::Backup => BACKUP,
            Self::Standby => STANDBY,
        }
    }

    /// Returns the kind of creation whose draft file has this name.
    pub(super) fn drafted(name: &str) -> Option<Self> {
        let mut every = Self::EVERY.into_iter();
        every.find(|making| making.draft() == name)
    }

    /// Returns whether this creation may start in a directory with these contents. It replaces the
    /// files of an interrupted creation of the same kind or of a new store.
    pub(super) fn may_begin_in(self, contents: Contents) -> bool {
        match contents {
            Contents::Missing | Contents::Empty | Contents::Incomplete => true,
            Contents::Unfinished(making) => making == self,
            _ => false,
        }
    }
}
