//! Determines what a directory holds.

use std::io::{self, ErrorKind};

use super::contents::{BACKUP, Contents, Creation, IDENTITY, SMALL_FILES, STANDBY};
use super::layout::{BASE, Dir, JOURNAL, LOCK, LOST_AND_FOUND, SCRATCH};
use crate::engine::local::journal::segment;
use crate::error::{OpenError, StorageError};

impl Dir {
    /// Determines the contents of the directory. Changes nothing.
    pub(crate) fn survey(&self) -> Result<Contents, OpenError> {
        self.look().map_err(|error| self.open_error(error))
    }

    fn look(&self) -> io::Result<Contents> {
        let names = match self.disk().list(self.path()) {
            Ok(names) => names,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contents::Missing),
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Ok(Contents::Foreign);
            }
            Err(error) => return Err(error),
        };
        let (mut own, mut foreign, mut kept) = (false, false, false);
        let (mut backup, mut standby) = (false, false);
        let mut drafted: Option<Creation> = None;
        for name in names {
            if let Some(making) = name.to_str().and_then(Creation::drafted) {
                // Ignore the draft of a new store if there is another one. It is older: the other
                // creation replaces an unfinished store.
                drafted = drafted
                    .filter(|earlier| *earlier != Creation::Store)
                    .or(Some(making));
                continue;
            }
            match name.to_str() {
                Some(IDENTITY) => return Ok(Contents::Store),
                Some(BACKUP) => backup = true,
                Some(STANDBY) => standby = true,
                Some(name) if name == LOCK || SMALL_FILES.contains(&name) => own = true,
                Some(BASE | SCRATCH) => kept = true,
                Some(JOURNAL) if self.is_journal_own()? => kept = true,
                Some(LOST_AND_FOUND) => {}
                Some(name) if is_of_admin_socket(name) => {}
                _ => foreign = true,
            }
        }
        Ok(if foreign {
            Contents::Foreign
        } else if backup {
            Contents::Backup
        } else if let Some(making) = drafted {
            match making {
                Creation::Store => Contents::Incomplete,
                making => Contents::Unfinished(making),
            }
        } else if standby {
            Contents::Standby
        } else if kept {
            Contents::MissingIdentity
        } else if own {
            Contents::Incomplete
        } else {
            Contents::Empty
        })
    }

    /// Returns whether the directory `journal` holds segments only. A directory of another program
    /// may have the same name and must not be mistaken for the rest of an interrupted creation.
    fn is_journal_own(&self) -> io::Result<bool> {
        let names = match self.disk().list(&self.journal().path) {
            Ok(names) => names,
            Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(false),
            Err(error) => return Err(error),
        };
        for name in names {
            let is_segment = |name| name == segment::DRAFT || segment::first_lsn(name).is_some();
            if !name.to_str().is_some_and(is_segment) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// OpenError for a directory whose contents do not allow the operation.
    pub(crate) fn refusal(&self, contents: Contents) -> OpenError {
        let dir = self.given_path.clone();
        match contents {
            Contents::Missing => OpenError::Missing { dir },
            Contents::Empty => OpenError::Empty { dir },
            Contents::Foreign => OpenError::Foreign { dir },
            Contents::Incomplete => OpenError::Incomplete { dir },
            Contents::Unfinished(_) => OpenError::Unfinished { dir },
            Contents::Backup => OpenError::IsBackup { dir },
            Contents::Standby => OpenError::IsStandby { dir },
            Contents::MissingIdentity => {
                let why = "base.redb or journal exists without an identity file; restore a backup";
                self.open_error(StorageError::corrupted(why))
            }
            Contents::Store => OpenError::AlreadyThere { dir },
        }
    }
}

/// Whether a file belongs to the admin socket of `orderstore-server`: the socket, its lock, or the
/// directory in which it is bound. A killed server leaves them behind.
fn is_of_admin_socket(name: &str) -> bool {
    let is_bound = |name: &str| name.len() == 5 && name.bytes().all(|byte| byte.is_ascii_digit());
    matches!(name, "admin.sock" | "admin.sock.lock") || name.strip_prefix('.').is_some_and(is_bound)
}
