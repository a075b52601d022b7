//! The checksum that each page of the base must have.
//!
//! - A page that this process wrote must be what was written.
//! - Any other must have the checksum that its parent holds. redb reads no page before its
//!   parent, so that the parent was read here, or was itself written by this process.
//! - Nothing of it is kept on the disk: what a power loss leaves is as before redb's own.
//! - It takes 8 bytes for each page of 4 KiB: one five-hundredth of the file.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::page::{self, Geometry, PAGE, Pointer, Shape};

/// The lowest byte of an entry says what the other seven are.
const KIND: u64 = 0xff;

/// The checksum of all that was written.
const WRITTEN: u64 = 1;

/// From here on: the checksum in the parent, of a page of the shape of this place.
const SHAPES: u64 = 2;

/// The checksums that are known.
#[derive(Debug, Default)]
pub(super) struct PageChecksums {
    known: RwLock<Known>,
    /// The length of the file, in pages: none is known beyond it.
    pages: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    geometry: Geometry,
    /// One for each page of 4 KiB, the first of a longer one; 0: not known.
    entries: Vec<u64>,
    shapes: Vec<Shape>,
}

impl Known {
    fn entry(&self, offset: u64) -> u64 {
        let place = usize::try_from(offset / PAGE).ok();
        let entry = place.and_then(|place| self.entries.get(place));
        entry.copied().unwrap_or_default()
    }

    fn put(&mut self, offset: u64, entry: u64) {
        let Ok(place) = usize::try_from(offset / PAGE) else {
            return;
        };
        if place >= self.entries.len() {
            self.entries.resize(place.saturating_add(1), 0);
        }
        if let Some(known) = self.entries.get_mut(place) {
            *known = entry;
        }
    }

    fn kind_of(&mut self, shape: Shape) -> Option<u64> {
        let place = match self.shapes.iter().position(|known| *known == shape) {
            Some(place) => place,
            None => {
                self.shapes.push(shape);
                self.shapes.len().saturating_sub(1)
            }
        };
        let kind = u64::try_from(place).ok()?.checked_add(SHAPES)?;
        (kind <= KIND).then_some(kind)
    }

    fn shape(&self, kind: u64) -> Option<Shape> {
        let place = usize::try_from(kind.checked_sub(SHAPES)?).ok()?;
        self.shapes.get(place).copied()
    }
}

impl PageChecksums {
    /// How long the file is.
    pub(super) fn set_len(&self, len: u64) {
        self.pages.store(len / PAGE, Ordering::Relaxed);
    }

    /// Takes the roots of a header.
    pub(super) fn start(&self, header: &[u8]) {
        if let Some(geometry) = Geometry::read(header) {
            self.known.write().geometry = geometry;
        }
        self.learn(&page::roots(header));
    }

    /// Notes what was written at a place.
    pub(super) fn wrote(&self, offset: u64, bytes: &[u8]) {
        let entry = entry(page::checksum(bytes), WRITTEN);
        self.known.write().put(offset, entry);
    }

    /// Whether a page that was read is the right one.
    pub(super) fn is_right(&self, offset: u64, page: &[u8]) -> bool {
        let known = self.known.read();
        let expected = known.entry(offset);
        let kind = expected & KIND;
        let shape = known.shape(kind);
        drop(known);
        if kind == WRITTEN {
            return entry(page::checksum(page), kind) == expected;
        }
        let Some(shape) = shape else {
            return false;
        };
        let sum = page::page_checksum(page, shape);
        let is_right = sum.is_some_and(|sum| entry(sum, kind) == expected);
        if is_right {
            self.learn(&page::pointers(page, shape));
        }
        is_right
    }

    /// Takes what a page says of others. What was written here is known better.
    fn learn(&self, pointers: &[Pointer]) {
        if pointers.is_empty() {
            return;
        }
        let pages = self.pages.load(Ordering::Relaxed);
        let mut known = self.known.write();
        for pointer in pointers {
            let offset = known.geometry.offset(pointer.number);
            let Some(offset) = offset.filter(|offset| offset / PAGE < pages) else {
                continue;
            };
            if known.entry(offset) & KIND != WRITTEN
                && let Some(kind) = known.kind_of(pointer.shape)
            {
                known.put(offset, entry(pointer.checksum, kind));
            }
        }
    }
}

/// The upper seven bytes of the lower half of a checksum, and what it is of.
fn entry(checksum: u128, kind: u64) -> u64 {
    let lower = u64::try_from(checksum & u128::from(u64::MAX)).unwrap_or_default();
    (lower & !KIND) | kind
}
