//! The file `archive` of a store with an archive.
//!
//! ```text
//!  0  magic "ordshipd"
//!  8  epoch           u64  newest epoch that this store has begun
//! 16  tokens  16 bytes each  tokens with which this store claimed epochs or tries to
//!     checksum of all bytes before  u32
//! ```
//! A token is in the file before the store claims an epoch with it. So a crash after the claim, or a
//! claim that arrives late, does not make the store a stranger in its own archive.

use std::io::ErrorKind;

use super::contents::{ARCHIVE, ARCHIVE_DRAFT};
use super::layout::Dir;
use crate::engine::local::disk;
use crate::error::StorageError;

const MAGIC: &[u8; 8] = b"ordshipd";

/// Maximum length of the file, in bytes.
const LEN_MAX: u64 = 64 << 10;

/// Maximum number of tokens. A store draws one for each attempt to claim the next epoch.
const TOKENS_MAX: usize = 1024;

/// Token that tells the claims of two writers apart.
pub(crate) type Token = [u8; 16];

/// Contents of the file `archive`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ArchiveState {
    /// Newest epoch that this store has begun; 0 if there is none.
    pub(crate) epoch: u64,
    /// Tokens of this store: the one of its newest epoch, then those for the next one.
    pub(crate) tokens: Vec<Token>,
}

impl ArchiveState {
    /// State that the directories of a store hold together. `None` if the store never had an archive.
    /// Fails only if no directory has a state that can be read, and one is corrupt.
    pub(crate) fn of<'a>(
        dirs: impl Iterator<Item = &'a Dir>,
    ) -> Result<Option<Self>, StorageError> {
        let states: Vec<_> = dirs.map(Dir::archive_state).collect();
        let found = || states.iter().flatten().flatten();
        let Some(epoch) = found().map(|state| state.epoch).max() else {
            return states.into_iter().find(Result::is_err).unwrap_or(Ok(None));
        };
        // A token may be in one directory only, if the other one failed.
        let mut tokens: Vec<Token> = Vec::new();
        for token in found().flat_map(|state| &state.tokens) {
            if !tokens.contains(token) {
                tokens.push(*token);
            }
        }
        Ok(Some(Self { epoch, tokens }))
    }

    /// Adds the token of a new attempt.
    pub(crate) fn add(&mut self, token: Token) {
        // The first token is that of the store's own epoch. Of the others, drop the oldest one: a claim
        // that failed so many attempts ago does not arrive any more.
        if self.tokens.len() >= TOKENS_MAX {
            self.tokens.remove(1);
        }
        self.tokens.push(token);
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.tokens.concat());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (covered, sum) = bytes.split_last_chunk::<4>()?;
        let (epoch, tokens) = covered.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
        let is_valid = crc32fast::hash(covered).to_le_bytes() == *sum;
        let (tokens, rest) = tokens.as_chunks::<16>();
        (is_valid && rest.is_empty()).then(|| Self {
            epoch: u64::from_le_bytes(*epoch),
            tokens: tokens.to_vec(),
        })
    }
}

impl Dir {
    /// Reads the state of the archive. `None` if the store never had one.
    pub(crate) fn archive_state(&self) -> Result<Option<ArchiveState>, StorageError> {
        let path = self.path().join(ARCHIVE);
        let bytes = match disk::read(&**self.disk(), &path, LEN_MAX) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let state = ArchiveState::read(&bytes);
        state.map(Some).ok_or_else(|| {
            let why = format!(
                "{} is corrupt, so nobody knows whether this store may write to its archive; remove \
                 the file, and open the store with a new, empty archive",
                self.given_path.join(ARCHIVE).display()
            );
            StorageError::corrupted(why)
        })
    }

    /// Replaces the state of the archive. The new state is durable on return.
    pub(crate) fn write_archive_state(&self, state: &ArchiveState) -> Result<(), StorageError> {
        self.replace(ARCHIVE, ARCHIVE_DRAFT, &state.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_state_read_detects_every_flipped_bit() {
        let state = ArchiveState {
            epoch: 7,
            tokens: vec![[3; 16], [4; 16]],
        };
        let bytes = state.to_bytes();
        assert_eq!(ArchiveState::read(&bytes), Some(state.clone()));
        for at in 0..bytes.len() {
            let mut corrupt = bytes.clone();
            corrupt[at] ^= 1;
            assert_eq!(ArchiveState::read(&corrupt), None, "{at}");
            assert_eq!(ArchiveState::read(&bytes[..at]), None, "{at}");
        }
    }
}
