//! The identity file of a store: 72 bytes that never change.
//!
//! The creation of a store writes this file last. A directory with an identity file thus holds a
//! complete store. Every format ends with a checksum, so that a newer format can be distinguished
//! from a corrupt file.

use crate::engine::Identity;
use crate::error::StorageError;

const MAGIC: &[u8; 8] = b"ordstore";
const CHECKSUM_LEN: usize = 4;

/// Format version of the store. It covers the directory and everything in it.
pub(crate) const FORMAT: u32 = 1;

/// Maximum number of bytes that are read from an identity file.
pub(crate) const LEN_MAX: u64 = 4096;

/// Contents of the identity file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreHeader {
    pub(crate) identity: Identity,
    /// Random key of the hashes in index entries. The key never changes.
    pub(crate) hash_key: [u8; 16],
}

impl std::fmt::Debug for StoreHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreHeader").finish_non_exhaustive()
    }
}

/// Result of reading an identity file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A header in the format that this version writes.
    Known(StoreHeader),
    /// A valid file in a newer format, with the version of that format.
    Newer(u32),
    /// A corrupt file, with the reason.
    Corrupt(&'static str),
}

impl StoreHeader {
    /// Creates the header of a new store, with random keys.
    pub(crate) fn random() -> Result<Self, StorageError> {
        let mut hash_key = [0; 16];
        getrandom::fill(&mut hash_key)
            .map_err(|error| StorageError::from(std::io::Error::from(error)))?;
        Ok(Self {
            identity: Identity::draw()?,
            hash_key,
        })
    }

    /// Creates the header of a store that continues with the orders of this header's store. Its
    /// incarnation is new, so that feed cursors of the two stores can be distinguished.
    pub(crate) fn successor(self) -> Result<Self, StorageError> {
        Ok(self.with_incarnation(Identity::draw()?.incarnation))
    }

    /// Returns the header of another incarnation of this header's store.
    pub(crate) const fn with_incarnation(self, incarnation: u64) -> Self {
        let identity = Identity {
            incarnation,
            ..self.identity
        };
        Self { identity, ..self }
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(72);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.identity.store_id);
        bytes.extend_from_slice(&self.identity.incarnation.to_le_bytes());
        bytes.extend_from_slice(&self.identity.number_key);
        bytes.extend_from_slice(&self.hash_key);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(crate) fn read(bytes: &[u8]) -> Read {
        let Some((body, checksum)) = bytes.split_last_chunk::<CHECKSUM_LEN>() else {
            return Read::Corrupt("the identity file is too short");
        };
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Read::Corrupt("the identity file does not match its checksum");
        }
        let Some(rest) = body.strip_prefix(MAGIC) else {
            return Read::Corrupt("the identity file does not begin with `ordstore`");
        };
        match rest.split_first_chunk::<4>() {
            Some((format, rest)) => Self::read_format(u32::from_le_bytes(*format), rest),
            None => Read::Corrupt("the identity file is too short"),
        }
    }

    fn read_format(format: u32, rest: &[u8]) -> Read {
        if format > FORMAT {
            return Read::Newer(format);
        }
        if format != FORMAT {
            return Read::Corrupt("the identity file has an invalid format version");
        }
        let known = Self::read_fields(rest);
        known.map_or(
            Read::Corrupt("the identity file does not have the length of its format"),
            Read::Known,
        )
    }

    fn read_fields(rest: &[u8]) -> Option<Self> {
        let (store_id, rest) = rest.split_first_chunk::<16>()?;
        let (incarnation, rest) = rest.split_first_chunk::<8>()?;
        let (number_key, rest) = rest.split_first_chunk::<16>()?;
        let (hash_key, rest) = rest.split_first_chunk::<16>()?;
        let identity = Identity {
            store_id: *store_id,
            incarnation: u64::from_le_bytes(*incarnation),
            number_key: *number_key,
        };
        let hash_key = *hash_key;
        rest.is_empty().then_some(Self { identity, hash_key })
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::local::admin::header::*;

    #[test]
    fn identity_file_read_detects_every_flipped_bit() {
        let header = StoreHeader::random().unwrap();
        let bytes = header.to_bytes();
        assert_eq!(StoreHeader::read(&bytes), Read::Known(header));
        for at in 0..bytes.len() {
            let mut corrupt = bytes.clone();
            corrupt[at] ^= 1;
            assert!(
                matches!(StoreHeader::read(&corrupt), Read::Corrupt(_)),
                "{at}"
            );
            assert!(matches!(StoreHeader::read(&bytes[..at]), Read::Corrupt(_)));
        }
    }

    #[test]
    fn identity_file_of_newer_format_is_not_corrupt() {
        let mut bytes = StoreHeader::random().unwrap().to_bytes();
        bytes.truncate(bytes.len() - CHECKSUM_LEN);
        bytes[8] = 9;
        bytes.extend_from_slice(b"more than there is today");
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        assert_eq!(StoreHeader::read(&bytes), Read::Newer(9));
    }
}
