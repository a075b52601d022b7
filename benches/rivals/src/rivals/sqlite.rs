//! SQLite: write-ahead log, `synchronous = FULL`, prepared statements. SQLite has a single writer,
//! so one connection writes; every thread reads through its own.

use std::path::{Path, PathBuf};

use orderstore::OrderNo;
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, named_params, params};

use crate::rows::{PENDING, SUCCESS, details};
use crate::sample::{APPID, Checked, DESCRIPTION};
use crate::system::{CACHE_BYTES, Caller, Reply, Rival, Rows, Seen, System, with_crate};
use crate::work::{Command, Confirm, Create};

pub(super) const SYSTEM: System = System {
    name: "SQLite",
    can_group: true,
    version: || with_crate(rusqlite::version(), "rusqlite"),
    setting: "WAL, `synchronous = FULL`, checkpoints every 64 MiB, prepared statements, \
              one connection that writes, cache 1 GiB",
    open,
};

/// Number of pages of 4 KiB after which a checkpoint runs.
const CHECKPOINT_PAGES: u32 = 16_384;

const INSERT_ORDER: &str = "INSERT INTO orders (no, openid, appid, description, fee, status, \
    version, created, updated, expires, since) \
    VALUES (:no, :openid, :appid, :description, :fee, :status, 1, :at, :at, :expires, :at)";

const PAY_ORDER: &str = "UPDATE orders SET status = :success, version = version + 1, \
    updated = :at, since = :paid_at, transaction_id = :transaction \
    WHERE no = :no AND status = :pending AND fee = :fee RETURNING id, version";

const INSERT_EVENT: &str = "INSERT INTO events (order_id, version, at, kind, details) \
    VALUES (?1, ?2, ?3, ?4, ?5)";

const GET: &str = "SELECT openid, appid, description, fee, status, version, created, updated, \
    expires, since, transaction_id FROM orders WHERE no = ?1";

const PAGE: &str = "SELECT openid, appid, description, fee, status, version, created, updated, \
    expires, since, transaction_id, no FROM orders WHERE openid = ?1 \
    ORDER BY created DESC LIMIT ?2";

struct Sqlite {
    path: PathBuf,
    writer: Mutex<Connection>,
}

fn open(dir: &Path) -> Checked<Box<dyn Rival>> {
    let path = dir.join("sqlite");
    let connection = connect(&path)?;
    connection.execute_batch(include_str!("sqlite.sql"))?;
    let writer = Mutex::new(connection);
    Ok(Box::new(Sqlite { path, writer }))
}

fn connect(path: &Path) -> Checked<Connection> {
    let connection = Connection::open(path)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(format!("the journal's mode is {mode}").into());
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    let kibibytes = i64::try_from(CACHE_BYTES / 1024)?;
    connection.pragma_update(None, "cache_size", -kibibytes)?;
    Ok(connection)
}

fn count(connection: &Connection, of: &str) -> Checked<u64> {
    let count: i64 = connection.query_row(&format!("SELECT {of}"), [], |row| row.get(0))?;
    Ok(u64::try_from(count)?)
}

impl Rival for Sqlite {
    fn caller(&self) -> Checked<Box<dyn Caller + '_>> {
        let (writer, path) = (&self.writer, &self.path);
        let reader = None;
        Ok(Box::new(Connected {
            writer,
            path,
            reader,
        }))
    }

    fn settle(&self) -> Checked<()> {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: i64 = (self.writer.lock()).query_row(checkpoint, [], |row| row.get(0))?;
        if busy != 0 {
            return Err("the checkpoint was blocked".into());
        }
        Ok(())
    }

    fn rows(&self) -> Checked<Rows> {
        let connection = self.writer.lock();
        Ok(Rows {
            orders: count(&connection, "count(*) FROM orders")?,
            openids: count(&connection, "count(openid) FROM orders INDEXED BY openids")?,
            statuses: count(&connection, "count(status) FROM orders INDEXED BY statuses")?,
            transactions: count(&connection, "count(transaction_id) FROM orders")?,
            events: count(&connection, "count(*) FROM events")?,
        })
    }

    fn close(self: Box<Self>) -> Checked<Option<u64>> {
        let connection = self.writer.into_inner();
        let pages = count(&connection, "page_count FROM pragma_page_count")?;
        let free = count(&connection, "freelist_count FROM pragma_freelist_count")?;
        let size = count(&connection, "page_size FROM pragma_page_size")?;
        connection.close().map_err(|(_, error)| error)?;
        Ok(Some(pages.saturating_sub(free).saturating_mul(size)))
    }
}

struct Connected<'s> {
    writer: &'s Mutex<Connection>,
    path: &'s Path,
    /// Connection for reads, opened at the first read.
    reader: Option<Connection>,
}

impl Connected<'_> {
    fn reader(&mut self) -> Checked<&Connection> {
        if self.reader.is_none() {
            self.reader = Some(connect(self.path)?);
        }
        Ok(self.reader.as_ref().ok_or("it was just opened")?)
    }
}

impl Caller for Connected<'_> {
    fn apply(&mut self, commands: &[Command]) -> Checked<Vec<Reply>> {
        let mut connection = self.writer.lock();
        let writing = connection.transaction()?;
        let mut replies = Vec::with_capacity(commands.len());
        for command in commands {
            let done = match command {
                Command::Create(create) => make(&writing, create, command),
                Command::Confirm(confirm) => pay(&writing, confirm, command),
            };
            replies.push(reply(done)?);
        }
        writing.commit()?;
        Ok(replies)
    }

    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>> {
        let mut get = self.reader()?.prepare_cached(GET)?;
        let found = get.query_row([no.as_str()], |row| seen(row, *no));
        Ok(found.optional()?)
    }

    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize> {
        let mut page = self.reader()?.prepare_cached(PAGE)?;
        let mut rows = page.query(params![openid, i64::try_from(limit)?])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let no = OrderNo::parse(row.get_ref(11)?.as_str()?)?;
            count += usize::from(seen(row, no)?.no == no);
        }
        Ok(count)
    }
}

/// A statement that violates a constraint changes nothing, and the transaction goes on.
fn reply(done: Checked<Reply>) -> Checked<Reply> {
    done.or_else(|error| match error.downcast_ref::<rusqlite::Error>() {
        Some(rusqlite::Error::SqliteFailure(failure, _))
            if failure.code == ErrorCode::ConstraintViolation =>
        {
            Ok(Reply::Refused)
        }
        _ => Err(error),
    })
}

fn make(connection: &Connection, create: &Create, command: &Command) -> Checked<Reply> {
    let mut insert = connection.prepare_cached(INSERT_ORDER)?;
    insert.execute(named_params! {
        ":no": create.no.as_str(),
        ":openid": create.openid.as_str(),
        ":appid": APPID,
        ":description": DESCRIPTION,
        ":fee": i64::try_from(create.fee.as_u64())?,
        ":status": PENDING,
        ":at": i64::try_from(create.at)?,
        ":expires": i64::try_from(create.expires())?,
    })?;
    let id = connection.last_insert_rowid();
    let mut insert = connection.prepare_cached(INSERT_EVENT)?;
    insert.execute(params![
        id,
        1,
        i64::try_from(create.at)?,
        1,
        details(command)
    ])?;
    Ok(Reply::Done)
}

fn pay(connection: &Connection, confirm: &Confirm, command: &Command) -> Checked<Reply> {
    let mut update = connection.prepare_cached(PAY_ORDER)?;
    let paid = update.query_row(
        named_params! {
            ":no": confirm.no.as_str(),
            ":fee": i64::try_from(confirm.fee())?,
            ":pending": PENDING,
            ":success": SUCCESS,
            ":at": i64::try_from(confirm.at)?,
            ":paid_at": i64::try_from(confirm.paid_at())?,
            ":transaction": confirm.transaction(),
        },
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
    );
    let Some((id, version)) = paid.optional()? else {
        return Ok(Reply::Refused);
    };
    let mut insert = connection.prepare_cached(INSERT_EVENT)?;
    let at = i64::try_from(confirm.at)?;
    insert.execute(params![id, version, at, 2, details(command)])?;
    Ok(Reply::Done)
}

/// Reads every column, as an application would.
fn seen(row: &Row<'_>, no: OrderNo) -> rusqlite::Result<Seen> {
    for text in [0, 1] {
        std::hint::black_box(row.get_ref(text)?.as_str()?);
    }
    std::hint::black_box(row.get::<_, String>(2)?);
    for integer in 5..10 {
        std::hint::black_box(row.get::<_, i64>(integer)?);
    }
    std::hint::black_box(row.get_ref(10)?.as_str_or_null()?);
    Ok(Seen {
        no,
        fee: row.get::<_, i64>(3)?.unsigned_abs(),
        paid: row.get::<_, u8>(4)? == SUCCESS,
    })
}
