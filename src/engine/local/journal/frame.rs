//! Frames: what one sync makes durable, and how a whole one is told from a torn one.
//!
//! ```text
//!  0  magic "ojf1"            16  lsn                       u64
//!  4  kind                    24  checksum                  u32
//!  5  zero, 3 bytes           28  checksum of the head      u32
//!  8  length of payload u32   32  payload, then zeros up to a boundary of 64
//! 12  checksum before   u32
//! ```
//! - Integers are little-endian. Both checksums begin with the segment's salt: bytes of
//!   another segment are no frame, and nobody outside can make one.
//! - The head has a checksum of its own, so that a length is believed before it is used.

use crc32fast::Hasher;

/// Frames begin at multiples of it.
pub(in crate::engine::local) const BOUNDARY: usize = 64;

/// The longest frame, head included.
pub(in crate::engine::local) const FRAME_MAX: usize = 4 << 20;

pub(in crate::engine::local) const HEAD_LEN: usize = 32;

const MAGIC: &[u8; 4] = b"ojf1";

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::local) enum Kind {
    /// Writes of tables.
    Writes = 1,
    /// The segment ends here and has a successor. It takes no lsn of its own.
    Sealed = 2,
    /// Nothing happened for a while: the frame before it was whole.
    Idle = 3,
    /// The store was closed.
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

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::local) struct Head {
    pub(in crate::engine::local) kind: Kind,
    pub(in crate::engine::local) lsn: u64,
    /// The checksum of the frame before it.
    pub(in crate::engine::local) previous: u32,
}

/// What a whole frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::local) struct Frame<'a> {
    pub(in crate::engine::local) head: Head,
    pub(in crate::engine::local) checksum: u32,
    pub(in crate::engine::local) payload: &'a [u8],
    /// With the zeros behind it.
    pub(in crate::engine::local) len: usize,
}

/// Begins with a segment's salt.
#[derive(Debug, Clone)]
pub(in crate::engine::local) struct Salted(Hasher);

impl Salted {
    pub(in crate::engine::local) fn new(salt: &[u8; 16]) -> Self {
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

/// Makes a frame of a buffer: room for the head, then the payload. Returns its checksum.
///
/// The payload must be shorter than [`FRAME_MAX`] with the head; whoever fills the buffer
/// sees to that.
pub(in crate::engine::local) fn finish(salted: &Salted, head: Head, buffer: &mut Vec<u8>) -> u32 {
    let len = buffer.len().saturating_sub(HEAD_LEN);
    let mut bytes = [0; HEAD_LEN];
    put(&mut bytes, 0, MAGIC);
    put(&mut bytes, 4, &[head.kind as u8]);
    put(
        &mut bytes,
        8,
        &u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes(),
    );
    put(&mut bytes, 12, &head.previous.to_le_bytes());
    put(&mut bytes, 16, &head.lsn.to_le_bytes());
    let (first, _) = bytes.split_at(24);
    let payload = buffer.get(HEAD_LEN..).unwrap_or_default();
    let checksum = salted.sum(&[first, payload]);
    put(&mut bytes, 24, &checksum.to_le_bytes());
    let (first, _) = bytes.split_at(28);
    let of_head = salted.sum(&[first]);
    put(&mut bytes, 28, &of_head.to_le_bytes());
    put(buffer, 0, &bytes);
    buffer.resize(buffer.len().next_multiple_of(BOUNDARY), 0);
    checksum
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    let end = at.saturating_add(part.len());
    if let Some(room) = bytes.get_mut(at..end) {
        room.copy_from_slice(part);
    }
}

/// The whole frame that begins here, if one does. What its place in the chain must be is
/// the caller's to check.
pub(in crate::engine::local) fn read<'a>(salted: &Salted, bytes: &'a [u8]) -> Option<Frame<'a>> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_LEN>()?;
    if head.first_chunk::<4>() != Some(MAGIC) {
        return None;
    }
    let (covered, of_head) = head.split_last_chunk::<4>()?;
    if salted.sum(&[covered]) != u32::from_le_bytes(*of_head) {
        return None;
    }
    let (first, checksum) = covered.split_last_chunk::<4>()?;
    let checksum = u32::from_le_bytes(*checksum);
    let len = usize::try_from(u32::from_le_bytes(*head.get(8..12)?.first_chunk()?)).ok()?;
    if len > FRAME_MAX.saturating_sub(HEAD_LEN) {
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
        len: HEAD_LEN.saturating_add(len).next_multiple_of(BOUNDARY),
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

    fn framed(salted: &Salted, payload: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; HEAD_LEN];
        buffer.extend_from_slice(payload);
        finish(salted, HEAD, &mut buffer);
        buffer
    }

    #[test]
    fn a_frame_comes_back_and_no_damage_to_it_goes_unseen() {
        let salted = Salted::new(&[3; 16]);
        for len in [0, 1, 31, 32, 33, 100] {
            let payload = vec![5; len];
            let bytes = framed(&salted, &payload);
            assert_eq!(bytes.len() % BOUNDARY, 0);
            let frame = read(&salted, &bytes).unwrap();
            assert_eq!((frame.head, frame.len), (HEAD, bytes.len()));
            assert_eq!(frame.payload, payload);
            for at in 0..HEAD_LEN + len {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert_eq!(read(&salted, &damaged), None, "{at}");
                assert_eq!(read(&salted, &bytes[..at]), None, "{at}");
            }
        }
    }

    #[test]
    fn a_frame_of_another_salt_is_none() {
        let bytes = framed(&Salted::new(&[3; 16]), b"payload");
        assert_eq!(read(&Salted::new(&[4; 16]), &bytes), None);
    }
}
