//! Keys sort as their values do, and are read back.

use crate::format::keys::*;
use crate::order::Status;
use crate::types::{Channel, TransactionId};

const LAYOUT: KeyEncoder = KeyEncoder::new([7; 16]);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

fn entry(index: Index, time: Timestamp, sub: u32) -> IndexEntry {
    IndexEntry { index, time, sub }
}

fn transaction(channel: &str, id: &str) -> Index {
    Index::Transaction(
        Channel::parse(channel).unwrap(),
        TransactionId::parse(id).unwrap(),
    )
}

#[test]
fn index_keys_sort_like_positions_and_parse_back() {
    let times = [0, 1, 255, 256, 1 << 40, Timestamp::MAX.as_millis()].map(at);
    let rows = [0, 1, 255, 256, ROW_MAX];
    for (index, subs) in [
        (Index::All, vec![0]),
        (Index::Status(Status::Closed), vec![0]),
        (transaction("wxa", "bc"), vec![0]),
        (Index::Due, vec![0, 1, 255, 256, 65535]),
    ] {
        let mut before: Option<KeyBytes> = None;
        for time in times {
            for row in rows {
                for sub in &subs {
                    let entry = entry(index.clone(), time, *sub);
                    let (table, key) = LAYOUT.entry(&entry, row).unwrap();
                    let sub = *sub;
                    let position = Position { time, row, sub };
                    assert_eq!(read_position(table, key.as_slice()), Some(position));
                    if let Some(before) = before {
                        assert!(before < key && before.as_slice() < key.as_slice());
                    }
                    before = Some(key);
                }
            }
        }
    }
}

#[test]
fn order_keys_sort_like_order_numbers() {
    let mut nos =
        ["ABCDEF", "ABCDEF0", "ABCDEF00", "ABCDEG", "abcdef"].map(|no| OrderNo::parse(no).unwrap());
    nos.sort_unstable();
    for pair in nos.windows(2) {
        let (a, b) = (order(&pair[0]), order(&pair[1]));
        assert!(a < b && a.as_slice() < b.as_slice());
    }
}

#[test]
fn event_key_parses_back() {
    assert_eq!(read_event(event(u64::MAX).as_slice()), Some(u64::MAX));
}

#[test]
fn index_entry_with_oversized_position_is_rejected() {
    let in_row = |row| LAYOUT.entry(&entry(Index::All, at(1), 0), row);
    in_row(ROW_MAX).unwrap();
    in_row(ROW_MAX + 1).unwrap_err();
    let entry_of = |index, sub| LAYOUT.entry(&entry(index, at(1), sub), 1);
    entry_of(Index::Due, 65535).unwrap();
    entry_of(Index::Due, 65536).unwrap_err();
    entry_of(Index::All, 1).unwrap_err();
}

#[test]
fn index_hash_depends_on_text_boundaries() {
    let key = |index| LAYOUT.entry(&entry(index, at(1), 0), 1).unwrap().1;
    assert_ne!(key(transaction("wxa", "bc")), key(transaction("wxab", "c")));
}

#[test]
fn index_hash_is_stable_and_differs_by_store() {
    let index = transaction("wechat", "4200001");
    let key = |layout: KeyEncoder| layout.entry(&entry(index.clone(), at(0), 0), 0).unwrap().1;
    let hash = |layout| key(layout).as_slice()[..8].to_vec();
    assert_eq!(hash(LAYOUT), HASH_OF_4200001);
    assert_ne!(hash(LAYOUT), hash(KeyEncoder::new([8; 16])));
}

/// Expected hash, computed with another implementation of SipHash-1-3.
const HASH_OF_4200001: [u8; 8] = [108, 212, 59, 185, 152, 153, 52, 107];

#[test]
fn read_position_rejects_keys_of_wrong_length() {
    for table in Table::INDEXES {
        for len in 0..LEN_MAX {
            let read = read_position(table, &[0; LEN_MAX][..len]);
            let sub_len = if has_sub(table) { SUB_LEN } else { 0 };
            let expected = prefix_len(table) + TIME_LEN + ROW_LEN + sub_len;
            assert_eq!(read.is_some(), len == expected, "{table:?} {len}");
        }
    }
    assert_eq!(read_position(Table::All, &[255; 12]), None);
}
