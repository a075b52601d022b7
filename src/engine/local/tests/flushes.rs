//! Memtable, flush, and what happens when the base cannot follow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::fixture::{Shop, at, confirm, create, decided, new, no, options};
use crate::contract::{Direction, IndexQuery, Verdict};
use crate::engine::local::failure::unread;
use crate::engine::{Engine, EngineError};
use crate::format::tables::Table;
use crate::order::Status;
use crate::rules::Index;
use crate::types::Timestamp;

fn all_of(index: Index) -> IndexQuery {
    IndexQuery {
        index,
        from: Timestamp::EPOCH,
        until: Timestamp::MAX,
        direction: Direction::Forward,
        after: None,
    }
}

fn create_many(shop: &Shop, count: usize) {
    let make = |n| decided(no(n), create(new()), at(0), None, &[]);
    let batch: Vec<_> = (0..count).map(make).collect();
    assert!(shop.apply(&batch).iter().all(|v| *v == Verdict::Applied));
}

fn confirm_many(shop: &Shop, count: usize) {
    let confirm = |n| shop.decide(no(n), confirm(&format!("T{n}")));
    let batch: Vec<_> = (0..count).map(confirm).collect();
    assert!(shop.apply(&batch).iter().all(|v| *v == Verdict::Applied));
}

fn in_memory(shop: &Shop, table: Table) -> usize {
    let view = shop.engine.view().unwrap();
    view.active.read().sorted(table).count()
}

#[test]
fn an_entry_that_came_and_went_between_two_flushes_leaves_nothing_behind() {
    let shop = Shop::new();
    create_many(&shop, 3000);
    assert_eq!(in_memory(&shop, Table::Due), 3000);
    confirm_many(&shop, 3000);
    assert_eq!(in_memory(&shop, Table::Due), 0);
    assert_eq!(in_memory(&shop, Table::Status), 3000);
    let due = shop.engine.scan(&all_of(Index::Due), 10).unwrap();
    assert!(due.rows.is_empty() && !due.more);
    shop.assert_sound();
}

#[test]
fn entries_removed_behind_a_flush_hide_those_of_the_base() {
    let shop = Shop::new();
    create_many(&shop, 2000);
    shop.engine.flush().unwrap();
    confirm_many(&shop, 1990);
    assert_eq!(in_memory(&shop, Table::Due), 1990);
    for _ in 0..2 {
        let due = shop.engine.scan(&all_of(Index::Due), 7).unwrap();
        assert_eq!((due.rows.len(), due.more), (7, true));
        assert_eq!(due.rows[0].record.no(), no(1990));
        shop.engine.flush().unwrap();
    }
    assert_eq!(in_memory(&shop, Table::Due), 0);
    shop.assert_sound();
}

#[test]
fn a_flush_empties_memory_and_journal_and_is_counted() {
    let shop = Shop::new();
    create_many(&shop, 500);
    let before = shop.engine.stats();
    assert!(before.memtable_bytes > 100_000 && before.journal_bytes > 100_000);
    shop.engine.flush().unwrap();
    let after = shop.engine.stats();
    assert_eq!((after.flushes, after.memtable_bytes), (1, 0));
    assert!(after.journal_bytes < 10_000, "{after:?}");
    assert!(after.last_flush > Duration::ZERO);
    shop.engine.flush().unwrap();
    assert_eq!(shop.engine.stats().flushes, 1);
    shop.assert_sound();
}

#[test]
fn record_that_a_flush_changed_is_not_read_as_it_was_before() {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    shop.engine.flush().unwrap();
    // From the base, and from now on at hand.
    let before = shop.engine.get(&no(1)).unwrap().unwrap();
    assert_eq!(shop.engine.get(&no(1)).unwrap(), Some(before.clone()));
    shop.run(no(1), confirm("T1"));
    let after = shop.engine.get(&no(1)).unwrap();
    shop.engine.flush().unwrap();
    assert_eq!(shop.engine.get(&no(1)).unwrap(), after);
    assert!(after.unwrap().version() > before.version());
}

#[test]
fn a_full_table_is_flushed_by_itself() {
    let mut options = options();
    options.memtable_bytes = 64 << 10;
    let shop = Shop::with(&options);
    for n in 0..400 {
        shop.run(no(n), create(new()));
    }
    assert!(shop.engine.stats().flushes > 2);
    assert_eq!(shop.engine.counts().unwrap().of(Status::Pending), 400);
    let all = shop.engine.scan(&all_of(Index::All), 1000).unwrap();
    assert_eq!(all.rows.len(), 400);
    shop.assert_sound();
}

#[test]
fn a_flush_that_failed_is_tried_again_on_a_base_opened_anew() {
    let shop = Shop::new();
    create_many(&shop, 100);
    shop.engine.core.base.lock().as_ref().unwrap().break_off();
    // The first try fails, and says so to who waits for it.
    let refused = shop.engine.flush();
    assert!(matches!(refused, Ok(()) | Err(EngineError::Retry(_))));
    let until = Instant::now() + Duration::from_secs(20);
    shop.run(no(1000), create(new()));
    while shop.engine.stats().flushes == 0 && Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(shop.engine.stats().flushes, 1);
    assert_eq!(shop.stored(no(7)).map(|stored| stored.row), Some(8));
    shop.assert_sound();
    let shop = shop.reopened();
    assert!(shop.stored(no(99)).is_some());
    shop.assert_sound();
}

#[test]
fn who_reads_while_the_base_is_opened_anew_reads_again() {
    let shop = Shop::new();
    create_many(&shop, 2000);
    shop.engine.flush().unwrap();
    shop.run(no(2000), create(new()));
    let core = &shop.engine.core;
    let mut tries = 0;
    let found = core.reading(|view| {
        tries += 1;
        if tries == 1 {
            core.base.lock().as_ref().unwrap().break_off();
            drop(shop.engine.flush());
        }
        // Not read before: it is nowhere but in the base.
        view.held(&no(1999)).map_err(unread)
    });
    assert!(found.unwrap().is_some());
    assert_eq!(tries, 2);
    // Where it is tried again, the flush is done then.
    while core.flushing.flushed().is_busy {
        thread::sleep(Duration::from_millis(10));
    }
    shop.assert_sound();
}

#[test]
fn base_that_is_damaged_when_reopened_ends_all_writing_and_no_reading() {
    let shop = Shop::new();
    create_many(&shop, 10);
    shop.engine.flush().unwrap();
    shop.run(no(10), create(new()));
    shop.engine.core.base.lock().as_ref().unwrap().break_off();
    let path = shop.dir().join("base.redb");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, vec![0; whole.len()]).unwrap();
    drop(shop.engine.flush());
    let mutation = decided(no(11), create(new()), at(0), None, &[]);
    let until = Instant::now() + Duration::from_secs(20);
    while shop
        .engine
        .core
        .writer
        .lock()
        .as_ref()
        .unwrap()
        .stopped
        .is_none()
    {
        drop(shop.engine.reserve(1));
        assert!(Instant::now() < until);
    }
    let refused = shop.engine.apply(&[mutation]);
    assert!(matches!(refused, Err(EngineError::Fatal(_))));
    assert!(shop.stored(no(10)).is_some());
    drop(shop.engine.close());
    std::fs::write(path, whole).unwrap();
    let shop = shop.reopened();
    assert!(shop.stored(no(10)).is_some());
    shop.assert_sound();
}

#[cfg(unix)]
#[test]
fn base_that_was_moved_aside_is_told_and_waited_for() {
    let shop = Shop::new();
    create_many(&shop, 10);
    shop.engine.flush().unwrap();
    shop.run(no(10), create(new()));
    let path = shop.dir().join("base.redb");
    let aside = shop.dir().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    for _ in 0..2 {
        let refused = shop.engine.flush();
        assert!(matches!(refused, Err(EngineError::Retry(_))), "{refused:?}");
        assert!(shop.engine.trouble().is_some());
        // Another one in its place is no better.
        std::fs::copy(&aside, &path).unwrap();
    }
    let segments = shop.engine.core.dir.journal().list().unwrap();
    assert_eq!(segments.len(), 2, "nothing of the journal is removed");
    std::fs::rename(aside, &path).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while shop.engine.stats().flushes < 2 {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(10));
    }
    assert!(shop.engine.trouble().is_none());
    shop.assert_sound();
    let shop = shop.reopened();
    assert!(shop.stored(no(10)).is_some());
}

#[test]
fn writers_wait_when_memory_is_full_and_go_on_when_it_is_not() {
    let mut options = options();
    options.memtable_bytes = 64 << 10;
    let shop = Shop::with(&options);
    let hold = shop.engine.core.base.lock();
    let written = AtomicU64::new(0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..300 {
                shop.run(no(n), create(new()));
                written.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut seen = u64::MAX;
        while seen != written.load(Ordering::SeqCst) {
            seen = written.load(Ordering::SeqCst);
            thread::sleep(Duration::from_millis(500));
        }
        assert!(seen < 300 && !writer.is_finished());
        assert!(shop.engine.stats().slowed > 0);
        // Readers do not wait.
        assert!(shop.stored(no(0)).is_some());
        drop(hold);
        writer.join().unwrap();
    });
    shop.assert_sound();
}

#[test]
fn a_batch_longer_than_a_frame_is_written_in_several() {
    let shop = Shop::new();
    create_many(&shop, 8192);
    confirm_many(&shop, 8192);
    let shop = shop.reopened();
    // Two batches in more than two frames.
    assert!(shop.engine.recovery().frames > 2);
    assert_eq!(shop.engine.counts().unwrap().of(Status::Success), 8192);
    shop.assert_sound();
}

#[test]
fn pages_are_whole_while_orders_move_and_tables_change_hands() {
    let mut options = options();
    options.memtable_bytes = 32 << 10;
    let shop = Shop::with(&options);
    create_many(&shop, 50);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 50..400 {
                shop.run(no(n), create(new()));
                shop.run(no(n), confirm(&format!("T{n}")));
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let all = shop.engine.scan(&all_of(Index::All), 1000).unwrap();
            assert!(all.rows.len() >= last && !all.more);
            last = all.rows.len();
            let pending = all_of(Index::Status(Status::Pending));
            let pending = shop.engine.scan(&pending, 1000).unwrap().rows.len();
            assert!((50..=51).contains(&pending), "{pending}");
        }
        writer.join().unwrap();
    });
    shop.assert_sound();
}
