//! A batch of changes, as one statement for each lane.

use std::collections::HashSet;
use std::rc::Rc;

use tokio::task::JoinSet;
use tokio_postgres::types::ToSql;

use super::link::{Failure, LANES, Link, Links};
use super::{names, read, schema};
use crate::engine::local::values;
use crate::engine::{Lookup, Mutation, Stored, Verdict};
use crate::order::Record;
use crate::rules::{IndexEntry, UniqueKey, index_entries, unique_keys};
use crate::value::OrderNo;

/// Spread over more lanes, fewer changes than these gain nothing.
const WORTH_A_LANE: usize = 64;

/// All of a change, or nothing: what depends on a record is written where the record was.
/// Where somebody else takes a key at the same moment the statement fails as a whole, and is
/// sent again: then it sees who has the key.
const CHANGE: &str = "
WITH i AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[],
        $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::integer[], $11::integer[],
        $12::bytea[])
        AS i(no, row, before, version, status, openid, fee, created, updated, unclaimed, open,
            record)),
held AS (
    SELECT n.no FROM unnest($17::text[], $18::text[]) AS n(no, key)
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
    SELECT n.no, n.version, $13, n.event
        FROM unnest($14::text[], $15::bigint[], $16::bytea[]) WITH ORDINALITY
            AS n(no, version, event, place)
        JOIN done USING (no) ORDER BY n.place),
taken AS (
    INSERT INTO orderstore_keys
    SELECT n.key, n.no FROM unnest($17::text[], $18::text[]) AS n(no, key) JOIN done USING (no)),
freed AS (
    DELETE FROM orderstore_keys k USING unnest($19::text[], $20::text[]) AS n(no, key), done
    WHERE k.key = n.key AND k.out_trade_no = n.no AND done.no = n.no),
gone AS (
    DELETE FROM orderstore_entries e
    USING unnest($21::text[], $22::text[], $23::bigint[], $24::bigint[], $25::bigint[])
        AS n(no, list, time_ms, row, sub), done
    WHERE e.list = n.list AND e.time_ms = n.time_ms AND e.row = n.row AND e.sub = n.sub
        AND done.no = n.no),
come AS (
    INSERT INTO orderstore_entries
    SELECT n.list, n.time_ms, n.row, n.sub, n.no
        FROM unnest($26::text[], $27::text[], $28::bigint[], $29::bigint[], $30::bigint[])
            AS n(no, list, time_ms, row, sub)
        JOIN done USING (no))
SELECT no FROM done";

/// Which of these changes were made under this id.
const MADE: &str = "
SELECT n.no FROM unnest($1::text[], $2::bigint[]) AS n(no, version)
    JOIN orderstore_events e ON e.out_trade_no = n.no AND e.version = n.version
    WHERE e.change_id = $3";

/// Changes that meet no key of one another go together, the others one wave after another.
pub(super) async fn apply(
    links: &Rc<Links>,
    batch: Vec<Mutation>,
) -> Result<Vec<Verdict>, Failure> {
    let mut verdicts = Vec::with_capacity(batch.len());
    let mut batch = batch.into_iter().peekable();
    while batch.peek().is_some() {
        let wave = next_wave(&mut batch);
        match run_wave(links, wave).await {
            Ok(some) => verdicts.extend(some),
            Err(Failure::Not(cause)) if verdicts.is_empty() => return Err(Failure::Not(cause)),
            // What went before stands: these are decided again.
            Err(Failure::Not(_)) => verdicts.extend(batch.by_ref().map(|_| Verdict::Mismatch)),
            Err(failure) if verdicts.is_empty() => return Err(failure),
            Err(failure) => return Err(Failure::Maybe(failure.cause())),
        }
    }
    Ok(verdicts)
}

fn next_wave(batch: &mut std::iter::Peekable<impl Iterator<Item = Mutation>>) -> Vec<Mutation> {
    let (mut wave, mut numbers, mut keys) = (Vec::new(), HashSet::new(), HashSet::new());
    let mut fits = |mutation: &Mutation| {
        let own: Vec<UniqueKey> = keys_of(mutation).collect();
        let is_new = numbers.insert(mutation.no) && own.iter().all(|key| !keys.contains(key));
        keys.extend(own);
        is_new
    };
    while let Some(mutation) = batch.next_if(&mut fits) {
        wave.push(mutation);
    }
    wave
}

/// The keys that a change takes or lets go.
fn keys_of(mutation: &Mutation) -> impl Iterator<Item = UniqueKey> {
    let before = mutation.before.iter();
    let before: HashSet<_> = before
        .flat_map(|stored| unique_keys(&stored.record))
        .collect();
    let after: HashSet<_> = unique_keys(&mutation.after).collect();
    let differ: Vec<_> = before.symmetric_difference(&after).cloned().collect();
    differ.into_iter()
}

async fn run_wave(links: &Rc<Links>, wave: Vec<Mutation>) -> Result<Vec<Verdict>, Failure> {
    let lanes = (wave.len() / WORTH_A_LANE).clamp(1, LANES);
    if lanes == 1 {
        return run(links, 0, wave).await;
    }
    let mut under_way = JoinSet::new();
    for (lane, part) in wave.chunks(wave.len().div_ceil(lanes)).enumerate() {
        let (links, part) = (Rc::clone(links), part.to_vec());
        let count = part.len();
        under_way.spawn_local(async move { (lane, count, run(&links, lane, part).await) });
    }
    let mut parts = under_way.join_all().await;
    parts.sort_by_key(|(lane, ..)| *lane);
    joined(parts.into_iter().map(|(_, count, part)| (count, part)))
}

/// Where a part was applied, what certainly was not is decided again.
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
            Err(failure) => {
                verdicts.extend((0..count).map(|_| Verdict::Mismatch));
                let is_worse = !matches!(failed, Some(Failure::Maybe(_)));
                failed = if is_worse { Some(failure) } else { failed };
            }
        }
    }
    match failed {
        None => Ok(verdicts),
        Some(Failure::Not(_)) if is_any_done => Ok(verdicts),
        Some(failure) if is_any_done => Err(Failure::Maybe(failure.cause())),
        Some(failure) => Err(failure),
    }
}

/// Sends the changes until the outcome of each is known.
async fn run(links: &Links, lane: usize, part: Vec<Mutation>) -> Result<Vec<Verdict>, Failure> {
    let mut change_id = [0; 16];
    getrandom::fill(&mut change_id).map_err(|error| {
        Failure::from(crate::error::StorageError::from(std::io::Error::from(
            error,
        )))
    })?;
    let columns = Columns::of(links, &part, change_id).await?;
    let done = links
        .change(lane, async |link| columns.send(link).await)
        .await?;
    let is_done = |mutation: &Mutation| done.contains(mutation.no.as_str());
    let rest: Vec<&Mutation> = part.iter().filter(|mutation| !is_done(mutation)).collect();
    let mut told = examine(links, &rest, change_id).await?.into_iter();
    let verdicts = part.iter().map(|mutation| {
        let own = if is_done(mutation) { None } else { told.next() };
        own.unwrap_or(Verdict::Applied)
    });
    Ok(verdicts.collect())
}

/// Why changes were not made by the attempt that told of itself: an earlier one made them,
/// or something else stands.
async fn examine(
    links: &Links,
    rest: &[&Mutation],
    change_id: [u8; 16],
) -> Result<Vec<Verdict>, Failure> {
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let made = made(links, rest, change_id).await;
    // The statement itself was answered: only what stands now is not known.
    let made = made.map_err(|failure| Failure::Maybe(failure.cause()))?;
    let keys = |mutation: &&Mutation| unique_keys(&mutation.after).collect::<Vec<_>>();
    let numbers = rest.iter().map(|mutation| Lookup::No(mutation.no));
    let owners = rest.iter().flat_map(keys).map(Lookup::Owner);
    let lookups: Vec<Lookup> = numbers.chain(owners).collect();
    let stand = read::load(links, &lookups).await;
    let stand = stand.map_err(|failure| Failure::Maybe(failure.cause()))?;
    let (stand, owners) = stand.split_at(rest.len().min(stand.len()));
    let mut owners = owners.iter();
    let verdict = |(mutation, stands): (&&Mutation, &Option<Stored>)| {
        let keys = keys(mutation).into_iter();
        let owned: Vec<_> = keys.zip(owners.by_ref()).collect();
        if made.contains(mutation.no.as_str()) {
            return Verdict::Applied;
        }
        let version = |stored: &Stored| (stored.row, stored.record.version());
        if stands.as_ref().map(version) != mutation.before.as_ref().map(version) {
            return Verdict::Mismatch;
        }
        let others = owned.into_iter().filter_map(|(key, owner)| {
            let by = owner.as_ref()?.record.no();
            (by != mutation.no).then_some(Verdict::Taken { key, by })
        });
        // Whatever stood in the way has gone: it is decided again.
        others.into_iter().next().unwrap_or(Verdict::Mismatch)
    };
    Ok(rest.iter().zip(stand).map(verdict).collect())
}

async fn made(
    links: &Links,
    rest: &[&Mutation],
    change_id: [u8; 16],
) -> Result<HashSet<String>, Failure> {
    let numbers: Vec<&str> = rest.iter().map(|mutation| mutation.no.as_str()).collect();
    let versions = rest.iter().map(|mutation| mutation.after.version());
    let versions: Vec<i64> = versions.map(signed).collect();
    let change_id = &change_id[..];
    links
        .read(async |link: &mut Link| {
            let statement = link.statements.of(&link.client, MADE).await?;
            let parameters: [&(dyn ToSql + Sync); 3] = [&numbers, &versions, &change_id];
            let rows = link.client.query(&statement, &parameters).await?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
        .await
}

/// Numbers of the database are signed; none of these is ever so large.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The parameters of the statement, column by column.
struct Columns {
    change_id: [u8; 16],
    no: Vec<String>,
    row: Vec<i64>,
    before: Vec<i64>,
    version: Vec<i64>,
    status: Vec<Option<i16>>,
    openid: Vec<Option<String>>,
    fee: Vec<Option<i64>>,
    created: Vec<Option<i64>>,
    updated: Vec<i64>,
    unclaimed: Vec<i32>,
    open: Vec<i32>,
    record: Vec<Vec<u8>>,
    events: (Vec<String>, Vec<i64>, Vec<Vec<u8>>),
    taken: (Vec<String>, Vec<String>),
    freed: (Vec<String>, Vec<String>),
    gone: Places,
    come: Places,
}

#[derive(Default)]
struct Places {
    no: Vec<String>,
    list: Vec<String>,
    time: Vec<i64>,
    row: Vec<i64>,
    sub: Vec<i64>,
}

impl Places {
    fn push(&mut self, no: OrderNo, row: u64, entry: &IndexEntry) {
        self.no.push(no.to_string());
        self.list.push(names::list(&entry.index));
        self.time.push(entry.time.as_millis());
        self.row.push(signed(row));
        self.sub.push(i64::from(entry.sub));
    }
}

impl Columns {
    async fn of(links: &Links, part: &[Mutation], change_id: [u8; 16]) -> Result<Self, Failure> {
        let new = part.iter().filter(|mutation| mutation.before.is_none());
        let mut rows = schema::rows(links, new.count()).await?.into_iter();
        let mut columns = Self::empty(change_id);
        for mutation in part {
            let row = match &mutation.before {
                Some(stored) => Some(stored.row),
                None => rows.next(),
            };
            let row = row.ok_or_else(|| Failure::fatal("a row has no number"))?;
            columns.push(mutation, row)?;
        }
        Ok(columns)
    }

    fn empty(change_id: [u8; 16]) -> Self {
        Self {
            change_id,
            no: Vec::new(),
            row: Vec::new(),
            before: Vec::new(),
            version: Vec::new(),
            status: Vec::new(),
            openid: Vec::new(),
            fee: Vec::new(),
            created: Vec::new(),
            updated: Vec::new(),
            unclaimed: Vec::new(),
            open: Vec::new(),
            record: Vec::new(),
            events: Default::default(),
            taken: Default::default(),
            freed: Default::default(),
            gone: Places::default(),
            come: Places::default(),
        }
    }

    fn push(&mut self, mutation: &Mutation, row: u64) -> Result<(), Failure> {
        let (no, after) = (mutation.no, &mutation.after);
        let before = mutation.before.as_ref().map(|stored| &stored.record);
        self.no.push(no.to_string());
        self.row.push(signed(row));
        self.before.push(signed(before.map_or(0, Record::version)));
        self.push_record(after);
        let record = after.clone();
        self.record
            .push(values::record_bytes(Stored { record, row })?);
        for event in &mutation.events {
            self.events.0.push(no.to_string());
            self.events.1.push(signed(event.version));
            self.events.2.push(values::event_bytes(event)?);
        }
        self.push_keys(no, before, after);
        self.push_places(no, row, before, after);
        Ok(())
    }

    /// What people query.
    fn push_record(&mut self, after: &Record) {
        let order = after.as_order();
        self.version.push(signed(after.version()));
        self.status
            .push(order.map(|order| i16::from(order.status.code())));
        let openid = order.and_then(|order| order.openid.as_ref());
        self.openid
            .push(openid.map(|openid| openid.as_str().to_owned()));
        self.fee
            .push(order.map(|order| signed(order.total_fee.as_u64())));
        self.created
            .push(order.map(|order| order.create_time.as_millis()));
        self.updated.push(after.update_time().as_millis());
        let counts = crate::engine::Counts::of_record(after);
        let small = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
        self.unclaimed.push(small(counts.unclaimed));
        self.open.push(small(counts.open_anomalies));
    }

    fn push_keys(&mut self, no: OrderNo, before: Option<&Record>, after: &Record) {
        let old: HashSet<_> = before.into_iter().flat_map(unique_keys).collect();
        let new: HashSet<_> = unique_keys(after).collect();
        for key in new.difference(&old) {
            self.taken.0.push(no.to_string());
            self.taken.1.push(names::key(key));
        }
        for key in old.difference(&new) {
            self.freed.0.push(no.to_string());
            self.freed.1.push(names::key(key));
        }
    }

    fn push_places(&mut self, no: OrderNo, row: u64, before: Option<&Record>, after: &Record) {
        let old: HashSet<_> = before.into_iter().flat_map(index_entries).collect();
        let new: HashSet<_> = index_entries(after).into_iter().collect();
        for entry in old.difference(&new) {
            self.gone.push(no, row, entry);
        }
        for entry in new.difference(&old) {
            self.come.push(no, row, entry);
        }
    }

    /// The numbers whose change this attempt made.
    async fn send(&self, link: &mut Link) -> Result<HashSet<String>, Failure> {
        let statement = link.statements.of(&link.client, CHANGE).await?;
        let change_id = &self.change_id[..];
        let (gone, come) = (&self.gone, &self.come);
        let parameters: [&(dyn ToSql + Sync); 30] = [
            &self.no,
            &self.row,
            &self.before,
            &self.version,
            &self.status,
            &self.openid,
            &self.fee,
            &self.created,
            &self.updated,
            &self.unclaimed,
            &self.open,
            &self.record,
            &change_id,
            &self.events.0,
            &self.events.1,
            &self.events.2,
            &self.taken.0,
            &self.taken.1,
            &self.freed.0,
            &self.freed.1,
            &gone.no,
            &gone.list,
            &gone.time,
            &gone.row,
            &gone.sub,
            &come.no,
            &come.list,
            &come.time,
            &come.row,
            &come.sub,
        ];
        let rows = link.client.query(&statement, &parameters).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
