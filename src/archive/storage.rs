//! Interface to the storage of an archive: a directory, an object store, or a simulated one.

use std::fmt::Debug;
use std::io;

use crate::types::Timestamp;

/// Storage of an archive's objects. An object has a name, such as `wal/1/42`, and some bytes.
///
/// - The storage is strongly consistent: after a write has returned, every read sees it.
/// - An object appears with all its bytes or not at all.
/// - A write is durable when it returns. After an error, it may or may not have happened.
/// - Several threads and machines use one storage at the same time.
/// - Each call ends after a limited time, also if the storage does not answer.
pub trait ArchiveStorage: Debug + Send + Sync + 'static {
    /// Returns the bytes of an object, or `None` if there is no object with this name.
    ///
    /// # Errors
    /// The storage cannot be reached or fails.
    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Writes an object. Replaces an object with the same name.
    ///
    /// # Errors
    /// The storage cannot be reached, fails or is full.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Writes an object if there is none with this name, in one atomic step. Returns whether it was
    /// written.
    ///
    /// # Errors
    /// The storage cannot be reached, fails or is full.
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<bool>;

    /// Lists the objects whose names start with `prefix`, which ends with `/`. Sorted by name.
    ///
    /// # Errors
    /// The storage cannot be reached or fails.
    fn list(&self, prefix: &str) -> io::Result<Vec<ArchiveObject>>;

    /// Lists objects like [`ArchiveStorage::list`], but only those whose names sort after `after`. May
    /// return only the first of them, but none only if there is none. A busy archive has millions of
    /// objects, so a storage should not list all of them here. The default does.
    ///
    /// # Errors
    /// The storage cannot be reached or fails.
    fn list_after(&self, prefix: &str, after: &str) -> io::Result<Vec<ArchiveObject>> {
        let mut listed = self.list(prefix)?;
        listed.retain(|object| object.name.as_str() > after);
        Ok(listed)
    }

    /// Deletes an object. Succeeds if there is none with this name.
    ///
    /// # Errors
    /// The storage cannot be reached or fails.
    fn delete(&self, name: &str) -> io::Result<()>;
}

/// An object in the list of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a storage builds it with all fields"
)]
pub struct ArchiveObject {
    /// Name of the object.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Time of the last write, by the clock of the storage.
    pub modified: Timestamp,
}
