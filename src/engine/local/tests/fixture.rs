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

pub(in crate::engine::local) const NOW: i64 = 1_700_000_000_000;

pub(in crate::engine::local) fn no(n: usize) -> OrderNo {
    OrderNo::parse(&format!("ORDER{n:07}")).unwrap()
}

pub(in crate::engine::local) fn at(after: i64) -> Timestamp {
    Timestamp::from_millis(NOW + after).unwrap()
}

pub(in crate::engine::local) fn new() -> NewOrder {
    NewOrder::new(AppId::parse("wxd2565e6a04246fd1").unwrap(), fee()).unwrap()
}

fn fee() -> Fen {
    Fen::new(1990).unwrap()
}

pub(in crate::engine::local) fn create(new: NewOrder) -> CommandKind {
    CommandKind::Create(Box::new(new))
}

pub(in crate::engine::local) fn openid(name: &str) -> OpenId {
    OpenId::parse(name).unwrap()
}

pub(in crate::engine::local) fn reference(name: &str) -> Reference {
    Reference::parse(name).unwrap()
}

pub(in crate::engine::local) fn payment(id: &str) -> Payment {
    let id = TransactionId::parse(id).unwrap();
    Payment::new(id, fee(), at(5), Source::CALLBACK).unwrap()
}

pub(in crate::engine::local) fn confirm(id: &str) -> CommandKind {
    CommandKind::Confirm(Box::new(payment(id)))
}

pub(in crate::engine::local) fn transaction(id: &str) -> UniqueKey {
    UniqueKey::transaction_of(&payment(id))
}

/// Mutation that the rules decide for a command.
pub(in crate::engine::local) fn decided(
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
        after,
        events: decision.events,
    }
}

fn folded(no: OrderNo, commands: Vec<CommandKind>) -> Record {
    let mut before: Option<StoredRecord> = None;
    for (kind, step) in commands.into_iter().zip(0..) {
        let mutation = decided(no, kind, at(step), before.clone(), &[]);
        let mut record = before.map(|stored| stored.record);
        for event in &mutation.events {
            record = Some(evolve(record.as_ref(), event));
        }
        before = record.map(|record| StoredRecord { record, row: 1 });
    }
    before.unwrap().record
}

/// Order with an openid, a reference, a payment and an anomaly.
pub(in crate::engine::local) fn paid(no: OrderNo) -> Record {
    let new = new()
        .openid(openid("oUser-of-ours-1"))
        .reference(reference("R1"));
    folded(no, vec![create(new), confirm("T1"), confirm("T2")])
}

/// Changes of the B-tree, each in its own transaction.
#[derive(Default)]
pub(in crate::engine::local) struct Changes(Vec<(Table, KeyBytes, Option<Vec<u8>>)>);

impl Changes {
    pub(in crate::engine::local) fn put(&mut self, table: Table, key: KeyBytes, value: Vec<u8>) {
        self.0.push((table, key, Some(value)));
    }

    pub(in crate::engine::local) fn remove(&mut self, table: Table, key: KeyBytes) {
        self.0.push((table, key, None));
    }
}

/// Local engine in a temporary directory.
pub(in crate::engine::local) struct Shop {
    place: TempDir,
    pub(in crate::engine::local) engine: LocalEngine,
}

pub(in crate::engine::local) fn options() -> LocalOptions {
    LocalOptions {
        cache_bytes: 1 << 20,
        segment_bytes: 1 << 16,
        ..LocalOptions::default()
    }
}

impl Shop {
    pub(in crate::engine::local) fn new() -> Self {
        Self::with(&options())
    }

    pub(in crate::engine::local) fn with(options: &LocalOptions) -> Self {
        let place = tempfile::tempdir().unwrap();
        let engine = LocalEngine::init(dir_of(place.path()), options).unwrap();
        Self { place, engine }
    }

    /// Opens the store in a copied directory.
    pub(in crate::engine::local) fn on_copy(copy: TempDir) -> Result<Self, Error> {
        let engine = LocalEngine::open(copy.path(), &options())?;
        let place = copy;
        Ok(Self { place, engine })
    }

    /// Creates a store whose indexes give all texts the same hash.
    pub(in crate::engine::local) fn colliding() -> Self {
        let store = Self::new();
        let mut view = (*store.engine.view().unwrap()).clone();
        view.layout = KeyEncoder::colliding();
        *store.engine.core.view.write() = Some(Arc::new(view));
        store
    }

    pub(in crate::engine::local) fn dir(&self) -> PathBuf {
        dir_of(self.place.path())
    }

    pub(in crate::engine::local) fn reopened(self) -> Self {
        self.engine.close().unwrap();
        let engine = LocalEngine::open(self.dir(), &options()).unwrap();
        let place = self.place;
        Self { place, engine }
    }

    pub(in crate::engine::local) fn stored(&self, no: OrderNo) -> Option<StoredRecord> {
        self.load(Lookup::No(no))
    }

    pub(in crate::engine::local) fn load(&self, lookup: Lookup) -> Option<StoredRecord> {
        self.engine.load(&[lookup]).unwrap().pop().unwrap()
    }

    /// Mutation that the rules decide for a command on the current state. Does not apply it.
    pub(in crate::engine::local) fn decide(&self, no: OrderNo, kind: CommandKind) -> Mutation {
        let before = self.stored(no);
        let record = before.as_ref().map(|stored| &stored.record);
        let command = Command { no, kind };
        let owner = |key: UniqueKey| {
            let owner = self.load(Lookup::Owner(key.clone()));
            (key, owner.map(|stored| stored.record))
        };
        let owners: Vec<_> = needs(&command, record).into_iter().map(owner).collect();
        decided(no, command.kind, at(0), before, &owners)
    }

    pub(in crate::engine::local) fn apply(&self, batch: &[Mutation]) -> Vec<Verdict> {
        self.engine.apply(batch).unwrap()
    }

    /// Decides and applies a command, which must succeed.
    pub(in crate::engine::local) fn run(&self, no: OrderNo, kind: CommandKind) {
        let mutation = self.decide(no, kind);
        assert_eq!(self.apply(&[mutation]), [Verdict::Applied]);
    }

    pub(in crate::engine::local) fn assert_sound(&self) {
        let report = self.engine.verify().unwrap();
        assert!(report.is_ok(), "{report:#?}");
    }

    /// Changes the B-tree directly, without the journal and the rules.
    pub(in crate::engine::local) fn tamper(&self, change: impl FnOnce(&ReadView, &mut Changes)) {
        let core = &self.engine.core;
        core.flush().unwrap();
        let mut changes = Changes::default();
        change(&core.base_view().unwrap(), &mut changes);
        let base = core.btree.lock();
        let base = base.as_ref().unwrap();
        for (table, key, value) in &changes.0 {
            let entries = std::iter::once((*key, value.as_deref()));
            base.write(vec![(*table, Box::new(entries))]).unwrap();
        }
        core.publish_btree(base).unwrap();
    }
}

fn dir_of(place: &Path) -> PathBuf {
    place.join("shop")
}

pub(in crate::engine::local) type Picture = BTreeMap<String, Vec<u8>>;

/// Names and bytes of all files in a directory and its subdirectories.
pub(in crate::engine::local) fn picture(dir: &Path) -> Option<Picture> {
    let mut found = Picture::new();
    for entry in fs::read_dir(dir).ok()? {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        match picture(&entry.path()) {
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

/// Copy of a store's directory, as a kill or a crash at this moment may leave it. Files that are
/// created or removed during the copy may be missing.
pub(in crate::engine::local) fn copied(dir: &Path) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("journal")).unwrap();
    for (name, bytes) in picture(dir).unwrap() {
        if name != "journal" {
            fs::write(place.path().join(name), bytes).unwrap();
        }
    }
    place
}
