//! Tests of the memtable, of checkpoints, and of backpressure.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::fixture::{TestStore, at, confirm, create, decided, new, no, options};
use crate::contract::{Direction, IndexQuery, Verdict};
use crate::engine::local::failure::unread;
use crate::engine::local::write::batch::WriteBatch;
use crate::engine::{Engine, EngineError};
use crate::format::tables::Table;
use crate::order::Status;
use crate::rules::Index;
use crate::types::Timestamp;

/// Query for all entries of an index, oldest first.
fn all_of(index: Index) -> IndexQuery {
    IndexQuery {
        index,
        from: Timestamp::EPOCH,
        until: Timestamp::MAX,
        direction: Direction::Forward,
        after: None,
    }
}

fn create_many(store: &TestStore, count: usize) {
    let make = |n| decided(no(n), create(new()), at(0), None, &[]);
    let batch: Vec<_> = (0..count).map(make).collect();
    assert!(store.apply(&batch).iter().all(|v| *v == Verdict::Applied));
}

fn confirm_many(store: &TestStore, count: usize) {
    let confirm = |n| store.decide(no(n), confirm(&format!("T{n}")));
    let batch: Vec<_> = (0..count).map(confirm).collect();
    assert!(store.apply(&batch).iter().all(|v| *v == Verdict::Applied));
}

/// Number of changes of a table in the active memtable.
fn in_memory(store: &TestStore, table: Table) -> usize {
    let view = store.engine.view().unwrap();
    view.active.read().sorted(table).count()
}

#[test]
fn opposite_index_changes_cancel_in_memtable() {
    let store = TestStore::new();
    create_many(&store, 3000);
    assert_eq!(in_memory(&store, Table::Due), 3000);
    confirm_many(&store, 3000);
    assert_eq!(in_memory(&store, Table::Due), 0);
    assert_eq!(in_memory(&store, Table::Status), 3000);
    let due = store.engine.scan(&all_of(Index::Due), 10).unwrap();
    assert!(due.rows.is_empty() && !due.more);
    store.assert_valid();
}

#[test]
fn removed_entry_in_memtable_hides_btree_entry() {
    let store = TestStore::new();
    create_many(&store, 2000);
    store.engine.checkpoint().unwrap();
    confirm_many(&store, 1990);
    assert_eq!(in_memory(&store, Table::Due), 1990);
    for _ in 0..2 {
        let due = store.engine.scan(&all_of(Index::Due), 7).unwrap();
        assert_eq!((due.rows.len(), due.more), (7, true));
        assert_eq!(due.rows[0].record.no(), no(1990));
        store.engine.checkpoint().unwrap();
    }
    assert_eq!(in_memory(&store, Table::Due), 0);
    store.assert_valid();
}

#[test]
fn checkpoint_empties_memtable_and_journal() {
    let store = TestStore::new();
    create_many(&store, 500);
    let before = store.engine.stats();
    assert!(before.memtable_bytes > 100_000 && before.journal_bytes > 100_000);
    store.engine.checkpoint().unwrap();
    let after = store.engine.stats();
    assert_eq!((after.checkpoints, after.memtable_bytes), (1, 0));
    assert!(after.journal_bytes < 10_000, "{after:?}");
    assert!(after.last_checkpoint > Duration::ZERO);
    store.engine.checkpoint().unwrap();
    assert_eq!(store.engine.stats().checkpoints, 1);
    store.assert_valid();
}

#[test]
fn checkpoint_drops_changed_record_from_cache() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    store.engine.checkpoint().unwrap();
    // The first read comes from the B-tree and fills the cache.
    let before = store.engine.get(&no(1)).unwrap().unwrap();
    assert_eq!(store.engine.get(&no(1)).unwrap(), Some(before.clone()));
    store.run(no(1), confirm("T1"));
    let after = store.engine.get(&no(1)).unwrap();
    store.engine.checkpoint().unwrap();
    assert_eq!(store.engine.get(&no(1)).unwrap(), after);
    assert!(after.unwrap().version() > before.version());
}

#[test]
fn full_memtable_starts_checkpoint() {
    let mut options = options();
    options.memtable_bytes = 64 << 10;
    let store = TestStore::with(&options);
    for n in 0..400 {
        store.run(no(n), create(new()));
    }
    assert!(store.engine.stats().checkpoints > 2);
    assert_eq!(store.engine.counts().unwrap().of(Status::Pending), 400);
    let all = store.engine.scan(&all_of(Index::All), 1000).unwrap();
    assert_eq!(all.rows.len(), 400);
    store.assert_valid();
}

#[test]
fn failed_checkpoint_is_retried_on_reopened_btree() {
    let store = TestStore::new();
    create_many(&store, 100);
    store.cut_off_btree();
    // The first attempt fails. The waiting caller gets the error, unless a retry was faster.
    let refused = store.engine.checkpoint();
    assert!(matches!(refused, Ok(()) | Err(EngineError::Retry(_))));
    let until = Instant::now() + Duration::from_secs(20);
    store.run(no(1000), create(new()));
    while store.engine.stats().checkpoints == 0 && Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(store.engine.stats().checkpoints, 1);
    assert_eq!(store.stored(no(7)).map(|stored| stored.row), Some(8));
    store.assert_valid();
    let store = store.reopened();
    assert!(store.stored(no(99)).is_some());
    store.assert_valid();
}

#[test]
fn read_is_retried_after_btree_reopens() {
    let store = TestStore::new();
    create_many(&store, 2000);
    store.engine.checkpoint().unwrap();
    store.run(no(2000), create(new()));
    let core = &store.engine.core;
    let mut tries = 0;
    let found = core.read_with_retry(|view| {
        tries += 1;
        if tries == 1 {
            store.cut_off_btree();
            drop(store.engine.checkpoint());
        }
        // Read a record that is in no cache and no memtable, but only in the B-tree.
        view.held(&no(1999)).map_err(unread)
    });
    assert!(found.unwrap().is_some());
    assert_eq!(tries, 2);
    // Wait until the retry of the checkpoint ends.
    while core.checkpointer.stats().is_busy {
        thread::sleep(Duration::from_millis(10));
    }
    store.assert_valid();
}

#[test]
fn corrupt_btree_at_reopen_stops_writes_not_reads() {
    let store = TestStore::new();
    create_many(&store, 10);
    store.engine.checkpoint().unwrap();
    store.run(no(10), create(new()));
    store.cut_off_btree();
    let path = store.dir().join("base.redb");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, vec![0; whole.len()]).unwrap();
    drop(store.engine.checkpoint());
    let mutation = decided(no(11), create(new()), at(0), None, &[]);
    let until = Instant::now() + Duration::from_secs(20);
    while store
        .engine
        .core
        .writer
        .lock()
        .as_ref()
        .unwrap()
        .poisoned_by
        .is_none()
    {
        drop(store.engine.reserve(1));
        assert!(Instant::now() < until);
    }
    let refused = store.engine.apply(&[mutation]);
    assert!(matches!(refused, Err(EngineError::Fatal(_))));
    assert!(store.stored(no(10)).is_some());
    drop(store.engine.close());
    std::fs::write(path, whole).unwrap();
    let store = store.reopened();
    assert!(store.stored(no(10)).is_some());
    store.assert_valid();
}

#[cfg(unix)]
#[test]
fn checkpoint_fails_while_btree_file_is_moved() {
    let store = TestStore::new();
    create_many(&store, 10);
    store.engine.checkpoint().unwrap();
    store.run(no(10), create(new()));
    let path = store.dir().join("base.redb");
    let aside = store.dir().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    for _ in 0..2 {
        let refused = store.engine.checkpoint();
        assert!(matches!(refused, Err(EngineError::Retry(_))), "{refused:?}");
        assert!(store.engine.retrying_failure().is_some());
        // Put a copy in the place of the moved file. It is a different file, which the store must
        // not accept.
        std::fs::copy(&aside, &path).unwrap();
    }
    let segments = store.engine.core.side().dir.journal().list().unwrap();
    assert_eq!(segments.len(), 2, "a journal segment was removed");
    std::fs::rename(aside, &path).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while store.engine.stats().checkpoints < 2 {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(10));
    }
    assert!(store.engine.retrying_failure().is_none());
    store.assert_valid();
    let store = store.reopened();
    assert!(store.stored(no(10)).is_some());
}

#[test]
fn writers_stall_while_memtable_is_full() {
    let mut options = options();
    options.memtable_bytes = 64 << 10;
    let store = TestStore::with(&options);
    let side = store.engine.core.side();
    let hold = side.btree.lock();
    let written = AtomicU64::new(0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..300 {
                store.run(no(n), create(new()));
                written.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut seen = u64::MAX;
        while seen != written.load(Ordering::SeqCst) {
            seen = written.load(Ordering::SeqCst);
            thread::sleep(Duration::from_millis(500));
        }
        assert!(seen < 300 && !writer.is_finished());
        assert!(store.engine.stats().throttled > 0);
        // Readers do not wait for the checkpoint.
        assert!(store.stored(no(0)).is_some());
        drop(hold);
        writer.join().unwrap();
    });
    store.assert_valid();
}

#[test]
fn batch_longer_than_one_frame_is_split() {
    let store = TestStore::new();
    create_many(&store, 8192);
    confirm_many(&store, 8192);
    let store = store.reopened();
    // The journal split the batches: the two batches need more than two frames.
    assert!(store.engine.recovery().frames > 2);
    assert_eq!(store.engine.counts().unwrap().of(Status::Success), 8192);
    store.assert_valid();
}

#[test]
fn index_pages_are_consistent_during_writes() {
    let mut options = options();
    options.memtable_bytes = 32 << 10;
    let store = TestStore::with(&options);
    create_many(&store, 50);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 50..400 {
                store.run(no(n), create(new()));
                store.run(no(n), confirm(&format!("T{n}")));
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let all = store.engine.scan(&all_of(Index::All), 1000).unwrap();
            assert!(all.rows.len() >= last && !all.more);
            last = all.rows.len();
            let pending = all_of(Index::Status(Status::Pending));
            let pending = store.engine.scan(&pending, 1000).unwrap().rows.len();
            assert!((50..=51).contains(&pending), "{pending}");
        }
        writer.join().unwrap();
    });
    store.assert_valid();
}

#[test]
fn checkpoint_counts_no_frame_that_is_not_published() {
    let store = TestStore::new();
    create_many(&store, 3);
    let core = &store.engine.core;
    let published = core.published.load(Ordering::SeqCst);
    // Append a frame without publishing it, as after a loss that could not be recorded.
    let mut unpublished = WriteBatch::default();
    let appended = core
        .writer
        .lock()
        .as_mut()
        .unwrap()
        .journal
        .append(&mut unpublished);
    appended.unwrap();
    store.engine.checkpoint().unwrap();
    assert_eq!(core.base_view().unwrap().applied().unwrap(), published);
}
