//! Expected checksum of each page of the B-tree file.
//!
//! - A page that this process wrote must have the checksum of the written bytes.
//! - Any other page must have the checksum that its parent page holds. redb reads a parent before
//!   its children, so the checksum is known when a child is read.
//! - The checksums are in memory only. They change neither redb's file nor its behaviour after a
//!   power loss.
//! - The memory needed is 8 bytes per page of 4 KiB: 1/512 of the file.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::page::{self, Geometry, PAGE, Pointer, Shape};

/// Mask of an entry's lowest byte, which holds the kind of the checksum. The other seven bytes hold
/// the checksum.
const KIND: u64 = 0xff;

/// Kind of a checksum over all bytes that this process wrote to the page.
const WRITTEN: u64 = 1;

/// First kind of a checksum from the parent page. Kind `SHAPES + n` is for a page with the shape
/// `shapes[n]`. The shape defines which bytes of the page the checksum covers.
const SHAPES: u64 = 2;

/// Known checksums of pages.
#[derive(Debug, Default)]
pub(super) struct PageChecksums {
    known: RwLock<Known>,
    /// Length of the file, in pages. Pointers beyond this length are ignored: a corrupt page number
    /// must not make `entries` grow without limit.
    pages: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    geometry: Geometry,
    /// One checksum entry per 4 KiB of the file; 0 if the checksum is unknown. A longer page uses
    /// the entry of its first 4 KiB.
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
            self.entries.resize(place + 1, 0);
        }
        if let Some(known) = self.entries.get_mut(place) {
            *known = entry;
        }
    }

    fn kind_of(&mut self, shape: Shape) -> Option<u64> {
        let place = match self.shapes.iter().position(|known| *known == shape) {
            Some(place) => place,
            None => {
                let place = self.shapes.len();
                self.shapes.push(shape);
                place
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
    /// Sets the length of the file, in bytes.
    pub(super) fn set_len(&self, len: u64) {
        self.pages.store(len / PAGE, Ordering::Relaxed);
    }

    /// Reads the geometry of the file and the checksums of the root pages from the file header.
    pub(super) fn start(&self, header: &[u8]) {
        if let Some(geometry) = Geometry::read(header) {
            self.known.write().geometry = geometry;
        }
        self.learn(&page::roots(header));
    }

    /// Stores the checksum of a page that this process writes at `offset`.
    pub(super) fn wrote(&self, offset: u64, bytes: &[u8]) {
        let entry = entry(page::checksum(bytes), WRITTEN);
        self.known.write().put(offset, entry);
    }

    /// Returns whether a page that was read has its expected checksum. If so, stores the checksums
    /// that the page holds for its children. For a page without a known checksum, returns `false`.
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

    /// Stores the checksums that a page holds for other pages. If this process wrote such a page,
    /// its entry stays, because the entry is newer.
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

/// Packs an entry: bits 8 to 63 of the checksum, with `kind` in the lowest byte.
fn entry(checksum: u128, kind: u64) -> u64 {
    // Never fails: the mask leaves 64 bits.
    let lower = u64::try_from(checksum & u128::from(u64::MAX)).unwrap_or_default();
    (lower & !KIND) | kind
}
