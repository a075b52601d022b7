//! Text of a scrape.

use std::fmt::Error;

use orderstore::{ArchiveStatus, Counts, MirrorStatus, Stats, Status};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeMetric, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;

use super::http::HttpMetrics;
use super::reading::{Listed, Reading};

/// Media type of the text.
pub(crate) const MEDIA_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Words of the store's health. `unknown` is a state that a later version of the library adds.
pub(crate) const HEALTH: [&str; 11] = [
    "ok",
    "throttled",
    "diskFull",
    "failing",
    "damaged",
    "unmirrored",
    "archiveBehind",
    "standby",
    "poisoned",
    "shutDown",
    "unknown",
];

const MIRROR: [&str; 4] = [
    MirrorStatus::Off.as_str(),
    MirrorStatus::Complete.as_str(),
    MirrorStatus::Filling.as_str(),
    MirrorStatus::Missing.as_str(),
];

const ARCHIVE: [&str; 4] = [
    ArchiveStatus::Off.as_str(),
    ArchiveStatus::Complete.as_str(),
    ArchiveStatus::Behind.as_str(),
    ArchiveStatus::Fenced.as_str(),
];

/// Values of one scrape.
#[derive(Debug)]
pub(super) struct Scrape {
    /// Word of the store's health.
    pub(super) health: &'static str,
    pub(super) stats: Stats,
    pub(super) reading: Reading,
    /// Number of events in the feed. `None` if it was not found in time.
    pub(super) feed_end: Option<u64>,
}

/// Returns the text of a scrape.
pub(super) fn encode(scrape: Scrape, http: &HttpMetrics) -> Result<String, Error> {
    let mut registry = Registry::with_prefix("orderstore");
    registry.register_collector(Box::new(scrape));
    http.register(&mut registry);
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut text = Text { encoder };
        let help = "1 if the counts, the anomalies and the due items could be read for this \
                    scrape, and 0 if their metrics are incomplete";
        text.gauge("up", help, u64::from(self.reading.is_complete()))?;
        let help = "1 for the current health of the store, and 0 for the other states";
        text.states("health", help, ("state", &HEALTH), self.health)?;
        self.commits(&mut text)?;
        self.disk(&mut text)?;
        self.copies(&mut text)?;
        if let Some(counts) = &self.reading.counts {
            orders(&mut text, counts)?;
        }
        if let Some(anomalies) = &self.reading.anomalies {
            listed_anomalies(&mut text, anomalies)?;
        }
        if let Some(due) = &self.reading.due {
            listed_due(&mut text, due)?;
        }
        if let Some(end) = self.feed_end {
            let help = "Events in the change feed. The position of the feed's end";
            text.counter("feed_events", help, end)?;
        }
        Ok(())
    }
}

impl Scrape {
    fn commits(&self, text: &mut Text<'_>) -> Result<(), Error> {
        let stats = &self.stats;
        let help = "Commands that a group ran and answered";
        text.counter("commands", help, stats.commands)?;
        let help = "Groups of commands. A group usually costs one write";
        text.counter("groups", help, stats.groups)?;
        let help = "Commands that wait in the queue now";
        text.gauge("queued_commands", help, stats.queued)?;
        let help = "Commands that were refused because their record was full";
        text.counter("record_full", help, stats.record_full)?;
        let help = "Groups that were throttled because a checkpoint fell behind";
        text.counter("throttled", help, stats.throttled)?;
        let help = "Order numbers with an earlier time, because the clock was set back";
        text.counter("clock_set_back", help, stats.clock_set_back)
    }

    fn disk(&self, text: &mut Text<'_>) -> Result<(), Error> {
        let stats = &self.stats;
        let help = "Journal segments on disk, without preallocated space";
        text.gauge("journal_bytes", help, stats.journal_bytes)?;
        let help = "Memtables that wait for a checkpoint or are being written by one";
        text.gauge("memtable_bytes", help, stats.memtable_bytes)?;
        let help = "Finished checkpoints";
        text.counter("checkpoints", help, stats.checkpoints)?;
        let help = "Duration of the last checkpoint. 0 before the first one";
        let last = stats.last_checkpoint.as_secs_f64();
        text.gauge("last_checkpoint_duration_seconds", help, last)?;
        let help = "Corrupt pages that reads found";
        text.gauge("damaged_pages", help, stats.damaged_pages)?;
        let help = "Times that the store opened a file again after a failure";
        text.counter("reopened", help, stats.reopened)
    }

    /// Mirror, archive and standby.
    fn copies(&self, text: &mut Text<'_>) -> Result<(), Error> {
        let (mirror, archive) = (self.stats.mirror.as_str(), &self.stats.archive);
        let help = "1 for the current state of the mirror, and 0 for the other states";
        text.states("mirror_status", help, ("status", &MIRROR), mirror)?;
        let help = "1 for the current state of the archive, and 0 for the other states";
        let status = archive.status.as_str();
        text.states("archive_status", help, ("status", &ARCHIVE), status)?;
        let help = "Time since everything could be restored from the archive";
        text.gauge("archive_lag_seconds", help, archive.lag.as_secs_f64())?;
        let help = "Journal that the archive lacks, approximately";
        text.gauge("archive_lag_bytes", help, archive.lag_bytes)?;
        let help = "Failed attempts to write to the archive";
        text.counter("archive_failures", help, archive.failures)?;
        let Some(standby) = &self.stats.standby else {
            return Ok(());
        };
        if let Some(lag) = standby.lag {
            let help = "Time since the standby showed everything that the archive held. Missing \
                        until the standby has caught up for the first time";
            text.gauge("standby_lag_seconds", help, lag.as_secs_f64())?;
        }
        let help = "Failed attempts of the standby to follow the archive";
        text.counter("standby_failures", help, standby.failures)
    }
}

fn orders(text: &mut Text<'_>, counts: &Counts) -> Result<(), Error> {
    let by_status = Status::ALL.map(|status| (status.as_str(), counts.of(status)));
    let help = "Orders by status";
    text.each("orders", help, "status", by_status.into_iter())?;
    let help = "Payments whose order does not exist yet";
    text.gauge("unclaimed_payments", help, counts.unclaimed)?;
    let help = "Anomalies that a person must resolve, with the unclaimed payments";
    text.gauge("open_anomalies", help, counts.open_anomalies)
}

fn listed_anomalies(text: &mut Text<'_>, anomalies: &Listed) -> Result<(), Error> {
    let help = "Open anomalies by kind, among the oldest 1,000";
    text.each("open_anomalies_by_kind", help, "kind", rows(anomalies))?;
    let help = "Time since the oldest open anomaly was raised or reopened. 0 if there is none";
    let age = anomalies.oldest.as_secs_f64();
    text.gauge("oldest_anomaly_age_seconds", help, age)
}

fn listed_due(text: &mut Text<'_>, due: &Listed) -> Result<(), Error> {
    let help = "Items that are due for the server, by action, among the oldest 1,000";
    text.each("due_items", help, "action", rows(due))?;
    let help = "Time since the oldest due item became due. 0 if there is none";
    text.gauge("oldest_due_age_seconds", help, due.oldest.as_secs_f64())
}

fn rows(listed: &Listed) -> impl Iterator<Item = (&str, u64)> {
    let rows = listed.by_kind.iter();
    rows.map(|(kind, count)| (kind.as_str(), *count))
}

/// Writer of metrics. Names are without the prefix, and those of counters without `_total`.
struct Text<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Text<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let kind = MetricType::Counter;
        let metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        ConstCounter::new(value).encode(metric)
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> Result<(), Error> {
        let kind = MetricType::Gauge;
        let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        metric.encode_gauge(&value)
    }

    /// Writes one gauge for each value of a label.
    fn each<'v>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl Iterator<Item = (&'v str, u64)>,
    ) -> Result<(), Error> {
        let kind = MetricType::Gauge;
        let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (word, value) in values {
            metric
                .encode_family(&[(label, word)])?
                .encode_gauge(&value)?;
        }
        Ok(())
    }

    /// Writes a state set: one gauge for each state.
    fn states(
        &mut self,
        name: &str,
        help: &str,
        (label, all): (&'static str, &[&'static str]),
        current: &str,
    ) -> Result<(), Error> {
        let is_current = |state: &&'static str| (*state, u64::from(*state == current));
        self.each(name, help, label, all.iter().map(is_current))
    }
}
