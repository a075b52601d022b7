//! Bucket of an object store: S3 and its relatives, Google Cloud Storage, Azure Blob Storage.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::time::sleep;

use super::failure;
use super::page::PAGE;
use crate::archive::storage::ArchiveObject;
use crate::types::Timestamp;

/// Pause after a conflict of two writes.
const PAUSE: Duration = Duration::from_millis(100);

/// Objects of a bucket below a prefix.
pub(super) struct Bucket {
    /// Sends a failed request again.
    pub(super) store: Arc<dyn ObjectStore>,
    /// The same bucket, for requests that are sent only once.
    pub(super) once: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
}

impl Bucket {
    pub(super) async fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.path(name)?;
        let found = match self.store.get(&path).await {
            Ok(found) => found,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failure::io_error(&error)),
        };
        let bytes = found
            .bytes()
            .await
            .map_err(|error| failure::io_error(&error))?;
        Ok(Some(bytes.into()))
    }

    pub(super) async fn put(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        let path = self.path(name)?;
        let put = self.store.put(&path, PutPayload::from(bytes)).await;
        put.map_err(|error| failure::io_error(&error))?;
        Ok(())
    }

    /// Sends each request only once. If a request was applied and its answer was lost, a second one
    /// would find the object of the first one, and report that another writer was first.
    pub(super) async fn put_if_absent(&self, name: &str, bytes: Vec<u8>) -> io::Result<bool> {
        let path = self.path(name)?;
        let payload = PutPayload::from(bytes);
        loop {
            let put = self
                .once
                .put_opts(&path, payload.clone(), PutMode::Create.into());
            match put.await {
                Ok(_) => return Ok(true),
                Err(Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(failure::io_error(&error)),
            }
            // S3 also refuses a write because another one is under way, which may yet fail. The
            // refused write was not applied, so it may be sent again.
            match self.store.head(&path).await {
                Ok(_) => return Ok(false),
                Err(Error::NotFound { .. }) => sleep(PAUSE).await,
                Err(error) => return Err(failure::io_error(&error)),
            }
        }
    }

    /// Lists the objects below a directory, or all if its name is empty. In no order.
    pub(super) async fn list(&self, directory: &str) -> io::Result<Vec<ArchiveObject>> {
        let path = self.path(directory)?;
        let mut found = self.store.list(Some(&path));
        let mut objects = Vec::new();
        while let Some(object) = poll_fn(|context| found.as_mut().poll_next(context)).await {
            let object = object.map_err(|error| failure::io_error(&error))?;
            objects.extend(self.object(&object));
        }
        Ok(objects)
    }

    /// Lists the first objects below a directory whose names sort after `after`.
    pub(super) async fn list_after(
        &self,
        directory: &str,
        after: &str,
    ) -> io::Result<Vec<ArchiveObject>> {
        let (path, after) = (self.path(directory)?, self.path(after)?);
        let mut found = self.store.list_with_offset(Some(&path), &after);
        let mut objects = Vec::new();
        while objects.len() < PAGE
            && let Some(object) = poll_fn(|context| found.as_mut().poll_next(context)).await
        {
            let object = object.map_err(|error| failure::io_error(&error))?;
            objects.extend(self.object(&object));
        }
        Ok(objects)
    }

    pub(super) async fn delete(&self, name: &str) -> io::Result<()> {
        let path = self.path(name)?;
        match self.store.delete(&path).await {
            Ok(()) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(failure::io_error(&error)),
        }
    }

    fn path(&self, name: &str) -> io::Result<Path> {
        let path = Path::parse(format!("{}/{name}", self.prefix));
        path.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }

    fn object(&self, found: &ObjectMeta) -> Option<ArchiveObject> {
        let name = found.location.as_ref().strip_prefix(self.prefix.as_ref())?;
        let name = name.strip_prefix('/').unwrap_or(name);
        let modified = Timestamp::from_millis(found.last_modified.timestamp_millis());
        Some(ArchiveObject {
            name: name.to_owned(),
            bytes: found.size,
            modified: modified.unwrap_or(Timestamp::EPOCH),
        })
    }
}

/// Returns whether the object is absent. An absent bucket is a failure.
fn is_absent(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) && !failure::names_bucket(error)
}
