//! TidesDB: one transaction for each command, with a synced log. If two transactions write the same
//! key, the commit of the later one fails, and the bench tries it again.

use std::path::Path;

use orderstore::OrderNo;
use tidesdb::{
    ColumnFamily, ColumnFamilyConfig, CompressionAlgorithm, Config, IsolationLevel, LogLevel,
    SyncMode, TidesDB, Transaction,
};

use crate::kv::{self, Change, Sequence, Table, View};
use crate::rows::number_of;
use crate::sample::Checked;
use crate::system::{
    CACHE_BYTES, Caller, MEMTABLE_BYTES, Reply, Rival, Rows, Seen, System, wait_until_idle,
    with_crate,
};
use crate::work::Command;

pub(super) const SYSTEM: System = System {
    name: "TidesDB",
    can_group: true,
    version: || with_crate(tidesdb::TIDESDB_LINKED_VERSION, "tidesdb"),
    setting: "snapshot isolation, `SyncMode::Full`, memtable 256 MiB, block cache 1 GiB, Bloom \
              filters, LZ4",
    open,
};

struct Tides {
    database: TidesDB,
    sequence: Sequence,
}

type Families<'d> = [ColumnFamily<'d>; 5];

fn open(dir: &Path) -> Checked<Box<dyn Rival>> {
    let config = Config::new(dir.join("tidesdb"))
        .memtable_sync_mode(SyncMode::Full)
        .memtable_write_buffer_size(MEMTABLE_BYTES)
        .block_cache_size(CACHE_BYTES)
        .log_level(LogLevel::None);
    let database = TidesDB::open(config)?;
    let family = ColumnFamilyConfig::default()
        .enable_bloom_filter(true)
        .compression_algorithm(CompressionAlgorithm::Lz4);
    for name in Table::NAMES {
        database.create_column_family(name, family.clone())?;
    }
    let sequence = Sequence::default();
    Ok(Box::new(Tides { database, sequence }))
}

impl Tides {
    fn families(&self) -> Checked<Families<'_>> {
        let [a, b, c, d, e] = Table::NAMES.map(|name| self.database.get_column_family(name));
        Ok([a?, b?, c?, d?, e?])
    }
}

impl Rival for Tides {
    fn caller(&self) -> Checked<Box<dyn Caller + '_>> {
        let families = self.families()?;
        Ok(Box::new(Connected {
            tides: self,
            families,
        }))
    }

    fn settle(&self) -> Checked<()> {
        let families = self.families()?;
        self.database.flush_memtable()?;
        wait_until_idle(|| {
            let pending = self.database.get_db_stats()?.compaction_pending_count;
            let is_busy = families.iter().any(ColumnFamily::is_compacting);
            Ok(pending == 0 && !is_busy && !self.database.is_flushing())
        })
    }

    fn rows(&self) -> Checked<Rows> {
        let read = self.database.begin_transaction()?;
        let mut counts = [0; 5];
        for (count, family) in counts.iter_mut().zip(self.families()?) {
            let mut all = read.new_iterator(&family)?;
            all.seek_to_first()?;
            while all.is_valid() {
                *count += 1;
                all.next()?;
            }
        }
        Ok(kv::rows(counts))
    }

    fn close(self: Box<Self>) -> Checked<Option<u64>> {
        let stats = self.database.get_db_stats()?;
        Ok(Some(stats.total_data_size_bytes))
    }
}

struct Connected<'t> {
    tides: &'t Tides,
    families: Families<'t>,
}

impl Caller for Connected<'_> {
    fn apply(&mut self, commands: &[Command]) -> Checked<Vec<Reply>> {
        let (database, level) = (&self.tides.database, IsolationLevel::Snapshot);
        loop {
            let transaction = database.begin_transaction_with_isolation(level)?;
            let mut writing = Access(transaction, &self.families);
            let replies = kv::apply(&mut writing, &self.tides.sequence, commands)?;
            match writing.0.commit() {
                Ok(()) => return Ok(replies),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>> {
        let read = self.tides.database.begin_transaction()?;
        kv::get(&Access(read, &self.families), no)
    }

    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize> {
        let read = self.tides.database.begin_transaction()?;
        kv::page(&Access(read, &self.families), openid, limit)
    }
}

struct Access<'t>(Transaction<'t>, &'t Families<'t>);

impl Change for Access<'_> {
    fn read<T>(
        &mut self,
        table: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>> {
        View::read(self, table, key, show)
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Checked<()> {
        Ok(self.0.put(table.pick(self.1.each_ref()), key, value)?)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Checked<()> {
        Ok(self.0.delete(table.pick(self.1.each_ref()), key)?)
    }
}

impl View for Access<'_> {
    fn read<T>(
        &self,
        table: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>> {
        match self.0.get(table.pick(self.1.each_ref()), key) {
            Ok(found) => Ok(Some(show(&found))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn numbers(&self, table: Table, prefix: &[u8], limit: usize) -> Checked<Vec<OrderNo>> {
        let last = [prefix, &[u8::MAX; 48]].concat();
        let family = table.pick(self.1.each_ref());
        let mut entries = self.0.new_range_iterator(family, prefix, &last)?;
        entries.seek(prefix)?;
        let mut numbers = Vec::with_capacity(limit);
        while numbers.len() < limit && entries.is_valid() {
            let key = entries.key()?;
            if !key.starts_with(prefix) {
                break;
            }
            numbers.extend(number_of(&key));
            entries.next()?;
        }
        Ok(numbers)
    }
}
