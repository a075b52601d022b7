//! Tables, identity and counters of the store.

use std::ops::Range;
use std::time::Duration;

use tokio_postgres::{Row, Transaction};

use super::connection::Connection;
use super::failure::Failure;
use super::pool::Pool;
use crate::engine::Identity;
use crate::error::{StorageError, StorageErrorKind};

/// Current version of the tables. The engine upgrades older versions and refuses newer ones.
pub(super) const VERSION: i32 = 2;

/// Upgrade statements: entry 0 upgrades version 1 to version 2, and so on. They run in the
/// transaction that writes the new version, while other processes use the tables.
const STEPS: [&str; 1] = ["ALTER TABLE orderstore_orders SET (fillfactor = 70)"];

/// Maximum time to create or upgrade the tables.
const MAKING_LIMIT: Duration = Duration::from_secs(600);

/// Key of the advisory lock under which a process creates or upgrades the tables, or numbers
/// events.
pub(super) const ADVISORY_LOCK: i64 = 0x6f72_6465_7200;

/// Statements that create the tables.
///
/// - Text keys have the collation "C": the server compares bytes. With a collation of the
///   operating system, an update of the system could change the order and break the indexes.
/// - `fillfactor = 70` leaves free space in each page. A record changes several times, and a change
///   that stays on its page updates no index.
const TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS orderstore_meta (
    one boolean PRIMARY KEY CHECK (one),
    version integer NOT NULL,
    store_id bytea NOT NULL,
    incarnation bytea NOT NULL,
    number_key bytea NOT NULL,
    counter bigint NOT NULL,
    rows bigint NOT NULL);
CREATE TABLE IF NOT EXISTS orderstore_orders (
    out_trade_no text COLLATE "C" PRIMARY KEY,
    row bigint NOT NULL,
    version bigint NOT NULL,
    status smallint,
    openid text,
    total_fee bigint,
    created_ms bigint,
    updated_ms bigint NOT NULL,
    unclaimed integer NOT NULL,
    open_anomalies integer NOT NULL,
    record bytea NOT NULL)
    WITH (fillfactor = 70);
CREATE TABLE IF NOT EXISTS orderstore_events (
    out_trade_no text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    place bigint GENERATED ALWAYS AS IDENTITY,
    seq bigint,
    change_id bytea NOT NULL,
    event bytea NOT NULL,
    PRIMARY KEY (out_trade_no, version));
CREATE INDEX IF NOT EXISTS orderstore_events_unnumbered
    ON orderstore_events (place) WHERE seq IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS orderstore_events_feed
    ON orderstore_events (seq) WHERE seq IS NOT NULL;
CREATE TABLE IF NOT EXISTS orderstore_keys (
    key text COLLATE "C" PRIMARY KEY,
    out_trade_no text COLLATE "C" NOT NULL);
CREATE TABLE IF NOT EXISTS orderstore_entries (
    list text COLLATE "C" NOT NULL,
    place bytea NOT NULL,
    out_trade_no text COLLATE "C" NOT NULL,
    PRIMARY KEY (list, place));"#;

const THERE: &str = "
SELECT to_regclass('orderstore_meta') IS NOT NULL, to_regclass('orderstore_orders') IS NOT NULL";

const FORMAT: &str = "SELECT version FROM orderstore_meta";

const UPGRADED: &str = "UPDATE orderstore_meta SET version = $1";

const WHO: &str = "SELECT store_id, incarnation, number_key FROM orderstore_meta";

const HOLDS: &str = "
SELECT EXISTS (SELECT FROM orderstore_orders) OR EXISTS (SELECT FROM orderstore_events)
    OR EXISTS (SELECT FROM orderstore_keys) OR EXISTS (SELECT FROM orderstore_entries)";

const MAKE: &str = "
INSERT INTO orderstore_meta VALUES (true, $1, $2, $3, $4, 0, 1) ON CONFLICT DO NOTHING";

const RESERVE: &str = "
UPDATE orderstore_meta SET counter = counter + $1 RETURNING counter";

const ROWS: &str = "UPDATE orderstore_meta SET rows = rows + $1 RETURNING rows";

/// Number of row numbers that the engine reserves at a time.
const ROWS_AT_ONCE: u64 = 4096;

/// Content of a database schema.
pub(super) enum Found {
    /// The schema holds no store.
    Nothing,
    /// The schema holds a store with tables of another version.
    Version(i32),
    /// The schema holds a store with tables of the current version.
    Store(Identity),
}

/// Finds the store in the database.
pub(super) async fn open(links: &Pool) -> Result<Found, Failure> {
    let look = async |link: &mut Connection| {
        let moment = link.client.build_transaction().read_only(true).start();
        look(&moment.await?).await
    };
    links.read(look).await
}

/// Creates or upgrades the tables, then finds the store. A lock in the database allows only one
/// process at a time.
pub(super) async fn create_or_upgrade(links: &Pool) -> Result<Found, Failure> {
    let drawn = Identity::draw()?;
    let make = async |link: &mut Connection| {
        let making = link.client.transaction().await?;
        let lock = "SELECT pg_advisory_xact_lock($1)";
        making.execute(lock, &[&ADVISORY_LOCK]).await?;
        match look(&making).await? {
            Found::Nothing => fill(&making, &drawn).await?,
            Found::Version(found) => upgrade(&making, found).await?,
            Found::Store(_) => {}
        }
        let found = look(&making).await?;
        making.commit().await?;
        Ok(found)
    };
    links.long(MAKING_LIMIT, make).await
}

async fn look(moment: &Transaction<'_>) -> Result<Found, Failure> {
    let there = moment.query_one(THERE, &[]).await?;
    let (has_meta, has_orders): (bool, bool) = (there.get(0), there.get(1));
    let format = if has_meta {
        moment.query_opt(FORMAT, &[]).await?
    } else {
        None
    };
    match format.map(|row| row.get(0)) {
        Some(VERSION) => {
            let who = moment.query_one(WHO, &[]).await?;
            Ok(Found::Store(identity(&who)?))
        }
        Some(other) => Ok(Found::Version(other)),
        // Orders exist, but the row of `orderstore_meta` is lost. Do not create a new row: its
        // counters would restart and give out the same order numbers and row numbers again.
        None if has_orders && moment.query_one(HOLDS, &[]).await?.get(0) => {
            Err(Failure::lost_meta())
        }
        None => Ok(Found::Nothing),
    }
}

async fn fill(making: &Transaction<'_>, drawn: &Identity) -> Result<(), Failure> {
    making.batch_execute(TABLES).await?;
    let (store_id, number_key) = (&drawn.store_id[..], &drawn.number_key[..]);
    let incarnation = &drawn.incarnation.to_be_bytes()[..];
    making
        .execute(MAKE, &[&VERSION, &store_id, &incarnation, &number_key])
        .await?;
    Ok(())
}

/// Upgrades older tables. Leaves newer tables unchanged.
async fn upgrade(making: &Transaction<'_>, found: i32) -> Result<(), Failure> {
    let done = usize::try_from(i64::from(found) - 1);
    let done = done.map_err(|_| {
        Failure::from(StorageError::corrupted(
            "orderstore_meta has an invalid version",
        ))
    })?;
    let Some(steps @ [_, ..]) = STEPS.get(done..) else {
        return Ok(());
    };
    for step in steps {
        making.batch_execute(step).await?;
    }
    making.execute(UPGRADED, &[&VERSION]).await?;
    Ok(())
}

fn identity(who: &Row) -> Result<Identity, Failure> {
    let bytes = |column| who.get::<_, Vec<u8>>(column);
    let whole = |_| {
        Failure::from(StorageError::corrupted(
            "orderstore_meta has an invalid identity",
        ))
    };
    Ok(Identity {
        store_id: bytes(0).try_into().map_err(whole)?,
        incarnation: u64::from_be_bytes(bytes(1).try_into().map_err(whole)?),
        number_key: bytes(2).try_into().map_err(whole)?,
    })
}

/// Reserves counter values for this process. If the server's answer is lost, the values stay
/// unused.
pub(super) async fn reserve(links: &Pool, count: u64) -> Result<Range<u64>, Failure> {
    take(links, RESERVE, count).await
}

/// Returns the next `count` row numbers. Reserves a new block when the current one is used up.
pub(super) async fn next_row_numbers(links: &Pool, count: usize) -> Result<Vec<u64>, Failure> {
    let mut rows = links.rows.lock().await;
    let mut taken = Vec::with_capacity(count);
    while taken.len() < count {
        match rows.next() {
            Some(row) => taken.push(row),
            None => *rows = take(links, ROWS, ROWS_AT_ONCE).await?,
        }
    }
    Ok(taken)
}

async fn take(links: &Pool, sql: &'static str, count: u64) -> Result<Range<u64>, Failure> {
    let wanted = i64::try_from(count)
        .map_err(|_| Failure::fatal("more values requested than a bigint can count"))?;
    let act = async |link: &mut Connection| {
        let rows = link.query(sql, &[&wanted]).await?;
        let end = rows.first().map(|row| row.get::<_, i64>(0));
        end.ok_or_else(Failure::lost_meta)
    };
    // Treat an unknown outcome as "not applied", so that the caller may retry. The attempt may have
    // reserved values that no process will use, but such a gap is harmless.
    let taken = links.change(0, act).await;
    let end = taken.map_err(|failure| match failure {
        Failure::Unknown(cause) => Failure::Retry(cause),
        other => other,
    })?;
    let end = u64::try_from(end)
        .map_err(|error| StorageError::new(StorageErrorKind::Corrupted, error))?;
    let first = end.checked_sub(count);
    let first = first.ok_or_else(|| StorageError::corrupted("a counter of the store went back"));
    Ok(first?..end)
}
