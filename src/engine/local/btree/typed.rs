//! Key and value types of each table.

use std::ops::ControlFlow;

use redb::{Key, TableDefinition, Value};

use crate::error::{StorageError, StorageErrorKind};
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;

/// Types that can be the keys of a table.
pub(crate) trait KeyType: Key + Send + Sync + 'static {}

impl<T: Key + Send + Sync + 'static> KeyType for T {}

/// Types that can be the values of a table.
pub(crate) trait ValueType: Value + Send + Sync + 'static {}

impl<T: Value + Send + Sync + 'static> ValueType for T {}

/// Interprets bytes as a key. Fails if the number of bytes is wrong, because redb would panic.
pub(crate) fn key_of<K: Key>(bytes: &[u8]) -> Result<K::SelfType<'_>, StorageError> {
    if K::fixed_width().is_some_and(|width| width != bytes.len()) {
        let why = "internal error: a key has the wrong length for its table";
        return Err(StorageError::new(StorageErrorKind::Internal, why));
    }
    Ok(K::from_bytes(bytes))
}

/// Key type of the indexes whose keys begin with a hash.
pub(crate) type HashKey = &'static [u8; 20];

/// Operation on a table that is generic over the table's key and value types.
pub(crate) trait TableJob {
    type Done;
    fn run<K: KeyType, V: ValueType>(
        self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<Self::Done, StorageError>;
}

/// Runs a job on the table called `name`, with the key and value types of `table`. For keys of a
/// fixed width, redb stores no lengths in the file.
pub(crate) fn with_types<J: TableJob>(
    table: Table,
    name: &str,
    job: J,
) -> Result<J::Done, StorageError> {
    type Bytes = &'static [u8];
    type Fixed<const N: usize> = &'static [u8; N];
    match table {
        Table::Orders | Table::Meta => job.run::<Bytes, Bytes>(TableDefinition::new(name)),
        Table::Events => job.run::<Fixed<8>, Bytes>(TableDefinition::new(name)),
        Table::All => job.run::<Fixed<12>, ()>(TableDefinition::new(name)),
        Table::Status => job.run::<Fixed<13>, ()>(TableDefinition::new(name)),
        Table::OpenId | Table::Transaction | Table::RefundNo | Table::Reference => {
            job.run::<HashKey, ()>(TableDefinition::new(name))
        }
        Table::Anomalies
        | Table::Refunded
        | Table::ClosedRefunds
        | Table::Returned
        | Table::Due => job.run::<Fixed<14>, ()>(TableDefinition::new(name)),
    }
}

/// Copies a key out of a page. Fails if it is longer than any valid key.
pub(crate) fn read_key(bytes: &[u8]) -> Result<KeyBytes, StorageError> {
    let key = KeyBytes::read(bytes);
    key.ok_or_else(|| StorageError::corrupted("a key of base.redb is too long"))
}

/// Callback for each key and value that a read passes. Its result says whether the read continues.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StorageError> + 'a;

/// First and last key of a range in a table, both inclusive.
pub(crate) type KeyRange = (KeyBytes, KeyBytes);

/// Change of one key: its new value, or `None` to remove the key.
pub(crate) type Entry<'a> = (KeyBytes, Option<&'a [u8]>);

/// Changes of one table, in the order of their keys.
pub(crate) type Sorted<'a> = (Table, Box<dyn Iterator<Item = Entry<'a>> + 'a>);
