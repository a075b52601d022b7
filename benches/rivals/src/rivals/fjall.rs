//! fjall: one transaction for each command, with a synced journal and a single writer.

use std::path::Path;

use fjall::{
    KeyspaceCreateOptions, PersistMode, Readable, SingleWriterTxDatabase, SingleWriterTxKeyspace,
    SingleWriterWriteTx, Snapshot,
};
use orderstore::OrderNo;

use crate::kv::{self, Change, Sequence, Table, View};
use crate::rows::number_of;
use crate::sample::Checked;
use crate::system::{
    CACHE_BYTES, Caller, Reply, Rival, Rows, Seen, System, version_of, wait_until_idle,
};
use crate::work::Command;

pub(super) const SYSTEM: System = System {
    name: "fjall",
    can_group: true,
    version: || version_of("fjall"),
    setting: "transactions of a single writer, `PersistMode::SyncData`, cache 1 GiB",
    open,
};

type Keyspaces = [SingleWriterTxKeyspace; 5];

struct Fjall {
    database: SingleWriterTxDatabase,
    keyspaces: Keyspaces,
    sequence: Sequence,
}

fn open(dir: &Path) -> Checked<Box<dyn Rival>> {
    let cache = u64::try_from(CACHE_BYTES)?;
    let database = SingleWriterTxDatabase::builder(dir.join("fjall"))
        .cache_size(cache)
        .open()?;
    let made = Table::NAMES.map(|name| database.keyspace(name, KeyspaceCreateOptions::default));
    let [a, b, c, d, e] = made;
    Ok(Box::new(Fjall {
        keyspaces: [a?, b?, c?, d?, e?],
        database,
        sequence: Sequence::default(),
    }))
}

impl Rival for Fjall {
    fn caller(&self) -> Checked<Box<dyn Caller + '_>> {
        Ok(Box::new(self))
    }

    fn settle(&self) -> Checked<()> {
        for keyspace in &self.keyspaces {
            keyspace.inner().rotate_memtable_and_wait()?;
        }
        let database = self.database.inner();
        wait_until_idle(|| Ok(database.outstanding_flushes() + database.active_compactions() == 0))
    }

    fn rows(&self) -> Checked<Rows> {
        let read = self.database.read_tx();
        let mut counts = [0; 5];
        for (count, keyspace) in counts.iter_mut().zip(&self.keyspaces) {
            *count = u64::try_from(read.len(keyspace.inner())?)?;
        }
        Ok(kv::rows(counts))
    }

    fn close(self: Box<Self>) -> Checked<Option<u64>> {
        let tables = self.keyspaces.iter().map(|keyspace| keyspace.inner());
        Ok(Some(tables.map(|table| table.disk_space()).sum()))
    }
}

impl Caller for &Fjall {
    fn apply(&mut self, commands: &[Command]) -> Checked<Vec<Reply>> {
        let write = self.database.write_tx();
        let write = write.durability(Some(PersistMode::SyncData));
        let mut writing = Writing(write, &self.keyspaces);
        let replies = kv::apply(&mut writing, &self.sequence, commands)?;
        writing.0.commit()?;
        Ok(replies)
    }

    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>> {
        kv::get(&Reading(self.database.read_tx(), &self.keyspaces), no)
    }

    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize> {
        let reading = Reading(self.database.read_tx(), &self.keyspaces);
        kv::page(&reading, openid, limit)
    }
}

struct Writing<'d>(SingleWriterWriteTx<'d>, &'d Keyspaces);

impl Change for Writing<'_> {
    fn read<T>(
        &mut self,
        table: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>> {
        let keyspace = table.pick(self.1.each_ref()).inner();
        Ok(self.0.get(keyspace, key)?.map(|found| show(&found)))
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Checked<()> {
        self.0.insert(table.pick(self.1.each_ref()), key, value);
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Checked<()> {
        self.0.remove(table.pick(self.1.each_ref()), key);
        Ok(())
    }
}

struct Reading<'d>(Snapshot, &'d Keyspaces);

impl View for Reading<'_> {
    fn read<T>(
        &self,
        table: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>> {
        let keyspace = table.pick(self.1.each_ref()).inner();
        Ok(self.0.get(keyspace, key)?.map(|found| show(&found)))
    }

    fn numbers(&self, table: Table, prefix: &[u8], limit: usize) -> Checked<Vec<OrderNo>> {
        let keyspace = table.pick(self.1.each_ref()).inner();
        let mut numbers = Vec::with_capacity(limit);
        for entry in self.0.prefix(keyspace, prefix).take(limit) {
            numbers.extend(number_of(&entry.key()?));
        }
        Ok(numbers)
    }
}
