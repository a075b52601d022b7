//! Reads records, lists, histories, the feed and counts.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::Row as Found;

use super::connection::{Connection, SETTLE};
use super::failure::Failure;
use super::names;
use super::pool::Pool;
use super::schema;
use crate::contract::{Counts, Direction, IndexPage, IndexQuery, IndexRow, Lookup, StoredRecord};
use crate::error::{StorageError, StorageErrorKind};
use crate::format::values;
use crate::order::Event;
use crate::types::OrderNo;

const LOAD: &str = "
SELECT NULL, out_trade_no, record FROM orderstore_orders WHERE out_trade_no = ANY($1)
UNION ALL
SELECT k.key, o.out_trade_no, o.record
    FROM orderstore_keys k JOIN orderstore_orders o USING (out_trade_no) WHERE k.key = ANY($2)";

const FORWARD: &str = "
SELECT e.place, o.out_trade_no, o.record
    FROM orderstore_entries e JOIN orderstore_orders o USING (out_trade_no)
    WHERE e.list = $1 AND e.place >= $2 AND e.place < $3 ORDER BY e.place LIMIT $4";

const BACKWARD: &str = "
SELECT e.place, o.out_trade_no, o.record
    FROM orderstore_entries e JOIN orderstore_orders o USING (out_trade_no)
    WHERE e.list = $1 AND e.place >= $2 AND e.place < $3 ORDER BY e.place DESC LIMIT $4";

const HISTORY: &str = "
SELECT out_trade_no, version, event FROM orderstore_events
    WHERE out_trade_no = $1 ORDER BY version";

const FEED: &str = "
SELECT out_trade_no, version, event, seq FROM orderstore_events
    WHERE seq > $1 ORDER BY seq LIMIT $2";

const LAST: &str = "SELECT max(seq) FROM orderstore_events";

/// Statement that gives the next feed numbers to the first 2,000 events without one, by `place`.
///
/// `place` is a sequence value drawn at the insert, so it rises with the version within a record.
/// Its values have gaps and are committed in any order, so it cannot be the feed number itself. A
/// late commit has a low `place` but gets a later feed number.
///
/// The statement uses no join on purpose. It reads the first places from the index of unnumbered
/// events, and `width_bucket` finds the rank of each place by binary search. With a join and
/// statistics that show no unnumbered event, PostgreSQL chose a nested loop: quadratic time.
const NUMBER: &str = "
WITH fresh AS MATERIALIZED (
    SELECT array_agg(place ORDER BY place) AS places FROM (
        SELECT place FROM orderstore_events WHERE seq IS NULL ORDER BY place LIMIT 2000) AS first)
UPDATE orderstore_events
    SET seq = (SELECT coalesce(max(seq), 0) FROM orderstore_events)
        + width_bucket(place, (SELECT places FROM fresh))
    WHERE seq IS NULL AND place <= (SELECT places[cardinality(places)] FROM fresh)";

const COUNTS: &str = "
SELECT coalesce(status, -1)::smallint, count(*), sum(unclaimed)::bigint, sum(open_anomalies)::bigint
    FROM orderstore_orders GROUP BY status";

/// Maximum number of events that one statement numbers: more than a page, but few enough for the
/// time limit of one attempt.
const NUMBERED_AT_ONCE: u64 = 2_000;

/// Maximum time to count all orders.
const COUNTING: Duration = Duration::from_secs(600);

/// Loads records for decisions. First waits until all visible commits are replicated: no decision
/// may depend on a commit that only one machine has.
pub(super) async fn load(
    links: &Pool,
    lookups: &[Lookup],
) -> Result<Vec<Option<StoredRecord>>, Failure> {
    let look = async |link: &mut Connection| {
        link.settled().await?;
        look_up(link, lookups).await
    };
    links.read(look).await
}

/// Loads one record for a read, without waiting for replication.
pub(super) async fn get(links: &Pool, no: OrderNo) -> Result<Option<StoredRecord>, Failure> {
    let lookups = [Lookup::No(no)];
    let look = async |link: &mut Connection| look_up(link, &lookups).await;
    Ok(links.read(look).await?.pop().flatten())
}

pub(super) async fn look_up(
    link: &mut Connection,
    lookups: &[Lookup],
) -> Result<Vec<Option<StoredRecord>>, Failure> {
    let (mut numbers, mut keys) = (Vec::new(), Vec::new());
    for lookup in lookups {
        match lookup {
            Lookup::No(no) => numbers.push(no.as_str()),
            Lookup::Owner(key) => keys.push(names::key(key)),
        }
    }
    let (mut by_number, mut by_key) = (HashMap::new(), HashMap::new());
    for row in link.query(LOAD, &[&numbers, &keys]).await? {
        let stored = stored(&row, 1)?;
        match row.get::<_, Option<String>>(0) {
            Some(key) => drop(by_key.insert(key, stored)),
            None => drop(by_number.insert(stored.record.no(), stored)),
        }
    }
    let found = |lookup: &Lookup| match lookup {
        Lookup::No(no) => by_number.get(no).cloned(),
        Lookup::Owner(key) => by_key.get(&names::key(key)).cloned(),
    };
    Ok(lookups.iter().map(found).collect())
}

/// Decodes a record: its order number is in `column`, and its bytes are in the column after it.
pub(super) fn stored(row: &Found, column: usize) -> Result<StoredRecord, Failure> {
    let bytes: &[u8] = row.get(column + 1);
    Ok(values::read_record(&number(row, column)?, bytes)?)
}

fn number(row: &Found, column: usize) -> Result<OrderNo, Failure> {
    let text: &str = row.get(column);
    OrderNo::parse(text).map_err(damaged)
}

pub(super) fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    StorageError::new(StorageErrorKind::Corrupted, error).into()
}

fn unsigned(row: &Found, column: usize) -> Result<u64, Failure> {
    u64::try_from(row.get::<_, i64>(column)).map_err(damaged)
}

pub(super) async fn scan(
    links: &Pool,
    asked: &IndexQuery,
    limit: usize,
) -> Result<IndexPage, Failure> {
    let list = names::list(&asked.index);
    let (sql, from, until) = stretch(asked);
    // A limit that does not fit becomes the largest one, which asks for everything.
    let wanted = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let look =
        async |link: &mut Connection| link.query(sql, &[&list, &from, &until, &wanted]).await;
    let found = links.read(look).await?;
    let rows = found.iter().take(limit).map(|row| {
        let position = names::read_place(row.get(0));
        let position =
            position.ok_or_else(|| StorageError::corrupted("invalid position in a list"))?;
        let record = stored(row, 1)?.record;
        Ok(IndexRow { position, record })
    });
    Ok(IndexPage {
        rows: rows.collect::<Result<_, Failure>>()?,
        more: found.len() > limit,
    })
}

/// Returns the SQL statement for an index query, with the first position (inclusive) and the end
/// (exclusive) of its range.
fn stretch(asked: &IndexQuery) -> (&'static str, Vec<u8>, Vec<u8>) {
    // Append one zero byte: the result is the smallest byte string after `place`.
    let behind = |place: Vec<u8>| [&place[..], &[0]].concat();
    let first = names::place(asked.from, 0, 0);
    let end = behind(names::place(asked.until, u64::MAX, u32::MAX));
    let after = asked.after;
    let after = after.map(|after| names::place(after.time, after.row, after.sub));
    match (asked.direction, after) {
        (Direction::Forward, after) => {
            let first = after.map_or(first.clone(), |after| first.max(behind(after)));
            (FORWARD, first, end)
        }
        (Direction::Backward, after) => {
            let end = after.map_or(end.clone(), |after| end.min(after));
            (BACKWARD, first, end)
        }
    }
}

/// Decodes an event from the columns 0 to 2: order number, version, bytes.
pub(super) fn event(row: &Found) -> Result<Event, Failure> {
    let bytes: &[u8] = row.get(2);
    Ok(values::read_event(
        number(row, 0)?,
        unsigned(row, 1)?,
        bytes,
    )?)
}

pub(super) async fn history(links: &Pool, no: OrderNo) -> Result<Vec<Event>, Failure> {
    let no = no.as_str();
    let look = async |link: &mut Connection| link.query(HISTORY, &[&no]).await;
    links.read(look).await?.iter().map(event).collect()
}

/// Reads at most `limit` events after a sequence number of the feed. Gives numbers to more events
/// if needed to fill the page. Returns `None` if `after` is beyond the end.
pub(super) async fn events(
    links: &Pool,
    after: u64,
    limit: usize,
) -> Result<Option<Vec<(u64, Event)>>, Failure> {
    let Ok(after) = i64::try_from(after) else {
        return Ok(None);
    };
    let mut found = feed(links, after, limit).await?;
    let mut is_more = true;
    while found.len() < limit && is_more {
        is_more = number_some(links).await?;
        found = feed(links, after, limit).await?;
    }
    if found.is_empty() && last(links).await? < after {
        return Ok(None);
    }
    Ok(Some(found))
}

/// Gives numbers to all events, and returns the last number.
pub(super) async fn feed_end(links: &Pool) -> Result<u64, Failure> {
    while number_some(links).await? {}
    Ok(last(links).await?.unsigned_abs())
}

async fn feed(links: &Pool, after: i64, limit: usize) -> Result<Vec<(u64, Event)>, Failure> {
    // A limit that does not fit becomes the largest one, which asks for everything.
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let look = async |link: &mut Connection| {
        link.settled().await?;
        link.query(FEED, &[&after, &limit]).await
    };
    let rows = links.read(look).await?;
    let numbered = rows.iter().map(|row| Ok((unsigned(row, 3)?, event(row)?)));
    numbered.collect()
}

async fn last(links: &Pool) -> Result<i64, Failure> {
    let look = async |link: &mut Connection| {
        // A number that no standby has could be given to another event after a failover.
        link.settled().await?;
        link.query(LAST, &[]).await
    };
    let rows = links.read(look).await?;
    let last = rows.first().and_then(|row| row.get::<_, Option<i64>>(0));
    Ok(last.unwrap_or(0))
}

/// Gives feed numbers to the next events without one. Returns whether more events may need one.
async fn number_some(links: &Pool) -> Result<bool, Failure> {
    let is_again = Cell::new(false);
    // Only one process numbers events at a time. Two at once would both continue from the same
    // `max(seq)`. PostgreSQL releases the advisory lock at the end of the transaction, or when the
    // holder's connection breaks. A dead process therefore cannot block the feed.
    //
    // The lock is a separate statement before NUMBER. At isolation level READ COMMITTED, NUMBER
    // then takes its snapshot after the lock and sees all numbers of the previous holder.
    //
    // A second attempt means that the outcome of the first one is unknown. The first attempt may
    // have numbered all events, but on this server alone. NUMBER then changes no row, and an empty
    // commit does not wait for a standby. SETTLE changes a row, so this commit waits until the
    // earlier numbers are replicated. Without SETTLE, a failover could lose these numbers and give
    // them to other events.
    let number = async |link: &mut Connection| {
        let numbering = link.client.transaction().await?;
        let lock = "SELECT pg_advisory_xact_lock($1)";
        numbering.execute(lock, &[&schema::ADVISORY_LOCK]).await?;
        let numbered = numbering.execute(NUMBER, &[]).await?;
        if is_again.replace(true) && numbering.execute(SETTLE, &[]).await? != 1 {
            return Err(Failure::lost_meta());
        }
        numbering.commit().await?;
        Ok(numbered == NUMBERED_AT_ONCE)
    };
    links.read(number).await
}

pub(super) async fn counts(links: &Pool) -> Result<Counts, Failure> {
    let look = async |link: &mut Connection| link.query(COUNTS, &[]).await;
    let mut counts = Counts::default();
    // This query reads the whole table, so it needs the longer time limit.
    for row in links.long(COUNTING, look).await? {
        let status = usize::try_from(row.get::<_, i16>(0)).ok();
        let place = status.and_then(|status| counts.by_status.get_mut(status));
        if let Some(place) = place {
            *place = unsigned(&row, 1)?;
        }
        counts.unclaimed += unsigned(&row, 2)?;
        counts.open_anomalies += unsigned(&row, 3)?;
    }
    Ok(counts)
}
