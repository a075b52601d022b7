//! Frames of the journal. One sync makes one frame durable.
//!
//! Two checksums let a reader distinguish a valid frame from a torn write:
//! ```text
//!  0  magic "ojf1"            16  lsn                       u64
//!  4  kind                    24  checksum                  u32
//!  5  zero, 3 bytes           28  checksum of the head      u32
//!  8  length of payload u32   32  payload, then zeros up to a boundary of 64
//! 12  previous checksum u32
//! ```
//! - Integers are little-endian. `lsn` is the log sequence number (LSN) of the frame.
//! - The segment's salt is the first input of both checksums. Bytes of another segment are
//!   therefore never a valid frame, and a customer cannot forge a frame in a stored text.
//! - The head has its own checksum, so that the reader can trust the length before it uses it.
//! - A frame holds the checksum of the previous frame. This chain reveals missing frames.

use crc32fast::Hasher;

use super::segment::End;
use crate::error::{StorageError, StorageErrorKind};
use crate::number::usize_of;

/// Alignment of frames: every frame starts at a multiple of 64 bytes.
pub(crate) const BOUNDARY: usize = 64;

/// Maximum length of a frame in bytes, with its head.
pub(crate) const FRAME_MAX: usize = 4 << 20;

/// Length of a frame's head in bytes.
pub(crate) const HEAD_LEN: usize = 32;

const MAGIC: &[u8; 4] = b"ojf1";

/// Kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Frame with changes of tables.
    Writes = 1,
    /// End of a segment that has a successor. A seal repeats the LSN of the frame before it.
    Sealed = 2,
    /// Mark after a short time without writes. It proves that the previous frame was complete.
    Idle = 3,
    /// Mark that the store was closed cleanly.
    Closed = 4,
}

impl Kind {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Writes),
            2 => Some(Self::Sealed),
            3 => Some(Self::Idle),
            4 => Some(Self::Closed),
            _ => None,
        }
    }
}

/// Head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) lsn: u64,
    /// Checksum of the frame before this one.
    pub(crate) previous: u32,
}

/// A valid frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) head: Head,
    pub(crate) checksum: u32,
    pub(crate) payload: &'a [u8],
    /// Length in bytes, with the zeros up to the next boundary.
    pub(crate) len: usize,
}

impl Frame<'_> {
    /// End of the journal after this frame. `None` if the frame does not follow `before`.
    pub(crate) fn end_after(&self, before: End) -> Result<Option<End>, StorageError> {
        let is_next = self.head.lsn == before.next_lsn()? && self.head.previous == before.checksum;
        Ok(is_next.then_some(End {
            lsn: self.head.lsn,
            checksum: self.checksum,
        }))
    }
}

/// Checksum state that already includes the salt of a segment.
#[derive(Debug, Clone)]
pub(crate) struct Salted(Hasher);

impl Salted {
    pub(crate) fn new(salt: &[u8; 16]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(salt);
        Self(hasher)
    }

    fn sum(&self, parts: &[&[u8]]) -> u32 {
        let mut hasher = self.0.clone();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize()
    }
}

/// Returns the length of `bytes` without the zeros at the end. A segment's file is filled with zeros
/// before its first use.
pub(crate) fn written_len(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|byte| *byte != 0);
    last.map_or(0, |last| last + 1)
}

/// Completes the frame in `buffer` and returns its checksum.
///
/// `buffer` must start with [`HEAD_LEN`] bytes for the head; the rest is the payload. Fails if the
/// buffer is longer than [`FRAME_MAX`]: [`read`] would reject such a frame.
pub(crate) fn finish(
    salted: &Salted,
    head: Head,
    buffer: &mut Vec<u8>,
) -> Result<u32, StorageError> {
    let len = buffer.len().checked_sub(HEAD_LEN);
    let len = len.filter(|_| buffer.len() <= FRAME_MAX);
    let len = len.and_then(|len| u32::try_from(len).ok());
    let Some(len) = len else {
        let why = format!("journal frame has {} bytes", buffer.len());
        return Err(StorageError::new(StorageErrorKind::Internal, why));
    };
    // Bytes 5 to 7 stay zero. The frame's checksum covers bytes 0 to 23 and the payload. The
    // head's checksum covers bytes 0 to 27, which include the frame's checksum.
    let mut bytes = [0; HEAD_LEN];
    put(&mut bytes, 0, MAGIC);
    put(&mut bytes, 4, &[head.kind as u8]);
    put(&mut bytes, 8, &len.to_le_bytes());
    put(&mut bytes, 12, &head.previous.to_le_bytes());
    put(&mut bytes, 16, &head.lsn.to_le_bytes());
    let (first, _) = bytes.split_at(24);
    let payload = buffer.get(HEAD_LEN..).unwrap_or_default();
    let checksum = salted.sum(&[first, payload]);
    put(&mut bytes, 24, &checksum.to_le_bytes());
    let (first, _) = bytes.split_at(28);
    let head_checksum = salted.sum(&[first]);
    put(&mut bytes, 28, &head_checksum.to_le_bytes());
    put(buffer, 0, &bytes);
    buffer.resize(buffer.len().next_multiple_of(BOUNDARY), 0);
    Ok(checksum)
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    let room = bytes.get_mut(at..at + part.len());
    debug_assert!(room.is_some(), "the head of a frame has no room");
    if let Some(room) = room {
        room.copy_from_slice(part);
    }
}

/// Parses the frame at the start of `bytes`; `None` if there is no valid frame.
///
/// The caller must check the LSN and the checksum of the previous frame.
pub(crate) fn read<'a>(salted: &Salted, bytes: &'a [u8]) -> Option<Frame<'a>> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_LEN>()?;
    if head.first_chunk::<4>() != Some(MAGIC) {
        return None;
    }
    // Check the head's checksum before using its length: one flipped bit in the length could select
    // up to 4 MiB of bytes that are not part of this frame.
    let (covered, head_checksum) = head.split_last_chunk::<4>()?;
    if salted.sum(&[covered]) != u32::from_le_bytes(*head_checksum) {
        return None;
    }
    let (first, checksum) = covered.split_last_chunk::<4>()?;
    let checksum = u32::from_le_bytes(*checksum);
    let len = usize_of(u32::from_le_bytes(*head.get(8..12)?.first_chunk()?));
    if len > FRAME_MAX - HEAD_LEN {
        return None;
    }
    let payload = rest.get(..len)?;
    if salted.sum(&[first, payload]) != checksum {
        return None;
    }
    Some(Frame {
        head: Head {
            kind: Kind::of(*head.get(4)?)?,
            previous: u32::from_le_bytes(*head.get(12..16)?.first_chunk()?),
            lsn: u64::from_le_bytes(*head.get(16..24)?.first_chunk()?),
        },
        checksum,
        payload,
        len: (HEAD_LEN + len).next_multiple_of(BOUNDARY),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head {
        kind: Kind::Writes,
        lsn: 7,
        previous: 9,
    };

    /// Encodes a frame with the head `HEAD`.
    fn framed(salted: &Salted, payload: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; HEAD_LEN];
        buffer.extend_from_slice(payload);
        finish(salted, HEAD, &mut buffer).unwrap();
        buffer
    }

    #[test]
    fn frame_read_detects_every_flipped_bit() {
        let salted = Salted::new(&[3; 16]);
        for len in [0, 1, 31, 32, 33, 100] {
            let payload = vec![5; len];
            let bytes = framed(&salted, &payload);
            assert_eq!(bytes.len() % BOUNDARY, 0);
            let frame = read(&salted, &bytes).unwrap();
            assert_eq!((frame.head, frame.len), (HEAD, bytes.len()));
            assert_eq!(frame.payload, payload);
            for at in 0..HEAD_LEN + len {
                let mut corrupt = bytes.clone();
                corrupt[at] ^= 1;
                assert_eq!(read(&salted, &corrupt), None, "{at}");
                assert_eq!(read(&salted, &bytes[..at]), None, "{at}");
            }
        }
    }

    #[test]
    fn frame_with_another_salt_is_rejected() {
        let bytes = framed(&Salted::new(&[3; 16]), b"payload");
        assert_eq!(read(&Salted::new(&[4; 16]), &bytes), None);
    }
}
