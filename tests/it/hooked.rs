//! Storage of an archive in memory, with a test's own action around each call.

use std::fmt::Debug;
use std::io;

use orderstore::testing::MemoryArchive;
use orderstore::{ArchiveObject, ArchiveStorage};

/// Call of a storage.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Call<'a> {
    Get,
    /// Name after which the list begins.
    List(&'a str),
    Put,
    /// Name and bytes of the object.
    PutIfAbsent(&'a str, &'a [u8]),
    /// Name of the object.
    Delete(&'a str),
}

impl Call<'_> {
    pub(crate) const fn is_write(self) -> bool {
        matches!(self, Self::Put | Self::PutIfAbsent(..) | Self::Delete(_))
    }
}

/// Action of a test.
pub(crate) trait Hook: Debug + Send + Sync + 'static {
    fn objects(&self) -> &MemoryArchive;

    /// Runs before a call. The call has no effect if this fails.
    fn before(&self, _call: Call<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Runs after a call.
    fn after(&self, _call: Call<'_>) {}
}

/// Storage with an action around each call.
#[derive(Debug)]
pub(crate) struct Hooked<H>(pub(crate) H);

impl<H: Hook> Hooked<H> {
    fn run<T>(
        &self,
        call: Call<'_>,
        run: impl FnOnce(&MemoryArchive) -> io::Result<T>,
    ) -> io::Result<T> {
        self.0.before(call)?;
        let result = run(self.0.objects());
        self.0.after(call);
        result
    }
}

impl<H: Hook> ArchiveStorage for Hooked<H> {
    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.run(Call::Get, |objects| objects.get(name))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.run(Call::Put, |objects| objects.put(name, bytes))
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let call = Call::PutIfAbsent(name, bytes);
        self.run(call, |objects| objects.put_if_absent(name, bytes))
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<ArchiveObject>> {
        self.run(Call::List(""), |objects| objects.list(prefix))
    }

    fn list_after(&self, prefix: &str, after: &str) -> io::Result<Vec<ArchiveObject>> {
        self.run(Call::List(after), |objects| {
            objects.list_after(prefix, after)
        })
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.run(Call::Delete(name), |objects| objects.delete(name))
    }
}
