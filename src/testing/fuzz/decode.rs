//! Fuzz target: decoding of arbitrary bytes as stored values.

use std::time::Duration;

use super::Bytes;
use super::commands::any_command;
use crate::contract::Counts;
use crate::engine::corrupt_payloads;
use crate::order::{Command, CommandKind, Record};
use crate::rules::{evolve, index_entries, unique_keys};
use crate::testing::model::Model;
use crate::testing::{SeededRng, check_decision, fixtures};
use crate::verify::VerifyReport;

/// Number of input bytes that choose the commands for a decoded record.
const CHOICES: usize = 32;

/// Decodes bytes as a stored value, either unchanged or with a matching checksum.
///
/// Checks that a decoded value is the same after encoding and decoding it again. Checks that index
/// entries, counts, `Debug` output, verification and two chosen commands do not panic.
///
/// # Panics
/// If a check fails.
pub fn decode_record(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    match bytes.below(4) {
        0 => {
            let len = bytes.below(40);
            let key = bytes.take(len);
            corrupt_payloads::read_as_anything(key, bytes.rest());
        }
        1 => {
            if let Some([event, again]) =
                corrupt_payloads::event(fixtures::order_no(1), bytes.rest())
            {
                assert_eq!(event, again);
                let record = evolve(None, &event);
                let _ = evolve(Some(record.clone()), &event);
                use_record(&record, &[]);
            }
        }
        _ => {
            let mut chosen = Bytes::new(bytes.take(CHOICES));
            let commands: Vec<_> = (0..2).map(|_| any_command(&mut chosen)).collect();
            if let Some([record, again]) = corrupt_payloads::record(bytes.rest()) {
                assert_eq!(record, again);
                use_record(&record, &commands);
            }
        }
    }
}

/// Derives list entries, counts and `Debug` output from a decoded record, verifies it, and decides
/// commands on it.
fn use_record(record: &Record, commands: &[Command]) {
    let _ = (index_entries(record), unique_keys(record).count());
    let _ = Counts::default().after(Some(record), record);
    let _ = format!("{record:?}");
    VerifyReport::default().check_record(record, &[]);
    for command in commands {
        let kind = match command.kind.clone() {
            CommandKind::Import {
                mut order,
                conflict,
            } => {
                order.no = record.no();
                CommandKind::Import { order, conflict }
            }
            kind => kind,
        };
        check_decision(record, kind, fixtures::now());
    }
}

/// Returns seed inputs for the fuzzer: valid stored values of every kind.
#[must_use]
pub fn decode_record_seeds() -> Vec<Vec<u8>> {
    let mut rng = SeededRng::new(1);
    let mut model = Model::default();
    let mut seeds = Vec::new();
    let mut kinds = Vec::new();
    for step in 0..6000 {
        // Start again with an empty model, because after about 100 commands the records are full
        // and produce no new kinds of events.
        if step % 100 == 0 {
            model = Model::default();
        }
        let chosen: Vec<u8> = (0..100).map(|_| rng.next().to_le_bytes()[0]).collect();
        let before = model.feed().len();
        let command = any_command(&mut Bytes::new(&chosen));
        let later = Duration::from_secs(61 * (step % 100));
        let _ = model.run(fixtures::now().saturating_add(later), &command);
        for event in &model.feed()[before..] {
            let mut record = model.order(event.no).map(Record::Order);
            record = record.or_else(|| Some(evolve(None, event)));
            // Keep the first event of each kind, and the record after this event.
            let kind = std::mem::discriminant(&event.what);
            if !kinds.contains(&kind) {
                kinds.push(kind);
                seeds.push(with_head(
                    1,
                    0,
                    corrupt_payloads::payload_of_event(event).unwrap(),
                ));
                let payload = corrupt_payloads::payload_of(&record.unwrap()).unwrap();
                seeds.push(with_head(2, CHOICES, payload));
            }
        }
    }
    seeds
}

fn with_head(kind: u8, choices: usize, payload: Vec<u8>) -> Vec<u8> {
    let choices = vec![0; choices];
    [vec![kind], choices, payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decode_seeds_are_valid_stored_values() {
        let seeds = decode_record_seeds();
        let read = |seed: &Vec<u8>| match seed[0] {
            1 => corrupt_payloads::event(fixtures::order_no(1), &seed[1..]).is_some(),
            _ => corrupt_payloads::record(&seed[1 + CHOICES..]).is_some(),
        };
        // One event of each of the 19 kinds, and one record for each.
        assert_eq!(seeds.len(), 2 * 19);
        assert!(seeds.iter().all(read));
    }
}
