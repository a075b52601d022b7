//! The file `mirror` of a mirrored store: which directories hold every acknowledged write.
//!
//! ```text
//!  0  magic "ordmirr1"
//!  8  generation        u64
//! 16  members           u8   1: both, 2: both are required, 3: this directory alone,
//!                            4: this directory is being accepted alone
//! 17  superseded incarnation  u64, 0: none
//! 25  superseded generation   u64
//! 33  checksum of bytes 0 to 32  u32
//! ```
//! - Each directory has such a file. A store that was never mirrored has none.
//! - Before the store acknowledges a write that only one directory holds, this directory gets the
//!   next generation and the members `alone`. The other directory is then stale, and its lower
//!   generation shows that. The length of a journal decides nothing.

use std::io::ErrorKind;

use super::contents::{MIRROR, MIRROR_DRAFT};
use super::layout::Dir;
use crate::engine::local::disk;
use crate::engine::local::disk::remove;
use crate::error::StorageError;

const MAGIC: &[u8; 8] = b"ordmirr1";
const COVERED: usize = 33;

/// Directories that hold every acknowledged write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Members {
    /// Both directories. If one fails, the store goes on with the other.
    Both = 1,
    /// Both directories. The store acknowledges nothing that only one of them holds.
    BothRequired = 2,
    /// This directory alone.
    #[default]
    Alone = 3,
    /// An operator began to accept this directory alone. Only a repeated call can finish that.
    Accepting = 4,
}

impl Members {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Both),
            2 => Some(Self::BothRequired),
            3 => Some(Self::Alone),
            4 => Some(Self::Accepting),
            _ => None,
        }
    }
}

/// State of a directory of a mirrored store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MirrorState {
    /// Grows whenever the members change. The directory with the higher generation is newer.
    pub(crate) generation: u64,
    pub(crate) members: Members,
    /// State of this directory before an operator accepted it alone.
    pub(crate) superseded: Superseded,
}

/// State of a directory before an operator accepted it without the other one. The other directory is
/// stale if it has this incarnation and at most this generation. Zeros: it was never accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Superseded {
    pub(crate) incarnation: u64,
    pub(crate) generation: u64,
}

impl MirrorState {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.push(self.members as u8);
        bytes.extend_from_slice(&self.superseded.incarnation.to_le_bytes());
        bytes.extend_from_slice(&self.superseded.generation.to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (covered, sum) = bytes.split_at_checked(COVERED)?;
        let (generation, rest) = covered.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
        let (rest, superseded) = rest.split_last_chunk::<8>()?;
        let (members, incarnation) = rest.split_last_chunk::<8>()?;
        let is_valid = crc32fast::hash(covered).to_le_bytes() == *sum;
        let [members] = members else { return None };
        let members = Members::of(*members)?;
        let generation = u64::from_le_bytes(*generation);
        is_valid.then_some(Self {
            generation,
            members,
            superseded: Superseded {
                incarnation: u64::from_le_bytes(*incarnation),
                generation: u64::from_le_bytes(*superseded),
            },
        })
    }
}

impl Dir {
    /// Reads the state of the mirror. `None` if the store was never mirrored.
    pub(crate) fn mirror_state(&self) -> Result<Option<MirrorState>, StorageError> {
        let path = self.path().join(MIRROR);
        let bytes = match disk::read(&**self.disk(), &path, 4096) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let why = "the file `mirror` is corrupt, so nobody knows whether this directory holds every \
                   write; open the other directory, or, if that one is lost, accept this one with \
                   `orderstore mirror accept`";
        let state = MirrorState::read(&bytes);
        state.map(Some).ok_or_else(|| StorageError::corrupted(why))
    }

    /// Replaces the state of the mirror. The new state is durable on return.
    pub(crate) fn write_mirror_state(&self, state: MirrorState) -> Result<(), StorageError> {
        self.replace(MIRROR, MIRROR_DRAFT, &state.to_bytes())
    }

    /// Replaces a small file. The new contents are durable on return. `draft` is the name of the file
    /// while it is written.
    pub(super) fn replace(
        &self,
        name: &str,
        draft: &str,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        let disk = &**self.disk();
        let draft = self.path().join(draft);
        remove(disk, &draft)?;
        let file = disk.create(&draft)?;
        file.write_at(0, bytes)?;
        file.sync()?;
        drop(file);
        disk.rename(&draft, &self.path().join(name))?;
        Ok(disk.sync_dir(self.path())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirror_state_read_detects_every_flipped_bit() {
        for members in [1, 2, 3, 4] {
            let members = Members::of(members).unwrap();
            let state = MirrorState {
                generation: 7,
                members,
                superseded: Superseded {
                    incarnation: 5,
                    generation: 6,
                },
            };
            let bytes = state.to_bytes();
            assert_eq!(MirrorState::read(&bytes), Some(state));
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut corrupt = bytes.clone();
                    corrupt[at] ^= 1 << bit;
                    assert_eq!(MirrorState::read(&corrupt), None, "{at}");
                }
                assert_eq!(MirrorState::read(&bytes[..at]), None, "{at}");
            }
        }
    }
}
