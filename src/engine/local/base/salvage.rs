//! Reading a base in which some of the tables, or parts of them, cannot be read.
//!
//! - A table that is not there, or cannot be opened, is `None` and in the way of no other.
//! - A walk goes either way: from both ends towards the damage one bad page costs what is on
//!   it, and no more.
//! - It is opened for reading alone: that asks the least of the file.
//! - Behind damage the library may refuse everything: whoever was told of damage opens the
//!   base anew before the next call.

use std::ops::ControlFlow::Break;
use std::path::Path;

use redb::{Database, ReadOnlyDatabase, ReadableDatabase};

use super::{
    Base, OpenReader, Reader, Stretch, Visit, guarded, no_table, open_file, translate, typed,
};
use crate::engine::Direction;
use crate::engine::local::backend::Backend;
use crate::engine::local::disk::Disk;
use crate::engine::local::table::Table;
use crate::error::{StorageError, StorageErrorKind};

/// The tables of a damaged base.
pub(in crate::engine::local) struct Salvage {
    // In the order of `Table::EVERY`.
    tables: Vec<Option<Box<dyn Reader>>>,
    // Gone after its tables are.
    db: Option<ReadOnlyDatabase>,
}

impl Salvage {
    /// Opens what can be opened of the base at `path`, which is a copy: where the store was
    /// not closed, the base is closed first.
    pub(in crate::engine::local) fn open(
        disk: &dyn Disk,
        path: &Path,
        cache_bytes: usize,
    ) -> Result<Self, StorageError> {
        match Self::start(disk, path, cache_bytes) {
            Err(error) if error.kind() == StorageErrorKind::Corrupted => {
                Base::open(disk, path, cache_bytes, false)?.close()?;
                Self::start(disk, path, cache_bytes)
            }
            started => started,
        }
    }

    fn start(disk: &dyn Disk, path: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        let backend = Backend::new(open_file(disk, path)?)?;
        let start = || {
            let mut builder = Database::builder();
            builder.set_cache_size(cache_bytes);
            let opened = builder.open_read_only_with_backend(backend);
            opened.map_err(translate)
        };
        let db = guarded(start)?;
        let transaction = guarded(|| db.begin_read().map_err(translate))?;
        let open = |table| {
            let opened = guarded(|| typed(table, OpenReader(&transaction)));
            match opened {
                Err(error) if error.kind() != StorageErrorKind::Corrupted => Err(error),
                opened => Ok(opened.ok()),
            }
        };
        let tables = Table::EVERY.into_iter().map(open);
        let tables = tables.collect::<Result<_, _>>()?;
        let db = Some(db);
        Ok(Self { tables, db })
    }
}

impl Salvage {
    fn table(&self, table: Table) -> Result<Option<&dyn Reader>, StorageError> {
        let found = self.tables.get(usize::from(table.tag()));
        Ok(found.ok_or_else(no_table)?.as_deref())
    }

    /// The value under `key`.
    pub(in crate::engine::local) fn get(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(reader) = self.table(table)? else {
            return Ok(None);
        };
        let mut found = None;
        guarded(|| reader.get(key, &mut |value| found = Some(value.to_vec())))?;
        Ok(found)
    }

    /// How many entries a table should have; `None` where that cannot be read.
    pub(in crate::engine::local) fn len(&self, table: Table) -> Result<Option<u64>, StorageError> {
        match self.table(table)? {
            Some(reader) => guarded(|| reader.len()).map(Some),
            None => Ok(None),
        }
    }

    /// Shows a stretch of a table from its beginning, or from its end, as far as it can be
    /// read.
    pub(in crate::engine::local) fn walk(
        &self,
        table: Table,
        stretch: Option<&Stretch>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        let Some(reader) = self.table(table)? else {
            return Err(StorageError::corrupted("a table is missing"));
        };
        guarded(|| reader.walk(stretch, direction, visit))
    }

    /// The last key of a table.
    pub(in crate::engine::local) fn last(
        &self,
        table: Table,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let mut last = None;
        self.walk(table, None, Direction::Backward, &mut |key, _| {
            last = Some(key.to_vec());
            Ok(Break(()))
        })?;
        Ok(last)
    }
}

impl Drop for Salvage {
    fn drop(&mut self) {
        let (tables, db) = (std::mem::take(&mut self.tables), self.db.take());
        let _ = guarded(|| {
            drop((tables, db));
            Ok(())
        });
    }
}
