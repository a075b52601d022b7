//! Disks that fail where nothing of the store is unknown afterwards: no room, no descriptor, a
//! segment that cannot be begun, a base that cannot be opened for a moment.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::fixture::{Shop, at, create, decided, new, no, options};
use crate::engine::local::LocalEngine;
use crate::engine::local::disk::{Disk, DiskFile, Hold, RealDisk};
use crate::engine::{Engine, EngineError};
use crate::error::{Error, StorageErrorKind};

/// A disk that fails as it is told to.
#[derive(Debug)]
struct Failing {
    disk: Arc<dyn Disk>,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct Faults {
    free: AtomicU64,
    /// No file can be opened.
    opens: AtomicBool,
    /// The base cannot be opened.
    base: AtomicBool,
    /// The header of a segment cannot be written.
    headers: AtomicBool,
    /// A file cannot get another name, since nobody may change the directory.
    names: AtomicBool,
    /// A file gets another name, and the disk says that it failed.
    unknown: AtomicBool,
    /// No file can be removed.
    removals: AtomicBool,
}

impl Faults {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            free: AtomicU64::new(u64::MAX),
            opens: AtomicBool::new(false),
            base: AtomicBool::new(false),
            headers: AtomicBool::new(false),
            names: AtomicBool::new(false),
            unknown: AtomicBool::new(false),
            removals: AtomicBool::new(false),
        })
    }

    fn disk(self: &Arc<Self>) -> Arc<dyn Disk> {
        Arc::new(Failing {
            disk: Arc::new(RealDisk),
            faults: Arc::clone(self),
        })
    }
}

fn check(fault: &AtomicBool, kind: ErrorKind) -> io::Result<()> {
    if fault.load(Ordering::SeqCst) {
        return Err(kind.into());
    }
    Ok(())
}

impl Failing {
    fn file(&self, file: io::Result<Box<dyn DiskFile>>) -> io::Result<Box<dyn DiskFile>> {
        check(&self.faults.opens, ErrorKind::Other)?;
        Ok(Box::new(FailingFile {
            file: file?,
            faults: Arc::clone(&self.faults),
        }))
    }
}

impl Disk for Failing {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.file(self.disk.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        if path.ends_with("base.redb") {
            check(&self.faults.base, ErrorKind::Other)?;
        }
        self.file(self.disk.open(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        check(&self.faults.names, ErrorKind::PermissionDenied)?;
        self.disk.rename(from, to)?;
        check(&self.faults.unknown, ErrorKind::Other)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        check(&self.faults.removals, ErrorKind::PermissionDenied)?;
        self.disk.unlink(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.make_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.disk.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn hold(&self, dir: &Path) -> io::Result<Option<Hold>> {
        let held = self.disk.hold(dir)?;
        Ok(held.map(|Hold { lock, disk }| Hold {
            lock,
            disk: Arc::new(Self {
                disk,
                faults: Arc::clone(&self.faults),
            }),
        }))
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.faults.free.load(Ordering::SeqCst))
    }
}

#[derive(Debug)]
struct FailingFile {
    file: Box<dyn DiskFile>,
    faults: Arc<Faults>,
}

impl DiskFile for FailingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.starts_with(b"ordjourn") {
            check(&self.faults.headers, ErrorKind::Other)?;
        }
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn check_name(&self, path: &Path) -> io::Result<()> {
        self.file.check_name(path)
    }
}

fn shop(faults: &Arc<Faults>) -> Shop {
    let mut options = options();
    options.segment_bytes = 16 << 10;
    options.disk = faults.disk();
    Shop::with(&options)
}

fn try_create(shop: &Shop, n: usize) -> Result<(), EngineError> {
    let mutation = decided(no(n), create(new()), at(0), None, &[]);
    shop.engine.apply(&[mutation]).map(drop)
}

/// Creates orders until one is refused; how many there are, and why.
fn until_refused(shop: &Shop, from: usize) -> (usize, EngineError) {
    let mut n = from;
    loop {
        match try_create(shop, n) {
            Ok(()) => n += 1,
            Err(error) => return (n, error),
        }
    }
}

fn until_taken(shop: &Shop, n: usize) {
    let until = Instant::now() + Duration::from_secs(20);
    while try_create(shop, n).is_err() {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_full_disk_refuses_and_passes() {
    let faults = Faults::new();
    let shop = shop(&faults);
    faults.free.store(0, Ordering::SeqCst);
    let (written, refused) = until_refused(&shop, 0);
    let EngineError::Retry(cause) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(cause.kind(), StorageErrorKind::DiskFull);
    assert!(shop.engine.stats().is_out_of_room);
    assert_eq!(shop.stored(no(written)), None);
    faults.free.store(u64::MAX, Ordering::SeqCst);
    until_taken(&shop, written);
    assert!(!shop.engine.stats().is_out_of_room);
    shop.assert_sound();
    let shop = shop.reopened();
    assert!(shop.stored(no(written)).is_some());
}

/// Each of these asks the disk for nothing that could be there or not afterwards.
#[test]
fn journal_that_cannot_go_on_refuses_says_so_and_goes_on_later() {
    let faults = Faults::new();
    let shop = shop(&faults);
    let mut next = 0;
    for fault in [&faults.opens, &faults.headers, &faults.names] {
        assert!(shop.engine.trouble().is_none());
        fault.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            let (written, refused) = until_refused(&shop, next);
            assert!(matches!(refused, EngineError::Retry(_)), "{refused:?}");
            assert!(shop.engine.trouble().is_some());
            assert_eq!(shop.stored(no(written)), None);
            next = written;
        }
        fault.store(false, Ordering::SeqCst);
        until_taken(&shop, next);
        next += 1;
        // Until the spare that was still to be made is there.
        let until = Instant::now() + Duration::from_secs(20);
        while shop.engine.trouble().is_some() {
            assert!(Instant::now() < until);
            thread::sleep(Duration::from_millis(10));
        }
    }
    assert!(next > 20, "{next}");
    let shop = shop.reopened();
    for n in 0..next {
        assert!(shop.stored(no(n)).is_some(), "{n}");
    }
    shop.assert_sound();
}

#[test]
fn base_that_cannot_be_opened_again_for_a_moment_is_waited_for() {
    let faults = Faults::new();
    let shop = shop(&faults);
    try_create(&shop, 0).unwrap();
    faults.base.store(true, Ordering::SeqCst);
    shop.engine.core.base.lock().as_ref().unwrap().break_off();
    for n in 1..4 {
        let refused = shop.engine.flush();
        assert!(matches!(refused, Err(EngineError::Retry(_))), "{refused:?}");
        assert!(shop.engine.trouble().is_some());
        try_create(&shop, n).unwrap();
    }
    faults.base.store(false, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(20);
    while shop.engine.stats().flushes == 0 {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(10));
    }
    assert!(shop.engine.trouble().is_none());
    shop.assert_sound();
    let shop = shop.reopened();
    assert!((0..4).all(|n| shop.stored(no(n)).is_some()));
}

/// The successor may be there: to write on in the segment before it would be to write what no
/// opening reads.
#[test]
fn segment_whose_name_is_unknown_ends_all_writing() {
    let faults = Faults::new();
    let shop = shop(&faults);
    faults.unknown.store(true, Ordering::SeqCst);
    let (written, refused) = until_refused(&shop, 0);
    assert!(matches!(refused, EngineError::Fatal(_)), "{refused:?}");
    faults.unknown.store(false, Ordering::SeqCst);
    let refused = try_create(&shop, written);
    assert!(matches!(refused, Err(EngineError::Fatal(_))), "{refused:?}");
    let shop = shop.reopened();
    assert!((0..written).all(|n| shop.stored(no(n)).is_some()));
    assert_eq!(shop.stored(no(written)), None);
    try_create(&shop, written).unwrap();
    shop.assert_sound();
}

#[test]
fn restore_for_which_there_is_no_room_makes_no_store() {
    let faults = Faults::new();
    let shop = shop(&faults);
    try_create(&shop, 0).unwrap();
    let (backup, dir) = (
        shop.dir().with_extension("a"),
        shop.dir().with_extension("b"),
    );
    shop.engine.backup(&backup, None).unwrap();
    faults.free.store(0, Ordering::SeqCst);
    let mut options = options();
    options.disk = faults.disk();
    let Err(Error::Unopened { source, .. }) = LocalEngine::restore(&backup, &dir, &options) else {
        panic!("it was restored without room, or the failure is another one");
    };
    assert_eq!(source.kind(), StorageErrorKind::DiskFull);
    faults.free.store(u64::MAX, Ordering::SeqCst);
    let restored = LocalEngine::restore(&backup, &dir, &options).unwrap();
    assert_eq!(restored.records, 1);
}

/// A flush asks for twice what it writes, and leaves some room to others.
#[test]
fn flush_for_which_there_is_no_room_is_not_begun() {
    let faults = Faults::new();
    let shop = shop(&faults);
    (0..200).for_each(|n| try_create(&shop, n).unwrap());
    let bytes = shop.engine.stats().memtable_bytes;
    assert!(bytes > 64 << 10);
    faults
        .free
        .store((8 << 20) + 2 * bytes - 1, Ordering::SeqCst);
    let refused = shop.engine.flush();
    let Err(EngineError::Retry(cause)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(cause.kind(), StorageErrorKind::DiskFull);
    assert_eq!(shop.engine.stats().flushes, 0);
    try_create(&shop, 200).unwrap();
    faults.free.store((8 << 20) + 2 * bytes, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(20);
    while shop.engine.stats().flushes == 0 {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(10));
    }
    shop.assert_sound();
}

#[test]
fn segment_that_cannot_be_removed_is_removed_by_a_later_flush() {
    let faults = Faults::new();
    let shop = shop(&faults);
    try_create(&shop, 0).unwrap();
    let segments = || shop.engine.core.dir.journal().list().unwrap().len();
    // The spare is there: to make it removes the draft before it.
    shop.engine.core.spare.wait_until_ready().unwrap();
    faults.removals.store(true, Ordering::SeqCst);
    shop.engine.flush().unwrap();
    assert_eq!(segments(), 2);
    faults.removals.store(false, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(20);
    while shop.engine.core.spare.wait_until_ready().is_err() {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(10));
    }
    try_create(&shop, 1).unwrap();
    shop.engine.flush().unwrap();
    assert_eq!(segments(), 1);
    shop.assert_sound();
}
