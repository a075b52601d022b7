//! Reading a base in which some of the tables, or parts of them, cannot be read.
//!
//! - A damaged page is passed over, with everything beneath it: one walk shows all the rest.
//! - A table that is not there, or cannot be opened, is in the way of no other.
//! - Nothing is written. The base may be open elsewhere in this process: whoever holds a
//!   snapshot of it may read that commit here.

use std::path::Path;
use std::sync::Arc;

use redb::{ConcurrencyMode, Database, ReadableDatabase};

use super::backend::{Backend, Reading};
use super::damage::Damage;
use super::errors::{guarded, translate};
use super::typed::with_types;
use super::{OpenReader, Snapshot, open_file};
use crate::engine::local::disk::Disk;
use crate::error::{StorageError, StorageErrorKind};
use crate::format::tables::Table;

/// What can be read of a base.
pub(in crate::engine::local) struct Salvage {
    pub(in crate::engine::local) snapshot: Snapshot,
    /// What cannot, as far as it was read.
    pub(in crate::engine::local) damage: Arc<Damage>,
}

impl Salvage {
    /// Opens what the last commit of the base at `path` holds.
    pub(in crate::engine::local) fn open(
        disk: &dyn Disk,
        path: &Path,
        cache_bytes: usize,
        reading: Reading,
    ) -> Result<Self, StorageError> {
        let damage = Arc::<Damage>::default();
        let backend = Backend::with(open_file(disk, path)?, reading, Arc::clone(&damage))?;
        let start = || {
            let mut builder = Database::builder();
            builder.set_cache_size(cache_bytes);
            // It looks at no page but those of the tables: what the library keeps beside them
            // may be damaged.
            builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
            let opened = builder.open_read_only_with_backend(backend);
            opened.map_err(translate)
        };
        // The tables keep it open.
        let db = guarded(start)?;
        let transaction = guarded(|| db.begin_read().map_err(translate))?;
        let open = |table: Table| {
            let opened = guarded(|| with_types(table, table.name(), OpenReader(&transaction)));
            match opened {
                Err(error) if error.kind() != StorageErrorKind::Corrupted => Err(error),
                opened => Ok(opened.ok()),
            }
        };
        let tables = Table::EVERY.into_iter().map(open);
        let snapshot = Snapshot::of(tables.collect::<Result<_, _>>()?)?;
        Ok(Self { snapshot, damage })
    }
}
