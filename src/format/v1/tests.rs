//! Stored bytes of each kind of value. Invalid bytes are rejected.

mod orders;
mod values;

use std::fmt::{Debug, Write as _};

use super::wire::{Stored, Undecodable, append, read_front};
use crate::types::{Fen, Timestamp};

fn bytes_of(value: &impl Stored) -> Vec<u8> {
    let mut bytes = Vec::new();
    append(&mut bytes, |to| value.encode(to)).unwrap();
    bytes
}

/// Checks the bytes of a value, in hexadecimal, and that they decode to the value.
#[track_caller]
fn stored_as<T: Stored + PartialEq + Debug>(value: &T, expected: &str) {
    let bytes = bytes_of(value);
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    assert_eq!(hex, expected.replace([' ', '\n'], ""));
    let (read, is_whole) = read_front::<T>(&bytes).unwrap();
    assert_eq!((&read, is_whole), (value, true));
    for end in 0..bytes.len() {
        refused::<T>(&bytes[..end]);
    }
}

#[track_caller]
fn refused<T: Stored + Debug>(bytes: &[u8]) {
    assert_eq!(
        read_front::<T>(bytes).map(drop),
        Err(Undecodable),
        "{bytes:02x?}"
    );
}

/// Checks that a type rejects the stored form of this text.
#[track_caller]
fn text_refused<T: Stored + Debug>(text: &str) {
    let [low, high] = u16::try_from(text.len()).unwrap().to_le_bytes();
    refused::<T>(&[&[251, low, high], text.as_bytes()].concat());
}

fn text<T>(text: &str) -> T
where
    T: for<'a> TryFrom<&'a str, Error: Debug>,
{
    T::try_from(text).unwrap()
}

fn fen(amount: u64) -> Fen {
    Fen::new(amount).unwrap()
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}
