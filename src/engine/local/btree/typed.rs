//! Tables with their key and value types.

use redb::{Key, TableDefinition, Value};

use crate::error::{StorageError, StorageErrorKind};
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;

/// The types that a table can have for its keys.
pub(in crate::engine::local::btree) trait KeyType:
    Key + Send + Sync + 'static
{
}

impl<T: Key + Send + Sync + 'static> KeyType for T {}

/// The types that a table can have for its values.
pub(in crate::engine::local::btree) trait ValueType:
    Value + Send + Sync + 'static
{
}

impl<T: Value + Send + Sync + 'static> ValueType for T {}

/// The key that these bytes are; the library would panic at another width.
pub(in crate::engine::local::btree) fn key_of<K: Key>(
    bytes: &[u8],
) -> Result<K::SelfType<'_>, StorageError> {
    if K::fixed_width().is_some_and(|width| width != bytes.len()) {
        let why = "a key has another width than its table";
        return Err(StorageError::new(StorageErrorKind::Internal, why));
    }
    Ok(K::from_bytes(bytes))
}

/// What is done to a table once its types are known.
pub(in crate::engine::local::btree) trait Job {
    type Done;
    fn run<K: KeyType, V: ValueType>(
        self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<Self::Done, StorageError>;
}

/// Runs a job on the table of this name with the key and value types of `table`. Keys of a
/// fixed width keep no lengths in the file.
pub(in crate::engine::local::btree) fn with_types<J: Job>(
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
            job.run::<Fixed<20>, ()>(TableDefinition::new(name))
        }
        Table::Anomalies
        | Table::Refunded
        | Table::ClosedRefunds
        | Table::Returned
        | Table::Due => job.run::<Fixed<14>, ()>(TableDefinition::new(name)),
    }
}

/// A key, and its value; without one it is removed.
pub(in crate::engine::local) type Entry<'a> = (KeyBytes, Option<&'a [u8]>);

/// What is written of one table, in the order of its keys.
pub(in crate::engine::local) type Sorted<'a> = (Table, Box<dyn Iterator<Item = Entry<'a>> + 'a>);
