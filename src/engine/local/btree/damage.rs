//! Corrupt pages of the B-tree file, found since the store was opened.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::number::u64_of;

/// List of corrupt pages, and the number of times that the B-tree was reopened. A reopened B-tree
/// continues the list.
#[derive(Debug, Default)]
pub(crate) struct CorruptPages {
    /// Length of each corrupt page by its offset in the file, both in bytes.
    pages: Mutex<BTreeMap<u64, usize>>,
    /// Length of `pages`, readable without the lock.
    count: AtomicU64,
    /// Number of times that the B-tree was reopened.
    reopened: AtomicU64,
}

impl CorruptPages {
    /// Adds a corrupt or unreadable page. Returns `true` if the page was not in the list.
    pub(crate) fn note(&self, offset: u64, len: usize) -> bool {
        let mut pages = self.pages.lock();
        let is_new = pages.insert(offset, len).is_none();
        self.count.store(count(&pages), Ordering::Relaxed);
        is_new
    }

    /// Removes a page from the list, because the page was read or written successfully.
    pub(crate) fn remove(&self, offset: u64) {
        if self.count() > 0 {
            let mut pages = self.pages.lock();
            pages.remove(&offset);
            self.count.store(count(&pages), Ordering::Relaxed);
        }
    }

    /// Removes pages from the list, because no table uses them any more.
    pub(crate) fn forget(&self, pages: &[(u64, usize)]) {
        for (offset, _) in pages {
            self.remove(*offset);
        }
    }

    /// Number of corrupt pages among the pages read so far.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Offset and length of each corrupt page, in bytes.
    pub(crate) fn pages(&self) -> Vec<(u64, usize)> {
        let pages = self.pages.lock();
        pages.iter().map(|(offset, len)| (*offset, *len)).collect()
    }

    /// Corrupt pages that are not in `before`.
    pub(crate) fn pages_since(&self, before: &[(u64, usize)]) -> Vec<(u64, usize)> {
        let mut pages = self.pages();
        pages.retain(|page| before.binary_search(page).is_err());
        pages
    }

    pub(crate) fn note_reopened(&self) {
        self.reopened.fetch_add(1, Ordering::Relaxed);
    }

    /// Number of times that the B-tree was reopened.
    pub(crate) fn reopened(&self) -> u64 {
        self.reopened.load(Ordering::Relaxed)
    }
}

fn count(pages: &BTreeMap<u64, usize>) -> u64 {
    u64_of(pages.len())
}
