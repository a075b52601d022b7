//! The layout of redb's file, as far as checksums need it.
//!
//! redb keeps the XXH3-128 checksum of every page in the page's parent: a branch page holds
//! those of its children, the tree of tables those of the table roots, and the header those of
//! the two trees of tables. redb compares them in a repair only, never in a read.
//!
//! This is file format 3. The crate's `docs/design.md` describes it; the field widths of a
//! table's definition are those of its `table_tree_base.rs`.

use twox_hash::XxHash3_128;

/// The length of the smallest page. Longer ones double it.
pub(super) const PAGE: u64 = 4096;

/// The length of the header at the beginning of the file.
pub(super) const HEADER_LEN: usize = 320;

/// The byte of the header whose bits say which commit slot is in use.
const GOD_BYTE: usize = 9;
const PRIMARY: u8 = 1;
const RECOVERY_REQUIRED: u8 = 2;

const SLOTS: [usize; 2] = [64, 192];
const SLOT_LEN: usize = 128;
const SLOT_SUM: usize = SLOT_LEN - 16;

const LEAF: u8 = 1;
const BRANCH: u8 = 2;

/// What stands in the place of a page that is damaged. As the order of a page it is out of
/// range, and as the length of a key it is beyond every page.
const FILL: u8 = 0xdb;

/// How wide the keys and the values of a tree are; `None` where each has its own length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    key: Option<usize>,
    value: Option<usize>,
    /// The values define tables.
    holds_tables: bool,
}

impl Shape {
    /// The tree of tables.
    const TABLES: Self = Self {
        key: None,
        value: None,
        holds_tables: true,
    };
}

/// What a page says of another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointer {
    pub(super) number: PageNumber,
    pub(super) checksum: u128,
    pub(super) shape: Shape,
}

/// The number of a page, as redb writes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageNumber(u64);

/// Where the regions of the file are.
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

    /// Where a page begins; `None` beyond all files.
    pub(super) fn offset(self, number: PageNumber) -> Option<u64> {
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

/// The checksum of bytes.
pub(super) fn checksum(bytes: &[u8]) -> u128 {
    XxHash3_128::oneshot(bytes)
}

/// The checksum of a page of a tree; `None` where it cannot be one.
pub(super) fn page_checksum(page: &[u8], shape: Shape) -> Option<u128> {
    let end = match *page.first()? {
        LEAF => leaf_end(page, shape)?,
        BRANCH => branch_end(page, shape)?,
        _ => return None,
    };
    Some(checksum(page.get(..end)?))
}

/// The bytes of a leaf that are in use.
fn leaf_end(page: &[u8], shape: Shape) -> Option<usize> {
    let pairs = count(page)?;
    let last = pairs.checked_sub(1)?;
    let keys = match (shape.key, shape.value) {
        (Some(_), None) => return end_at(page, 4, last),
        // The ends of the keys stand before those of the values.
        (None, None) => return end_at(page, 4, pairs.checked_add(last)?),
        (Some(key), Some(_)) => key.checked_mul(pairs)?.checked_add(4)?,
        (None, Some(_)) => end_at(page, 4, last)?,
    };
    keys.checked_add(shape.value?.checked_mul(pairs)?)
}

/// The bytes of a branch that are in use.
fn branch_end(page: &[u8], shape: Shape) -> Option<usize> {
    let keys = count(page)?;
    let last = keys.checked_sub(1)?;
    let pointers = keys.checked_add(1)?.checked_mul(24)?.checked_add(8)?;
    match shape.key {
        Some(key) => pointers.checked_add(key.checked_mul(keys)?),
        None => end_at(page, pointers, last),
    }
}

fn count(page: &[u8]) -> Option<usize> {
    let bytes = page.get(2..4)?;
    Some(usize::from(u16::from_le_bytes(*bytes.first_chunk()?)))
}

/// What stands at a place in the table of ends that begins at `start`.
fn end_at(page: &[u8], start: usize, place: usize) -> Option<usize> {
    let at = place.checked_mul(4)?.checked_add(start)?;
    usize::try_from(u32_at(page, at)?).ok()
}

/// What a page whose checksum is right says of others.
pub(super) fn pointers(page: &[u8], shape: Shape) -> Vec<Pointer> {
    match page.first() {
        Some(&BRANCH) => children(page, shape),
        Some(&LEAF) if shape.holds_tables => tables(page),
        _ => Vec::new(),
    }
}

fn children(page: &[u8], shape: Shape) -> Vec<Pointer> {
    let children = count(page).map_or(0, |keys| keys.saturating_add(1));
    let sums = page.get(8..).unwrap_or_default().chunks_exact(16);
    let numbers = page.get(8_usize.saturating_add(children.saturating_mul(16))..);
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

/// The roots of the tables that a leaf of the tree of tables defines.
fn tables(page: &[u8]) -> Vec<Pointer> {
    let pairs = count(page).unwrap_or_default();
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

/// The root in a table's definition; `None` where the table is empty.
fn root_of(definition: &[u8]) -> Option<Pointer> {
    let width = |at: usize| match *definition.get(at)? {
        0 => Some(None),
        _ => Some(usize::try_from(u32_at(definition, at.checked_add(1)?)?).ok()),
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

/// The roots that a header names. Those of the slot in use come last: they are right where
/// the two differ.
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

/// A commit slot whose checksum is right.
fn sound_slot(header: &[u8], at: usize) -> Option<&[u8]> {
    let slot = header.get(at..)?.get(..SLOT_LEN)?;
    let sum = u128_at(slot, SLOT_SUM)?;
    (checksum(slot.get(..SLOT_SUM)?) == sum).then_some(slot)
}

/// The root of the user's tables, and that of redb's own.
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

/// Makes a header say that the base was closed, for a reader beside the writer; and that the
/// older commit is in use where the newer one's slot is damaged.
pub(super) fn settle(header: &mut [u8]) {
    let slots = SLOTS.map(|slot| sound_slot(header, slot).is_some());
    let Some(god) = header.get_mut(GOD_BYTE) else {
        return;
    };
    *god &= !RECOVERY_REQUIRED;
    let in_use = if *god & PRIMARY != 0 {
        slots
    } else {
        [slots[1], slots[0]]
    };
    if in_use == [true, false] {
        *god ^= PRIMARY;
    }
}

/// Makes a page of it that redb refuses wherever it comes across it.
///
/// - A reader that descends takes it for a branch page, and its children for pages of an order
///   that there is none of: redb tells of damage.
/// - A writer that merges it with its neighbour looks at no type. As a leaf it has one key,
///   or lengths beyond its end, at which redb panics. What it copies of it is [`is_spread`].
pub(super) fn refuse(page: &mut [u8]) {
    page.fill(FILL);
    put(page, 0, &[BRANCH, 0, 1, 0]);
    // The end of the one key, which is empty, where keys have lengths.
    put(page, 56, &60_u32.to_le_bytes());
}

/// What redb says of damage is that it came across a page of [`refuse`].
pub(super) fn is_refusal(what: &str) -> bool {
    let order = u32::from(FILL >> 3);
    what.contains(&format!("/{order} has order greater"))
}

/// A page holds a part of one that [`refuse`] made.
pub(super) fn is_spread(page: &[u8]) -> bool {
    let words = page.chunks_exact(4).map(|word| word == [FILL; 4]);
    let mut before = false;
    words
        .into_iter()
        .any(|is_fill| std::mem::replace(&mut before, is_fill) && is_fill)
}

/// Makes an empty leaf of a page, which a walk passes over.
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
