//! Restores: a store that goes on with the orders of a backup, in a directory of its own.
//!
//! - The backup is read and never written: it may lie on a disk that cannot be.
//! - It is copied first and looked at then, every page and every invariant, before the
//!   directory gets its identity. What was cut short is no store, and is not made into one.
//! - The restored store does not know what the old one did behind the backup. It draws an
//!   incarnation, which ends all cursors of the old feed, and its order numbers begin far
//!   beyond any that the old one can have handed out.

use std::path::Path;

use super::contents::{Contents, Making};
use super::header::StoreHeader;
use super::layout::Dir;
use super::open::{mark_of, singles};
use super::verify;
use crate::contract::FeedCursor;
use crate::engine::RestoreReport;
use crate::engine::local::btree::BTree;
use crate::engine::local::btree::typed::Sorted;
use crate::engine::local::disk::{DiskFile, Lock};
use crate::engine::local::journal::segment::End;
use crate::engine::local::options::LocalOptions;
use crate::engine::local::read::record_cache::RecordCache;
use crate::engine::local::read::view::ReadView;
use crate::engine::local::{LocalEngine, Progress};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::format::codec::State;
use crate::format::keys::Layout;
use crate::format::tables::Table;
use crate::order_no::COUNTERS;
use crate::types::Timestamp;

/// So many numbers a store cannot have handed out since its last backup.
const JUMP: u64 = 1_000_000_000_000;

/// So much is copied at a time.
const STEP: usize = 1 << 20;

impl LocalEngine {
    /// Makes a store of a backup, in a directory that is missing or empty, or in which the
    /// same was interrupted.
    ///
    /// # Errors
    /// [`Error::NotABackup`], [`Error::Unfinished`] where the backup was not finished, and
    /// for either directory what opening and making a store can fail with.
    pub fn restore(
        backup: impl AsRef<Path>,
        dir: impl AsRef<Path>,
        options: &LocalOptions,
    ) -> Result<RestoreReport, Error> {
        let from = Dir::new(&options.disk, backup.as_ref());
        let passport = match from.survey()? {
            Contents::Backup => from.backup_passport()?,
            contents => return Err(no_backup(&from, contents)),
        };
        let to = Dir::of(options, dir.as_ref())?;
        let (to, lock) = to.claim(Making::Successor, options.lock_wait)?;
        to.clear(Making::Successor)?;
        let copied = copy(&from, &to, &to.base(), options.progress);
        copied.map_err(|error| to.unopened(error))?;
        // What is wrong with the copy is wrong with the backup.
        let unopened = |error| from.unopened(error);
        let base =
            BTree::open(&**to.disk(), &to.base(), options.page_bytes(), true).map_err(unopened)?;
        let old = Old::look(&base, passport).map_err(unopened)?;
        let successor = Successor::draw(passport, old.state, old.applied);
        let successor = successor.map_err(|error| to.unopened(error))?;
        let place = successor.place();
        successor.write(&base).map_err(|error| to.unopened(error))?;
        successor.establish(&to, options, base, lock)?;
        Ok(RestoreReport {
            before: FeedCursor {
                incarnation: passport.identity.incarnation,
                seq: old.state.last_seq,
            },
            place,
            records: old.records,
            last_event_at: old.last_event_at,
        })
    }
}

fn no_backup(from: &Dir, contents: Contents) -> Error {
    match contents {
        Contents::Store | Contents::Headless | Contents::Incomplete => {
            let dir = from.said.clone();
            Error::NotABackup { dir }
        }
        contents => from.refusal(contents),
    }
}

/// What a backup holds.
struct Old {
    state: State,
    applied: u64,
    records: u64,
    last_event_at: Option<Timestamp>,
}

impl Old {
    /// Looks at all of it.
    fn look(base: &BTree, passport: StoreHeader) -> Result<Self, StorageError> {
        let layout = Layout::new(passport.hash_key);
        let view = ReadView::of_base(base.snapshot()?, RecordCache::off(), layout);
        if view.mark()? != mark_of(passport.identity) {
            let why = "the backup's base is of another store";
            return Err(StorageError::corrupted(why));
        }
        let report = verify::verify(&view)?;
        verify::sound(&report)?;
        Ok(Self {
            state: view.state()?,
            applied: view.applied()?,
            records: report.records,
            last_event_at: view.last_event_at()?,
        })
    }
}

/// Copies the base of a directory to an empty file in another one, durably.
pub(in crate::engine::local) fn copy(
    from: &Dir,
    to: &Dir,
    place: &Path,
    progress: Option<Progress>,
) -> Result<(), StorageError> {
    let source = from.disk().open_to_read(&from.base())?;
    let len = source.len()?;
    to.check_room(len)?;
    let target = to.disk().open(place)?;
    target.set_len(len)?;
    let (mut done, mut bytes) = (0, vec![0; STEP]);
    while done < len {
        let left = usize::try_from(len.saturating_sub(done)).unwrap_or(STEP);
        bytes.truncate(left);
        step(&*source, &*target, done, &mut bytes)?;
        done = done.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if let Some(progress) = progress {
            progress(done, len);
        }
    }
    Ok(target.sync()?)
}

/// No more than this is unsynced at any time.
fn step(
    source: &dyn DiskFile,
    target: &dyn DiskFile,
    at: u64,
    bytes: &mut [u8],
) -> Result<(), StorageError> {
    source.read_at(at, bytes)?;
    target.write_at(at, bytes)?;
    Ok(target.sync()?)
}

/// A store that is to go on with the orders of another one.
pub(in crate::engine::local) struct Successor {
    passport: StoreHeader,
    state: State,
    applied: u64,
}

impl Successor {
    /// Of a store that stood so when it was last heard of.
    pub(in crate::engine::local) fn draw(
        passport: StoreHeader,
        state: State,
        applied: u64,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            passport: passport.successor()?,
            state: State {
                counter: jumped(state.counter)?,
                ..state
            },
            applied,
        })
    }

    pub(in crate::engine::local) const fn place(&self) -> FeedCursor {
        FeedCursor {
            incarnation: self.passport.identity.incarnation,
            seq: self.state.last_seq,
        }
    }

    /// Writes what there is one of per store.
    pub(in crate::engine::local) fn write(&self, base: &BTree) -> Result<(), StorageError> {
        let singles = singles(self.passport.identity, &self.state, self.applied)?;
        let entries = singles
            .iter()
            .map(|(key, value)| (*key, Some(Vec::as_slice(value))));
        let meta: Sorted<'_> = (Table::Meta, Box::new(entries));
        base.write(vec![meta])
    }

    /// Makes the store of a base that holds all of it: from here on the directory is one.
    pub(in crate::engine::local) fn establish(
        self,
        dir: &Dir,
        options: &LocalOptions,
        base: BTree,
        lock: Lock,
    ) -> Result<(), Error> {
        let end = End {
            lsn: self.applied,
            ..End::default()
        };
        let engine = LocalEngine::begin(dir, options, self.passport, base, lock, end);
        let engine = engine.map_err(|error| dir.unopened(error))?;
        dir.seal(Making::Successor, self.passport)?;
        engine.release().map_err(Error::Unclosed)
    }
}

/// Far beyond every number that may have been handed out, and not the same one twice.
fn jumped(counter: u64) -> Result<u64, StorageError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|error| StorageError::from(std::io::Error::from(error)))?;
    let more = u64::from_le_bytes(random) % JUMP;
    let far = counter.saturating_add(JUMP).saturating_add(more);
    if far >= COUNTERS {
        let why = "the order-number counter is used up";
        return Err(StorageError::new(StorageErrorKind::TooLarge, why));
    }
    Ok(far)
}

#[cfg(test)]
mod tests {
    use crate::engine::local::admin::restore::*;

    #[test]
    fn counter_jumps_far_each_time_elsewhere_and_never_beyond_the_last_number() {
        let jumps = [0; 3].map(|counter| jumped(counter).unwrap());
        assert!(jumps.iter().all(|jump| (JUMP..2 * JUMP).contains(jump)));
        assert!(jumps[0] != jumps[1] || jumps[1] != jumps[2]);
        jumped(COUNTERS - 2 * JUMP).unwrap();
        let error = jumped(COUNTERS - JUMP).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::TooLarge);
    }
}
