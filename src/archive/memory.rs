//! Simulated storage of an archive, in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::storage::{ArchiveObject, ArchiveStorage};
use crate::number::u64_of;
use crate::types::Timestamp;

/// Storage of an archive in memory. It fails on demand. Clones share the objects.
#[derive(Debug, Clone, Default)]
pub struct MemoryArchive {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: Mutex<BTreeMap<String, (Vec<u8>, Timestamp)>>,
    /// Number of calls so far.
    calls: AtomicU64,
    fault: Mutex<Option<(u64, StorageFault)>>,
    is_down: AtomicBool,
    ignores_conditions: AtomicBool,
    has_old_lists: AtomicBool,
    now: Mutex<Option<Timestamp>>,
    max_bytes: AtomicU64,
}

/// Fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests inject each of them")]
pub enum StorageFault {
    /// The call fails without effect.
    Fails,
    /// The call takes effect and then fails, as if the answer were lost.
    AnswerLost,
}

impl MemoryArchive {
    /// Number of calls so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::SeqCst)
    }

    /// Lets one later call fail. `call` is its number, as [`MemoryArchive::calls`] counts them.
    pub fn fail_at(&self, call: u64, fault: StorageFault) {
        *self.inner.fault.lock() = Some((call, fault));
    }

    /// Sets whether every call fails.
    pub fn set_down(&self, is_down: bool) {
        self.inner.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Sets whether `put_if_absent` replaces objects, as some servers do.
    pub fn ignore_conditions(&self, ignores: bool) {
        self.inner
            .ignores_conditions
            .store(ignores, Ordering::SeqCst);
    }

    /// Sets whether a list misses the newest object whose name starts with its prefix.
    pub fn set_old_lists(&self, is_old: bool) {
        self.inner.has_old_lists.store(is_old, Ordering::SeqCst);
    }

    /// Sets the time of the storage, which is 1970 at first.
    pub fn set_time(&self, now: Timestamp) {
        *self.inner.now.lock() = Some(now);
    }

    /// Sets the maximum size of all objects, in bytes; 0 for no limit. Larger writes fail.
    pub fn set_max_bytes(&self, bytes: u64) {
        self.inner.max_bytes.store(bytes, Ordering::SeqCst);
    }

    /// Returns a copy of the objects, which later calls do not change.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::default();
        *copy.inner.objects.lock() = self.inner.objects.lock().clone();
        *copy.inner.now.lock() = *self.inner.now.lock();
        copy
    }

    /// Counts a call. Returns the fault that the call has after its effect.
    fn begin(&self) -> io::Result<Option<io::Error>> {
        let call = self.inner.calls.fetch_add(1, Ordering::SeqCst);
        if self.inner.is_down.load(Ordering::SeqCst) {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the storage is down",
            ));
        }
        let fault = *self.inner.fault.lock();
        let error = || io::Error::other("injected fault");
        match fault {
            Some((at, StorageFault::Fails)) if at == call => Err(error()),
            Some((at, StorageFault::AnswerLost)) if at == call => Ok(Some(error())),
            _ => Ok(None),
        }
    }

    fn insert(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let now = self.inner.now.lock().unwrap_or(Timestamp::EPOCH);
        let mut objects = self.inner.objects.lock();
        let used: usize = objects.values().map(|(bytes, _)| bytes.len()).sum();
        let max = self.inner.max_bytes.load(Ordering::SeqCst);
        if max > 0 && u64_of(used + bytes.len()) > max {
            return Err(io::ErrorKind::StorageFull.into());
        }
        objects.insert(name.to_owned(), (bytes.to_vec(), now));
        Ok(())
    }
}

/// Returns the result of a call, or the error that hides it.
fn end<T>(result: T, hidden: Option<io::Error>) -> io::Result<T> {
    hidden.map_or(Ok(result), Err)
}

impl ArchiveStorage for MemoryArchive {
    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let hidden = self.begin()?;
        let objects = self.inner.objects.lock();
        end(objects.get(name).map(|(bytes, _)| bytes.clone()), hidden)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let hidden = self.begin()?;
        self.insert(name, bytes)?;
        end((), hidden)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let hidden = self.begin()?;
        let mut is_absent = !self.inner.objects.lock().contains_key(name);
        is_absent |= self.inner.ignores_conditions.load(Ordering::SeqCst);
        if is_absent {
            self.insert(name, bytes)?;
        }
        end(is_absent, hidden)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<ArchiveObject>> {
        let hidden = self.begin()?;
        let objects = self.inner.objects.lock();
        let listed = objects
            .range(prefix.to_owned()..)
            .take_while(|(name, _)| name.starts_with(prefix));
        let listed = listed.map(|(name, (bytes, modified))| ArchiveObject {
            name: name.clone(),
            bytes: u64_of(bytes.len()),
            modified: *modified,
        });
        let mut listed: Vec<ArchiveObject> = listed.collect();
        if self.inner.has_old_lists.load(Ordering::SeqCst) {
            listed.pop();
        }
        end(listed, hidden)
    }

    /// Returns two objects at most.
    fn list_after(&self, prefix: &str, after: &str) -> io::Result<Vec<ArchiveObject>> {
        let mut listed = self.list(prefix)?;
        listed.retain(|object| object.name.as_str() > after);
        listed.truncate(2);
        Ok(listed)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let hidden = self.begin()?;
        self.inner.objects.lock().remove(name);
        end((), hidden)
    }
}
