//! Storage of an archive in a directory or in a bucket of an object store.
//!
//! The work runs on a runtime of the storage, and the caller waits for its result on a channel.
//! So a caller may be a task of another runtime. A storage that does not answer holds no caller
//! longer than the limit of the call.

mod bucket;
mod directory;
mod failure;
mod open;
mod page;
mod place;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use self::place::Place;
use super::storage::{ArchiveObject, ArchiveStorage};
use crate::error::OpenError;

/// Maximum duration of a call, with all its retries.
const CALL: Duration = Duration::from_secs(30);

/// Maximum duration of a list. Each thousand objects of a bucket take one request.
const LIST: Duration = Duration::from_secs(120);

/// Storage of an archive that a URL names.
pub(crate) struct Remote {
    url: String,
    place: Arc<Place>,
    handle: Handle,
    /// `None` after the drop.
    runtime: Option<Runtime>,
}

impl Remote {
    /// Opens a directory (`/path`, `path` or `file:///path`) or a bucket (`s3://bucket/prefix`,
    /// `gs://bucket/prefix` or `az://container/prefix`). Sends no request to a bucket.
    ///
    /// The usual environment variables give the credentials and the settings of a bucket: those
    /// with the prefix `AWS_`, `GOOGLE_` or `AZURE_`.
    ///
    /// # Errors
    /// - [`OpenError::Invalid`] if the URL or a setting in the environment is invalid.
    /// - [`OpenError::ParentMissing`] if more than the last directory of the path is missing.
    /// - [`OpenError::Unavailable`] if the directory cannot be used.
    pub(crate) fn open(url: &str) -> Result<Self, OpenError> {
        Self::start(url, open::place(url)?)
    }

    fn start(url: &str, place: Place) -> Result<Self, OpenError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("orderstore-archive")
            .enable_all()
            .build()
            .map_err(|error| OpenError::Unavailable(error.into()))?;
        Ok(Self {
            url: url.to_owned(),
            place: Arc::new(place),
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Runs `work` on the storage's runtime and waits for its result.
    fn run<T, F>(&self, limit: Duration, work: impl FnOnce(Arc<Place>) -> F) -> io::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = io::Result<T>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        let work = work(Arc::clone(&self.place));
        // Ignore a failed send, because it only means that the caller stopped waiting.
        let task = self
            .handle
            .spawn(async move { drop(sender.send(work.await)) });
        match receiver.recv_timeout(limit) {
            Ok(result) => result,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                task.abort();
                let why = format!("{} did not answer within {limit:?}", self.url);
                Err(io::Error::new(io::ErrorKind::TimedOut, why))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let why = "the thread of the archive's storage ended a call without a result";
                Err(io::Error::other(why))
            }
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.url).finish()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // The plain drop of a runtime panics inside a task of another runtime, and it waits for
        // file operations that hang.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl ArchiveStorage for Remote {
    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let name = object_name(name)?;
        self.run(CALL, |place| async move { place.get(name).await })
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (name, bytes) = (object_name(name)?, bytes.to_vec());
        self.run(CALL, |place| async move { place.put(name, bytes).await })
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let (name, bytes) = (object_name(name)?, bytes.to_vec());
        let put = |place: Arc<Place>| async move { place.put_if_absent(name, bytes).await };
        self.run(CALL, put)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<ArchiveObject>> {
        // A place lists whole directories. A prefix may also end within a name.
        let below = match prefix.rsplit_once('/') {
            Some((directory, _)) => object_name(directory)?,
            None => String::new(),
        };
        let mut objects = self.run(LIST, |place| async move { place.list(below).await })?;
        objects.retain(|object| object.name.starts_with(prefix));
        objects.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(objects)
    }

    fn list_after(&self, prefix: &str, after: &str) -> io::Result<Vec<ArchiveObject>> {
        let Some(below) = prefix.strip_suffix('/').filter(|_| !after.is_empty()) else {
            let mut objects = self.list(prefix)?;
            objects.retain(|object| object.name.as_str() > after);
            return Ok(objects);
        };
        let (below, after) = (object_name(below)?, object_name(after)?);
        let list = |place: Arc<Place>| async move { place.list_after(below, after).await };
        let mut objects = self.run(LIST, list)?;
        objects.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(objects)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let name = object_name(name)?;
        self.run(CALL, |place| async move { place.delete(name).await })
    }
}

/// Returns the name if every storage can hold it: a relative path whose parts begin with no dot.
fn object_name(name: &str) -> io::Result<String> {
    let is_plain = |part: &str| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(is_allowed)
    };
    if name.split('/').all(is_plain) {
        return Ok(name.to_owned());
    }
    let why = format!("{name:?} is not a name of an object in an archive");
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}
