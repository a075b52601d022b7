//! Tests of B-tree files in which a page of any kind is corrupt.

mod ranges;
mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::page::{self, Geometry, Pointer};
use super::typed::Sorted;
use super::{BTree, CorruptPages, ReadMode, Salvage, Snapshot};
use crate::contract::Direction;
use crate::engine::local::disk::{Disk, DiskFile, RealDisk};
use crate::error::{StorageError, StorageErrorKind};
use crate::format::keys::{KeyBytes, has_hash};
use crate::format::tables::Table;

const CACHE: usize = 1 << 20;

type Entries = BTreeMap<KeyBytes, Vec<u8>>;

/// Test entries of a table. Every table except `Meta` has enough entries to need branch pages.
fn entries(table: Table) -> Entries {
    let (count, width, value) = match table {
        Table::Orders => (700, 16, 300),
        Table::Events => (700, 8, 130),
        Table::Meta => (3, 5, 20),
        Table::All => (700, 12, 0),
        Table::Status => (700, 13, 0),
        Table::OpenId | Table::Transaction | Table::RefundNo | Table::Reference => (700, 20, 0),
        Table::Anomalies
        | Table::Refunded
        | Table::ClosedRefunds
        | Table::Returned
        | Table::Due => (700, 14, 0),
    };
    let entry = |n: u32| {
        let mut key = vec![7; width];
        let at = width - 4;
        key[at..].copy_from_slice(&n.to_be_bytes());
        (
            KeyBytes::read(&key).unwrap(),
            vec![n.to_le_bytes()[0]; value],
        )
    };
    (0..count).map(entry).collect()
}

fn sorted(table: Table, entries: &Entries) -> Sorted<'_> {
    let entries = entries.iter().map(|(key, value)| (*key, Some(&value[..])));
    (table, Box::new(entries))
}

/// Names of the tables that hold the entries of a table in a [`SampleFile`], and of the filter.
fn stored_names(table: Table) -> Vec<String> {
    let name = table.name();
    if has_hash(table) {
        vec![format!("{name}.1"), format!("{name}.1.filter")]
    } else {
        vec![name.to_owned()]
    }
}

/// Closed B-tree file with the entries of every table.
struct SampleFile {
    place: TempDir,
    bytes: Vec<u8>,
}

impl SampleFile {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("base.redb");
        drop(RealDisk.create(&path).unwrap());
        let base = BTree::create(&RealDisk, &path, CACHE, Vec::new()).unwrap();
        for table in Table::ALL {
            base.write(vec![sorted(table, &entries(table))]).unwrap();
        }
        base.close().unwrap();
        let bytes = fs::read(&path).unwrap();
        Self { place, bytes }
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("base.redb")
    }

    /// Returns every page that the last commit uses.
    fn pages(&self) -> Vec<UsedPage> {
        let mut found = Vec::new();
        let newest = page::roots(&self.bytes).split_off(2);
        for (root, of) in newest.into_iter().zip(["tables", "system"]) {
            self.walk(root, of, &mut found);
        }
        found
    }

    /// Adds the page at `pointer` and all pages below it to `found`. `of` is the table's name.
    fn walk(&self, pointer: Pointer, of: &str, found: &mut Vec<UsedPage>) {
        let geometry = Geometry::read(&self.bytes).unwrap();
        let offset = usize::try_from(geometry.offset(pointer.number).unwrap()).unwrap();
        let page = &self.bytes[offset..offset + 4096];
        let is_branch = page[0] == 2;
        found.push(UsedPage {
            of: of.to_owned(),
            is_branch,
            offset,
        });
        let pointers = page::pointers(page, pointer.shape);
        // The tree of tables contains the root page of each table, sorted by table name. A table
        // without entries has no root page.
        let names: BTreeSet<String> = Table::ALL.into_iter().flat_map(stored_names).collect();
        for (n, child) in pointers.into_iter().enumerate() {
            let of = match of {
                "tables" if !is_branch => names.iter().nth(n).unwrap(),
                of => of,
            };
            self.walk(child, of, found);
        }
    }

    /// Writes the file after `corrupt` has changed its bytes. Returns its path.
    fn corrupted(&self, corrupt: impl Fn(&mut [u8])) -> PathBuf {
        let mut bytes = self.bytes.clone();
        corrupt(&mut bytes);
        fs::write(self.path(), bytes).unwrap();
        self.path()
    }
}

/// Page that the last commit uses, with the name of its table.
#[derive(Debug)]
struct UsedPage {
    of: String,
    is_branch: bool,
    offset: usize,
}

/// Functions that corrupt a page. Each changes bytes that every page uses.
const CORRUPTIONS: [fn(&mut [u8]); 6] = [
    |page| page[0] ^= 1,
    |page| page[2] ^= 0x10,
    |page| page[11] ^= 0x80,
    |page| page[8..48].fill(0xa5),
    |page| page[..4096].fill(0),
    |page| page[..4096].fill(0xff),
];

/// File that records the length of the longest read, and can fail reads at one offset.
#[derive(Debug)]
struct WatchedFile {
    file: File,
    longest: Arc<AtomicUsize>,
    /// Offset at which reads fail, and the number of reads that still will.
    failing: (u64, Arc<AtomicUsize>),
}

impl WatchedFile {
    fn open(path: &Path) -> (Box<Self>, Arc<AtomicUsize>) {
        Self::failing(path, 0, 0)
    }

    fn failing(path: &Path, at: u64, times: usize) -> (Box<Self>, Arc<AtomicUsize>) {
        let longest = Arc::new(AtomicUsize::new(0));
        let watched = Self {
            file: File::options().read(true).write(true).open(path).unwrap(),
            longest: Arc::clone(&longest),
            failing: (at, Arc::new(AtomicUsize::new(times))),
        };
        (Box::new(watched), longest)
    }
}

impl DiskFile for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        DiskFile::len(&self.file)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        DiskFile::set_len(&self.file, len)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.longest.fetch_max(bytes.len(), Ordering::SeqCst);
        let (at, left) = &self.failing;
        let fails = |left: usize| left.checked_sub(1);
        if offset == *at
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails)
                .is_ok()
        {
            return Err(io::Error::other("the sector cannot be read"));
        }
        DiskFile::read_at(&self.file, offset, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        DiskFile::write_at(&self.file, offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        DiskFile::sync(&self.file)
    }
}

fn is_damage<T>(read: &Result<T, StorageError>) -> bool {
    matches!(read, Err(error) if error.kind() == StorageErrorKind::Corrupted)
}

/// Reads all entries of a table from a snapshot.
fn walked(snapshot: &Snapshot, table: Table) -> Result<Entries, StorageError> {
    let mut found = Entries::new();
    let mut take = |key: &[u8], value: &[u8]| {
        found.insert(KeyBytes::read(key).unwrap(), value.to_vec());
        Ok(Continue(()))
    };
    snapshot.walk(table, None, Direction::Forward, &mut take)?;
    Ok(found)
}

fn salvage(path: &Path) -> Snapshot {
    let salvage = Salvage::open(&RealDisk, path, CACHE, ReadMode::Salvage);
    salvage.unwrap().snapshot
}

/// Reads the entries of a table that a salvage can still find in the file.
fn salvaged(path: &Path, table: Table) -> Entries {
    walked(&salvage(path), table).unwrap()
}

#[test]
fn every_page_matches_its_parent_checksum() {
    let made = SampleFile::new();
    let (file, _) = WatchedFile::open(&made.path());
    let btree = BTree::start(file, 1 << 12, false, Arc::default()).unwrap();
    let snapshot = btree.snapshot().unwrap();
    for table in Table::ALL {
        assert_eq!(walked(&snapshot, table).unwrap(), entries(table));
    }
    assert_eq!(btree.damage().count(), 0);
}

#[test]
fn corrupt_page_fails_only_reads_of_its_keys() {
    let made = SampleFile::new();
    let pages = made.pages();
    let kinds: BTreeSet<_> = pages
        .iter()
        .map(|page| (&page.of[..], page.is_branch))
        .collect();
    for table in Table::ALL {
        let names = stored_names(table);
        for name in &names {
            assert!(kinds.contains(&(&name[..], false)), "{name}");
        }
        assert!(
            table == Table::Meta || kinds.contains(&(&names[0][..], true)),
            "{table:?}"
        );
    }
    assert!(kinds.contains(&("tables", false)) && kinds.contains(&("system", false)));
    for (n, page) in pages.iter().enumerate() {
        // Apply every corruption to each branch page. Each table has many leaves, so apply only one
        // corruption to each leaf.
        let corruptions = CORRUPTIONS.iter().enumerate();
        let corruptions =
            corruptions.filter(|(m, _)| page.is_branch || n % CORRUPTIONS.len() == *m);
        for (_, corrupt) in corruptions {
            let path = made.corrupted(|bytes| corrupt(&mut bytes[page.offset..]));
            check_reads(&path, page);
        }
    }
}

/// Reads every table of a file in which `page` is corrupt, and checks which reads fail.
fn check_reads(path: &Path, page: &UsedPage) {
    let len = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    let (file, longest) = WatchedFile::open(path);
    let opened = BTree::start(file, CACHE, false, Arc::default())
        .and_then(|base| Ok((base.snapshot()?, base)));
    let is_inner = ["tables", "system"].contains(&&page.of[..]);
    let Ok((snapshot, base)) = opened else {
        assert!(
            is_inner && is_damage(&opened),
            "{page:?}: {:?}",
            opened.err()
        );
        return;
    };
    // A corrupt filter costs no key: reads then search the run.
    let is_filter = page.of.ends_with(".filter");
    let (mut failed, salvage) = (0, salvage(path));
    for table in Table::ALL {
        let is_hurt = !is_filter && stored_names(table).contains(&page.of);
        let expected = entries(table);
        // Read every fifth key of the table with the corrupt page. For other tables, a few keys
        // suffice.
        let step = if is_hurt { 5 } else { 100 };
        for (key, value) in expected.iter().step_by(step) {
            let found = snapshot.get(table, key.as_slice(), |_, value| Ok(value.to_vec()));
            if is_damage(&found) {
                failed += 1;
                assert!(is_hurt, "{page:?} costs a key of {table:?}");
            } else {
                assert_eq!(found.unwrap().as_ref(), Some(value), "{page:?}: {table:?}");
            }
            // An existing unique key must never seem to be absent.
            let is_empty = snapshot.is_empty(table, &(*key, *key));
            assert!(is_damage(&is_empty) || !is_empty.unwrap(), "{page:?}");
        }
        if is_hurt {
            assert!(is_damage(&walked(&snapshot, table)), "{page:?}: {table:?}");
            let kept = walked(&salvage, table).unwrap();
            let is_kept = |(key, value)| expected.get(key) == Some(value);
            assert!(kept.iter().all(is_kept) && kept.len() < expected.len());
        }
    }
    if !is_inner {
        assert!(
            (failed > 0) != is_filter && base.damage().count() == 1,
            "{page:?}: {failed}"
        );
    }
    assert!(longest.load(Ordering::SeqCst) <= len, "{page:?}");
}

#[test]
fn corrupt_header_bit_is_rejected_or_harmless() {
    let made = SampleFile::new();
    let mut refused = 0;
    for at in 0..page::HEADER_LEN {
        let path = made.corrupted(|bytes| bytes[at] ^= 1 << (at % 8));
        let opened = BTree::open(&RealDisk, &path, CACHE, false)
            .and_then(|base| Ok((base.snapshot()?, base)));
        let Ok((snapshot, _base)) = opened else {
            refused += 1;
            continue;
        };
        // Skip byte 9, the flags of the header: after a change there, redb may open the previous
        // commit.
        let tables = [Table::Orders, Table::Status, Table::Meta];
        for table in tables.into_iter().filter(|_| at != 9) {
            let found = walked(&snapshot, table).unwrap();
            assert_eq!(found, entries(table), "byte {at}");
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn write_never_copies_corrupt_page_data() {
    let made = SampleFile::new();
    let (mut refused, mut written) = (0, 0);
    for page in made.pages() {
        let is_of = |table: &Table| stored_names(*table)[0] == page.of;
        let Some(table) = Table::ALL.into_iter().find(is_of) else {
            continue;
        };
        let path = made.corrupted(|bytes| bytes[page.offset + 8..][..40].fill(0xa5));
        let kept = salvaged(&path, table);
        let base = BTree::open(&RealDisk, &path, CACHE, false).unwrap();
        // Read the table, so that redb's cache contains the replacement of the corrupt page.
        assert!(is_damage(&walked(&base.snapshot().unwrap(), table)));
        let gone = |n: usize| !n.is_multiple_of(12);
        let keys = kept.keys().enumerate().filter(|(n, _)| gone(*n));
        let removed: Sorted<'_> = (table, Box::new(keys.map(|(_, key)| (*key, None))));
        let wrote = base.write(vec![removed]);
        base.abandon();
        let left = salvaged(&path, table);
        if wrote.is_ok() {
            written += 1;
            let rest = kept.iter().enumerate().filter(|(n, _)| !gone(*n));
            let rest: Entries = rest
                .map(|(_, (key, value))| (*key, value.clone()))
                .collect();
            assert_eq!(left, rest, "{page:?}");
        } else {
            refused += 1;
            assert_eq!(left, kept, "{page:?}");
        }
        let opened = BTree::open(&RealDisk, &path, CACHE, false);
        assert!(opened.is_ok(), "{page:?}");
    }
    assert!(
        refused > 20 && written + refused > 60,
        "{refused} {written}"
    );
}

#[test]
fn page_unreadable_twice_counts_as_corrupt() {
    let made = SampleFile::new();
    let pages = made.pages();
    let of_events = |page: &&UsedPage| page.of == Table::Events.name() && !page.is_branch;
    let leaf = pages.iter().filter(of_events).nth(3).unwrap();
    let at = u64::try_from(leaf.offset).unwrap();
    let damage = Arc::<CorruptPages>::default();
    let read = |times: usize| {
        let (file, _) = WatchedFile::failing(&made.path(), at, times);
        let base = BTree::start(file, CACHE, false, Arc::clone(&damage)).unwrap();
        let snapshot = base.snapshot().unwrap();
        let first = walked(&snapshot, Table::Events);
        let second = walked(&snapshot, Table::Orders);
        (first, second)
    };
    let (first, second) = read(1);
    assert_eq!(first.unwrap_err().kind(), StorageErrorKind::Io);
    assert_eq!(
        second.unwrap_err().kind(),
        StorageErrorKind::Io,
        "redb still reads after a failed read"
    );
    assert_eq!(damage.count(), 1);
    let (first, second) = read(1);
    assert!(is_damage(&first) && second.is_ok(), "{first:?}");
    let (first, second) = read(0);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(damage.count(), 0);
}

#[test]
fn truncated_btree_file_reports_corruption() {
    let made = SampleFile::new();
    let base = BTree::open(&RealDisk, &made.path(), 1 << 12, false).unwrap();
    let snapshot = base.snapshot().unwrap();
    let half = u64::try_from(made.bytes.len() / 2).unwrap();
    File::options()
        .write(true)
        .open(made.path())
        .unwrap()
        .set_len(half)
        .unwrap();
    let walks = Table::ALL.map(|table| (walked(&snapshot, table), entries(table)));
    for (found, expected) in &walks {
        assert!(is_damage(found) || found.as_ref().unwrap() == expected);
    }
    assert!(walks.iter().any(|(found, _)| is_damage(found)));
    base.abandon();
    let opened = BTree::open(&RealDisk, &made.path(), CACHE, false);
    assert!(is_damage(&opened));
}
