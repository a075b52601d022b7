//! redb: a durable commit for each command, with a single writer.

use std::path::Path;

use orderstore::OrderNo;
use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    Table as Opened, TableDefinition,
};

use crate::kv::{self, Change, Sequence, Table, View};
use crate::rows::number_of;
use crate::sample::Checked;
use crate::system::{CACHE_BYTES, Caller, Reply, Rival, Rows, Seen, System, version_of};
use crate::work::Command;

pub(super) const SYSTEM: System = System {
    name: "redb",
    can_group: true,
    version: || version_of("redb"),
    setting: "one commit each, `Durability::Immediate`, cache 1 GiB",
    open,
};

type Bytes = &'static [u8];

struct Redb {
    database: Database,
    sequence: Sequence,
}

fn open(dir: &Path) -> Checked<Box<dyn Rival>> {
    let path = dir.join("redb");
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)?;
    let made = database.begin_write()?;
    for name in Table::NAMES {
        made.open_table(table(name))?;
    }
    made.commit()?;
    let sequence = Sequence::default();
    Ok(Box::new(Redb { database, sequence }))
}

const fn table(name: &str) -> TableDefinition<'_, Bytes, Bytes> {
    TableDefinition::new(name)
}

impl Rival for Redb {
    fn caller(&self) -> Checked<Box<dyn Caller + '_>> {
        Ok(Box::new(self))
    }

    fn settle(&self) -> Checked<()> {
        Ok(()) // A commit already writes data to its final place.
    }

    fn rows(&self) -> Checked<Rows> {
        let read = self.database.begin_read()?;
        let mut counts = [0; 5];
        for (count, name) in counts.iter_mut().zip(Table::NAMES) {
            *count = read.open_table(table(name))?.len()?;
        }
        Ok(kv::rows(counts))
    }

    fn close(self: Box<Self>) -> Checked<Option<u64>> {
        bytes_in_use(&self.database).map(Some)
    }
}

/// Returns the bytes of all pages that are not free.
pub(super) fn bytes_in_use(database: &Database) -> Checked<u64> {
    let write = database.begin_write()?;
    let stats = write.stats()?;
    let page = u64::try_from(stats.page_size())?;
    write.abort()?;
    Ok(stats.allocated_pages().saturating_mul(page))
}

impl Caller for &Redb {
    fn apply(&mut self, commands: &[Command]) -> Checked<Vec<Reply>> {
        let mut write = self.database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        let [a, b, c, d, e] = Table::NAMES.map(|name| write.open_table(table(name)));
        let mut writing = Writing([a?, b?, c?, d?, e?]);
        let replies = kv::apply(&mut writing, &self.sequence, commands)?;
        drop(writing);
        write.commit()?;
        Ok(replies)
    }

    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>> {
        kv::get(&Reading(self.database.begin_read()?), no)
    }

    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize> {
        kv::page(&Reading(self.database.begin_read()?), openid, limit)
    }
}

struct Writing<'t>([Opened<'t, Bytes, Bytes>; 5]);

impl Change for Writing<'_> {
    fn read<T>(
        &mut self,
        table: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>> {
        let found = table.pick(self.0.each_ref()).get(key)?;
        Ok(found.map(|found| show(found.value())))
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Checked<()> {
        table.pick(self.0.each_mut()).insert(key, value)?;
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Checked<()> {
        table.pick(self.0.each_mut()).remove(key)?;
        Ok(())
    }
}

struct Reading(ReadTransaction);

impl View for Reading {
    fn read<T>(
        &self,
        which: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>> {
        let opened = self.0.open_table(table(which.pick(Table::NAMES)))?;
        let found = opened.get(key)?;
        Ok(found.map(|found| show(found.value())))
    }

    fn numbers(&self, which: Table, prefix: &[u8], limit: usize) -> Checked<Vec<OrderNo>> {
        let opened = self.0.open_table(table(which.pick(Table::NAMES)))?;
        let mut numbers = Vec::with_capacity(limit);
        for entry in opened.range(prefix..)?.take(limit) {
            let (key, _) = entry?;
            if !key.value().starts_with(prefix) {
                break;
            }
            numbers.extend(number_of(key.value()));
        }
        Ok(numbers)
    }
}
