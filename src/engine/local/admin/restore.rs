//! Restores a backup as a new store in another directory.
//!
//! - A restore only reads the backup. The backup may lie on a read-only disk.
//! - A restore first copies the backup, then verifies every page and every invariant of the copy.
//!   It writes the identity file last. The files of an interrupted restore are not a store: no
//!   store can be opened or created there.
//! - The restored store does not know what the old store did after the backup. So it gets a new
//!   incarnation, and names the old one as its ancestor: it takes a cursor of the old feed only up to
//!   the last common event. Its order numbers begin far beyond any number that the old store can have
//!   issued.

use std::path::Path;
use std::time::Instant;

use super::contents::{Contents, Creation};
use super::header::StoreHeader;
use super::layout::Dir;
use super::open::{mark_of, store_values};
use super::verify;
use crate::contract::FeedCursor;
use crate::engine::local::LocalEngine;
use crate::engine::local::btree::BTree;
use crate::engine::local::btree::typed::Sorted;
use crate::engine::local::disk::{DiskFile, Lock};
use crate::engine::local::journal::segment::End;
use crate::engine::local::mirror::Mirror;
use crate::engine::local::options::LocalOptions;
use crate::engine::local::read::record_cache::RecordCache;
use crate::engine::local::read::view::ReadView;
use crate::engine::{Progress, RestoreReport};
use crate::error::{OpenError, StorageError, StorageErrorKind};
use crate::format::codec;
use crate::format::codec::{Ancestor, State};
use crate::format::keys;
use crate::format::keys::KeyEncoder;
use crate::format::tables::Table;
use crate::log::event;
use crate::number::u64_of;
use crate::order_no::COUNTERS;
use crate::types::Timestamp;

/// Minimum jump of the order-number counter: more numbers than a store can issue between its last
/// backup and a restore.
const JUMP: u64 = 1_000_000_000_000;

/// Number of ancestors that a store remembers.
const ANCESTORS_MAX: usize = 256;

/// Bytes per copy step: 1 MiB.
const STEP: usize = 1 << 20;

impl LocalEngine {
    /// Restores a backup into a directory that is missing or empty, or that an interrupted restore
    /// left behind.
    ///
    /// # Errors
    /// [`OpenError::NotABackup`]; [`OpenError::Unfinished`] if the backup was interrupted; for both
    /// directories, the errors of opening and creating a store.
    pub fn restore(
        backup: impl AsRef<Path>,
        dir: impl AsRef<Path>,
        options: &LocalOptions,
    ) -> Result<RestoreReport, OpenError> {
        let began = Instant::now();
        let from = Dir::new(&options.disk, backup.as_ref());
        let header = match from.survey()? {
            Contents::Backup => from.backup_header()?,
            contents => return Err(not_a_backup(&from, contents)),
        };
        let to = Dir::of(options, dir.as_ref())?;
        let (to, lock) = to.claim(Creation::Successor, options.lock_wait)?;
        to.clear(Creation::Successor)?;
        let copied = copy(&from, &to, &to.btree_path(), options.progress.as_ref());
        copied.map_err(|error| to.open_error(error))?;
        // Report an error in the copy as an error of the backup, because both have the same bytes.
        let unopened = |error| from.open_error(error);
        let base = BTree::open(&**to.disk(), &to.btree_path(), options.page_bytes(), true)
            .map_err(unopened)?;
        let report = continue_store(header, &to, options, (base, lock), 0, &unopened)?;
        event!(
            info,
            "restored store",
            from = from.given_path.display().to_string(),
            to = to.given_path.display().to_string(),
            records = report.records,
            millis = began.elapsed().as_millis(),
        );
        Ok(report)
    }
}

/// Makes a store of a directory with a copied B-tree. `header` is that of the old store. The order numbers
/// begin far beyond `counter`, and beyond those of the copy. `unsound` converts the error of a copy that is
/// not sound.
pub(crate) fn continue_store(
    header: StoreHeader,
    to: &Dir,
    options: &LocalOptions,
    (base, lock): (BTree, Lock),
    counter: u64,
    unsound: &dyn Fn(StorageError) -> OpenError,
) -> Result<RestoreReport, OpenError> {
    let mut old = Old::look(&base, header).map_err(unsound)?;
    old.state.counter = old.state.counter.max(counter);
    let successor = Successor::draw(header, old.state, old.applied, old.ancestors.clone());
    let successor = successor.map_err(|error| to.open_error(error))?;
    let report = old.report(header, &successor);
    let written = successor.write(&base);
    written.map_err(|error| to.open_error(error))?;
    successor.establish(to, options, base, lock)?;
    Ok(report)
}

/// OpenError for a directory that is no backup.
fn not_a_backup(from: &Dir, contents: Contents) -> OpenError {
    match contents {
        Contents::Store | Contents::MissingIdentity | Contents::Incomplete => {
            let dir = from.given_path.clone();
            OpenError::NotABackup { dir }
        }
        contents => from.refusal(contents),
    }
}

/// State of the old store, as the backup holds it.
pub(crate) struct Old {
    pub(crate) state: State,
    applied: u64,
    records: u64,
    last_event_at: Option<Timestamp>,
    /// The incarnations before the old store, and that of the old store.
    pub(crate) ancestors: Vec<Ancestor>,
}

impl Old {
    /// Verifies the copy of the backup and reads its state.
    fn look(base: &BTree, header: StoreHeader) -> Result<Self, StorageError> {
        let layout = KeyEncoder::new(header.hash_key);
        let view = ReadView::of_base(base.snapshot()?, RecordCache::off(), layout);
        if view.mark()? != mark_of(header.identity) {
            let why = "base.redb of the backup belongs to another store; use another backup";
            return Err(StorageError::corrupted(why));
        }
        let report = verify::verify(&view)?;
        verify::check_report(&report)?;
        Self::read(base, header)
    }

    /// Reads the state of a store from its B-tree.
    pub(crate) fn read(base: &BTree, header: StoreHeader) -> Result<Self, StorageError> {
        let layout = KeyEncoder::new(header.hash_key);
        let view = ReadView::of_base(base.snapshot()?, RecordCache::off(), layout);
        if view.mark()? != mark_of(header.identity) {
            let why = "base.redb is from another store or incarnation";
            return Err(StorageError::corrupted(why));
        }
        let state = view.state()?;
        Ok(Self {
            state,
            applied: view.applied()?,
            records: view.snapshot.len(Table::Orders)?,
            last_event_at: view.last_event_at()?,
            ancestors: with_ancestor(view.ancestors()?, header, state.last_seq),
        })
    }

    /// Report of the successor of this store.
    pub(crate) const fn report(&self, header: StoreHeader, successor: &Successor) -> RestoreReport {
        RestoreReport {
            before: FeedCursor {
                incarnation: header.identity.incarnation,
                seq: self.state.last_seq,
            },
            place: successor.place(),
            records: self.records,
            last_event_at: self.last_event_at,
        }
    }
}

/// Copies the B-tree file of `from` into the empty file `place` in `to`. The copy is durable on
/// return.
pub(crate) fn copy(
    from: &Dir,
    to: &Dir,
    place: &Path,
    progress: Option<&Progress>,
) -> Result<(), StorageError> {
    let source = from.disk().open_to_read(&from.btree_path())?;
    let len = source.len()?;
    to.check_room(len)?;
    let target = to.disk().open(place)?;
    target.set_len(len)?;
    let (mut done, mut bytes) = (0, vec![0; STEP]);
    while done < len {
        // If the number does not fit into `usize`, it is more than `STEP`, so copy a whole step.
        let left = usize::try_from(len - done).unwrap_or(STEP);
        bytes.truncate(left);
        step(&*source, &*target, done, &mut bytes)?;
        done += u64_of(bytes.len());
        if let Some(progress) = progress {
            progress.report(done, len);
        }
    }
    Ok(target.sync()?)
}

/// Copies one step and syncs it, so that never more than one step is unsynced.
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

/// New store that continues with the orders of an old store.
pub(crate) struct Successor {
    header: StoreHeader,
    state: State,
    applied: u64,
    ancestors: Vec<Ancestor>,
}

impl Successor {
    /// Creates the successor of a store from its last known header, counters and applied log
    /// sequence number (LSN). The incarnation is new, and the order-number counter jumps ahead.
    pub(crate) fn draw(
        header: StoreHeader,
        state: State,
        applied: u64,
        ancestors: Vec<Ancestor>,
    ) -> Result<Self, StorageError> {
        Self::of(header.successor()?, state, applied, ancestors)
    }

    /// Creates the successor with this header.
    pub(crate) fn of(
        header: StoreHeader,
        state: State,
        applied: u64,
        ancestors: Vec<Ancestor>,
    ) -> Result<Self, StorageError> {
        let counter = jumped(state.counter)?;
        let state = State { counter, ..state };
        Ok(Self::at(header, state, applied, ancestors))
    }

    /// Creates the successor with this header and these counters.
    pub(crate) const fn at(
        header: StoreHeader,
        state: State,
        applied: u64,
        ancestors: Vec<Ancestor>,
    ) -> Self {
        Self {
            header,
            state,
            applied,
            ancestors,
        }
    }

    pub(crate) const fn header(&self) -> StoreHeader {
        self.header
    }

    /// First order number that the new store may issue.
    pub(crate) const fn counter(&self) -> u64 {
        self.state.counter
    }

    /// Position in the feed of the new store after the last event that comes from the old store.
    pub(crate) const fn place(&self) -> FeedCursor {
        FeedCursor {
            incarnation: self.header.identity.incarnation,
            seq: self.state.last_seq,
        }
    }

    /// Writes the values that exist once per store.
    pub(crate) fn write(&self, base: &BTree) -> Result<(), StorageError> {
        let key = keys::meta(keys::ANCESTORS);
        let ancestors = (key, codec::ancestors(&key, &self.ancestors)?);
        let singles = store_values(self.header.identity, &self.state, self.applied)?;
        // The keys must be sorted, and this one is the first.
        let entries = std::iter::once(&ancestors)
            .chain(&singles)
            .map(|(key, value)| (*key, Some(Vec::as_slice(value))));
        let meta: Sorted<'_> = (Table::Meta, Box::new(entries));
        base.write(vec![meta])
    }

    /// Creates the journal for a complete B-tree, and opens the store.
    pub(crate) fn begin(
        &self,
        dir: &Dir,
        options: &LocalOptions,
        base: BTree,
        lock: Lock,
    ) -> Result<LocalEngine, StorageError> {
        let end = End {
            lsn: self.applied,
            ..End::default()
        };
        let mirror = Mirror::off();
        LocalEngine::begin(dir, options, self.header, base, lock, end, mirror)
    }

    /// Creates the journal and the identity file for a complete B-tree, then closes the store. The
    /// directory becomes a store when the identity file gets its name.
    pub(crate) fn establish(
        self,
        dir: &Dir,
        options: &LocalOptions,
        base: BTree,
        lock: Lock,
    ) -> Result<(), OpenError> {
        let engine = self.begin(dir, options, base, lock);
        let engine = engine.map_err(|error| dir.open_error(error))?;
        dir.seal(Creation::Successor, self.header)?;
        engine.release().map_err(|source| OpenError::Unclosed {
            dir: dir.given_path.clone(),
            source,
        })
    }
}

/// Adds the incarnation of an old store to its ancestors. `last_seq` is the last event of the old store
/// that the new one has.
pub(crate) fn with_ancestor(
    mut ancestors: Vec<Ancestor>,
    old: StoreHeader,
    last_seq: u64,
) -> Vec<Ancestor> {
    let incarnation = old.identity.incarnation;
    // A repeated call finds the ancestor that the interrupted one has added.
    if ancestors
        .iter()
        .all(|known| known.incarnation != incarnation)
    {
        ancestors.push(Ancestor {
            incarnation,
            last_seq,
        });
    }
    let surplus = ancestors.len().saturating_sub(ANCESTORS_MAX);
    ancestors.drain(..surplus);
    ancestors
}

/// Returns a counter far beyond every number that the old store may have issued. The distance is
/// random, so that two restores of one backup do not issue the same numbers.
pub(crate) fn jumped(counter: u64) -> Result<u64, StorageError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|error| StorageError::from(std::io::Error::from(error)))?;
    let more = u64::from_le_bytes(random) % JUMP;
    // A saturated sum is above `COUNTERS`, so the check below refuses it.
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
    fn restored_counter_jumps_randomly_beyond_old_numbers() {
        let jumps = [0; 3].map(|counter| jumped(counter).unwrap());
        assert!(jumps.iter().all(|jump| (JUMP..2 * JUMP).contains(jump)));
        assert!(jumps[0] != jumps[1] || jumps[1] != jumps[2]);
        jumped(COUNTERS - 2 * JUMP).unwrap();
        let error = jumped(COUNTERS - JUMP).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::TooLarge);
    }
}
