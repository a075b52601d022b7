//! What is written is read back, and nothing else is.

use super::*;
use crate::rules::Policy;
use crate::testing::fixtures::order_no as no;
use crate::testing::{Shop, fixtures};

/// A paid order with a second payment, and two payments without an order.
fn records() -> Vec<Held> {
    let mut shop = Shop::at(fixtures::now(), Policy::default());
    let pay = |n, transaction| fixtures::confirm(n, fixtures::payment(transaction, 100));
    let new = fixtures::new(100).openid(fixtures::openid(1));
    let created = fixtures::create(1, new.reference(fixtures::reference(1)));
    for command in [created, pay(1, 1), pay(1, 2), pay(2, 3), pay(2, 4)] {
        shop.ask(command.no, command.kind);
    }
    let held = |record: &Record| Held {
        stored: StoredRecord {
            record: record.clone(),
            row: 7,
        },
        last_seq: 9,
    };
    shop.records.values().map(held).collect()
}

fn bytes_of(key: &KeyBytes, held: &Held) -> Vec<u8> {
    let mut bytes = Vec::new();
    record(&mut bytes, key, held).unwrap();
    bytes
}

#[test]
fn a_record_comes_back_as_it_was() {
    for kept in records() {
        let key = keys::order(&kept.stored.record.no());
        let bytes = bytes_of(&key, &kept);
        assert_eq!(read_record(key.as_slice(), &bytes).unwrap(), kept);
    }
}

#[test]
fn no_byte_of_a_record_can_change_unseen() {
    for kept in records() {
        let key = keys::order(&kept.stored.record.no());
        let bytes = bytes_of(&key, &kept);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let error = read_record(key.as_slice(), &damaged).unwrap_err();
                assert_eq!(error.kind(), StorageErrorKind::Corrupted);
            }
            read_record(key.as_slice(), &bytes[..at]).unwrap_err();
        }
        let longer = [&bytes[..], &[0]].concat();
        read_record(key.as_slice(), &longer).unwrap_err();
    }
}

#[test]
fn a_value_under_another_key_or_in_another_table_is_damaged() {
    let key = keys::event(1);
    let bytes = encoded(Table::Events, &key, 5_u64).unwrap();
    assert_eq!(
        decode::<u64>(Table::Events, key.as_slice(), &bytes).unwrap(),
        5
    );
    let other = keys::event(2);
    decode::<u64>(Table::Events, other.as_slice(), &bytes).unwrap_err();
    decode::<u64>(Table::Meta, key.as_slice(), &bytes).unwrap_err();
}

#[test]
fn a_record_under_another_number_is_refused_even_with_a_checksum_that_fits() {
    let key = keys::order(&no(2));
    let bytes = bytes_of(&key, &records()[0]);
    read_record(key.as_slice(), &bytes).unwrap_err();
}

#[test]
fn what_follows_a_value_is_damage() {
    let key = keys::event(1);
    let bytes = encoded(Table::Events, &key, (5_u64, 6_u64)).unwrap();
    let error = read::<u64>(Table::Events, key.as_slice(), &bytes).unwrap_err();
    assert_eq!(error, DamageKind::Trailing);
}

#[test]
fn an_event_comes_back_and_tells_its_origin_alone() {
    let first = Origin::First(no(3));
    let later = Origin::Later {
        row: 5,
        previous: 8,
    };
    for (origin, version) in [(first, 1), (later, 2)] {
        let (no, at, what) = (no(3), fixtures::now(), EventKind::Closed);
        let kept = Event {
            no,
            version,
            at,
            what,
        };
        let key = keys::event(9);
        let mut bytes = Vec::new();
        event(&mut bytes, &key, origin, &kept).unwrap();
        let read = read_event(key.as_slice(), &bytes).unwrap();
        assert_eq!(read.origin, origin);
        assert_eq!(read.of(no), kept);
        assert_eq!(read_origin(key.as_slice(), &bytes).unwrap(), origin);
        bytes[8] ^= 1;
        read_origin(key.as_slice(), &bytes).unwrap_err();
    }
}

#[test]
fn an_unknown_format_is_named() {
    let key = keys::order(&no(1));
    let mut bytes = bytes_of(&key, &records()[0]);
    bytes[0] = 2;
    let error = read_record(key.as_slice(), &bytes).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    let place = "table orders, order ORDER-00000001";
    assert_eq!(
        source,
        format!("{place}: it has format 2; this version reads 1")
    );
}

#[test]
fn damage_says_which_event_it_is_in() {
    let key = keys::event(42);
    let error = damaged(Table::Events, key.as_slice(), DamageKind::Checksum);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "table events, event 42: its checksum does not fit");
}

#[test]
fn damage_names_no_person() {
    for table in Table::EVERY {
        let error = damaged(table, b"a-customer-of-ours", DamageKind::Checksum);
        let source = std::error::Error::source(&error).unwrap().to_string();
        let is_public = matches!(table, Table::Orders | Table::Meta);
        assert!(is_public || !source.contains("customer"), "{source}");
    }
}

#[test]
fn what_may_be_written_can_be_read() {
    let key = keys::event(1);
    let smallest = vec![1_u64; PAYLOAD_MAX - 16];
    let bytes = encoded(Table::Events, &key, &smallest).unwrap();
    let read: Vec<u64> = decode(Table::Events, key.as_slice(), &bytes).unwrap();
    assert_eq!(read, smallest);
    let error = encoded(Table::Events, &key, vec![1_u64; PAYLOAD_MAX]).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::TooLarge);
}

#[test]
fn a_length_beyond_the_value_is_damage_and_allocates_nothing() {
    let key = keys::event(1);
    let mut bytes = vec![FORMAT, 253];
    bytes.extend_from_slice(&u64::MAX.to_le_bytes());
    let sum = checksum(Table::Events, key.as_slice(), &bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    let list = read::<Vec<u64>>(Table::Events, key.as_slice(), &bytes);
    assert_eq!(list.unwrap_err(), DamageKind::Undecodable);
    let text = read::<crate::types::Metadata>(Table::Events, key.as_slice(), &bytes);
    assert_eq!(text.unwrap_err(), DamageKind::Undecodable);
}

/// Of every kind of event one and the record that it made; cut off, and changed, anywhere.
#[cfg(feature = "testing")]
#[test]
fn both_readers_say_the_same_of_whole_and_of_damaged_values() {
    for seed in crate::testing::fuzz::decode_record_seeds() {
        check_readers(&seed);
        // Before the payload of a record stand its kind and 32 choices of a fuzzer.
        let payload = &seed[if seed[0] == 1 { 1 } else { 33 }..];
        check_readers(payload);
        for at in 0..payload.len() {
            check_readers(&payload[..at]);
            for byte in [0, 1, 2, 0x80, 250, 251, 252, 253, 254, 255] {
                let mut changed = payload.to_vec();
                changed[at] = byte;
                check_readers(&changed);
            }
        }
    }
}

#[test]
fn counters_and_marks_come_back() {
    let mut kept = State::NEW;
    kept.counts.by_status = [1, 2, 3, 4, 5, u64::MAX];
    kept.counter = 9;
    let key = keys::meta(keys::STATE);
    let mut bytes = Vec::new();
    state(&mut bytes, &key, &kept).unwrap();
    assert_eq!(read_state(keys::STATE, &bytes).unwrap(), kept);
    let kept = Mark {
        store_id: [3; 16],
        incarnation: 5,
    };
    let key = keys::meta(keys::MARK);
    let bytes = mark(&key, kept).unwrap();
    assert!(read_mark(keys::MARK, &bytes).unwrap() == kept);
}
