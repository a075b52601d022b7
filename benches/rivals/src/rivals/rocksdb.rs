//! RocksDB: one pessimistic transaction for each command, with a synced log. Concurrent commits
//! share a sync.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use orderstore::OrderNo;
use rocksdb::{
    BlockBasedOptions, BoundColumnFamily, Cache, ColumnFamilyDescriptor, DB, DBCompressionType,
    Direction, IteratorMode, MultiThreaded, Options, ReadOptions, Transaction,
    TransactionDBOptions, TransactionOptions, WriteOptions,
};

use crate::kv::{self, Change, Sequence, Table, View};
use crate::rows::number_of;
use crate::sample::Checked;
use crate::system::{
    CACHE_BYTES, Caller, MEMTABLE_BYTES, Reply, Rival, Rows, Seen, System, version_of,
    wait_until_idle, with_crate,
};
use crate::work::Command;

pub(super) const SYSTEM: System = System {
    name: "RocksDB",
    can_group: true,
    version: || {
        let bundled = version_of("librocksdb-sys")?;
        let (_, version) = bundled.split_once('+').unwrap_or(("", &bundled));
        with_crate(version, "rocksdb")
    },
    setting: "`TransactionDB`, locks on what is read to be written, `sync` writes, \
              memtables 256 MiB, block cache 1 GiB, Bloom filters, LZ4",
    open: |dir| open(dir, options()),
};

/// RocksDB with what its manual recommends for synced writes. Logs are reused, so that their blocks
/// are allocated and a sync writes no metadata. The log and the memtables are written at the same
/// time. A column family fills several memtables, which share the memory limit.
pub(super) const TUNED: System = System {
    name: "RocksDB tuned",
    setting: "the same, 8 recycled logs, pipelined writes, 4 memtables of 64 MiB a family",
    open: |dir| open(dir, tuned()),
    ..SYSTEM
};

/// This form of the type has the properties from which `settle` reads the background work.
type TransactionDB = rocksdb::TransactionDB<MultiThreaded>;

type Families<'r> = [Arc<BoundColumnFamily<'r>>; 5];

struct RocksDb {
    path: PathBuf,
    database: TransactionDB,
    sequence: Sequence,
}

fn open(dir: &Path, options: Options) -> Checked<Box<dyn Rival>> {
    let families = Table::NAMES.map(|name| ColumnFamilyDescriptor::new(name, options.clone()));
    let transactions = TransactionDBOptions::default();
    let path = dir.join("rocksdb");
    let database = TransactionDB::open_cf_descriptors(&options, &transactions, &path, families)?;
    let sequence = Sequence::default();
    Ok(Box::new(RocksDb {
        path,
        database,
        sequence,
    }))
}

fn options() -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    blocks.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_db_write_buffer_size(MEMTABLE_BYTES);
    options.increase_parallelism(2);
    options
}

fn tuned() -> Options {
    let mut options = options();
    options.set_recycle_log_file_num(8);
    options.set_enable_pipelined_write(true);
    options.set_write_buffer_size(MEMTABLE_BYTES / 4);
    options.set_max_write_buffer_number(4);
    options
}

impl RocksDb {
    fn families(&self) -> Checked<Families<'_>> {
        let handle = |name| self.database.cf_handle(name).ok_or("a family is missing");
        let [a, b, c, d, e] = Table::NAMES.map(handle);
        Ok([a?, b?, c?, d?, e?])
    }
}

impl Rival for RocksDb {
    fn caller(&self) -> Checked<Box<dyn Caller + '_>> {
        let mut write = WriteOptions::default();
        write.set_sync(true);
        Ok(Box::new(Connected {
            rocks: self,
            families: self.families()?,
            write,
            transaction: TransactionOptions::default(),
        }))
    }

    fn settle(&self) -> Checked<()> {
        for family in self.families()? {
            self.database.flush_cf(&family)?;
        }
        wait_until_idle(|| {
            let running = [
                "rocksdb.num-running-flushes",
                "rocksdb.num-running-compactions",
            ];
            let running = running.map(|name| self.database.property_int_value(name));
            Ok(running.into_iter().all(|count| count == Ok(Some(0))))
        })
    }

    fn rows(&self) -> Checked<Rows> {
        let mut counts = [0; 5];
        for (count, family) in counts.iter_mut().zip(self.families()?) {
            let all = self.database.iterator_cf(&family, IteratorMode::Start);
            *count = u64::try_from(all.filter(Result::is_ok).count())?;
        }
        Ok(kv::rows(counts))
    }

    fn close(self: Box<Self>) -> Checked<Option<u64>> {
        let Self { path, database, .. } = *self;
        drop(database);
        bytes_of_tables(&path).map(Some)
    }
}

/// Returns the bytes of all live files. A database with transactions reports only its first column
/// family.
fn bytes_of_tables(path: &Path) -> Checked<u64> {
    const LIVE: &str = "rocksdb.live-sst-files-size";
    let database = DB::open_cf_for_read_only(&options(), path, Table::NAMES, false)?;
    let mut bytes = 0_u64;
    for name in Table::NAMES {
        let family = database.cf_handle(name).ok_or("a family is missing")?;
        let live = database.property_int_value_cf(family, LIVE)?;
        bytes = bytes.saturating_add(live.ok_or("the database does not report its size")?);
    }
    Ok(bytes)
}

struct Connected<'r> {
    rocks: &'r RocksDb,
    families: Families<'r>,
    write: WriteOptions,
    transaction: TransactionOptions,
}

impl Caller for Connected<'_> {
    fn apply(&mut self, commands: &[Command]) -> Checked<Vec<Reply>> {
        let database = &self.rocks.database;
        let transaction = database.transaction_opt(&self.write, &self.transaction);
        let mut writing = Writing(transaction, &self.families);
        let replies = kv::apply(&mut writing, &self.rocks.sequence, commands)?;
        writing.0.commit()?;
        Ok(replies)
    }

    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>> {
        kv::get(&Reading(&self.rocks.database, &self.families), no)
    }

    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize> {
        let reading = Reading(&self.rocks.database, &self.families);
        kv::page(&reading, openid, limit)
    }
}

struct Writing<'r>(Transaction<'r, TransactionDB>, &'r Families<'r>);

impl Change for Writing<'_> {
    fn read<T>(
        &mut self,
        table: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>> {
        let family = table.pick(self.1.each_ref());
        let found = self.0.get_pinned_for_update_cf(family, key, true)?;
        Ok(found.map(|found| show(&found)))
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Checked<()> {
        Ok(self.0.put_cf(table.pick(self.1.each_ref()), key, value)?)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Checked<()> {
        Ok(self.0.delete_cf(table.pick(self.1.each_ref()), key)?)
    }
}

struct Reading<'r>(&'r TransactionDB, &'r Families<'r>);

impl View for Reading<'_> {
    fn read<T>(
        &self,
        table: Table,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Checked<Option<T>> {
        let found = self.0.get_pinned_cf(table.pick(self.1.each_ref()), key)?;
        Ok(found.map(|found| show(&found)))
    }

    fn numbers(&self, table: Table, prefix: &[u8], limit: usize) -> Checked<Vec<OrderNo>> {
        let mut numbers = Vec::with_capacity(limit);
        let from = IteratorMode::From(prefix, Direction::Forward);
        let (family, options) = (table.pick(self.1.each_ref()), ReadOptions::default());
        for entry in self.0.iterator_cf_opt(family, options, from).take(limit) {
            let (key, _) = entry?;
            if !key.starts_with(prefix) {
                break;
            }
            numbers.extend(number_of(&key));
        }
        Ok(numbers)
    }
}
