//! Place of an archive: a directory or a bucket, with the same operations.

use std::io;

use super::bucket::Bucket;
use super::directory::Directory;
use crate::archive::storage::ArchiveObject;

pub(super) enum Place {
    Directory(Directory),
    Bucket(Bucket),
}

impl Place {
    pub(super) async fn get(&self, name: String) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Directory(directory) => directory.run(move |files| files.get(&name)).await,
            Self::Bucket(bucket) => bucket.get(&name).await,
        }
    }

    pub(super) async fn put(&self, name: String, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Directory(directory) => {
                let put = move |files: Directory| files.put(&name, &bytes);
                directory.run(put).await
            }
            Self::Bucket(bucket) => bucket.put(&name, bytes).await,
        }
    }

    pub(super) async fn put_if_absent(&self, name: String, bytes: Vec<u8>) -> io::Result<bool> {
        match self {
            Self::Directory(directory) => {
                let put = move |files: Directory| files.put_if_absent(&name, &bytes);
                directory.run(put).await
            }
            Self::Bucket(bucket) => bucket.put_if_absent(&name, bytes).await,
        }
    }

    /// Lists the objects below a directory, or all if its name is empty. In no order.
    pub(super) async fn list(&self, below: String) -> io::Result<Vec<ArchiveObject>> {
        match self {
            Self::Directory(directory) => directory.run(move |files| files.list(&below)).await,
            Self::Bucket(bucket) => bucket.list(&below).await,
        }
    }

    /// Lists objects below a directory whose names sort after `after`: the first of them at least.
    pub(super) async fn list_after(
        &self,
        below: String,
        after: String,
    ) -> io::Result<Vec<ArchiveObject>> {
        match self {
            Self::Directory(directory) => {
                directory
                    .run(move |files| files.list_after(&below, &after))
                    .await
            }
            Self::Bucket(bucket) => bucket.list_after(&below, &after).await,
        }
    }

    pub(super) async fn delete(&self, name: String) -> io::Result<()> {
        match self {
            Self::Directory(directory) => directory.run(move |files| files.delete(&name)).await,
            Self::Bucket(bucket) => bucket.delete(&name).await,
        }
    }
}
