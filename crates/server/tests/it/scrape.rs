//! A scrape of the metrics, parsed.

use std::collections::{BTreeMap, BTreeSet};

use tokio::io::AsyncWriteExt;

use crate::harness::{Place, Rig, connect, read_all, request};

pub(crate) type Labels = BTreeMap<String, String>;

/// Samples of a scrape.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) text: String,
    pub(crate) values: BTreeMap<(String, Labels), f64>,
}

impl Samples {
    pub(crate) async fn of(rig: &Rig) -> Self {
        Self::at(&rig.place, "/metrics").await
    }

    pub(crate) async fn at(place: &Place, path: &str) -> Self {
        let mut connection = connect(place).await;
        let text = request("GET", path, "", "");
        connection.write_all(text.as_bytes()).await.unwrap();
        let reply = read_all(&mut connection).await;
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{reply}");
        let head = head.to_lowercase();
        assert!(head.contains("content-type: text/plain; version=0.0.4"));
        Self::parse(body)
    }

    /// Parses the text, and checks that each sample follows its help and its type.
    fn parse(text: &str) -> Self {
        let mut samples = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        let mut types: BTreeMap<&str, &str> = BTreeMap::new();
        let mut helps: BTreeSet<&str> = BTreeSet::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                assert!(helps.insert(name), "{name} is there twice");
                assert!(help.len() > 10, "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(helps.contains(name), "{name} has no help");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                types.insert(name, kind);
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = labels_of(series);
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|part| name.strip_suffix(part))
                    .filter(|family| types.get(family) == Some(&"histogram"))
                    .unwrap_or(name);
                assert!(types.contains_key(family), "{name} has no type");
                assert!(name.starts_with("orderstore_"), "{name}");
                let before = (samples.values).insert((name.to_owned(), labels), number(value));
                assert_eq!(before, None, "{series} is there twice");
            }
        }
        samples
    }

    /// Returns the only value with this name and at least these labels.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found = self.all(name, labels);
        assert_eq!(found.len(), 1, "{name} {labels:?} in {}", self.text);
        found[0]
    }

    /// Returns all values with this name and at least these labels.
    pub(crate) fn all(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let has = |own: &Labels| {
            labels
                .iter()
                .all(|(label, value)| own.get(*label).is_some_and(|own| own == value))
        };
        let values = self.values.iter();
        values
            .filter(|((own, labels), _)| own == name && has(labels))
            .map(|(_, value)| *value)
            .collect()
    }
}

fn number(text: &str) -> f64 {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Splits a series into its name and labels. No value of a label contains a comma or a quote.
fn labels_of(series: &str) -> (&str, Labels) {
    let Some((name, labels)) = series.split_once('{') else {
        return (series, Labels::new());
    };
    let labels = labels.strip_suffix('}').unwrap().split(',');
    let parse = |label: &str| {
        let (label, value) = label.split_once('=').unwrap();
        let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        (label.to_owned(), value.to_owned())
    };
    (name, labels.map(parse).collect())
}
