//! Numbers in the objects of an archive, little-endian.

use crate::archive::corrupt;
use crate::engine::local::journal::segment::End;
use crate::error::StorageError;
use crate::types::Timestamp;

/// Reads the fields of an object in their order.
pub(super) struct Fields<'a> {
    name: &'a str,
    pub(super) rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn of(name: &'a str, rest: &'a [u8]) -> Self {
        Self { name, rest }
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], StorageError> {
        let split = self.rest.split_first_chunk();
        let (bytes, rest) = split.ok_or_else(|| corrupt(self.name, "it is too short"))?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, StorageError> {
        self.bytes().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, StorageError> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, StorageError> {
        self.bytes().map(u64::from_le_bytes)
    }

    pub(super) fn end(&mut self) -> Result<End, StorageError> {
        Ok(End {
            lsn: self.u64()?,
            checksum: self.u32()?,
        })
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, StorageError> {
        let millis = i64::from_le_bytes(self.bytes()?);
        Timestamp::from_millis(millis).map_err(|_| corrupt(self.name, "it has an invalid time"))
    }
}

pub(super) fn put_end(out: &mut Vec<u8>, end: End) {
    out.extend_from_slice(&end.lsn.to_le_bytes());
    out.extend_from_slice(&end.checksum.to_le_bytes());
}

pub(super) fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&time.as_millis().to_le_bytes());
}
