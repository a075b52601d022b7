//! LMDB through heed: a synced commit for each command, with a single writer. Each thread keeps its
//! slot in the reader table, which is the default, so a read takes no lock.

use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, RoTxn, RwTxn, WithTls};
use orderstore::OrderNo;

use crate::kv::{self, Change, Sequence, Table, View};
use crate::rows::number_of;
use crate::sample::Checked;
use crate::system::{CALLERS_MAX, Caller, Reply, Rival, Rows, Seen, System, with_crate};
use crate::work::Command;

pub(super) const SYSTEM: System = System {
    name: "LMDB",
    can_group: true,
    version: || {
        let lmdb = heed::lmdb_version();
        let version = format!("{}.{}.{}", lmdb.major, lmdb.minor, lmdb.patch);
        with_crate(&version, "heed")
    },
    setting: "no flags: every commit synced; the system's page cache",
    open,
};

/// Maximum size of the map: address space, not memory.
const MAP_BYTES: usize = 64 << 30;

type Tables = [Database<'static, Bytes, Bytes>; 5];

struct Lmdb {
    env: Env<WithTls>,
    tables: Tables,
    sequence: Sequence,
}

#[expect(
    unsafe_code,
    reason = "no other process maps the files of a new directory"
)]
fn open(dir: &Path) -> Checked<Box<dyn Rival>> {
    let mut options = EnvOpenOptions::new();
    options.map_size(MAP_BYTES).max_dbs(5);
    options.max_readers(u32::try_from(CALLERS_MAX)?);
    // SAFETY: only this program uses the directory, and it opens the directory once.
    let env = unsafe { options.open(dir)? };
    let tables = tables(&env)?;
    let sequence = Sequence::default();
    Ok(Box::new(Lmdb {
        env,
        tables,
        sequence,
    }))
}

fn tables(env: &Env<WithTls>) -> Checked<Tables> {
    let made = env.create_databases_and_commit(env.write_txn()?, |opener, write| {
        let [a, b, c, d, e] = Table::NAMES.map(|name| opener.create_database(write, Some(name)));
        let tables = [a?, b?, c?, d?, e?];
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(tables))
    })?;
    made.commit()
        .ok_or_else(|| "the tables were not created".into())
}

impl Rival for Lmdb {
    fn caller(&self) -> Checked<Box<dyn Caller + '_>> {
        Ok(Box::new(self))
    }

    fn settle(&self) -> Checked<()> {
        Ok(()) // A commit already writes data to its final place.
    }

    fn rows(&self) -> Checked<Rows> {
        let read = self.env.read_txn()?;
        let [a, b, c, d, e] = self.tables.each_ref().map(|table| table.len(&read));
        Ok(kv::rows([a?, b?, c?, d?, e?]))
    }

    fn close(self: Box<Self>) -> Checked<Option<u64>> {
        let read = self.env.read_txn()?;
        let mut bytes = 0_u64;
        for table in &self.tables {
            let used = table.stat(&read)?.non_free_page_size();
            bytes = bytes.saturating_add(u64::try_from(used)?);
        }
        drop(read);
        self.env.prepare_for_closing().wait();
        Ok(Some(bytes))
    }
}

impl Caller for &Lmdb {
    fn apply(&mut self, commands: &[Command]) -> Checked<Vec<Reply>> {
        let mut writing = Writing(self.env.write_txn()?, &self.tables);
        let replies = kv::apply(&mut writing, &self.sequence, commands)?;
        writing.0.commit()?;
        Ok(replies)
    }

    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>> {
        kv::get(&Reading(self.env.read_txn()?, &self.tables), no)
    }

    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize> {
        let reading = Reading(self.env.read_txn()?, &self.tables);
        kv::page(&reading, openid, limit)
    }
}

struct Writing<'e>(RwTxn<'e>, &'e Tables);

impl Change for Writing<'_> {
    fn read<T>(
        &mut self,
        table: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>> {
        let found = table.pick(self.1.each_ref()).get(&self.0, key)?;
        Ok(found.map(show))
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Checked<()> {
        Ok(table.pick(self.1.each_ref()).put(&mut self.0, key, value)?)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Checked<()> {
        table.pick(self.1.each_ref()).delete(&mut self.0, key)?;
        Ok(())
    }
}

struct Reading<'e>(RoTxn<'e, WithTls>, &'e Tables);

impl View for Reading<'_> {
    fn read<T>(
        &self,
        table: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>> {
        let found = table.pick(self.1.each_ref()).get(&self.0, key)?;
        Ok(found.map(show))
    }

    fn numbers(&self, table: Table, prefix: &[u8], limit: usize) -> Checked<Vec<OrderNo>> {
        let mut numbers = Vec::with_capacity(limit);
        let table = table.pick(self.1.each_ref());
        for entry in table.prefix_iter(&self.0, prefix)?.take(limit) {
            numbers.extend(number_of(entry?.0));
        }
        Ok(numbers)
    }
}
