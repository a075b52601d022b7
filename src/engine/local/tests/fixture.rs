//! Test store that decides commands by the rules and writes to a local engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::contract::{Lookup, Mutation, StoredRecord, Verdict};
use crate::engine::Engine;
use crate::engine::local::LocalEngine;
use crate::engine::local::options::LocalOptions;
use crate::engine::local::read::view::ReadView;
use crate::error::Error;
use crate::format::keys::{KeyBytes, KeyEncoder};
use crate::format::tables::Table;
use crate::order::{Command, CommandKind, NewOrder, Payment, Record, Source};
use crate::rules::{Context, Policy, UniqueKey, decide, evolve, needs};
use crate::types::{AppId, Fen, OpenId, OrderNo, Reference, Timestamp, TransactionId};

/// Start of the test clock, in milliseconds since 1970.
pub(crate) const NOW: i64 = 1_700_000_000_000;

/// Order number of test order `n`.
pub(crate) fn no(n: usize) -> OrderNo {
    OrderNo::parse(&format!("ORDER{n:07}")).unwrap()
}

/// Time that is `after` milliseconds after [`NOW`].
pub(crate) fn at(after: i64) -> Timestamp {
    Timestamp::from_millis(NOW + after).unwrap()
}

pub(crate) fn new() -> NewOrder {
    NewOrder::new(AppId::parse("wxd2565e6a04246fd1").unwrap(), fee()).unwrap()
}

fn fee() -> Fen {
    Fen::new(1990).unwrap()
}

pub(crate) fn create(new: NewOrder) -> CommandKind {
    CommandKind::Create(Box::new(new))
}

pub(crate) fn openid(name: &str) -> OpenId {
    OpenId::parse(name).unwrap()
}

pub(crate) fn reference(name: &str) -> Reference {
    Reference::parse(name).unwrap()
}

pub(crate) fn payment(id: &str) -> Payment {
    let id = TransactionId::parse(id).unwrap();
    Payment::new(id, fee(), at(5), Source::CALLBACK).unwrap()
}

pub(crate) fn confirm(id: &str) -> CommandKind {
    CommandKind::Confirm(Box::new(payment(id)))
}

pub(crate) fn transaction(id: &str) -> UniqueKey {
    UniqueKey::transaction_of(&payment(id))
}

/// Decides a command by the rules and returns the mutation.
pub(crate) fn decided(
    no: OrderNo,
    kind: CommandKind,
    now: Timestamp,
    before: Option<StoredRecord>,
    owners: &[(UniqueKey, Option<Record>)],
) -> Mutation {
    let policy = Policy {
        close_needs_query: false,
        ..Policy::default()
    };
    let context = Context {
        now,
        policy: &policy,
        owners,
    };
    let record = before.as_ref().map(|stored| &stored.record);
    let decision = decide(record, &Command { no, kind }, &context);
    let after = decision.after.expect("the command must change the record");
    Mutation {
        no,
        before,
        read_mark: None,
        after,
        events: decision.events,
    }
}

/// Record that `commands`, decided one after another, produce for an order number without a record.
fn folded(no: OrderNo, commands: Vec<CommandKind>) -> Record {
    let mut before: Option<StoredRecord> = None;
    for (kind, step) in commands.into_iter().zip(0..) {
        let mutation = decided(no, kind, at(step), before.clone(), &[]);
        let mut record = before.map(|stored| stored.record);
        for event in &mutation.events {
            record = Some(evolve(record, event));
        }
        before = record.map(|record| StoredRecord {
            record,
            row: 1,
            last_seq: 0,
        });
    }
    before.unwrap().record
}

/// Order with an openid, a reference, a payment and an anomaly.
pub(crate) fn paid(no: OrderNo) -> Record {
    let new = new()
        .openid(openid("oUser-of-ours-1"))
        .reference(reference("R1"));
    folded(no, vec![create(new), confirm("T1"), confirm("T2")])
}

/// Direct changes of the B-tree, each written in its own transaction.
#[derive(Default)]
pub(crate) struct Changes(Vec<(Table, KeyBytes, Option<Vec<u8>>)>);

impl Changes {
    pub(crate) fn put(&mut self, table: Table, key: KeyBytes, value: Vec<u8>) {
        self.0.push((table, key, Some(value)));
    }

    pub(crate) fn remove(&mut self, table: Table, key: KeyBytes) {
        self.0.push((table, key, None));
    }
}

/// Local engine in a temporary directory.
pub(crate) struct TestStore {
    place: TempDir,
    pub(crate) engine: LocalEngine,
}

pub(crate) fn options() -> LocalOptions {
    LocalOptions {
        cache_bytes: 1 << 20,
        segment_bytes: 1 << 16,
        ..LocalOptions::default()
    }
}

impl TestStore {
    pub(crate) fn new() -> Self {
        Self::with(&options())
    }

    pub(crate) fn with(options: &LocalOptions) -> Self {
        let place = tempfile::tempdir().unwrap();
        let engine = LocalEngine::init(store_dir(place.path()), options).unwrap();
        Self { place, engine }
    }

    /// Opens the store in a copied directory.
    pub(crate) fn on_copy(copy: TempDir) -> Result<Self, Error> {
        let engine = LocalEngine::open(copy.path(), &options())?;
        let place = copy;
        Ok(Self { place, engine })
    }

    /// Creates a store whose indexes give all texts the same hash.
    pub(crate) fn colliding() -> Self {
        let store = Self::new();
        let mut view = (*store.engine.view().unwrap()).clone();
        view.layout = KeyEncoder::colliding();
        *store.engine.core.view.write() = Some(Arc::new(view));
        store
    }

    pub(crate) fn dir(&self) -> PathBuf {
        store_dir(self.place.path())
    }

    pub(crate) fn reopened(self) -> Self {
        self.engine.close().unwrap();
        let engine = LocalEngine::open(self.dir(), &options()).unwrap();
        let place = self.place;
        Self { place, engine }
    }

    pub(crate) fn stored(&self, no: OrderNo) -> Option<StoredRecord> {
        self.load(Lookup::No(no))
    }

    pub(crate) fn load(&self, lookup: Lookup) -> Option<StoredRecord> {
        self.engine.load(&[lookup]).unwrap().pop().unwrap()
    }

    /// Decides a command on the current state. Returns the mutation without applying it.
    pub(crate) fn decide(&self, no: OrderNo, kind: CommandKind) -> Mutation {
        let before = self.stored(no);
        let record = before.as_ref().map(|stored| &stored.record);
        let command = Command { no, kind };
        let owner = |key: UniqueKey| {
            let owner = self.load(Lookup::Owner(key.clone()));
            (key, owner.map(|stored| stored.record))
        };
        let owners: Vec<_> = needs(&command, record).map(owner).collect();
        decided(no, command.kind, at(0), before, &owners)
    }

    pub(crate) fn apply(&self, batch: &[Mutation]) -> Vec<Verdict> {
        self.engine.apply(batch).unwrap()
    }

    /// Decides and applies a command, which must succeed.
    pub(crate) fn run(&self, no: OrderNo, kind: CommandKind) {
        let mutation = self.decide(no, kind);
        assert_eq!(self.apply(&[mutation]), [Verdict::Applied]);
    }

    /// Asserts that the store violates no invariant.
    pub(crate) fn assert_valid(&self) {
        let report = self.engine.verify().unwrap();
        assert!(report.is_ok(), "{report:#?}");
    }

    /// Makes every later read and write of the B-tree file fail, as on a broken disk.
    pub(crate) fn cut_off_btree(&self) {
        let side = self.engine.core.side();
        side.btree.lock().as_ref().unwrap().cut_off();
    }

    /// Changes the B-tree directly, without the journal and the rules.
    pub(crate) fn change_btree(&self, change: impl FnOnce(&ReadView, &mut Changes)) {
        let core = &self.engine.core;
        core.flush().unwrap();
        let mut changes = Changes::default();
        change(&core.base_view().unwrap(), &mut changes);
        let side = core.side();
        let base = side.btree.lock();
        let base = base.as_ref().unwrap();
        for (table, key, value) in &changes.0 {
            let entries = std::iter::once((*key, value.as_deref()));
            base.write(vec![(*table, Box::new(entries))]).unwrap();
        }
        core.publish_btree(&side, base).unwrap();
    }
}

fn store_dir(place: &Path) -> PathBuf {
    place.join("shop")
}

/// Bytes of each file by its relative path. A directory has no bytes.
pub(crate) type FileContents = BTreeMap<String, Vec<u8>>;

/// Names and bytes of all files in a directory and its subdirectories.
pub(crate) fn file_contents(dir: &Path) -> Option<FileContents> {
    let mut found = FileContents::new();
    for entry in fs::read_dir(dir).ok()? {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        match file_contents(&entry.path()) {
            Some(children) => {
                let path = |(file, bytes)| (format!("{name}/{file}"), bytes);
                found.extend(children.into_iter().map(path));
                found.insert(name, Vec::new());
            }
            None => drop(found.insert(name, fs::read(entry.path()).unwrap_or_default())),
        }
    }
    Some(found)
}

/// Copies a store's directory, as a kill of its process would leave the directory now. Files that
/// are created or removed during the copy may be missing.
pub(crate) fn copied(dir: &Path) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("journal")).unwrap();
    for (name, bytes) in file_contents(dir).unwrap() {
        if name != "journal" {
            fs::write(place.path().join(name), bytes).unwrap();
        }
    }
    place
}
