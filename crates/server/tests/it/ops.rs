//! The dashboard and the alert rules name only what a scrape contains.

use std::fs;
use std::path::Path;
use std::time::Duration;

use orderstore::testing::{ManualClock, MemoryArchive};
use orderstore::{Archive, Store};
use orderstore_server::{Limits, Listen};
use serde_json::{Value, json};
use yaml_rust2::{Yaml, YamlLoader};

use crate::harness::{Rig, payment, until};
use crate::scrape::Samples;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops");
    fs::read_to_string(path.join(name)).unwrap()
}

/// Returns the expressions of the dashboard and of its variables.
fn dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut found = Vec::new();
    let mut ids = Vec::new();
    for panel in panels {
        assert!(!ids.contains(&&panel["id"]), "{panel}");
        ids.push(&panel["id"]);
        let targets = panel["targets"].as_array().into_iter().flatten();
        found.extend(targets.map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    let first = panels.iter().find(|panel| panel["type"] == "row").unwrap();
    assert_eq!(first["title"], "Anomalies");
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        found.push(variable["query"].as_str().unwrap().to_owned());
    }
    found
}

/// Returns the expressions of the alert rules. Checks the other fields.
fn alerts() -> Vec<String> {
    let documents = YamlLoader::load_from_str(&read("alerts.yml")).unwrap();
    let mut names = Vec::new();
    let mut found = Vec::new();
    for group in documents[0]["groups"].as_vec().unwrap() {
        assert!(group["name"].as_str().is_some());
        for rule in group["rules"].as_vec().unwrap() {
            let text = |value: &Yaml| {
                value
                    .as_str()
                    .unwrap_or_else(|| panic!("{rule:?}"))
                    .to_owned()
            };
            let name = text(&rule["alert"]);
            assert!(!names.contains(&name), "{name} is there twice");
            names.push(name);
            let severity = text(&rule["labels"]["severity"]);
            assert!(["critical", "warning"].contains(&severity.as_str()));
            let time = text(&rule["for"]);
            let number = time.trim_end_matches(['m', 'h', 'd']);
            assert!(number.len() + 1 == time.len() && number.parse::<u32>().is_ok());
            // The first sentence is what happens, and the others are what to do.
            let summary = text(&rule["annotations"]["summary"]);
            assert!(
                summary.ends_with('.') && summary.contains(". "),
                "{summary}"
            );
            found.push(text(&rule["expr"]));
        }
    }
    found
}

/// Comparison of a label with a value, as in `status=~"success|latePaid"`.
#[derive(Debug, PartialEq, Eq)]
struct Matcher {
    label: String,
    values: Vec<String>,
}

/// Returns the names of metrics in an expression, each with its matchers.
fn metrics_in(expression: &str) -> Vec<(String, Vec<Matcher>)> {
    let mut found = Vec::new();
    for (at, _) in expression.match_indices("orderstore_") {
        let rest = &expression[at..];
        let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
        let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let matchers = match rest.strip_prefix('{') {
            Some(rest) => matchers_in(rest.split_once('}').unwrap().0),
            None => Vec::new(),
        };
        found.push((name.to_owned(), matchers));
    }
    found
}

fn matchers_in(text: &str) -> Vec<Matcher> {
    let parse = |matcher: &str| {
        let (label, value) = matcher.split_once('"').unwrap();
        let label = label.trim().trim_end_matches(['=', '~', '!']).to_owned();
        let values = value.strip_suffix('"').unwrap().split('|');
        let values = values.map(str::to_owned).collect();
        Matcher { label, values }
    };
    text.split(',').map(parse).collect()
}

impl Matcher {
    /// Checks that each value occurs. An expression with a misspelled one finds nothing.
    fn check(&self, name: &str, scrapes: &[Samples]) {
        // Prometheus adds this label.
        if self.label == "instance" {
            return;
        }
        for value in &self.values {
            let is_found = |own: &str| {
                let end = value.strip_prefix(".+").or(value.strip_prefix(".*"));
                end.map_or(own == value, |end| own.ends_with(end))
            };
            let occurs = series(scrapes).any(|(own, labels)| {
                own == name && labels.get(&self.label).is_some_and(|own| is_found(own))
            });
            assert!(occurs, "no {name} has {} {value}", self.label);
        }
    }
}

fn series(scrapes: &[Samples]) -> impl Iterator<Item = &(String, crate::scrape::Labels)> {
    scrapes.iter().flat_map(|scrape| scrape.values.keys())
}

#[tokio::test]
async fn each_metric_of_dashboard_and_alerts_exists() {
    let scrapes = [busy().await, archived().await];
    let scrapes: Vec<Samples> = scrapes.into_iter().flatten().collect();
    let mut named = Vec::new();
    for expression in [dashboard(), alerts()].concat() {
        let metrics = metrics_in(&expression);
        let is_other = expression == "prometheus";
        assert!(is_other || !metrics.is_empty(), "{expression}");
        for (name, matchers) in metrics {
            let exists = series(&scrapes).any(|(own, _)| *own == name);
            assert!(exists, "no scrape has {name}");
            matchers
                .iter()
                .for_each(|matcher| matcher.check(&name, &scrapes));
            named.push(name);
        }
    }
    // The reverse: a metric that is in neither file is of no use.
    for (name, _) in series(&scrapes) {
        assert!(named.contains(name), "nothing shows {name}");
    }
}

#[test]
fn expression_is_split_into_metrics_and_matchers() {
    let text = r#"increase(orderstore_a_total{x=~"b|.+c", y!="d"}[1h]) / orderstore_e > 0"#;
    let metrics = metrics_in(text);
    let names: Vec<&str> = metrics.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["orderstore_a_total", "orderstore_e"]);
    let matcher = |label: &str, values: &[&str]| Matcher {
        label: label.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    assert_eq!(
        metrics[0].1,
        [matcher("x", &["b", ".+c"]), matcher("y", &["d"])]
    );
    assert_eq!(metrics[1].1, []);
}

/// Scrapes a store with an anomaly and a due item, after requests to the routes that the files
/// name.
async fn busy() -> Vec<Samples> {
    let rig = Rig::unix().await;
    rig.create("A1").await;
    rig.outcome("/v1/orders/A2/confirm", &payment("T2")).await;
    let pending = json!({ "tradeState": "NOTPAY" });
    rig.outcome("/v1/orders/A1/query", &pending).await;
    rig.get("/v1/feed").await;
    let mut stream = rig.connect().await;
    let text = crate::harness::request("GET", "/v1/feed/stream", "", "");
    tokio::io::AsyncWriteExt::write_all(&mut stream, text.as_bytes())
        .await
        .unwrap();
    let mut head = [0; 15];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut head)
        .await
        .unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    rig.clock.advance(Duration::from_secs(600));
    let first = Samples::of(&rig).await;
    let second = Samples::of(&rig).await;
    drop(stream);
    rig.close().await;
    vec![first, second]
}

/// Scrapes a mirrored store with an archive, and its standby.
async fn archived() -> Vec<Samples> {
    let storage = MemoryArchive::default();
    let archive = || {
        let archive = Archive::new(storage.clone());
        archive.interval(Duration::from_millis(50))
    };
    let dir = tempfile::tempdir().unwrap();
    let builder = Store::builder().archive(archive());
    let builder = builder.mirror(dir.path().join("mirror"));
    let store = builder.init(dir.path().join("orders")).unwrap();
    let standby_dir = tempfile::tempdir().unwrap();
    let rig = served(store, dir).await;
    rig.create("A1").await;
    let status = async |status| {
        let scrape = Samples::of(&rig).await;
        scrape.value("orderstore_archive_status", &[("status", status)]) == 1.0
    };
    until("the archive has a snapshot", async || {
        status("complete").await && rig.store.stats().archive.snapshot_lsn.is_some()
    })
    .await;
    let standby = Store::builder().archive(archive());
    let standby = standby.follow(standby_dir.path().join("orders")).unwrap();
    let standby = served(standby, standby_dir).await;
    until("the standby shows the order", async || {
        let scrape = Samples::of(&standby).await;
        let is_standby = scrape.value("orderstore_health", &[("state", "standby")]) == 1.0;
        let has_lag = !scrape.all("orderstore_standby_lag_seconds", &[]).is_empty();
        is_standby
            && has_lag
            && scrape.value("orderstore_orders", &[("status", "wait")]) == 1.0
            && scrape.value("orderstore_feed_events_total", &[]) == 1.0
    })
    .await;
    storage.set_down(true);
    rig.create("A2").await;
    until("the archive is behind", async || status("behind").await).await;
    let behind = Samples::of(&rig).await;
    let mirror = [("status", "complete")];
    assert_eq!(behind.value("orderstore_mirror_status", &mirror), 1.0);
    until("the lag grows", async || {
        let scrape = Samples::of(&rig).await;
        let value = |name: &str| scrape.value(&format!("orderstore_archive_{name}"), &[]);
        value("lag_seconds") > 0.0 && value("lag_bytes") > 0.0 && value("failures_total") > 0.0
    })
    .await;
    let followed = Samples::of(&standby).await;
    storage.set_down(false);
    standby.close().await;
    rig.close().await;
    vec![behind, followed]
}

async fn served(store: Store, dir: tempfile::TempDir) -> Rig {
    let listen = Listen::Unix(dir.path().join("api.sock"));
    let clock = ManualClock::default();
    Rig::serve(store, clock, dir, listen, Limits::default()).await
}
