//! What a file holds: pages that copies share until they are written.

use std::sync::Arc;

const PAGE: usize = 4096;

type Page = [u8; PAGE];

/// The bytes of a file. A page that is nowhere holds zeros.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    len: usize,
    pages: Vec<Option<Arc<Page>>>,
}

impl Content {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn set_len(&mut self, len: usize) {
        if len < self.len {
            let zeros = vec![0; len.next_multiple_of(PAGE).min(self.len) - len];
            self.write(len, &zeros);
            self.pages.truncate(len.div_ceil(PAGE));
        }
        self.len = len;
        self.pages.resize(len.div_ceil(PAGE), None);
    }

    pub(super) fn write(&mut self, mut at: usize, mut bytes: &[u8]) {
        if at + bytes.len() > self.len {
            self.set_len(at + bytes.len());
        }
        while !bytes.is_empty() {
            let (page, from) = (at / PAGE, at % PAGE);
            let (part, rest) = bytes.split_at(bytes.len().min(PAGE - from));
            let place = &mut self.pages[page];
            if place.is_some() || part.iter().any(|byte| *byte != 0) {
                let page = place.get_or_insert_with(|| Arc::new([0; PAGE]));
                Arc::make_mut(page)[from..from + part.len()].copy_from_slice(part);
            }
            (at, bytes) = (at + part.len(), rest);
        }
    }

    /// `None` beyond the end.
    pub(super) fn read(&self, mut at: usize, mut bytes: &mut [u8]) -> Option<()> {
        if at + bytes.len() > self.len {
            return None;
        }
        while !bytes.is_empty() {
            let (page, from) = (at / PAGE, at % PAGE);
            let len = bytes.len().min(PAGE - from);
            let (part, rest) = bytes.split_at_mut(len);
            match &self.pages[page] {
                Some(page) => part.copy_from_slice(&page[from..from + len]),
                None => part.fill(0),
            }
            (at, bytes) = (at + len, rest);
        }
        Some(())
    }

    /// Whether the first page was ever written.
    pub(super) fn has_head(&self) -> bool {
        self.pages.first().is_some_and(Option::is_some)
    }
}
