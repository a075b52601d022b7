//! Layout of redb's file format 3, as far as page checksums need it.
//!
//! Each page has an XXH3-128 checksum, stored where the pointer to the page is: in the parent
//! branch page; for the root of a table, in the tree of tables; for the two trees of tables (the
//! user's and redb's own), in the header. redb compares these checksums only during a repair, not
//! during a read.
//!
//! The file `docs/design.md` of the redb crate describes the format. The field widths of a table
//! definition come from its file `table_tree_base.rs`.

use crate::number::usize_of;
use twox_hash::XxHash3_128;

/// Length of the smallest page, in bytes. A page of order n is 2^n times as long.
pub(super) const PAGE: u64 = 4096;

/// Length of the header at the beginning of the file, in bytes.
pub(super) const HEADER_LEN: usize = 320;

/// Offset of the header byte with the flags [`PRIMARY`] and [`RECOVERY_REQUIRED`].
const GOD_BYTE: usize = 9;
/// Header flag that is set if the second of the two commit slots is in use.
const PRIMARY: u8 = 1;
/// Header flag that is set while the file is not closed cleanly.
const RECOVERY_REQUIRED: u8 = 2;

/// Offsets of the two commit slots in the header.
const SLOTS: [usize; 2] = [64, 192];
const SLOT_LEN: usize = 128;
/// Offset in bytes of the checksum within a commit slot.
const SLOT_SUM: usize = SLOT_LEN - 16;

// The first byte of a tree page is its type:
const LEAF: u8 = 1;
const BRANCH: u8 = 2;

/// Filler byte of the page that replaces a corrupt page. redb rejects this byte both as a page
/// order, which is out of range, and as the end of a key, which is beyond every page.
const FILL: u8 = 0xdb;

/// Widths of the keys and values of a tree, in bytes. `None` means a variable length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    key: Option<usize>,
    value: Option<usize>,
    /// Whether the values are table definitions.
    holds_tables: bool,
}

impl Shape {
    /// Shape of a tree whose values are table definitions.
    const TABLES: Self = Self {
        key: None,
        value: None,
        holds_tables: true,
    };
}

/// Reference to another page, with its expected checksum and its shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointer {
    pub(super) number: PageNumber,
    pub(super) checksum: u128,
    pub(super) shape: Shape,
}

/// Page number as redb packs it. Bits 0 to 19: index in the region; bits 20 to 39: region; bits 59
/// to 63: order.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageNumber(u64);

/// Number of header pages and data pages in each region of the file, in pages of 4 KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Geometry {
    header_pages: u64,
    data_pages: u64,
}

impl Geometry {
    pub(super) fn read(header: &[u8]) -> Option<Self> {
        Some(Self {
            header_pages: u32_at(header, 16)?.into(),
            data_pages: u32_at(header, 20)?.into(),
        })
    }

    /// Offset of a page in the file, in bytes. `None` if it exceeds the range of `u64`.
    pub(super) fn offset(self, number: PageNumber) -> Option<u64> {
        // One page with the header of the file precedes all regions, and each region begins with
        // its own header pages. The index counts pages of the same order, so a page of order n
        // starts `index << n` smallest pages after those header pages.
        let order = number.0 >> 59;
        let index = number.0 & (0xf_ffff_u64.checked_shr(u32::try_from(order).ok()?)?);
        let region = (number.0 >> 20) & 0xf_ffff;
        let pages = self.header_pages.checked_add(self.data_pages)?;
        let before = region.checked_mul(pages)?.checked_add(self.header_pages)?;
        let within = index.checked_mul(1_u64.checked_shl(u32::try_from(order).ok()?)?)?;
        let page = before.checked_add(within)?.checked_add(1)?;
        page.checked_mul(PAGE)
    }
}

/// Returns the XXH3-128 checksum of the bytes.
pub(super) fn checksum(bytes: &[u8]) -> u128 {
    XxHash3_128::oneshot(bytes)
}

/// Checksum of the used bytes of a tree page. `None` if the bytes cannot be such a page.
pub(super) fn page_checksum(page: &[u8], shape: Shape) -> Option<u128> {
    let end = match *page.first()? {
        LEAF => leaf_end(page, shape)?,
        BRANCH => branch_end(page, shape)?,
        _ => return None,
    };
    Some(checksum(page.get(..end)?))
}

/// Number of used bytes in a leaf page.
///
/// A leaf begins with 4 bytes that hold its type and its number of pairs. Then come the ends of the
/// keys (if the keys have no fixed width), the ends of the values (if the values have no fixed
/// width), all keys and all values.
fn leaf_end(page: &[u8], shape: Shape) -> Option<usize> {
    let pairs = count(page)?;
    let last = pairs.checked_sub(1)?;
    let keys = match (shape.key, shape.value) {
        (Some(_), None) => return end_at(page, 4, last),
        // The page stores the end of each key, and then the end of each value.
        (None, None) => return end_at(page, 4, pairs.checked_add(last)?),
        (Some(key), Some(_)) => key.checked_mul(pairs)?.checked_add(4)?,
        (None, Some(_)) => end_at(page, 4, last)?,
    };
    keys.checked_add(shape.value?.checked_mul(pairs)?)
}

/// Number of used bytes in a branch page.
///
/// A branch begins with 8 bytes that hold its type and its number of keys. Then come the checksums
/// (16 bytes) and the numbers (8 bytes) of its children, which are one more than the keys. The ends
/// of the keys (if the keys have no fixed width) and the keys follow.
fn branch_end(page: &[u8], shape: Shape) -> Option<usize> {
    let keys = count(page)?;
    let last = keys.checked_sub(1)?;
    let pointers = keys.checked_add(1)?.checked_mul(24)?.checked_add(8)?;
    match shape.key {
        Some(key) => pointers.checked_add(key.checked_mul(keys)?),
        None => end_at(page, pointers, last),
    }
}

/// Number of pairs in a leaf, or of keys in a branch.
fn count(page: &[u8]) -> Option<usize> {
    let bytes = page.get(2..4)?;
    Some(usize::from(u16::from_le_bytes(*bytes.first_chunk()?)))
}

/// Returns entry number `place` of a list of end offsets that begins at offset `start` of the page.
fn end_at(page: &[u8], start: usize, place: usize) -> Option<usize> {
    let at = place.checked_mul(4)?.checked_add(start)?;
    u32_at(page, at).map(usize_of)
}

/// Pointers that a page holds. The caller has verified the checksum of the page.
pub(super) fn pointers(page: &[u8], shape: Shape) -> Vec<Pointer> {
    match page.first() {
        Some(&BRANCH) => children(page, shape),
        Some(&LEAF) if shape.holds_tables => tables(page),
        _ => Vec::new(),
    }
}

fn children(page: &[u8], shape: Shape) -> Vec<Pointer> {
    let children = count(page).map_or(0, |keys| keys + 1);
    let sums = page.get(8..).unwrap_or_default().chunks_exact(16);
    let numbers = page.get(8 + children * 16..);
    let numbers = numbers.unwrap_or_default().chunks_exact(8);
    let read = |(sum, number): (&[u8], &[u8])| {
        Some(Pointer {
            number: PageNumber(u64_at(number, 0)?),
            checksum: u128_at(sum, 0)?,
            shape,
        })
    };
    let both = sums.zip(numbers).take(children);
    both.filter_map(read).collect()
}

/// Returns the pointers to the root pages of the tables in `page`, a leaf of the tree of tables.
fn tables(page: &[u8]) -> Vec<Pointer> {
    let pairs = count(page).unwrap_or_default();
    // The leaf stores `2 * pairs` end offsets: first those of the keys, then those of the values. A
    // value starts where the previous one ends, and the first value starts where the last key ends.
    let value = |place: usize| {
        let start = match place.checked_sub(1) {
            None => end_at(page, 4, pairs.checked_sub(1)?)?,
            Some(before) => end_at(page, 4, pairs.checked_add(before)?)?,
        };
        let end = end_at(page, 4, pairs.checked_add(place)?)?;
        root_of(page.get(start..end)?)
    };
    (0..pairs).filter_map(value).collect()
}

/// Returns the pointer to the root page in a table definition. `None` if the table is empty.
fn root_of(definition: &[u8]) -> Option<Pointer> {
    let width = |at: usize| match *definition.get(at)? {
        0 => Some(None),
        _ => u32_at(definition, at.checked_add(1)?).map(|root| Some(usize_of(root))),
    };
    let has_root = *definition.get(9)? != 0;
    let pointer = Pointer {
        number: PageNumber(u64_at(definition, 10)?),
        checksum: u128_at(definition, 18)?,
        shape: Shape {
            key: width(42)?,
            value: width(47)?,
            holds_tables: false,
        },
    };
    has_root.then_some(pointer)
}

/// Pointers to the root pages in both commit slots of a header. The slot in use comes last, so that
/// its checksums replace those of the other slot.
pub(super) fn roots(header: &[u8]) -> Vec<Pointer> {
    let mut slots = SLOTS;
    if !is_second_in_use(header) {
        slots.reverse();
    }
    let slots = slots
        .into_iter()
        .filter_map(|slot| sound_slot(header, slot));
    slots.flat_map(roots_of_slot).collect()
}

fn is_second_in_use(header: &[u8]) -> bool {
    header.get(GOD_BYTE).is_some_and(|god| god & PRIMARY != 0)
}

/// Returns a commit slot if its checksum matches.
fn sound_slot(header: &[u8], at: usize) -> Option<&[u8]> {
    let slot = header.get(at..)?.get(..SLOT_LEN)?;
    let sum = u128_at(slot, SLOT_SUM)?;
    (checksum(slot.get(..SLOT_SUM)?) == sum).then_some(slot)
}

/// Returns pointers to the two roots in a commit slot: of the store's tables, and of redb's own.
fn roots_of_slot(slot: &[u8]) -> impl Iterator<Item = Pointer> {
    let root = |(flag, at): (usize, usize)| {
        let has_root = *slot.get(flag)? != 0;
        let pointer = Pointer {
            number: PageNumber(u64_at(slot, at)?),
            checksum: u128_at(slot, at.checked_add(8)?)?,
            shape: Shape::TABLES,
        };
        has_root.then_some(pointer)
    };
    [(1, 8), (2, 40)].into_iter().filter_map(root)
}

/// Changes a file header for a reader that must not write. Marks the file as closed, so that redb
/// starts no repair. If only the slot in use is corrupt, selects the other slot, which holds the
/// previous commit.
pub(super) fn mark_closed(header: &mut [u8]) {
    let slots = SLOTS.map(|slot| sound_slot(header, slot).is_some());
    let Some(god) = header.get_mut(GOD_BYTE) else {
        return;
    };
    *god &= !RECOVERY_REQUIRED;
    // Order of the two commit slots: the unused slot first, then the slot in use. `[true, false]`
    // means that only the unused slot is sound.
    let in_use = if *god & PRIMARY != 0 {
        slots
    } else {
        [slots[1], slots[0]]
    };
    if in_use == [true, false] {
        *god ^= PRIMARY;
    }
}

/// Overwrites a page with bytes that redb rejects in every use.
///
/// - A reader that descends takes the page for a branch. The page numbers of its children have an
///   invalid order, so redb reports corruption.
/// - A writer that merges the page with a neighbour does not check the page type. Read as a leaf,
///   the page has one key, or lengths beyond its end; redb panics on such lengths. If redb copies
///   bytes of the page instead, [`contains_refused_bytes`] detects them.
pub(super) fn refuse(page: &mut [u8]) {
    page.fill(FILL);
    put(page, 0, &[BRANCH, 0, 1, 0]);
    // For keys of variable length, offset 56 stores the end of the only key, which is empty. The
    // page begins with 8 bytes of head and two children of 24 bytes, and the keys begin at offset
    // 60.
    put(page, 56, &60_u32.to_le_bytes());
}

/// Returns whether redb's corruption message is about a page that [`refuse`] made.
pub(super) fn is_refusal(what: &str) -> bool {
    let order = u32::from(FILL >> 3);
    what.contains(&format!("/{order} has order greater"))
}

/// Returns whether a page contains bytes of a page that [`refuse`] made: two adjacent words of
/// four filler bytes each.
pub(super) fn contains_refused_bytes(page: &[u8]) -> bool {
    let words = page.chunks_exact(4).map(|word| word == [FILL; 4]);
    let mut before = false;
    words
        .into_iter()
        .any(|is_fill| std::mem::replace(&mut before, is_fill) && is_fill)
}

/// Overwrites a page with an empty leaf, which reads of the table skip.
pub(super) fn skip(page: &mut [u8]) {
    page.fill(0);
    put(page, 0, &[LEAF]);
}

fn put(page: &mut [u8], at: usize, bytes: &[u8]) {
    let places = page.iter_mut().skip(at);
    places.zip(bytes).for_each(|(place, byte)| *place = *byte);
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u128_at(bytes: &[u8], at: usize) -> Option<u128> {
    Some(u128::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
