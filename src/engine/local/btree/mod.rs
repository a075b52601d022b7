//! The base: one file that holds every table, and the only module that knows by what.
//!
//! - It knows keys and bytes, no record and no rule.
//! - One write is one transaction: whole or not at all, and durable when it returns.
//! - Readers share one snapshot; who holds one reads what stood when it was taken.
//! - A damaged page costs what is beneath it: a read of that fails, and no other.
//! - The library beneath may panic on a damaged file: every call into it passes through
//!   [`guarded`], which makes an error of a panic.

mod backend;
mod checksums;
pub(super) mod damage;
mod errors;
mod fill;
mod page;
mod replace;
mod salvage;
#[cfg(test)]
mod tests;
pub(super) mod typed;

use std::fmt;
use std::io::ErrorKind;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

use redb::{
    Database, Durability, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase,
    ReadableTableMetadata, TableDefinition, WriteTransaction,
};

pub(super) use self::backend::Reading;
use self::backend::{Backend, Cut};
use self::damage::Damage;
use self::errors::{blamed, guarded, translate};
use self::fill::Apply;
pub(super) use self::salvage::Salvage;
use self::typed::Sorted;
use self::typed::{Job, KeyType, ValueType, key_of, with_types};
use super::disk::{Disk, DiskFile};
use crate::contract::Direction;
use crate::error::{StorageError, StorageErrorKind};
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;

/// The shortest file that can be a base: its header, and one page.
const LEN_MIN: u64 = 2 * 4096;

/// What a walk through a table shows, and whether it is to go on.
pub(super) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StorageError> + 'a;

/// A stretch of a table: its first and last key, both inclusive.
pub(super) type KeyRange = (KeyBytes, KeyBytes);

/// The open base.
pub(super) struct BTree {
    db: Database,
    cut: Cut,
    damage: Arc<Damage>,
}

impl fmt::Debug for BTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").finish_non_exhaustive()
    }
}

impl BTree {
    /// Makes a base of the empty file at `path`, with every table and the first entries in it.
    pub(super) fn create(
        disk: &dyn Disk,
        path: &Path,
        cache_bytes: usize,
        entries: Vec<Sorted<'_>>,
    ) -> Result<Self, StorageError> {
        let base = Self::start(disk.open(path)?, cache_bytes, false, Arc::default())?;
        let none = |table| -> Sorted<'_> { (table, Box::new(std::iter::empty())) };
        let mut all: Vec<Sorted<'_>> = Table::EVERY.map(none).into();
        all.extend(entries);
        base.write(all)?;
        Ok(base)
    }

    /// Opens the base at `path`, and makes none where there is none. Where `checked`, the
    /// whole file is read and each page's checksum compared first.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        cache_bytes: usize,
        checked: bool,
    ) -> Result<Self, StorageError> {
        Self::start(open_file(disk, path)?, cache_bytes, checked, Arc::default())
    }

    /// Opens the base at `path` again, of which so much is known to be damaged.
    pub(super) fn reopen(
        disk: &dyn Disk,
        path: &Path,
        cache_bytes: usize,
        damage: &Arc<Damage>,
    ) -> Result<Self, StorageError> {
        damage.note_reopened();
        let damage = Arc::clone(damage);
        Self::start(open_file(disk, path)?, cache_bytes, false, damage)
    }

    fn start(
        file: Box<dyn DiskFile>,
        cache_bytes: usize,
        checked: bool,
        damage: Arc<Damage>,
    ) -> Result<Self, StorageError> {
        let backend = Backend::new(file, Arc::clone(&damage))?;
        let cut = backend.cut();
        let start = || {
            let mut builder = Database::builder();
            builder.set_cache_size(cache_bytes);
            builder.set_check_integrity_on_open(checked);
            builder.create_with_backend(backend).map_err(translate)
        };
        // A file on which it panics is not what was written.
        let db = guarded(start).map_err(|error| match error.kind() {
            StorageErrorKind::Internal => StorageError::corrupted("redb cannot open base.redb"),
            _ => error,
        })?;
        Ok(Self { db, cut, damage })
    }

    /// What of it could not be read.
    pub(super) fn damage(&self) -> Arc<Damage> {
        Arc::clone(&self.damage)
    }

    /// What stands now, for any number of readers.
    pub(super) fn snapshot(&self) -> Result<Snapshot, StorageError> {
        guarded(|| {
            let transaction = self.db.begin_read().map_err(translate)?;
            let open =
                |table: Table| with_types(table, table.name(), OpenReader(&transaction)).map(Some);
            let tables = Table::EVERY.into_iter().map(open);
            Snapshot::of(tables.collect::<Result<_, _>>()?)
        })
    }

    /// Writes everything or nothing; durable on return. Where it fails, only what a new
    /// opening reads tells which.
    pub(super) fn write(&self, entries: Vec<Sorted<'_>>) -> Result<(), StorageError> {
        let write = || self.fill(entries)?.commit().map_err(translate);
        blamed(&self.damage, guarded(write))
    }

    fn begin(&self) -> Result<WriteTransaction, StorageError> {
        let mut transaction = self.db.begin_write().map_err(translate)?;
        let durable = transaction.set_durability(Durability::Immediate);
        durable.map_err(|error| StorageError::new(StorageErrorKind::Internal, error))?;
        // Without it, an open after a crash would walk the whole file.
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    fn fill(&self, entries: Vec<Sorted<'_>>) -> Result<WriteTransaction, StorageError> {
        let transaction = self.begin()?;
        for (table, changes) in entries {
            with_types(table, table.name(), Apply(&transaction, changes))?;
        }
        Ok(transaction)
    }

    /// Lets every later write fail, as on a disk that broke.
    #[cfg(test)]
    pub(super) fn break_off(&self) {
        self.cut.cut();
    }

    /// Lets go of a base that failed, so that it can be opened anew. Who still reads an old
    /// snapshot of it gets errors, and nothing that the new one wrote.
    pub(super) fn abandon(self) {
        self.cut.cut();
        let drop = || {
            drop(self.db);
            Ok(())
        };
        // It failed before: whatever it says now is no news.
        let _ = guarded(drop);
    }

    /// Closes the file; what cannot be written is an error here and lost in a drop.
    pub(super) fn close(self) -> Result<(), StorageError> {
        guarded(|| self.db.close().map_err(translate))
    }
}

/// An open would make a new base of an empty file, and a file that is not there is no
/// reason to make one either.
fn open_file(disk: &dyn Disk, path: &Path) -> Result<Box<dyn DiskFile>, StorageError> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(StorageError::corrupted("the base is missing"));
        }
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            return Err(StorageError::corrupted("the base is no file"));
        }
        Err(error) => return Err(error.into()),
    };
    let len = file.len()?;
    if len < LEN_MIN {
        let why = format!("the base has only {len} bytes");
        return Err(StorageError::corrupted(why));
    }
    Ok(file)
}

/// What stood in the base at one moment: one transaction, its tables opened once.
pub(super) struct Snapshot {
    // In the order of `Table::EVERY`; `None`: it cannot be read.
    tables: Vec<Option<Box<dyn Reader>>>,
    /// The last key of the records, or one behind all where that cannot be read.
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
            Err(error) if error.kind() == StorageErrorKind::Corrupted => Some(KeyBytes::MAX),
            last => last?,
        };
        Ok(snapshot)
    }

    /// The last key of a table.
    pub(super) fn last(&self, table: Table) -> Result<Option<KeyBytes>, StorageError> {
        let mut last = None;
        let mut take = |key: &[u8], _: &[u8]| {
            last = KeyBytes::read(key);
            Ok(ControlFlow::Break(()))
        };
        self.walk(table, None, Direction::Backward, &mut take)?;
        Ok(last)
    }

    /// What `read` makes of the value under `key`.
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

    /// The record under `key`, as `get` gives it. New numbers mostly stand behind all that
    /// there are: for those nothing is read.
    pub(super) fn get_order<T>(
        &self,
        key: &KeyBytes,
        read: impl Fn(&[u8], &[u8]) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        if self.last_order.is_none_or(|last| *key > last) {
            return Ok(None);
        }
        self.get(Table::Orders, key.as_slice(), read)
    }

    /// Whether a stretch of a table has no entry.
    pub(super) fn is_empty(&self, table: Table, stretch: &KeyRange) -> Result<bool, StorageError> {
        let mut is_empty = true;
        self.walk(table, Some(stretch), Direction::Forward, &mut |_, _| {
            is_empty = false;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(is_empty)
    }

    /// Whether there is such a key.
    pub(super) fn contains(&self, table: Table, key: &[u8]) -> Result<bool, StorageError> {
        Ok(self.get(table, key, |_, _| Ok(()))?.is_some())
    }

    /// Shows the entries of a table, or of a stretch of it, in order.
    pub(super) fn walk(
        &self,
        table: Table,
        stretch: Option<&KeyRange>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        if stretch.is_some_and(|(first, last)| first > last) {
            return Ok(());
        }
        guarded(|| self.table(table)?.walk(stretch, direction, visit))
    }

    /// How many entries a table has.
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
            StorageError::corrupted(format!("the table {name} is missing in the base"))
        })
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let tables = std::mem::take(&mut self.tables);
        // Whoever lets go of the last snapshot is told nothing of a panic beneath.
        let _ = guarded(|| {
            drop(tables);
            Ok(())
        });
    }
}

/// One table of a snapshot, whatever the width of its keys.
trait Reader: Send + Sync {
    fn get(&self, key: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), StorageError>;
    fn walk(
        &self,
        stretch: Option<&KeyRange>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError>;
    fn len(&self) -> Result<u64, StorageError>;
}

impl<K: KeyType, V: ValueType> Reader for ReadOnlyTable<K, V> {
    fn get(&self, key: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), StorageError> {
        let key = key_of::<K>(key)?;
        if let Some(value) = Self::get(self, &key).map_err(translate)? {
            take(V::as_bytes(&value.value()).as_ref());
        }
        Ok(())
    }

    fn walk(
        &self,
        stretch: Option<&KeyRange>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        let (first, last) = stretch.map(|(first, last)| (first, last)).unzip();
        let range = (bound_of::<K>(first)?, bound_of::<K>(last)?);
        let mut entries = self.range::<K::SelfType<'_>>(range).map_err(translate)?;
        loop {
            let next = match direction {
                Direction::Forward => entries.next(),
                Direction::Backward => entries.next_back(),
            };
            let Some(entry) = next else {
                return Ok(());
            };
            let (key, value) = entry.map_err(translate)?;
            let (key, value) = (key.value(), value.value());
            if visit(K::as_bytes(&key).as_ref(), V::as_bytes(&value).as_ref())?.is_break() {
                return Ok(());
            }
        }
    }

    fn len(&self) -> Result<u64, StorageError> {
        ReadableTableMetadata::len(self).map_err(translate)
    }
}

fn bound_of<K: Key>(key: Option<&KeyBytes>) -> Result<Bound<K::SelfType<'_>>, StorageError> {
    key.map_or(Ok(Bound::Unbounded), |key| {
        key_of::<K>(key.as_slice()).map(Bound::Included)
    })
}

struct OpenReader<'a>(&'a ReadTransaction);

impl Job for OpenReader<'_> {
    type Done = Box<dyn Reader>;

    fn run<K: KeyType, V: ValueType>(
        self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<Self::Done, StorageError> {
        Ok(Box::new(self.0.open_table(table).map_err(translate)?))
    }
}
