//! Writes a batch of mutations, with one SQL statement per lane (connection for writes).

use std::collections::HashSet;
use std::rc::Rc;

use tokio::task::JoinSet;

use super::columns::{Columns, Parameter};
use super::connection::Connection;
use super::failure::Failure;
use super::names::signed;
use super::pool::{LANES, Pool};
use super::{read, schema};
use crate::contract::{Lookup, Mutation, StoredRecord, Verdict};
use crate::error::StorageError;
use crate::rules::{UniqueKey, unique_keys};

/// Minimum number of mutations for each lane (connection for writes). With fewer mutations, another
/// lane saves no time.
const WORTH_A_LANE: usize = 64;

/// Statement that applies each mutation completely or not at all.
///
/// The parts for events, keys and entries join `done`: they write only for orders whose record
/// was written. If another writer takes a key at the same moment, the statement fails with a
/// unique violation. The engine sends it again, and the second attempt sees the owner in `held`.
const CHANGE: &str = "
WITH i AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[],
        $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::integer[], $11::integer[],
        $12::bytea[])
        AS i(no, row, before, version, status, openid, fee, created, updated, unclaimed, open,
            record)),
held AS (
    SELECT n.no FROM unnest($16::text[], $17::text[]) AS n(no, key)
        JOIN orderstore_keys k USING (key) WHERE k.out_trade_no <> n.no),
moved AS (
    UPDATE orderstore_orders o SET version = i.version, status = i.status, openid = i.openid,
        total_fee = i.fee, created_ms = i.created, updated_ms = i.updated,
        unclaimed = i.unclaimed, open_anomalies = i.open, record = i.record
    FROM i WHERE i.before > 0 AND o.out_trade_no = i.no AND o.version = i.before
        AND o.row = i.row AND i.no NOT IN (SELECT no FROM held)
    RETURNING o.out_trade_no AS no),
born AS (
    INSERT INTO orderstore_orders
    SELECT no, row, version, status, openid, fee, created, updated, unclaimed, open, record
        FROM i WHERE before = 0 AND no NOT IN (SELECT no FROM held)
    ON CONFLICT DO NOTHING RETURNING out_trade_no AS no),
done AS (SELECT no FROM moved UNION ALL SELECT no FROM born),
told AS (
    INSERT INTO orderstore_events (out_trade_no, version, change_id, event)
    SELECT n.no, n.version, $26, n.event
        FROM unnest($13::text[], $14::bigint[], $15::bytea[]) WITH ORDINALITY
            AS n(no, version, event, place)
        JOIN done USING (no) ORDER BY n.place),
taken AS (
    INSERT INTO orderstore_keys
    SELECT n.key, n.no FROM unnest($16::text[], $17::text[]) AS n(no, key) JOIN done USING (no)),
freed AS (
    DELETE FROM orderstore_keys k USING unnest($18::text[], $19::text[]) AS n(no, key), done
    WHERE k.key = n.key AND k.out_trade_no = n.no AND done.no = n.no),
come AS (
    INSERT INTO orderstore_entries
    SELECT n.list, n.place, n.no
        FROM unnest($20::text[], $21::text[], $22::bytea[]) AS n(no, list, place)
        JOIN done USING (no)),
gone AS (
    DELETE FROM orderstore_entries e
    USING unnest($23::text[], $24::text[], $25::bytea[]) AS n(no, list, place), done
    WHERE e.list = n.list AND e.place = n.place AND done.no = n.no)
SELECT no FROM done";

/// Statement that returns the order numbers of the mutations that an attempt with a given change id
/// applied.
const MADE: &str = "
SELECT n.no FROM unnest($1::text[], $2::bigint[]) AS n(no, version)
    JOIN orderstore_events e ON e.out_trade_no = n.no AND e.version = n.version
    WHERE e.change_id = $3";

/// Applies a batch in waves. The mutations of one wave share no order number and no key, because
/// a statement sees only the keys that existed before it.
///
/// If a later wave was certainly not applied, the earlier waves stay applied. The other mutations
/// get [`Verdict::Mismatch`], and the store decides their commands again. If the outcome of a wave
/// is unknown, the outcome of the whole batch is unknown.
pub(super) async fn apply(links: &Rc<Pool>, batch: Vec<Mutation>) -> Result<Vec<Verdict>, Failure> {
    let count = batch.len();
    let mut verdicts = Vec::with_capacity(count);
    let mut batch = batch.into_iter().peekable();
    while batch.peek().is_some() {
        let wave = next_wave(&mut batch);
        match run_wave(links, wave).await {
            Ok(some) => verdicts.extend(some),
            Err(failure) if verdicts.is_empty() => return Err(failure),
            Err(failure @ Failure::Unknown(_)) => return Err(failure),
            Err(Failure::Retry(_) | Failure::Refused(_)) => {
                verdicts.resize(count, Verdict::Mismatch);
                break;
            }
        }
    }
    Ok(verdicts)
}

fn next_wave(batch: &mut std::iter::Peekable<impl Iterator<Item = Mutation>>) -> Vec<Mutation> {
    let (mut wave, mut numbers, mut keys) = (Vec::new(), HashSet::new(), HashSet::new());
    let mut fits = |mutation: &Mutation| {
        let changes = mutation.key_changes();
        let own: Vec<UniqueKey> = changes.claimed.into_iter().chain(changes.freed).collect();
        let is_new = numbers.insert(mutation.no) && own.iter().all(|key| !keys.contains(key));
        keys.extend(own);
        is_new
    };
    while let Some(mutation) = batch.next_if(&mut fits) {
        wave.push(mutation);
    }
    wave
}

/// Applies one wave: mutations that share no order number and no key. Splits them into parts and
/// sends each on its own connection. Encodes all parts first, so that a mutation that cannot be
/// encoded fails before anything is written.
async fn run_wave(links: &Rc<Pool>, wave: Vec<Mutation>) -> Result<Vec<Verdict>, Failure> {
    let lanes = (wave.len() / WORTH_A_LANE).clamp(1, LANES);
    let mut parts = Vec::with_capacity(lanes);
    for part in wave.chunks(wave.len().div_ceil(lanes)) {
        parts.push((part.to_vec(), columns(links, part).await?));
    }
    let mut under_way = JoinSet::new();
    for (lane, (part, columns)) in parts.into_iter().enumerate() {
        let links = Rc::clone(links);
        under_way.spawn_local(async move {
            let verdicts = run(&links, lane, &part, &columns).await;
            (lane, part.len(), verdicts)
        });
    }
    let mut parts = under_way.join_all().await;
    parts.sort_by_key(|(lane, ..)| *lane);
    joined(parts.into_iter().map(|(_, count, part)| (count, part)))
}

/// Joins the results of the lanes, in order.
///
/// - One unknown outcome makes the outcome of the whole wave unknown.
/// - If some lanes succeeded, the mutations of a failed lane get [`Verdict::Mismatch`]: the store
///   decides these commands again.
/// - If no lane succeeded, the wave fails with the last failure.
fn joined(
    parts: impl Iterator<Item = (usize, Result<Vec<Verdict>, Failure>)>,
) -> Result<Vec<Verdict>, Failure> {
    let (mut verdicts, mut failed, mut is_any_done) = (Vec::new(), None, false);
    for (count, part) in parts {
        match part {
            Ok(some) => {
                is_any_done = true;
                verdicts.extend(some);
            }
            Err(failure @ Failure::Unknown(_)) => return Err(failure),
            Err(failure) => {
                verdicts.extend((0..count).map(|_| Verdict::Mismatch));
                failed = Some(failure);
            }
        }
    }
    match failed {
        Some(failure) if !is_any_done => Err(failure),
        _ => Ok(verdicts),
    }
}

/// Sends a part of the batch on one lane (connection for writes) until each mutation's outcome is
/// known.
async fn run(
    links: &Pool,
    lane: usize,
    part: &[Mutation],
    columns: &Columns,
) -> Result<Vec<Verdict>, Failure> {
    // All attempts write the same change ID into their events, because `links.change` may send the
    // statement several times. If an attempt was applied and its answer got lost, the next attempt
    // updates nothing, and `examine` finds the events with this ID. Without the ID, the engine
    // could not tell its own write from that of another writer.
    let mut change_id = [0; 16];
    let drawn = getrandom::fill(&mut change_id);
    drawn.map_err(|error| StorageError::from(std::io::Error::from(error)))?;
    let send = async |link: &mut Connection| {
        let id = &change_id[..];
        let mut parameters = columns.parameters();
        parameters.push(&id);
        numbers(link, CHANGE, &parameters).await
    };
    let done = links.change(lane, send).await?;
    let is_done = |mutation: &Mutation| done.contains(mutation.no.as_str());
    let rest: Vec<&Mutation> = part.iter().filter(|mutation| !is_done(mutation)).collect();
    let mut examined = examine(links, lane, &rest, change_id).await?.into_iter();
    let verdicts = part.iter().map(|mutation| {
        let own = if is_done(mutation) {
            None
        } else {
            examined.next()
        };
        own.unwrap_or(Verdict::Applied)
    });
    Ok(verdicts.collect())
}

async fn columns(links: &Pool, part: &[Mutation]) -> Result<Columns, Failure> {
    let new = part.iter().filter(|mutation| mutation.before.is_none());
    let mut rows = schema::next_row_numbers(links, new.count())
        .await?
        .into_iter();
    let mut columns = Columns::default();
    for mutation in part {
        let row = match &mutation.before {
            Some(stored) => Some(stored.row),
            None => rows.next(),
        };
        let row =
            row.ok_or_else(|| Failure::fatal("internal error: a new record has no row number"))?;
        columns.push(mutation, row)?;
    }
    Ok(columns)
}

/// Returns the order numbers in the result of a statement.
async fn numbers(
    link: &mut Connection,
    sql: &'static str,
    parameters: &[Parameter<'_>],
) -> Result<HashSet<String>, Failure> {
    let rows = link.query(sql, parameters).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Finds the verdicts of mutations that the last attempt did not apply. Either an earlier
/// attempt applied them, or the stored record or a key differs.
///
/// All steps use one connection. A second connection could lead to another server after a failover,
/// and `settle` would not confirm the commits of the first server there.
async fn examine(
    links: &Pool,
    lane: usize,
    rest: &[&Mutation],
    change_id: [u8; 16],
) -> Result<Vec<Verdict>, Failure> {
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let keys = |mutation: &&Mutation| unique_keys(&mutation.after).collect::<Vec<_>>();
    let numbers = rest.iter().map(|mutation| Lookup::No(mutation.no));
    let owners = rest.iter().flat_map(keys).map(Lookup::Owner);
    let lookups: Vec<Lookup> = numbers.chain(owners).collect();
    let look = async |link: &mut Connection| {
        let made = made(link, rest, change_id).await?;
        // An earlier attempt may have committed on this server, but on no standby yet. `settle`
        // waits until the standbys have that commit, too. Otherwise the store would acknowledge a
        // command that a failover could lose.
        if !made.is_empty() {
            link.settle().await?;
        }
        Ok((made, read::look_up(link, &lookups).await?))
    };
    let looked = links.change(lane, look).await;
    // The last attempt did not apply these mutations, but an earlier attempt with a lost answer may
    // have applied them. Their outcome is therefore unknown if this lookup fails.
    let (made, found) = looked.map_err(|failure| Failure::Unknown(failure.cause()))?;
    let (records, owners) = found.split_at(rest.len().min(found.len()));
    let mut owners = owners.iter();
    let verdict = |(mutation, found): (&&Mutation, &Option<StoredRecord>)| {
        let keys = keys(mutation).into_iter();
        let owned: Vec<_> = keys.zip(owners.by_ref()).collect();
        if made.contains(mutation.no.as_str()) {
            return Verdict::Applied;
        }
        let version = |stored: &StoredRecord| (stored.row, stored.record.version());
        if found.as_ref().map(version) != mutation.before.as_ref().map(version) {
            return Verdict::Mismatch;
        }
        let others = owned.into_iter().filter_map(|(key, owner)| {
            let by = owner.as_ref()?.record.no();
            (by != mutation.no).then_some(Verdict::Taken { key, by })
        });
        // If no conflicting owner is left, return `Mismatch`, so that the store decides the command
        // again.
        others.into_iter().next().unwrap_or(Verdict::Mismatch)
    };
    Ok(rest.iter().zip(records).map(verdict).collect())
}

async fn made(
    link: &mut Connection,
    rest: &[&Mutation],
    change_id: [u8; 16],
) -> Result<HashSet<String>, Failure> {
    let own: Vec<&str> = rest.iter().map(|mutation| mutation.no.as_str()).collect();
    let versions = rest.iter().map(|mutation| mutation.after.version());
    let versions: Vec<i64> = versions.map(signed).collect::<Result<_, _>>()?;
    let id = &change_id[..];
    numbers(link, MADE, &[&own, &versions, &id]).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StorageErrorKind;

    /// Result of a lane (connection for writes) with `count` mutations: all applied, or the failure
    /// that `failed` builds.
    fn part(
        count: usize,
        failed: Option<fn(StorageError) -> Failure>,
    ) -> (usize, Result<Vec<Verdict>, Failure>) {
        let error = StorageError::new(StorageErrorKind::Io, "a lane failed");
        let applied = vec![Verdict::Applied; count];
        (
            count,
            failed.map_or(Ok(applied), |failed| Err(failed(error))),
        )
    }

    #[test]
    fn failed_connection_keeps_verdicts_of_other_connections() {
        use Verdict::{Applied, Mismatch};
        for failed in [Failure::Retry, Failure::Refused] {
            let parts = [part(1, None), part(2, Some(failed)), part(1, None)];
            let verdicts = joined(parts.into_iter()).unwrap();
            assert_eq!(verdicts, [Applied, Mismatch, Mismatch, Applied]);
        }
        let parts = [
            part(1, None),
            part(1, Some(Failure::Retry)),
            part(1, Some(Failure::Unknown)),
        ];
        assert!(matches!(
            joined(parts.into_iter()),
            Err(Failure::Unknown(_))
        ));
        let parts = [
            part(1, Some(Failure::Retry)),
            part(1, Some(Failure::Refused)),
        ];
        assert!(matches!(
            joined(parts.into_iter()),
            Err(Failure::Refused(_))
        ));
    }
}
