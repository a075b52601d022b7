//! Everything that is kept, as of one moment.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use tokio_postgres::{IsolationLevel, Transaction};

use super::link::{Failure, Link, Links};
use super::{names, read};
use crate::engine::{Counts, Stored};
use crate::order::Event;
use crate::rules::{index_entries, unique_keys};
use crate::verify::{Invariant, Report};

const RECORDS: &str = "
SELECT out_trade_no, record FROM orderstore_orders
    WHERE out_trade_no > $1 ORDER BY out_trade_no LIMIT 500";

const EVENTS: &str = "
SELECT out_trade_no, version, event FROM orderstore_events
    WHERE out_trade_no = ANY($1) ORDER BY out_trade_no, version";

const EVENT_COUNT: &str = "SELECT count(*) FROM orderstore_events";

const COLUMNS: &str = "
SELECT coalesce(sum(unclaimed), 0)::bigint, coalesce(sum(open_anomalies), 0)::bigint,
    array(SELECT count(o.status) FROM generate_series(0, 5) s
        LEFT JOIN orderstore_orders o ON o.status = s GROUP BY s ORDER BY s)
    FROM orderstore_orders";

const FETCH: &str = "FETCH 5000 FROM walk";
const ENTRIES: &str = "
DECLARE walk CURSOR FOR SELECT list, time_ms, row, sub, out_trade_no FROM orderstore_entries";
const KEYS: &str = "
DECLARE walk CURSOR FOR SELECT key, 0::bigint, 0::bigint, 0::bigint, out_trade_no
    FROM orderstore_keys";

/// What should be there, or is, in whatever order: how many, and the sum of their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    hashes: u64,
}

impl Sum {
    fn add(&mut self, what: impl Hash) {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        self.count = self.count.saturating_add(1);
        self.hashes = self.hashes.wrapping_add(hasher.finish());
    }
}

#[derive(Default)]
struct Expected {
    entries: Sum,
    keys: Sum,
    counts: Counts,
}

pub(super) async fn verify(links: &Links) -> Result<Report, Failure> {
    links.read_long(async |link| look(link).await).await
}

async fn look(link: &mut Link) -> Result<Report, Failure> {
    let moment = link.client.build_transaction().read_only(true);
    let moment = moment.isolation_level(IsolationLevel::RepeatableRead);
    let moment = moment.start().await?;
    let (mut report, mut expected) = (Report::default(), Expected::default());
    let mut after = String::new();
    loop {
        let rows = moment.query(RECORDS, &[&after]).await?;
        let Some(last) = rows.last() else { break };
        after = last.get(0);
        let records = rows.iter().map(|row| read::stored(row, 0));
        let records: Vec<Stored> = records.collect::<Result<_, _>>()?;
        let mut events = events(&moment, &records).await?;
        for stored in records {
            let own = events.remove(stored.record.no().as_str());
            report.check_record(&stored.record, &own.unwrap_or_default());
            expected.take(&stored);
        }
    }
    compare(&moment, &expected, &mut report).await?;
    Ok(report)
}

async fn events(
    moment: &Transaction<'_>,
    records: &[Stored],
) -> Result<HashMap<String, Vec<Event>>, Failure> {
    let numbers: Vec<String> = records
        .iter()
        .map(|it| it.record.no().to_string())
        .collect();
    let mut events: HashMap<String, Vec<Event>> = HashMap::new();
    for row in moment.query(EVENTS, &[&numbers]).await? {
        let own = events.entry(row.get(0)).or_default();
        own.push(read::event(&row)?);
    }
    Ok(events)
}

impl Expected {
    fn take(&mut self, stored: &Stored) {
        let (record, no) = (&stored.record, stored.record.no().to_string());
        let row = super::change::signed(stored.row);
        for entry in index_entries(record) {
            let list = names::list(&entry.index);
            let sub = i64::from(entry.sub);
            self.entries
                .add((list, entry.time.as_millis(), row, sub, &no));
        }
        for key in unique_keys(record) {
            self.keys.add((names::key(&key), 0_i64, 0_i64, 0_i64, &no));
        }
        self.counts = self.counts.after(None, record);
    }
}

async fn compare(
    moment: &Transaction<'_>,
    expected: &Expected,
    report: &mut Report,
) -> Result<(), Failure> {
    let entries = sum(moment, ENTRIES).await?;
    report.entries = entries.count;
    let differ = |found: Sum, wanted: Sum| {
        let (found, wanted) = (found.count, wanted.count);
        format!("{found} are not those {wanted} that belong there")
    };
    if entries != expected.entries {
        let what = differ(entries, expected.entries);
        report.breach(Invariant::I5, None, what);
    }
    let keys = sum(moment, KEYS).await?;
    if keys != expected.keys {
        report.breach(Invariant::I6, None, differ(keys, expected.keys));
    }
    let events: i64 = moment.query_one(EVENT_COUNT, &[]).await?.get(0);
    if u64::try_from(events) != Ok(report.events) {
        report.breach(Invariant::I7, None, "events of no record");
    }
    let columns = moment.query_one(COLUMNS, &[]).await?;
    let by_status: Vec<i64> = columns.get(2);
    let wanted = expected.counts.by_status.map(super::change::signed);
    let waiting = [columns.get::<_, i64>(0), columns.get(1)];
    let counts = &expected.counts;
    let wanted_waiting = [counts.unclaimed, counts.open_anomalies].map(super::change::signed);
    if by_status != wanted || waiting != wanted_waiting {
        report.breach(Invariant::I12, None, "the counts are not those of a scan");
    }
    Ok(())
}

async fn sum(moment: &Transaction<'_>, walk: &str) -> Result<Sum, Failure> {
    moment.batch_execute(walk).await?;
    let mut sum = Sum::default();
    loop {
        let rows = moment.query(FETCH, &[]).await?;
        if rows.is_empty() {
            moment.batch_execute("CLOSE walk").await?;
            return Ok(sum);
        }
        for row in rows {
            let (name, no): (String, String) = (row.get(0), row.get(4));
            let [time, at, sub]: [i64; 3] = [row.get(1), row.get(2), row.get(3)];
            sum.add((name, time, at, sub, &no));
        }
    }
}
