//! Tests of the retry of a checkpoint.

use super::*;
use crate::engine::local::tests::fixture::{TestStore, confirm, create, new, no};

#[test]
fn retry_after_unnoticed_commit_adds_no_key_twice() {
    let store = TestStore::new();
    for n in 0..3 {
        store.run(no(n), create(new()));
        store.run(no(n), confirm(&format!("T{n}")));
    }
    let core = &store.engine.core;
    let frozen = Frozen {
        memtable: Arc::clone(&core.view().unwrap().active),
        last_lsn: core.writer.lock().as_ref().unwrap().journal.last_lsn(),
    };
    let side = core.side();
    let mut btree = side.btree.lock();
    let len = |btree: &Option<BTree>| {
        let snapshot = btree.as_ref().unwrap().snapshot().unwrap();
        snapshot.len(Table::Transaction).unwrap()
    };
    write(btree.as_ref().unwrap(), &frozen, true).unwrap();
    let written = len(&btree);
    assert!(written > 0);
    let error = StorageError::new(StorageErrorKind::Io, "the sync of the header failed");
    core.checkpointer.fail(error, false);
    let retried = core
        .try_write(&side, &mut btree, &frozen, |_| Ok(()))
        .unwrap();
    assert!(retried.is_none());
    assert_eq!(len(&btree), written);
}
