//! Reads one table of a snapshot.

use std::ops::Bound;

use redb::{
    AccessGuard, Key, ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata,
    TableDefinition,
};

use super::errors::translate;
use super::typed::{KeyRange, KeyType, TableJob, ValueType, Visit, key_of, read_key};
use crate::contract::Direction;
use crate::error::StorageError;
use crate::format::keys::KeyBytes;

/// Key and value of a table, within their page.
type RawEntry<K, V> = (AccessGuard<'static, K>, AccessGuard<'static, V>);

/// One table of a snapshot, independent of the table's key and value types.
pub(super) trait Reader: Send + Sync {
    fn get(&self, key: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), StorageError>;
    /// Returns whether a range has no key.
    fn is_empty(&self, range: &KeyRange) -> Result<bool, StorageError>;
    fn walk(
        &self,
        range: Option<&KeyRange>,
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

    fn is_empty(&self, (first, last): &KeyRange) -> Result<bool, StorageError> {
        // Faster than a walk: this needs no second search for the end of the range.
        let from = Bound::Included(key_of::<K>(first.as_slice())?);
        let mut cursor = self.lower_bound(from).map_err(translate)?;
        let Some((key, _)) = cursor.peek_next().map_err(translate)? else {
            return Ok(true);
        };
        let next = read_key(K::as_bytes(&key.value()).as_ref())?;
        Ok(next > *last)
    }

    fn walk(
        &self,
        range: Option<&KeyRange>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        for entry in entries(self, range, direction)? {
            let (key, value) = entry.map_err(translate)?;
            let (key, value) = (key.value(), value.value());
            if visit(K::as_bytes(&key).as_ref(), V::as_bytes(&value).as_ref())?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn len(&self) -> Result<u64, StorageError> {
        ReadableTableMetadata::len(self).map_err(translate)
    }
}

/// Entries of a table, or of a key range of it, in the order of `direction`.
pub(super) fn entries<K: KeyType, V: ValueType>(
    table: &ReadOnlyTable<K, V>,
    range: Option<&KeyRange>,
    direction: Direction,
) -> Result<impl Iterator<Item = redb::Result<RawEntry<K, V>>>, StorageError> {
    let (first, last) = range.map(|(first, last)| (first, last)).unzip();
    let range = (bound_of::<K>(first)?, bound_of::<K>(last)?);
    let mut entries = table.range::<K::SelfType<'_>>(range).map_err(translate)?;
    Ok(std::iter::from_fn(move || match direction {
        Direction::Forward => entries.next(),
        Direction::Backward => entries.next_back(),
    }))
}

fn bound_of<K: Key>(key: Option<&KeyBytes>) -> Result<Bound<K::SelfType<'_>>, StorageError> {
    key.map_or(Ok(Bound::Unbounded), |key| {
        key_of::<K>(key.as_slice()).map(Bound::Included)
    })
}

/// Job that opens a table for reading.
pub(super) struct OpenReader<'a>(pub(super) &'a ReadTransaction);

impl TableJob for OpenReader<'_> {
    type Done = Box<dyn Reader>;

    fn run<K: KeyType, V: ValueType>(
        self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<Self::Done, StorageError> {
        Ok(Box::new(self.0.open_table(table).map_err(translate)?))
    }
}
