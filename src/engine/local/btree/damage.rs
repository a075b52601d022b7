//! The pages of the base that could not be read since the store was opened.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Damaged pages, and how often the base was opened anew. It outlives the base.
#[derive(Debug, Default)]
pub(in crate::engine::local) struct Damage {
    /// The length of each, by where it begins in the file.
    pages: Mutex<BTreeMap<u64, usize>>,
    /// How many there are, for those who only ask whether there are any.
    count: AtomicU64,
    reopened: AtomicU64,
}

impl Damage {
    /// Notes a page that could not be read. Whether it was not known before.
    pub(in crate::engine::local) fn note(&self, offset: u64, len: usize) -> bool {
        let mut pages = self.pages.lock();
        let is_new = pages.insert(offset, len).is_none();
        self.count.store(count(&pages), Ordering::Relaxed);
        is_new
    }

    /// Notes that a page was read, or written anew.
    pub(in crate::engine::local) fn is_over(&self, offset: u64) {
        if self.count() > 0 {
            let mut pages = self.pages.lock();
            pages.remove(&offset);
            self.count.store(count(&pages), Ordering::Relaxed);
        }
    }

    /// Forgets every page.
    pub(in crate::engine::local) fn forget(&self) {
        let mut pages = self.pages.lock();
        pages.clear();
        self.count.store(0, Ordering::Relaxed);
    }

    /// How many pages are damaged, of those that were read.
    pub(in crate::engine::local) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Where each damaged page begins, and how long it is.
    pub(in crate::engine::local) fn pages(&self) -> Vec<(u64, usize)> {
        let pages = self.pages.lock();
        pages.iter().map(|(offset, len)| (*offset, *len)).collect()
    }

    pub(in crate::engine::local) fn note_reopened(&self) {
        self.reopened.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the base was opened anew.
    pub(in crate::engine::local) fn reopened(&self) -> u64 {
        self.reopened.load(Ordering::Relaxed)
    }
}

fn count(pages: &BTreeMap<u64, usize>) -> u64 {
    u64::try_from(pages.len()).unwrap_or(u64::MAX)
}
