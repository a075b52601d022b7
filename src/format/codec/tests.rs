//! Tests of the encoding: written values read back, and corrupt bytes are rejected.

use super::*;
use crate::contract::StoredRecord;
use crate::order::{EventKind, Record};
use crate::rules::Policy;
use crate::testing::fixtures::order_no as no;
use crate::testing::{Oracle, fixtures};

/// A paid order with a second payment, and a record of two unclaimed payments.
fn records() -> Vec<StoredRecord> {
    let mut oracle = Oracle::at(fixtures::now(), Policy::default());
    let pay = |n, transaction| fixtures::confirm(n, fixtures::payment(transaction, 100));
    let new = fixtures::new(100).openid(fixtures::openid(1));
    let created = fixtures::create(1, new.reference(fixtures::reference(1)));
    for command in [created, pay(1, 1), pay(1, 2), pay(2, 3), pay(2, 4)] {
        oracle.run(command.no, command.kind);
    }
    let held = |record: &Record| StoredRecord {
        record: record.clone(),
        row: 7,
        last_seq: 9,
    };
    oracle.records.values().map(held).collect()
}

fn bytes_of(key: &KeyBytes, held: &StoredRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    record(&mut bytes, key, held).unwrap();
    bytes
}

#[test]
fn record_reads_back_unchanged() {
    for held in records() {
        let key = keys::order(&held.record.no());
        let bytes = bytes_of(&key, &held);
        assert_eq!(read_record(key.as_slice(), &bytes).unwrap(), held);
    }
}

#[test]
fn record_with_any_flipped_bit_is_rejected() {
    for held in records() {
        let key = keys::order(&held.record.no());
        let bytes = bytes_of(&key, &held);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut corrupted = bytes.clone();
                corrupted[at] ^= 1 << bit;
                let error = read_record(key.as_slice(), &corrupted).unwrap_err();
                assert_eq!(error.kind(), StorageErrorKind::Corrupted);
            }
            read_record(key.as_slice(), &bytes[..at]).unwrap_err();
        }
        let longer = [&bytes[..], &[0]].concat();
        read_record(key.as_slice(), &longer).unwrap_err();
    }
}

#[test]
fn value_under_wrong_key_or_table_is_rejected() {
    let key = keys::event(1);
    let bytes = encoded(Table::Events, &key, &5_u64).unwrap();
    assert_eq!(
        decode::<u64>(Table::Events, key.as_slice(), &bytes).unwrap(),
        5
    );
    let other = keys::event(2);
    decode::<u64>(Table::Events, other.as_slice(), &bytes).unwrap_err();
    decode::<u64>(Table::Meta, key.as_slice(), &bytes).unwrap_err();
}

#[test]
fn record_under_wrong_number_is_rejected_despite_valid_checksum() {
    let key = keys::order(&no(2));
    let bytes = bytes_of(&key, &records()[0]);
    read_record(key.as_slice(), &bytes).unwrap_err();
}

#[test]
fn decode_rejects_bytes_after_value() {
    let key = keys::event(1);
    let bytes = encoded(Table::Events, &key, &[5_u64, 6_u64]).unwrap();
    let error = read::<u64>(Table::Events, key.as_slice(), &bytes).unwrap_err();
    assert_eq!(error, CorruptionKind::Trailing);
}

#[test]
fn event_and_its_origin_read_back_unchanged() {
    let first = EventLink::First(no(3));
    let later = EventLink::Later {
        row: 5,
        previous: 8,
    };
    for (origin, version) in [(first, 1), (later, 2)] {
        let (no, at, what) = (no(3), fixtures::now(), EventKind::Closed);
        let written = Event {
            no,
            version,
            at,
            what,
        };
        let key = keys::event(9);
        let mut bytes = Vec::new();
        event(&mut bytes, &key, origin, &written).unwrap();
        let read = read_event(key.as_slice(), &bytes).unwrap();
        assert_eq!(read.origin, origin);
        assert_eq!(read.of(no), written);
        assert_eq!(read_origin(key.as_slice(), &bytes).unwrap(), origin);
        bytes[8] ^= 1;
        read_origin(key.as_slice(), &bytes).unwrap_err();
    }
}

#[test]
fn decode_error_names_unknown_format() {
    let key = keys::order(&no(1));
    let mut bytes = bytes_of(&key, &records()[0]);
    bytes[0] = 2;
    let error = read_record(key.as_slice(), &bytes).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    let place = "table orders, order ORDER-00000001";
    assert_eq!(
        source,
        format!("{place}: value has format 2; this version reads 1")
    );
}

#[test]
fn corruption_error_names_event() {
    let key = keys::event(42);
    let error = damaged(Table::Events, key.as_slice(), CorruptionKind::Checksum);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "table events, event 42: checksum mismatch");
}

#[test]
fn corruption_error_contains_no_personal_data() {
    for table in Table::ALL {
        let error = damaged(table, b"a-customer-of-ours", CorruptionKind::Checksum);
        let source = std::error::Error::source(&error).unwrap().to_string();
        let is_public = matches!(table, Table::Orders | Table::Meta);
        assert!(is_public || !source.contains("customer"), "{source}");
    }
}

#[test]
fn largest_written_value_reads_back() {
    let key = keys::event(1);
    let values = vec![1_u64; PAYLOAD_MAX - 16];
    let bytes = encoded(Table::Events, &key, &values).unwrap();
    let read: Vec<u64> = decode(Table::Events, key.as_slice(), &bytes).unwrap();
    assert_eq!(read, values);
    let error = encoded(Table::Events, &key, &vec![1_u64; PAYLOAD_MAX]).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::TooLarge);
}

#[test]
fn decode_rejects_length_beyond_value_without_allocation() {
    let key = keys::event(1);
    let mut bytes = vec![FORMAT, 253];
    bytes.extend_from_slice(&u64::MAX.to_le_bytes());
    let sum = checksum(Table::Events, key.as_slice(), &bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    let list = read::<Vec<u64>>(Table::Events, key.as_slice(), &bytes);
    assert_eq!(list.unwrap_err(), CorruptionKind::Undecodable);
    let text = read::<crate::types::Metadata>(Table::Events, key.as_slice(), &bytes);
    assert_eq!(text.unwrap_err(), CorruptionKind::Undecodable);
}

/// Checks one event of each kind and its record, truncated and changed at every byte.
#[cfg(feature = "testing")]
#[test]
fn decoded_value_survives_encoding_and_decoding() {
    for seed in crate::testing::fuzz::decode_record_seeds() {
        check_payload(&seed);
        // In the seed of a record, one byte for the kind and 32 bytes of fuzzer choices precede the
        // payload. In the seed of an event, only the byte for the kind precedes it.
        let payload = &seed[if seed[0] == 1 { 1 } else { 33 }..];
        check_payload(payload);
        for at in 0..payload.len() {
            check_payload(&payload[..at]);
            for byte in [0, 1, 2, 0x80, 250, 251, 252, 253, 254, 255] {
                let mut changed = payload.to_vec();
                changed[at] = byte;
                check_payload(&changed);
            }
        }
    }
}

#[test]
fn counters_and_identity_read_back_unchanged() {
    let mut written = State::NEW;
    written.counts.by_status = [1, 2, 3, 4, 5, u64::MAX];
    written.counter = 9;
    let key = keys::meta(keys::STATE);
    let mut bytes = Vec::new();
    state(&mut bytes, &key, &written).unwrap();
    assert_eq!(read_state(keys::STATE, &bytes).unwrap(), written);
    let written = StoreMark {
        store_id: [3; 16],
        incarnation: 5,
    };
    let key = keys::meta(keys::MARK);
    let bytes = mark(&key, written).unwrap();
    assert!(read_mark(keys::MARK, &bytes).unwrap() == written);
    let written = vec![Ancestor {
        incarnation: u64::MAX,
        last_seq: 300,
    }];
    let key = keys::meta(keys::ANCESTORS);
    let bytes = ancestors(&key, &written).unwrap();
    assert_eq!(read_ancestors(keys::ANCESTORS, &bytes).unwrap(), written);
}
