//! Speed of the disk: appends of one page, each synced, into a file of zeros.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of one append: one page, the least that a disk writes. The frame of a command or of a
/// small group fits into it.
const APPEND: usize = 4096;

/// Preallocated bytes. At the end of the file the appends start again at its front.
const ROOM: usize = 64 << 20;

/// A file whose blocks are all written, so that a sync has no metadata to write.
pub(crate) struct Fsync {
    file: File,
    page: [u8; APPEND],
    place: usize,
}

impl Fsync {
    pub(crate) fn prepare(dir: &Path) -> io::Result<Self> {
        let path = dir.join("fsync");
        let file = File::create_new(&path)?;
        std::fs::remove_file(path)?;
        file.write_all_at(&vec![0; ROOM], 0)?;
        file.sync_all()?;
        Ok(Self {
            file,
            page: [0x5a; APPEND],
            place: 0,
        })
    }

    /// Measures synced appends per second for `length`.
    pub(crate) fn rate(&mut self, length: Duration) -> io::Result<f64> {
        let began = Instant::now();
        let mut appends = 0_u32;
        while began.elapsed() < length {
            self.append()?;
            appends = appends.saturating_add(1);
        }
        Ok(f64::from(appends) / began.elapsed().as_secs_f64())
    }

    /// Appends one page and syncs it.
    pub(crate) fn append(&mut self) -> io::Result<()> {
        let at = u64::try_from(self.place).unwrap_or_default();
        self.file.write_all_at(&self.page, at)?;
        self.place = (self.place + APPEND) % ROOM;
        self.file.sync_data()
    }
}
