//! Verifies all tables in one snapshot.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio_postgres::{IsolationLevel, Row, Transaction};

use super::connection::Connection;
use super::failure::Failure;
use super::pool::Pool;
use super::{names, read};
use crate::contract::{Counts, StoredRecord};
use crate::order::Event;
use crate::rules::{index_entries, unique_keys};
use crate::types::OrderNo;
use crate::verify::{Invariant, VerifyReport};

const RECORDS: &str = "
SELECT out_trade_no, record FROM orderstore_orders
    WHERE out_trade_no > $1 ORDER BY out_trade_no LIMIT 500";

const EVENTS: &str = "
SELECT out_trade_no, version, event FROM orderstore_events
    WHERE out_trade_no = ANY($1) ORDER BY out_trade_no, version";

const EVENT_COUNT: &str = "
SELECT count(*), count(seq), coalesce(min(seq), 1), coalesce(max(seq), 0) FROM orderstore_events";

const COLUMNS: &str = "
SELECT coalesce(sum(unclaimed), 0)::bigint, coalesce(sum(open_anomalies), 0)::bigint,
    array(SELECT count(o.status) FROM generate_series(0, 5) s
        LEFT JOIN orderstore_orders o ON o.status = s GROUP BY s ORDER BY s)
    FROM orderstore_orders";

/// Statement that checks whether the next row number is above all used row numbers.
const ROWS: &str = "
SELECT (SELECT max(rows) FROM orderstore_meta)
    > (SELECT coalesce(max(row), 0) FROM orderstore_orders)";

/// Maximum time of a verification.
const VERIFYING: Duration = Duration::from_secs(24 * 60 * 60);

const FETCH: &str = "FETCH 5000 FROM walk";
const ENTRIES: &str = "
DECLARE walk CURSOR FOR SELECT list, place, out_trade_no FROM orderstore_entries";
const KEYS: &str = "
DECLARE walk CURSOR FOR SELECT key, ''::bytea, out_trade_no FROM orderstore_keys";

/// Fingerprint of a set of table rows: their number and the sum of their hashes. The sum does not
/// depend on the order of the rows, so two sets can be compared without sorting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    hashes: u64,
}

impl Sum {
    fn add(&mut self, name: &str, place: &[u8], no: &str) {
        let mut hasher = DefaultHasher::new();
        (name, place, no).hash(&mut hasher);
        self.count += 1;
        // The sum may wrap, because it is only a fingerprint.
        self.hashes = self.hashes.wrapping_add(hasher.finish());
    }
}

#[derive(Default)]
struct Expected {
    entries: Sum,
    keys: Sum,
    counts: Counts,
}

pub(super) async fn verify(links: &Pool) -> Result<VerifyReport, Failure> {
    let look = async |link: &mut Connection| look(link).await;
    links.long(VERIFYING, look).await
}

async fn look(link: &mut Connection) -> Result<VerifyReport, Failure> {
    let moment = link.client.build_transaction().read_only(true);
    let moment = moment.isolation_level(IsolationLevel::RepeatableRead);
    let moment = moment.start().await?;
    let (mut report, mut expected) = (VerifyReport::default(), Expected::default());
    let mut after = String::new();
    loop {
        let rows = moment.query(RECORDS, &[&after]).await?;
        let Some(last) = rows.last() else { break };
        after = last.get(0);
        let events = events(&moment, &rows, &mut report).await?;
        for row in &rows {
            let Ok(stored) = read::stored(row, 0) else {
                damaged(&mut report, row, "the record cannot be read");
                continue;
            };
            let own = events.get(stored.record.no().as_str());
            report.check_record(&stored.record, own.map_or(&[], Vec::as_slice));
            expected.take(&stored);
        }
    }
    compare(&moment, &expected, &mut report).await?;
    Ok(report)
}

async fn events(
    moment: &Transaction<'_>,
    records: &[Row],
    report: &mut VerifyReport,
) -> Result<HashMap<String, Vec<Event>>, Failure> {
    let numbers: Vec<String> = records.iter().map(|row| row.get(0)).collect();
    let mut events: HashMap<String, Vec<Event>> = HashMap::new();
    for row in moment.query(EVENTS, &[&numbers]).await? {
        match read::event(&row) {
            Ok(event) => events.entry(row.get(0)).or_default().push(event),
            Err(_) => damaged(report, &row, "an event cannot be read"),
        }
    }
    Ok(events)
}

/// Reports an unreadable table row, with its order number if the number is readable.
fn damaged(report: &mut VerifyReport, row: &Row, what: &str) {
    let no = OrderNo::parse(row.get(0)).ok();
    report.add_violation(Invariant::I18, no, what);
}

impl Expected {
    fn take(&mut self, stored: &StoredRecord) {
        let (record, no) = (&stored.record, stored.record.no());
        for entry in index_entries(record) {
            let place = names::place(entry.time, stored.row, entry.sub);
            let list = names::list(&entry.index);
            self.entries.add(&list, &place, no.as_str());
        }
        for key in unique_keys(record) {
            self.keys.add(&names::key(&key), &[], no.as_str());
        }
        self.counts = self.counts.after(None, record);
    }
}

async fn compare(
    moment: &Transaction<'_>,
    expected: &Expected,
    report: &mut VerifyReport,
) -> Result<(), Failure> {
    let entries = sum(moment, ENTRIES).await?;
    report.entries = entries.count;
    let differ = |table: &str, found: Sum, wanted: Sum| {
        let (found, wanted) = (found.count, wanted.count);
        format!("{table} has {found} rows, which differ from the {wanted} rows of the records")
    };
    if entries != expected.entries {
        let what = differ("orderstore_entries", entries, expected.entries);
        report.add_violation(Invariant::I5, None, what);
    }
    let keys = sum(moment, KEYS).await?;
    if keys != expected.keys {
        let what = differ("orderstore_keys", keys, expected.keys);
        report.add_violation(Invariant::I6, None, what);
    }
    let events = moment.query_one(EVENT_COUNT, &[]).await?;
    let [all, numbered, first, last]: [i64; 4] = std::array::from_fn(|column| events.get(column));
    if u64::try_from(all) != Ok(report.events) {
        report.add_violation(
            Invariant::I3,
            None,
            "orderstore_events has events without a record",
        );
    }
    if (first, last) != (1, numbered) {
        report.add_violation(Invariant::I11, None, "the feed has a gap");
    }
    if moment.query_one(ROWS, &[]).await?.get::<_, Option<bool>>(0) != Some(true) {
        let what = "orderstore_meta has no row or an outdated row: row numbers would be reused";
        report.add_violation(Invariant::I5, None, what);
    }
    let columns = moment.query_one(COLUMNS, &[]).await?;
    let by_status: Vec<i64> = columns.get(2);
    let waiting: [i64; 2] = [columns.get(0), columns.get(1)];
    let counts = &expected.counts;
    let wanted_waiting = [counts.unclaimed, counts.open_anomalies];
    let are = |found: &[i64], wanted: &[u64]| {
        let found = found.iter().map(|count| u64::try_from(*count));
        found.eq(wanted.iter().copied().map(Ok))
    };
    if !are(&by_status, &counts.by_status) || !are(&waiting, &wanted_waiting) {
        report.add_violation(
            Invariant::I12,
            None,
            "the count columns differ from the counts of all records",
        );
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
            sum.add(row.get(0), row.get(1), row.get(2));
        }
    }
}
