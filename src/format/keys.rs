//! Layout of all keys.
//!
//! Numbers in keys are big-endian and of fixed width. The order of the bytes is therefore the
//! order of the numbers.
//!
//! | part | bytes | contents |
//! |---|---|---|
//! | time | 6 | milliseconds since 1970 |
//! | row | 6 | row number of the record |
//! | sub | 2 | position among several entries of one record |
//! | sequence | 8 | sequence number of an event |
//! | hash | 8 | hash of a text |
//!
//! - The row number of a record is the sequence number of its first event. That event contains
//!   the order number.
//! - An index key contains a text only as a hash. Entries stay small for every length of the
//!   text. The hash has a secret key, drawn once per store, so a customer cannot cause
//!   collisions.
//! - Two texts can still have the same hash. A reader must check the record that an entry leads
//!   to.
//! - A value that does not fit into its part is an error. The key never contains a part of it.

use std::cmp::Ordering;
use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use super::tables::Table;
use crate::contract::{Direction, IndexQuery, Position};
use crate::error::{StorageError, StorageErrorKind};
use crate::number::u64_of;
use crate::order::Record;
use crate::rules::{Index, IndexEntry, each_entry};
use crate::types::{OrderNo, Timestamp};

/// Largest row number (48 bits).
pub(crate) const ROW_MAX: u64 = (1 << 48) - 1;

/// Key of the store's identity in [`Table::Meta`].
pub(crate) const MARK: &[u8] = b"mark";

/// Key of the store's counters in [`Table::Meta`].
pub(crate) const STATE: &[u8] = b"state";

/// Key of the log sequence number (LSN) of the last journal frame that the B-tree holds, in
/// [`Table::Meta`].
pub(crate) const APPLIED: &[u8] = b"applied";

/// Key of the earlier incarnations of the store, in [`Table::Meta`]. A store without one has no such
/// key.
pub(crate) const ANCESTORS: &[u8] = b"ancestors";

const LEN_MAX: usize = 32;
const HASH_LEN: usize = 8;
pub(super) const TIME_LEN: usize = 6;
const ROW_LEN: usize = 6;
const SUB_LEN: usize = 2;

/// Bytes of one key, at most 32, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct KeyBytes {
    // Unused bytes are zero. `Ord` compares all 32 bytes as big-endian words, and then `len`. The
    // result must equal the order of the slices, which is the order in the B-tree. Padding matters
    // only if one key is a prefix of another key in the same table, which happens only with order
    // numbers. They contain no zero byte, so the zero after the shorter key sorts first, as it
    // must.
    bytes: [u8; LEN_MAX],
    len: u8,
}

impl KeyBytes {
    /// The key as big-endian words. Comparing words is faster than comparing bytes.
    fn words(&self) -> [u64; LEN_MAX / 8] {
        let mut words = self.bytes.chunks_exact(8).map(|chunk| {
            let word = chunk.first_chunk().copied();
            word.map_or(0, u64::from_be_bytes)
        });
        std::array::from_fn(|_| words.next().unwrap_or_default())
    }
}

impl Ord for KeyBytes {
    fn cmp(&self, other: &Self) -> Ordering {
        let words = self.words().cmp(&other.words());
        words.then(self.len.cmp(&other.len))
    }
}

impl PartialOrd for KeyBytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Shows the length only: a key may contain data that identifies a customer.
impl std::fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyBytes")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl KeyBytes {
    /// Upper bound of all keys.
    pub(crate) const MAX: Self = Self {
        bytes: [u8::MAX; LEN_MAX],
        len: 32,
    };

    /// Joins the parts of a key. The caller ensures that they fit into 32 bytes.
    fn of(parts: &[&[u8]]) -> Self {
        let (mut bytes, mut len) = ([0; LEN_MAX], 0_usize);
        for part in parts {
            let end = len + part.len();
            debug_assert!(end <= LEN_MAX, "a key of {end} bytes");
            if let Some(room) = bytes.get_mut(len..end) {
                room.copy_from_slice(part);
                len = end;
            }
        }
        // Never fails: `len` is at most 32.
        let len = u8::try_from(len).unwrap_or_default();
        Self { bytes, len }
    }

    pub(crate) const fn len(&self) -> u8 {
        self.len
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Key with these bytes; `None` if they are longer than 32.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= LEN_MAX).then(|| Self::of(&[bytes]))
    }
}

/// Key of a record in [`Table::Orders`].
pub(crate) fn order(no: &OrderNo) -> KeyBytes {
    KeyBytes::of(&[no.as_bytes()])
}

/// Key of an event in [`Table::Events`].
pub(crate) fn event(seq: u64) -> KeyBytes {
    KeyBytes::of(&[&seq.to_be_bytes()])
}

/// Key of a single value in [`Table::Meta`].
pub(crate) fn meta(name: &'static [u8]) -> KeyBytes {
    KeyBytes::of(&[name])
}

/// Sequence number in a key of [`Table::Events`]; `None` if the key has another length.
pub(crate) fn read_event(key: &[u8]) -> Option<u64> {
    read_uint(key).filter(|_| key.len() == size_of::<u64>())
}

/// Converts index entries into keys, with the hash key of the store.
#[derive(Clone, Copy)]
pub(crate) struct KeyEncoder {
    hashing: Hashing,
}

#[derive(Clone, Copy)]
enum Hashing {
    Keyed([u8; 16]),
    /// Gives all texts the same hash. Readers must then distinguish them by the records.
    #[cfg(test)]
    Constant,
}

impl std::fmt::Debug for KeyEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyEncoder").finish_non_exhaustive()
    }
}

impl KeyEncoder {
    pub(crate) const fn new(hash_key: [u8; 16]) -> Self {
        let hashing = Hashing::Keyed(hash_key);
        Self { hashing }
    }

    #[cfg(test)]
    pub(crate) const fn colliding() -> Self {
        let hashing = Hashing::Constant;
        Self { hashing }
    }

    /// Collects the table and the key of each index entry of a record, sorted and without
    /// duplicates. Two texts with the same hash give one entry.
    pub(crate) fn places(
        &self,
        record: &Record,
        row: u64,
        places: &mut Vec<(Table, KeyBytes)>,
    ) -> Result<(), StorageError> {
        places.clear();
        let mut failure = None;
        each_entry(record, |entry| match self.entry(&entry, row) {
            Ok(place) => places.push(place),
            Err(error) => failure = Some(error),
        });
        places.sort_unstable();
        places.dedup();
        failure.map_or(Ok(()), Err)
    }

    /// Table and key of an index entry for the record with this row number.
    ///
    /// Fails if `row` or `sub` does not fit into the key, or if the index has no `sub`.
    pub(crate) fn entry(
        &self,
        entry: &IndexEntry,
        row: u64,
    ) -> Result<(Table, KeyBytes), StorageError> {
        let list = self.list(&entry.index);
        let sub = u16::try_from(entry.sub)
            .ok()
            .filter(|sub| list.has_sub || *sub == 0)
            .ok_or_else(|| too_large("record has too many entries in one index"))?;
        let key = list.key(time_bytes(entry.time), row_bytes(row)?, sub);
        Ok((list.table, key))
    }

    /// Table, first key and last key of a range, both inclusive.
    ///
    /// The range includes the position `query.after` itself. The reader must skip it.
    pub(crate) fn stretch(&self, query: &IndexQuery) -> (Table, KeyBytes, KeyBytes) {
        let list = self.list(&query.index);
        // All keys of one index have the same prefix and length. Among the keys with the same time,
        // the smallest has only zeros after the time, and the largest has all bits set.
        let mut first = list.key(time_bytes(query.from), [0; ROW_LEN], 0);
        let mut last = list.key(time_bytes(query.until), [u8::MAX; ROW_LEN], u16::MAX);
        if let Some(after) = query.after {
            // The cursor `after` may contain any numbers. A number that is too large becomes the
            // largest possible one, which still selects the right entries.
            let row = row_bytes(after.row).unwrap_or([u8::MAX; ROW_LEN]);
            let sub = u16::try_from(after.sub).unwrap_or(u16::MAX);
            let position = list.key(time_bytes(after.time), row, sub);
            // `max` and `min` keep the range within `from` and `until`.
            match query.direction {
                Direction::Forward => first = first.max(position),
                Direction::Backward => last = last.min(position),
            }
        }
        (list.table, first, last)
    }

    fn list(&self, index: &Index) -> List {
        let (table, prefix) = match index {
            Index::All => (Table::All, None),
            Index::Status(status) => (Table::Status, Some(Prefix::Status(status.code()))),
            Index::OpenId(openid) => (Table::OpenId, Some(self.hash(&[openid.as_bytes()]))),
            Index::Transaction(channel, id) => {
                let hash = self.hash(&[channel.as_bytes(), id.as_bytes()]);
                (Table::Transaction, Some(hash))
            }
            Index::RefundNo(channel, no) => {
                let hash = self.hash(&[channel.as_bytes(), no.as_bytes()]);
                (Table::RefundNo, Some(hash))
            }
            Index::Reference(reference) => {
                (Table::Reference, Some(self.hash(&[reference.as_bytes()])))
            }
            Index::Anomalies => (Table::Anomalies, None),
            Index::Refunded => (Table::Refunded, None),
            Index::ClosedRefunds => (Table::ClosedRefunds, None),
            Index::Returned => (Table::Returned, None),
            Index::Due => (Table::Due, None),
        };
        List {
            table,
            prefix,
            has_sub: has_sub(table),
        }
    }

    /// Keyed hash of one or two texts.
    ///
    /// The input contains the length of each text. Otherwise the texts `("wxa", "bc")` and
    /// `("wxab", "c")` would have the same hash.
    fn hash(&self, texts: &[&[u8]]) -> Prefix {
        let mut hasher = match &self.hashing {
            Hashing::Keyed(key) => SipHasher13::new_with_key(key),
            #[cfg(test)]
            Hashing::Constant => return Prefix::Hash(7),
        };
        for text in texts {
            let len = u64_of(text.len());
            hasher.write(&len.to_le_bytes());
            hasher.write(text);
        }
        Prefix::Hash(hasher.finish())
    }
}

/// Index table to read, and the common prefix of the keys.
struct List {
    table: Table,
    prefix: Option<Prefix>,
    has_sub: bool,
}

enum Prefix {
    Status(u8),
    Hash(u64),
}

impl List {
    fn key(&self, time: [u8; TIME_LEN], row: [u8; ROW_LEN], sub: u16) -> KeyBytes {
        let sub = sub.to_be_bytes();
        let sub = if self.has_sub { &sub[..] } else { &[] };
        match self.prefix {
            None => KeyBytes::of(&[&time, &row, sub]),
            Some(Prefix::Status(code)) => KeyBytes::of(&[&[code], &time, &row, sub]),
            Some(Prefix::Hash(hash)) => KeyBytes::of(&[&hash.to_be_bytes(), &time, &row, sub]),
        }
    }
}

/// Whether one record can have several entries in the index, which the number `sub` in the key
/// distinguishes.
const fn has_sub(table: Table) -> bool {
    matches!(
        table,
        Table::Anomalies | Table::Refunded | Table::ClosedRefunds | Table::Returned | Table::Due
    )
}

/// Whether the keys of a table begin with a hash.
pub(crate) const fn has_hash(table: Table) -> bool {
    prefix_len(table) == HASH_LEN
}

/// Hash with which `key` begins. [`has_hash`] must be true for its table.
pub(crate) fn hash_of(key: &KeyBytes) -> u64 {
    key.words()[0]
}

const fn prefix_len(table: Table) -> usize {
    match table {
        Table::Status => 1,
        Table::OpenId | Table::Transaction | Table::RefundNo | Table::Reference => HASH_LEN,
        _ => 0,
    }
}

/// Position in a key of an index table; `None` if the key is invalid.
pub(crate) fn read_position(table: Table, key: &[u8]) -> Option<Position> {
    let (_, rest) = key.split_at_checked(prefix_len(table))?;
    let (time, rest) = rest.split_first_chunk()?;
    let (row, sub) = rest.split_at_checked(ROW_LEN)?;
    let sub_len = if has_sub(table) { SUB_LEN } else { 0 };
    Some(Position {
        time: read_time(*time)?,
        row: read_uint(row)?,
        sub: u32::try_from(read_uint(sub).filter(|_| sub.len() == sub_len)?).ok()?,
    })
}

/// Milliseconds in 6 bytes. [`Timestamp::MAX`] fits, so the two high bytes are always zero.
pub(super) fn time_bytes(time: Timestamp) -> [u8; TIME_LEN] {
    let [_, _, rest @ ..] = time.as_u64().to_be_bytes();
    rest
}

/// Time of 6 bytes of milliseconds; `None` if it is after [`Timestamp::MAX`].
pub(super) fn read_time([a, b, c, d, e, f]: [u8; TIME_LEN]) -> Option<Timestamp> {
    Timestamp::from_millis(i64::from_be_bytes([0, 0, a, b, c, d, e, f])).ok()
}

fn row_bytes(row: u64) -> Result<[u8; ROW_LEN], StorageError> {
    if row > ROW_MAX {
        return Err(too_large(
            "store has too many events: row number exceeds 48 bits",
        ));
    }
    let [_, _, rest @ ..] = row.to_be_bytes();
    Ok(rest)
}

/// Converts up to 8 big-endian bytes into a number; `None` if there are more.
fn read_uint(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= size_of::<u64>()).then(|| {
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    })
}

fn too_large(why: &'static str) -> StorageError {
    StorageError::new(StorageErrorKind::TooLarge, why)
}

#[cfg(test)]
mod tests;
