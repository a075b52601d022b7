//! Segments of the journal: file names, headers, and the directory that holds them.
//!
//! Each segment is one file. The log sequence number (LSN) of its first frame is its name. The file
//! starts with this header:
//!
//! ```text
//!  0  magic "ordjourn"        44  salt                      16 bytes
//!  8  format            u32   60  last lsn before it        u64
//! 12  store id     16 bytes   68  checksum of that frame    u32
//! 28  incarnation       u64   72  length of the file        u64
//! 36  first lsn         u64   80  checksum of bytes 0 to 79 u32
//!                             zeros up to 4096; then frames
//! ```
//! - The journal fills the file with zeros up to the length in the header, and syncs it, before
//!   the file gets its name. A shorter file was truncated by something else. A longer file is
//!   valid: a frame may extend it.
//! - The header is durable before the file gets its name. An invalid header is therefore
//!   corruption and never a torn write.
//! - The header fills the first block of 4096 bytes alone, so no append writes to this block.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::disk::{self, Disk, DiskFile, FaultInjection, is_injected};
use crate::engine::Identity;
use crate::error::StorageError;
use crate::number::u64_of;

/// Offset of the first frame, in bytes.
pub(crate) const HEADER_LEN: usize = 4096;

/// File name of a draft: a segment that is not part of the journal yet.
pub(crate) const DRAFT: &str = "next.tmp";

/// File name of a removed segment that the injected fault `RecycleSegment` keeps.
const RECYCLED: &str = "recycled.tmp";

const MAGIC: &[u8; 8] = b"ordjourn";
const FORMAT: u32 = 1;

/// Header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) store_id: [u8; 16],
    pub(crate) incarnation: u64,
    pub(crate) first_lsn: u64,
    pub(crate) salt: [u8; 16],
    /// LSN and checksum of the last frame before this segment.
    pub(crate) before: End,
    /// Length of the file before the first append, in bytes.
    pub(crate) len: u64,
}

/// Number of header bytes that the header's checksum covers.
const COVERED: usize = 80;

/// End of a journal: the LSN and the checksum of its last frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) lsn: u64,
    pub(crate) checksum: u32,
}

impl End {
    /// LSN of the next frame.
    pub(crate) fn next_lsn(self) -> Result<u64, StorageError> {
        let next = self.lsn.checked_add(1);
        next.ok_or_else(|| StorageError::corrupted("the last LSN of the journal has no successor"))
    }
}

impl Header {
    /// Creates the header of the segment after `before`, with a new random salt.
    pub(crate) fn new_after(
        identity: Identity,
        before: End,
        len: u64,
    ) -> Result<Self, StorageError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| StorageError::from(io::Error::from(error)))?;
        Ok(Self {
            store_id: identity.store_id,
            incarnation: identity.incarnation,
            first_lsn: before.next_lsn()?,
            salt,
            before,
            len,
        })
    }

    /// Whether the segment's file was truncated: its `len` bytes are fewer than the header says.
    pub(crate) fn is_cut_off(&self, len: usize) -> bool {
        u64_of(len) < self.len
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(COVERED + 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.store_id);
        bytes.extend_from_slice(&self.incarnation.to_le_bytes());
        bytes.extend_from_slice(&self.first_lsn.to_le_bytes());
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.before.lsn.to_le_bytes());
        bytes.extend_from_slice(&self.before.checksum.to_le_bytes());
        bytes.extend_from_slice(&self.len.to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Parses a header. The error text says why the header is invalid.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let read = Self::read_fields(bytes);
        match read {
            Some((FORMAT, header)) => Ok(header),
            Some((format, _)) => Err(format!(
                "segment has format {format}; this version reads format {FORMAT}"
            )),
            None => Err("segment header is corrupt".to_owned()),
        }
    }

    fn read_fields(bytes: &[u8]) -> Option<(u32, Self)> {
        let (covered, sum) = bytes.split_at_checked(COVERED)?;
        let rest = covered.strip_prefix(MAGIC)?;
        let (format, rest) = rest.split_first_chunk::<4>()?;
        let (store_id, rest) = rest.split_first_chunk::<16>()?;
        let (incarnation, rest) = rest.split_first_chunk::<8>()?;
        let (first_lsn, rest) = rest.split_first_chunk::<8>()?;
        let (salt, rest) = rest.split_first_chunk::<16>()?;
        let (lsn, rest) = rest.split_first_chunk::<8>()?;
        let (checksum, len) = rest.split_first_chunk::<4>()?;
        let header = Self {
            store_id: *store_id,
            incarnation: u64::from_le_bytes(*incarnation),
            first_lsn: u64::from_le_bytes(*first_lsn),
            salt: *salt,
            before: End {
                lsn: u64::from_le_bytes(*lsn),
                checksum: u32::from_le_bytes(*checksum),
            },
            len: u64::from_le_bytes(*len.first_chunk()?),
        };
        let fits = crc32fast::hash(covered) == u32::from_le_bytes(*sum.first_chunk()?);
        fits.then_some((u32::from_le_bytes(*format), header))
    }
}

/// Path of the segment that starts with the LSN `first_lsn`.
pub(crate) fn path(dir: &Path, first_lsn: u64) -> PathBuf {
    dir.join(format!("{first_lsn:020}.log"))
}

/// First LSN of the segment with this file name; `None` if no segment can have this name.
pub(crate) fn first_lsn(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|name| name.len() == 20)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// Failure while a draft durably gets the name of a segment.
#[derive(Debug)]
pub(crate) struct NameDraftError {
    pub(crate) cause: io::Error,
    /// Whether the file certainly still has the draft's name. If false, a crash may leave it
    /// under either name.
    pub(crate) is_unnamed: bool,
}

impl From<NameDraftError> for StorageError {
    fn from(unnamed: NameDraftError) -> Self {
        unnamed.cause.into()
    }
}

/// Whether a failed rename certainly changed nothing.
///
/// The kernel returns these errors before it changes the directory. After every other error,
/// such as an I/O error, the new name may or may not be on the disk.
fn changed_nothing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        NotADirectory, NotFound, OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    matches!(
        error.kind(),
        NotADirectory
            | NotFound
            | OutOfMemory
            | PermissionDenied
            | QuotaExceeded
            | ReadOnlyFilesystem
            | StorageFull
    )
}

/// Directory of the segments.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
}

impl Folder {
    /// First LSNs of the segments, in ascending order.
    pub(crate) fn list(&self) -> io::Result<Vec<u64>> {
        let names = self.disk.list(&self.path)?;
        let lsns = names.iter().filter_map(|name| first_lsn(name.to_str()?));
        let mut found: Vec<u64> = lsns.collect();
        found.sort_unstable();
        Ok(found)
    }

    pub(crate) fn segment(&self, first_lsn: u64) -> PathBuf {
        path(&self.path, first_lsn)
    }

    pub(crate) fn open(&self, first_lsn: u64) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(&self.segment(first_lsn))
    }

    /// Creates a new, empty draft. Removes an old draft first.
    pub(crate) fn draft(&self) -> io::Result<Box<dyn DiskFile>> {
        let recycled = self.path.join(RECYCLED);
        if is_injected(&*self.disk, FaultInjection::RecycleSegment)
            && self.disk.rename(&recycled, &self.path.join(DRAFT)).is_ok()
        {
            return self.disk.open(&self.path.join(DRAFT));
        }
        self.remove_draft()?;
        self.disk.create(&self.path.join(DRAFT))
    }

    pub(crate) fn remove_draft(&self) -> io::Result<()> {
        disk::remove(&*self.disk, &self.path.join(DRAFT))
    }

    /// Gives the draft the name of a segment and makes the name durable. Replaces a segment
    /// that has this name.
    pub(crate) fn name_draft(&self, first_lsn: u64) -> Result<(), NameDraftError> {
        let draft = self.path.join(DRAFT);
        let renamed = self.disk.rename(&draft, &self.segment(first_lsn));
        renamed.map_err(|cause| NameDraftError {
            is_unnamed: changed_nothing(&cause),
            cause,
        })?;
        if is_injected(&*self.disk, FaultInjection::ForgetDirectorySync) {
            return Ok(());
        }
        // Without this sync, a power loss may undo the rename. Frames that the store acknowledged
        // in this segment would then be lost.
        self.sync().map_err(|cause| NameDraftError {
            is_unnamed: false,
            cause,
        })
    }

    pub(crate) fn remove(&self, first_lsn: u64) -> io::Result<()> {
        if is_injected(&*self.disk, FaultInjection::RecycleSegment) {
            let recycled = self.path.join(RECYCLED);
            return self.disk.rename(&self.segment(first_lsn), &recycled);
        }
        disk::remove(&*self.disk, &self.segment(first_lsn))
    }

    /// Makes the names of the segments durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.disk.sync_dir(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_header_detects_every_flipped_bit() {
        let before = End {
            lsn: 41,
            checksum: 5,
        };
        let header = Header::new_after(Identity::draw().unwrap(), before, 7).unwrap();
        assert_eq!(header.first_lsn, 42);
        assert!(header.is_cut_off(6) && !header.is_cut_off(7) && !header.is_cut_off(8));
        let bytes = header.to_bytes();
        assert_eq!(Header::read(&bytes), Ok(header));
        for at in 0..bytes.len() {
            let mut corrupt = bytes.clone();
            corrupt[at] ^= 1;
            Header::read(&corrupt).unwrap_err();
            Header::read(&bytes[..at]).unwrap_err();
        }
    }

    #[test]
    fn only_segment_file_names_parse_to_lsn() {
        let named = path(Path::new("j"), 42);
        let name = named.file_name().unwrap().to_str().unwrap();
        assert_eq!(first_lsn(name), Some(42));
        for other in ["next.tmp", "42.log", "+0000000000000000042.log", "a"] {
            assert_eq!(first_lsn(other), None, "{other}");
        }
    }
}
