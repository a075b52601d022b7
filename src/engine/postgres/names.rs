//! Names of lists and keys in the database tables, and the encoding of list positions.

use crate::contract::Position;
use crate::error::{StorageError, StorageErrorKind};
use crate::rules::{Index, UniqueKey};
use crate::types::Timestamp;

/// Separator between the parts of a list name. No part contains a space.
const GAP: char = ' ';

pub(super) fn list(index: &Index) -> String {
    match index {
        Index::All => "all".to_owned(),
        Index::OpenId(openid) => format!("user{GAP}{}", openid.as_str()),
        Index::Status(status) => format!("status{GAP}{}", status.code()),
        Index::Transaction(channel, id) => {
            format!("transaction{GAP}{}{GAP}{}", channel.as_str(), id.as_str())
        }
        Index::RefundNo(channel, no) => {
            format!("refund{GAP}{}{GAP}{}", channel.as_str(), no.as_str())
        }
        Index::Reference(reference) => format!("reference{GAP}{}", reference.as_str()),
        Index::Anomalies => "anomalies".to_owned(),
        Index::Refunded => "refunded".to_owned(),
        Index::ClosedRefunds => "closedRefunds".to_owned(),
        Index::Returned => "returned".to_owned(),
        Index::Due => "due".to_owned(),
    }
}

/// Returns the name of a key. It is the name of the list of all records that contain the key.
pub(super) fn key(key: &UniqueKey) -> String {
    list(&key.index())
}

/// Encodes a list position as time, row number and entry number, big-endian. The bytes sort like
/// the positions, because no time is negative.
pub(super) fn place(time: Timestamp, row: u64, sub: u32) -> Vec<u8> {
    let time = time.as_millis().to_be_bytes();
    [&time[..], &row.to_be_bytes(), &sub.to_be_bytes()].concat()
}

/// Decodes a list position.
pub(super) fn read_place(bytes: &[u8]) -> Option<Position> {
    let (time, rest) = bytes.split_first_chunk()?;
    let (row, sub) = rest.split_first_chunk()?;
    Some(Position {
        time: Timestamp::from_millis(i64::from_be_bytes(*time)).ok()?,
        row: u64::from_be_bytes(*row),
        sub: u32::from_be_bytes(sub.try_into().ok()?),
    })
}

/// Converts a number to PostgreSQL's signed `bigint`.
pub(super) fn signed(number: u64) -> Result<i64, StorageError> {
    i64::try_from(number).map_err(|_| too_large(number))
}

/// Error for a number that its column cannot hold.
pub(super) fn too_large(number: u64) -> StorageError {
    let why = format!("{number} is larger than any integer of the database");
    StorageError::new(StorageErrorKind::TooLarge, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_positions_sort_and_decode() {
        let at = |millis| Timestamp::from_millis(millis).unwrap();
        let places = [(1, 0, 0), (1, 0, 9), (1, 256, 1), (255, 2, 0), (256, 1, 7)];
        let bytes = places.map(|(time, row, sub)| place(at(time), row, sub));
        assert!(bytes.is_sorted());
        for ((time, row, sub), bytes) in places.into_iter().zip(&bytes) {
            let time = at(time);
            assert_eq!(read_place(bytes), Some(Position { time, row, sub }));
        }
        assert_eq!(read_place(&bytes[0][1..]), None);
    }
}
