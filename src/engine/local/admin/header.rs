//! The identity file: who the store is, in 72 bytes that never change.
//!
//! It is written last when a store is made, so that where it is, everything is. Its
//! checksum stands at its end in every format, so that a newer format is told from damage.

use crate::engine::Identity;
use crate::error::StorageError;

const MAGIC: &[u8; 8] = b"ordstore";
const CHECKSUM_LEN: usize = 4;

/// The store's format; it covers the directory and everything in it.
pub(in crate::engine::local) const FORMAT: u32 = 1;

/// The longest identity file that is looked at.
pub(in crate::engine::local) const LEN_MAX: u64 = 4096;

/// What the identity file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::local) struct StoreHeader {
    pub(in crate::engine::local) identity: Identity,
    /// Keys the hashes of index entries. Drawn once, kept for ever.
    pub(in crate::engine::local) hash_key: [u8; 16],
}

impl std::fmt::Debug for StoreHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passport").finish_non_exhaustive()
    }
}

/// What an identity file turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine::local) enum Read {
    Known(StoreHeader),
    Newer(u32),
    Damaged(&'static str),
}

impl StoreHeader {
    /// A new store's.
    pub(in crate::engine::local) fn draw() -> Result<Self, StorageError> {
        let mut hash_key = [0; 16];
        getrandom::fill(&mut hash_key)
            .map_err(|error| StorageError::from(std::io::Error::from(error)))?;
        Ok(Self {
            identity: Identity::draw()?,
            hash_key,
        })
    }

    /// Of a store that goes on with the orders of this one: cursors of its feed are told
    /// from those of this one.
    pub(in crate::engine::local) fn successor(self) -> Result<Self, StorageError> {
        let incarnation = Identity::draw()?.incarnation;
        let identity = Identity {
            incarnation,
            ..self.identity
        };
        Ok(Self { identity, ..self })
    }

    pub(in crate::engine::local) fn to_bytes(self) -> Vec<u8> {
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

    pub(in crate::engine::local) fn read(bytes: &[u8]) -> Read {
        let Some((body, checksum)) = bytes.split_last_chunk::<CHECKSUM_LEN>() else {
            return Read::Damaged("the identity file is too short");
        };
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Read::Damaged("the identity file's checksum does not fit");
        }
        let Some(rest) = body.strip_prefix(MAGIC) else {
            return Read::Damaged("the identity file does not begin as one");
        };
        match rest.split_first_chunk::<4>() {
            Some((format, rest)) => Self::read_format(u32::from_le_bytes(*format), rest),
            None => Read::Damaged("the identity file is too short"),
        }
    }

    fn read_format(format: u32, rest: &[u8]) -> Read {
        if format > FORMAT {
            return Read::Newer(format);
        }
        if format != FORMAT {
            return Read::Damaged("the identity file names a format that never was");
        }
        let known = Self::read_fields(rest);
        known.map_or(
            Read::Damaged("the identity file has another length"),
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
    fn an_identity_comes_back_and_no_damage_to_it_goes_unseen() {
        let passport = StoreHeader::draw().unwrap();
        let bytes = passport.to_bytes();
        assert_eq!(StoreHeader::read(&bytes), Read::Known(passport));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(
                matches!(StoreHeader::read(&damaged), Read::Damaged(_)),
                "{at}"
            );
            assert!(matches!(StoreHeader::read(&bytes[..at]), Read::Damaged(_)));
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut bytes = StoreHeader::draw().unwrap().to_bytes();
        bytes.truncate(bytes.len() - CHECKSUM_LEN);
        bytes[8] = 9;
        bytes.extend_from_slice(b"more than there is today");
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        assert_eq!(StoreHeader::read(&bytes), Read::Newer(9));
    }
}
