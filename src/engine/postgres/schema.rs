//! The tables, who the store is, and its counters.

use std::ops::Range;

use tokio_postgres::Row;

use super::failure::Failure;
use super::link::{Link, Links};
use crate::engine::Identity;
use crate::error::{StorageError, StorageErrorKind};

/// The version of the tables. Others are refused.
const VERSION: i32 = 1;

/// Whoever makes the tables, or numbers events, holds this lock of the database.
pub(super) const MAKING: i64 = 0x6f72_6465_7200;

/// Texts that are keys are compared as bytes: no update of a machine's languages reorders them.
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
    record bytea NOT NULL);
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

const THERE: &str = "SELECT to_regclass('orderstore_meta') IS NOT NULL";

const WHO: &str = "SELECT version, store_id, incarnation, number_key FROM orderstore_meta";

const MAKE: &str = "
INSERT INTO orderstore_meta VALUES (true, $1, $2, $3, $4, 0, 1) ON CONFLICT DO NOTHING";

const RESERVE: &str = "
UPDATE orderstore_meta SET counter = counter + $1 RETURNING counter";

const ROWS: &str = "UPDATE orderstore_meta SET rows = rows + $1 RETURNING rows";

/// A commit that changes nothing.
pub(super) const SETTLE: &str = "UPDATE orderstore_meta SET rows = rows";

/// So many row numbers are taken at a time.
const ROWS_AT_ONCE: u64 = 4096;

/// Who the store is that is there; `None` where there is none.
pub(super) async fn open(links: &Links) -> Result<Option<Identity>, Failure> {
    let look = async |link: &mut Link| {
        let tables = link.query(THERE, &[]).await?;
        let is_there = tables.first().is_some_and(|row| row.get(0));
        if !is_there {
            return Ok(None);
        }
        let who = link.query(WHO, &[]).await?;
        who.first().map(identity).transpose()
    };
    links.read(look).await
}

/// Makes what is missing, and tells who the store is. One makes it at a time.
pub(super) async fn make(links: &Links) -> Result<Identity, Failure> {
    let drawn = Identity::draw()?;
    let make = async |link: &mut Link| {
        let making = link.client.transaction().await?;
        let lock = "SELECT pg_advisory_xact_lock($1)";
        making.execute(lock, &[&MAKING]).await?;
        making.batch_execute(TABLES).await?;
        let (store_id, number_key) = (&drawn.store_id[..], &drawn.number_key[..]);
        let incarnation = &drawn.incarnation.to_be_bytes()[..];
        making
            .execute(MAKE, &[&VERSION, &store_id, &incarnation, &number_key])
            .await?;
        let who = identity(&making.query_one(WHO, &[]).await?)?;
        making.commit().await?;
        Ok(who)
    };
    links.change(0, make).await
}

fn identity(who: &Row) -> Result<Identity, Failure> {
    if who.get::<_, i32>(0) != VERSION {
        return Err(Failure::fatal("the tables are those of another version"));
    }
    let bytes = |column| who.get::<_, Vec<u8>>(column);
    let whole = |_| Failure::from(StorageError::corrupted("the store's identity"));
    Ok(Identity {
        store_id: bytes(1).try_into().map_err(whole)?,
        incarnation: u64::from_be_bytes(bytes(2).try_into().map_err(whole)?),
        number_key: bytes(3).try_into().map_err(whole)?,
    })
}

/// Values that nobody else gets: where the answer is lost, so are they.
pub(super) async fn reserve(links: &Links, count: u64) -> Result<Range<u64>, Failure> {
    take(links, RESERVE, count).await
}

/// The next numbers of rows.
pub(super) async fn rows(links: &Links, count: usize) -> Result<Vec<u64>, Failure> {
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

async fn take(links: &Links, sql: &'static str, count: u64) -> Result<Range<u64>, Failure> {
    let wanted = i64::try_from(count).map_err(|_| Failure::fatal("so many are not there"))?;
    let act = async |link: &mut Link| {
        let rows = link.query(sql, &[&wanted]).await?;
        let end = rows.first().map(|row| row.get::<_, i64>(0));
        end.ok_or_else(|| StorageError::corrupted("the store's counters").into())
    };
    // An attempt that got lost took values that nobody has: nothing of that is open.
    let taken = links.change(0, act).await;
    let end = taken.map_err(|failure| match failure {
        Failure::Maybe(cause) => Failure::Not(cause),
        other => other,
    })?;
    let end = u64::try_from(end)
        .map_err(|error| StorageError::new(StorageErrorKind::Corrupted, error))?;
    Ok(end.saturating_sub(count)..end)
}
