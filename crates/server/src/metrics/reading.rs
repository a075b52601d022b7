//! Reads of a scrape: counts, and one page each of the open anomalies and the due items.

use std::collections::BTreeMap;
use std::time::Duration;

use orderstore::{
    Call, Counts, Due, Error, OpenAnomaly, Page, PageRequest, Store, Timestamp, with_causes,
};
use serde::Serialize;
use serde_json::Value;
use tracing::warn;

/// Results of the reads. Each is `None` if its read failed.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) counts: Option<Counts>,
    pub(super) anomalies: Option<Listed>,
    pub(super) due: Option<Listed>,
}

/// Summary of the first page of a list.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Number of rows by the word of their kind.
    pub(super) by_kind: BTreeMap<String, u64>,
    /// Age of the oldest row, by the store's clock; zero if the list is empty.
    pub(super) oldest: Duration,
}

impl Reading {
    /// Reads the store on the current thread, which must be one that may block.
    pub(super) fn of(store: &Store) -> Self {
        let now = store.now();
        let page = PageRequest::of(PageRequest::MAX);
        let anomaly = |row: &OpenAnomaly| (word(&row.anomaly.kind), row.anomaly.opened_at());
        let item = |row: &Due| (word(&row.action), row.at);
        Self {
            counts: read(store.counts()),
            anomalies: read(store.open_anomalies(page)).map(|page| listed(page, now, anomaly)),
            due: read(store.due(now, page)).map(|page| listed(page, now, item)),
        }
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.counts.is_some() && self.anomalies.is_some() && self.due.is_some()
    }
}

/// Waits for a read. `None` if it failed.
pub(super) fn read<T: Send + 'static>(call: Call<T>) -> Option<T> {
    call.wait().inspect_err(log).ok()
}

/// Logs the cause of a failed read, because the scrape cannot show it.
fn log(error: &Error) {
    warn!(error = with_causes(error), "read for scrape failed");
}

fn listed<R>(
    page: Page<R>,
    now: Timestamp,
    describe: impl Fn(&R) -> (String, Timestamp),
) -> Listed {
    let mut listed = Listed::default();
    for row in &page.rows {
        let (kind, since) = describe(row);
        let count = listed.by_kind.entry(kind).or_default();
        *count = count.saturating_add(1);
        listed.oldest = listed.oldest.max(now.since(since));
    }
    listed
}

/// Returns the JSON name of a variant, without its fields: they may identify a person.
fn word(kind: &impl Serialize) -> String {
    match serde_json::to_value(kind) {
        Ok(Value::String(word)) => Some(word),
        Ok(Value::Object(fields)) => fields.into_iter().next().map(|(word, _)| word),
        _ => None,
    }
    .unwrap_or_else(|| "unknown".to_owned())
}
