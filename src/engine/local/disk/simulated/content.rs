//! Contents of a file in copy-on-write pages.

use std::sync::Arc;

const PAGE: usize = 4096;

type Page = [u8; PAGE];

/// Bytes of a file. A page that is `None` contains only zeros.
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
            // Fill the rest of the last page with zeros. Otherwise old bytes would reappear when
            // the file grows again.
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
            let slot = &mut self.pages[page];
            if slot.is_some() || part.iter().any(|byte| *byte != 0) {
                let page = slot.get_or_insert_with(|| Arc::new([0; PAGE]));
                Arc::make_mut(page)[from..from + part.len()].copy_from_slice(part);
            }
            (at, bytes) = (at + part.len(), rest);
        }
    }

    /// Fills `bytes` from `at` on. Returns `None` if the file ends earlier.
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

    /// Whether a byte other than zero was ever written to the file's first page.
    pub(super) fn has_head(&self) -> bool {
        self.pages.first().is_some_and(Option::is_some)
    }
}
