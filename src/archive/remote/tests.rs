mod directory;
mod errors;
mod urls;

use super::Remote;
use crate::archive::storage::ArchiveStorage;

/// Names of the objects below a prefix.
fn names(storage: &Remote, prefix: &str) -> Vec<String> {
    let objects = storage.list(prefix).unwrap().into_iter();
    objects.map(|object| object.name).collect()
}
