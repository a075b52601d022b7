//! Tests of temporary disk failures: no free space, no file descriptor, no new segment, or a
//! B-tree that cannot be reopened.
//!
//! After most of these failures, the state of the disk is known, and the store can continue.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::fixture::{TestStore, at, create, decided, new, no, options};
use crate::engine::local::LocalEngine;
use crate::engine::local::disk::{Disk, DiskFile, LockedDir, RealDisk};
use crate::engine::{Engine, EngineError};
use crate::error::{OpenError, StorageErrorKind};

/// Real disk with injected failures.
#[derive(Debug)]
struct Failing {
    disk: Arc<dyn Disk>,
    faults: Arc<Faults>,
}

/// Failures of the disk that a test can switch on and off.
#[derive(Debug)]
struct Faults {
    /// Number of free bytes that the disk reports.
    free: AtomicU64,
    /// Whether opening and creating files fails.
    opens: AtomicBool,
    /// Whether opening the B-tree fails.
    base: AtomicBool,
    /// Whether writing the header of a segment fails.
    headers: AtomicBool,
    /// Whether a rename fails because the directory is not writable.
    names: AtomicBool,
    /// Whether a rename succeeds but returns an error.
    unknown: AtomicBool,
    /// Whether removing files fails.
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

    fn lock_dir(&self, dir: &Path) -> io::Result<Option<LockedDir>> {
        let held = self.disk.lock_dir(dir)?;
        Ok(held.map(|LockedDir { lock, disk }| LockedDir {
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

/// Store with segments of 16 KiB on a disk with the failures `faults`.
fn faulty_store(faults: &Arc<Faults>) -> TestStore {
    let mut options = options();
    options.segment_bytes = 16 << 10;
    options.disk = faults.disk();
    TestStore::with(&options)
}

fn try_create(store: &TestStore, n: usize) -> Result<(), EngineError> {
    let mutation = decided(no(n), create(new()), at(0), None, &[]);
    store.engine.apply(&[mutation]).map(drop)
}

/// Creates orders until one fails. Returns the number of the failed order and its error.
fn create_until_failure(store: &TestStore, from: usize) -> (usize, EngineError) {
    let mut n = from;
    loop {
        match try_create(store, n) {
            Ok(()) => n += 1,
            Err(error) => return (n, error),
        }
    }
}

/// Repeats the creation of order `n` until it succeeds. Panics after 20 s.
fn create_until_success(store: &TestStore, n: usize) {
    let until = Instant::now() + Duration::from_secs(20);
    while try_create(store, n).is_err() {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn full_disk_rejects_writes_until_space_is_free() {
    let faults = Faults::new();
    let store = faulty_store(&faults);
    faults.free.store(0, Ordering::SeqCst);
    let (written, refused) = create_until_failure(&store, 0);
    let EngineError::Retry(cause) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(cause.kind(), StorageErrorKind::DiskFull);
    assert!(store.engine.stats().is_disk_full);
    assert_eq!(store.stored(no(written)), None);
    faults.free.store(u64::MAX, Ordering::SeqCst);
    create_until_success(&store, written);
    assert!(!store.engine.stats().is_disk_full);
    store.assert_valid();
    let store = store.reopened();
    assert!(store.stored(no(written)).is_some());
}

/// The state of the disk is known after each of these failures, so the store stays usable.
#[test]
fn failed_segment_start_rejects_writes_until_fixed() {
    let faults = Faults::new();
    let store = faulty_store(&faults);
    let mut next = 0;
    for fault in [&faults.opens, &faults.headers, &faults.names] {
        assert!(store.engine.retrying_failure().is_none());
        fault.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            let (written, refused) = create_until_failure(&store, next);
            assert!(matches!(refused, EngineError::Retry(_)), "{refused:?}");
            assert!(store.engine.retrying_failure().is_some());
            assert_eq!(store.stored(no(written)), None);
            next = written;
        }
        fault.store(false, Ordering::SeqCst);
        create_until_success(&store, next);
        next += 1;
        // Wait until the next segment is preallocated, because its creation may have failed before.
        let until = Instant::now() + Duration::from_secs(20);
        while store.engine.retrying_failure().is_some() {
            assert!(Instant::now() < until);
            thread::sleep(Duration::from_millis(10));
        }
    }
    assert!(next > 20, "{next}");
    let store = store.reopened();
    for n in 0..next {
        assert!(store.stored(no(n)).is_some(), "{n}");
    }
    store.assert_valid();
}

#[test]
fn checkpoint_retries_until_btree_reopens() {
    let faults = Faults::new();
    let store = faulty_store(&faults);
    try_create(&store, 0).unwrap();
    faults.base.store(true, Ordering::SeqCst);
    store.cut_off_btree();
    for n in 1..4 {
        let refused = store.engine.checkpoint();
        assert!(matches!(refused, Err(EngineError::Retry(_))), "{refused:?}");
        assert!(store.engine.retrying_failure().is_some());
        try_create(&store, n).unwrap();
    }
    faults.base.store(false, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(20);
    while store.engine.stats().checkpoints == 0 {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(10));
    }
    assert!(store.engine.retrying_failure().is_none());
    store.assert_valid();
    let store = store.reopened();
    assert!((0..4).all(|n| store.stored(no(n)).is_some()));
}

/// After a failed rename, the next segment may exist. Recovery would then ignore all further
/// frames in the current segment, so the journal must not append to it.
#[test]
fn failed_segment_rename_poisons_store() {
    let faults = Faults::new();
    let store = faulty_store(&faults);
    faults.unknown.store(true, Ordering::SeqCst);
    let (written, refused) = create_until_failure(&store, 0);
    assert!(matches!(refused, EngineError::Fatal(_)), "{refused:?}");
    faults.unknown.store(false, Ordering::SeqCst);
    let refused = try_create(&store, written);
    assert!(matches!(refused, Err(EngineError::Fatal(_))), "{refused:?}");
    let store = store.reopened();
    assert!((0..written).all(|n| store.stored(no(n)).is_some()));
    assert_eq!(store.stored(no(written)), None);
    try_create(&store, written).unwrap();
    store.assert_valid();
}

#[test]
fn restore_on_full_disk_creates_no_store() {
    let faults = Faults::new();
    let store = faulty_store(&faults);
    try_create(&store, 0).unwrap();
    let (backup, dir) = (
        store.dir().with_extension("a"),
        store.dir().with_extension("b"),
    );
    store.engine.backup(&backup, None).unwrap();
    faults.free.store(0, Ordering::SeqCst);
    let mut options = options();
    options.disk = faults.disk();
    let Err(OpenError::Unopened { source, .. }) = LocalEngine::restore(&backup, &dir, &options)
    else {
        panic!("restore succeeded without free space, or failed with another error");
    };
    assert_eq!(source.kind(), StorageErrorKind::DiskFull);
    faults.free.store(u64::MAX, Ordering::SeqCst);
    let restored = LocalEngine::restore(&backup, &dir, &options).unwrap();
    assert_eq!(restored.records, 1);
}

/// A checkpoint needs twice the size of the memtable and 8 MiB more.
#[test]
fn checkpoint_without_free_space_does_not_start() {
    let faults = Faults::new();
    let store = faulty_store(&faults);
    (0..200).for_each(|n| try_create(&store, n).unwrap());
    let bytes = store.engine.stats().memtable_bytes;
    assert!(bytes > 64 << 10);
    faults
        .free
        .store((8 << 20) + 2 * bytes - 1, Ordering::SeqCst);
    let refused = store.engine.checkpoint();
    let Err(EngineError::Retry(cause)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(cause.kind(), StorageErrorKind::DiskFull);
    assert_eq!(store.engine.stats().checkpoints, 0);
    try_create(&store, 200).unwrap();
    faults.free.store((8 << 20) + 2 * bytes, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(20);
    while store.engine.stats().checkpoints == 0 {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(10));
    }
    store.assert_valid();
}

#[test]
fn unremovable_segment_is_removed_by_later_checkpoint() {
    let faults = Faults::new();
    let store = faulty_store(&faults);
    try_create(&store, 0).unwrap();
    let segments = || store.engine.core.side().dir.journal().list().unwrap().len();
    // Wait for the preallocation before removals fail: it must remove the previous draft.
    store
        .engine
        .core
        .side()
        .preallocated
        .wait_until_ready()
        .unwrap();
    faults.removals.store(true, Ordering::SeqCst);
    store.engine.checkpoint().unwrap();
    assert_eq!(segments(), 2);
    faults.removals.store(false, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(20);
    while store
        .engine
        .core
        .side()
        .preallocated
        .wait_until_ready()
        .is_err()
    {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(10));
    }
    try_create(&store, 1).unwrap();
    store.engine.checkpoint().unwrap();
    assert_eq!(segments(), 1);
    store.assert_valid();
}
