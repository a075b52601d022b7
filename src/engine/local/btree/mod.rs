//! The B-tree file `base.redb`, which holds every table. Only this module calls redb.
//!
//! - The module handles keys and bytes. It knows neither records nor business rules.
//! - Each write is one transaction: atomic, and durable when the call returns.
//! - Readers share one snapshot. A snapshot never changes.
//! - A corrupt page makes only those reads fail that need the page or its subtree.
//! - An index whose keys begin with a hash is stored as several tables, its sorted runs. Readers
//!   see one table.
//! - redb may panic on a corrupt file. Every call into redb passes through [`guarded`], which
//!   turns a panic into an error.

mod backend;
mod checksums;
pub(super) mod damage;
mod errors;
mod fill;
mod filter;
mod merge;
mod page;
mod reader;
mod replace;
mod run_list;
mod runs;
mod salvage;
#[cfg(test)]
mod tests;
pub(super) mod typed;

use std::fmt;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, Durability, ReadableDatabase, WriteTransaction};

pub(super) use self::backend::ReadMode;
use self::backend::{Backend, Cut};
use self::damage::CorruptPages;
use self::errors::{as_corruption, guarded, translate};
use self::fill::Apply;
use self::filter::Filters;
use self::reader::Reader;
use self::run_list::TableOpener;
pub(super) use self::runs::MERGE_BYTES;
pub(super) use self::salvage::Salvage;
use self::typed::{KeyRange, Sorted, Visit, with_types};
use super::disk::{Disk, DiskFile};
use crate::contract::Direction;
use crate::error::{StorageError, StorageErrorKind};
use crate::format::keys;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;

/// Minimum length of a B-tree file, in bytes: the header page and one more page.
const LEN_MIN: u64 = 2 * 4096;

/// Open B-tree file.
pub(super) struct BTree {
    db: Database,
    cut: Cut,
    damage: Arc<CorruptPages>,
    filters: Filters,
}

impl fmt::Debug for BTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BTree").finish_non_exhaustive()
    }
}

impl BTree {
    /// Creates a B-tree in the empty file at `path`, with every table and the given `entries`.
    pub(super) fn create(
        disk: &dyn Disk,
        path: &Path,
        cache_bytes: usize,
        entries: Vec<Sorted<'_>>,
    ) -> Result<Self, StorageError> {
        let btree = Self::start(disk.open(path)?, cache_bytes, false, Arc::default())?;
        let none = |table| -> Sorted<'_> { (table, Box::new(std::iter::empty())) };
        let mut all: Vec<Sorted<'_>> = Table::ALL.map(none).into();
        all.extend(entries);
        btree.write(all)?;
        Ok(btree)
    }

    /// Opens the B-tree at `path`. Fails if the file is missing. The page cache uses at most
    /// `cache_bytes`. The filters of the runs use at most a third of that in addition. If `checked`
    /// is true, redb first reads the whole file and compares the checksum of each page.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        cache_bytes: usize,
        checked: bool,
    ) -> Result<Self, StorageError> {
        Self::start(open_file(disk, path)?, cache_bytes, checked, Arc::default())
    }

    /// Reopens the B-tree at `path` after a failure. `damage` keeps the corrupt pages that are
    /// known so far.
    pub(super) fn reopen(
        disk: &dyn Disk,
        path: &Path,
        cache_bytes: usize,
        damage: &Arc<CorruptPages>,
    ) -> Result<Self, StorageError> {
        damage.note_reopened();
        let damage = Arc::clone(damage);
        Self::start(open_file(disk, path)?, cache_bytes, false, damage)
    }

    fn start(
        file: Box<dyn DiskFile>,
        cache_bytes: usize,
        checked: bool,
        damage: Arc<CorruptPages>,
    ) -> Result<Self, StorageError> {
        let backend = Backend::new(file, Arc::clone(&damage))?;
        let cut = backend.cut();
        let start = || {
            let mut builder = Database::builder();
            builder.set_cache_size(cache_bytes);
            builder.set_check_integrity_on_open(checked);
            builder.create_with_backend(backend).map_err(translate)
        };
        // Report a panic as corruption: while redb opens a file, it panics only if the content is
        // invalid.
        let db = guarded(start).map_err(|error| match error.kind() {
            StorageErrorKind::Internal => StorageError::corrupted("redb cannot open base.redb"),
            _ => error,
        })?;
        Ok(Self {
            db,
            cut,
            damage,
            filters: Filters::new(cache_bytes / 3),
        })
    }

    /// List of the corrupt pages found so far.
    pub(super) fn damage(&self) -> Arc<CorruptPages> {
        Arc::clone(&self.damage)
    }

    /// Takes a snapshot of the last commit. Any number of readers can share it.
    pub(super) fn snapshot(&self) -> Result<Snapshot, StorageError> {
        guarded(|| {
            let transaction = self.db.begin_read().map_err(translate)?;
            let mut opener = TableOpener::new(&transaction, &self.filters)?;
            opener.read_filters()?;
            let tables = Table::ALL
                .into_iter()
                .map(|table| opener.open(table).map(Some));
            let tables = tables.collect::<Result<_, _>>()?;
            opener.finish();
            Snapshot::of(tables)
        })
    }

    /// Writes all `entries` in one transaction, or none; durable on return. Also merges sorted runs
    /// if an index has enough of them. The disk must have room for [`MERGE_BYTES`] for that. After
    /// an error, the outcome is unknown until the B-tree is reopened and read.
    pub(super) fn write(&self, entries: Vec<Sorted<'_>>) -> Result<(), StorageError> {
        self.change(|transaction| {
            self.put(transaction, entries)?;
            runs::merge_one(transaction)
        })
    }

    /// Writes like [`BTree::write`], but merges no runs.
    pub(super) fn write_unmerged(&self, entries: Vec<Sorted<'_>>) -> Result<(), StorageError> {
        self.change(|transaction| self.put(transaction, entries))
    }

    fn put(
        &self,
        transaction: &WriteTransaction,
        entries: Vec<Sorted<'_>>,
    ) -> Result<(), StorageError> {
        for (table, mut changes) in entries {
            if keys::has_hash(table) {
                runs::write(transaction, &self.filters, table, &mut changes)?;
            } else {
                with_types(table, table.name(), Apply(transaction, changes))?;
            }
        }
        Ok(())
    }

    /// Runs `change` in one durable transaction.
    fn change(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let write = || {
            let mut transaction = self.db.begin_write().map_err(translate)?;
            let durable = transaction.set_durability(Durability::Immediate);
            durable.map_err(|error| StorageError::new(StorageErrorKind::Internal, error))?;
            // Enable quick repair: without it, redb would read the whole file when it opens it
            // after a crash.
            transaction.set_quick_repair(true);
            change(&transaction)?;
            transaction.commit().map_err(translate)
        };
        as_corruption(&self.damage, guarded(write))
    }

    /// Makes every later read and write of the file fail, as on a broken disk.
    #[cfg(test)]
    pub(super) fn cut_off(&self) {
        self.cut.cut();
    }

    /// Releases a B-tree that failed, so that the caller can reopen it. Reads of its existing
    /// snapshots fail, and never return data that the reopened B-tree wrote.
    pub(super) fn abandon(self) {
        // Cut the file off first, because redb may write to it when it drops the database.
        self.cut.cut();
        let drop = || {
            drop(self.db);
            Ok(())
        };
        // Ignore an error, because the B-tree has failed already.
        let _ = guarded(drop);
    }

    /// Closes the file. Returns an error if redb cannot write its last changes; a plain drop would
    /// hide that error.
    pub(super) fn close(self) -> Result<(), StorageError> {
        guarded(|| self.db.close().map_err(translate))
    }
}

/// Opens an existing B-tree file. Fails if the file is missing or too short, because redb would
/// create a new B-tree in an empty file.
fn open_file(disk: &dyn Disk, path: &Path) -> Result<Box<dyn DiskFile>, StorageError> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(StorageError::corrupted("base.redb is missing"));
        }
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            return Err(StorageError::corrupted("base.redb is a directory"));
        }
        Err(error) => return Err(error.into()),
    };
    let len = file.len()?;
    if len < LEN_MIN {
        let why = format!("base.redb has only {len} bytes; the minimum is {LEN_MIN}");
        return Err(StorageError::corrupted(why));
    }
    Ok(file)
}

/// All tables as of one commit: one read transaction whose tables are opened once.
pub(super) struct Snapshot {
    // One reader per table, in the order of `Table::ALL`. `None` if the table cannot be opened.
    tables: Vec<Option<Box<dyn Reader>>>,
    /// Last key of the table of records. [`KeyBytes::MAX`] if that key cannot be read; `None` if
    /// the table is empty.
    last_order: Option<KeyBytes>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

impl Snapshot {
    fn of(tables: Vec<Option<Box<dyn Reader>>>) -> Result<Self, StorageError> {
        let mut snapshot = Self {
            tables,
            last_order: None,
        };
        snapshot.last_order = match snapshot.last(Table::Orders) {
            Err(error) if error.is_corrupt() => Some(KeyBytes::MAX),
            last => last?,
        };
        Ok(snapshot)
    }

    /// Returns the last key of a table, or `None` if the table is empty.
    pub(super) fn last(&self, table: Table) -> Result<Option<KeyBytes>, StorageError> {
        let mut last = None;
        let mut take = |key: &[u8], _: &[u8]| {
            last = KeyBytes::read(key);
            Ok(ControlFlow::Break(()))
        };
        self.walk(table, None, Direction::Backward, &mut take)?;
        Ok(last)
    }

    /// Passes `key` and its value to `read` and returns the result. Returns `None` if the table
    /// has no such key.
    pub(super) fn get<T>(
        &self,
        table: Table,
        key: &[u8],
        read: impl Fn(&[u8], &[u8]) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let mut found = None;
        let mut take = |value: &[u8]| found = Some(read(key, value));
        guarded(|| self.table(table)?.get(key, &mut take))?;
        found.transpose()
    }

    /// Returns false if `key` is greater than every key of the table of records, as a new order
    /// number usually is. Does not read the file.
    pub(super) fn may_have_order(&self, key: &KeyBytes) -> bool {
        self.last_order.is_some_and(|last| *key <= last)
    }

    /// Returns whether a key range of a table has no entry.
    pub(super) fn is_empty(&self, table: Table, range: &KeyRange) -> Result<bool, StorageError> {
        guarded(|| self.table(table)?.is_empty(range))
    }

    /// Returns whether a table has an entry with this key.
    pub(super) fn contains(&self, table: Table, key: &[u8]) -> Result<bool, StorageError> {
        Ok(self.get(table, key, |_, _| Ok(()))?.is_some())
    }

    /// Passes the entries of a table, or of a key range of it, to `visit` in the order of
    /// `direction`.
    pub(super) fn walk(
        &self,
        table: Table,
        range: Option<&KeyRange>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        if range.is_some_and(|(first, last)| first > last) {
            return Ok(());
        }
        guarded(|| self.table(table)?.walk(range, direction, visit))
    }

    /// Number of entries in a table.
    pub(super) fn len(&self, table: Table) -> Result<u64, StorageError> {
        guarded(|| self.table(table)?.len())
    }

    fn table(&self, table: Table) -> Result<&dyn Reader, StorageError> {
        let found = self
            .tables
            .get(usize::from(table.tag()))
            .map(Option::as_deref);
        found.flatten().ok_or_else(|| {
            let name = table.name();
            StorageError::corrupted(format!("table {name} of base.redb cannot be opened"))
        })
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let tables = std::mem::take(&mut self.tables);
        // Catch a panic of redb while it releases the tables. A drop cannot report an error, so
        // ignore it.
        let _ = guarded(|| {
            drop(tables);
            Ok(())
        });
    }
}
