//! What is shipped under `deploy/` speaks of what there is: its files parse, alerts and dashboards name
//! metrics and labels of [`Metric`], and the runbook has a section for each alert and no other.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode as _, Yaml};
use telemetry::{Kind, Metric};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files below a folder that end so.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let ends = |ending: &&str| path.extension().is_some_and(|it| it == *ending);
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if endings.iter().any(ends) {
            found.push(path);
        }
    }
    found.sort();
    found
}

const YAML: &[&str] = &["yaml", "yml"];
const JSON: &[&str] = &["json"];

/// A metric as a query names it: by its name, or by a part of a histogram.
fn metric(name: &str) -> Option<Metric> {
    let histograms = ["_bucket", "_sum", "_count"];
    let whole = histograms.iter().find_map(|part| name.strip_suffix(part));
    let named = |name: &str| Metric::ALL.iter().find(|it| it.name() == name).copied();
    let histogram = |it: &Metric| matches!(it.kind(), Kind::Histogram(_));
    match whole.and_then(named).filter(histogram) {
        Some(metric) => Some(metric),
        None => named(name).filter(|it| !histogram(it)),
    }
}

/// What Prometheus adds to all metrics, and to those of histograms.
const ADDED: [&str; 5] = ["job", "instance", "namespace", "pod", "le"];

/// What is wrong with the metrics that a text names.
fn problems(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    for (at, _) in text.match_indices("gavel_") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[at..];
        let name = &rest[..rest.find(|c| !inside(c)).unwrap_or(rest.len())];
        let Some(metric) = metric(name) else {
            problems.push(format!("{name}: no such metric"));
            continue;
        };
        let selector = rest[name.len()..].strip_prefix('{');
        let selector = selector.and_then(|rest| rest.split_once('}'));
        let matchers = selector.map_or("", |(matchers, _)| matchers);
        for matcher in matchers.split(',').filter(|it| it.contains('=')) {
            let label = matcher.split(['=', '!']).next().unwrap_or_default().trim();
            if !ADDED.contains(&label) && !metric.labels().contains(&label) {
                problems.push(format!("{name}: no label {label}"));
            }
        }
    }
    problems
}

#[test]
fn a_name_or_label_that_is_not_there_is_found() {
    let good = "rate(gavel_http_requests_total{listener=\"public\",status=~\"4xx|5xx\"}[5m]) + \
        gavel_auction_overhead_seconds_bucket{le=\"0.05\"} gavel_kafka_away my_gavel_thing";
    assert_eq!(problems(good), [""; 0]);
    let bad = "gavel_kafka_gone{x=\"1\"} gavel_kafka_away{broker!=\"1\"} gavel_http_requests_total_sum \
        gavel_auction_overhead_seconds";
    assert_eq!(
        problems(bad),
        [
            "gavel_kafka_gone: no such metric",
            "gavel_kafka_away: no label broker",
            "gavel_http_requests_total_sum: no such metric",
            "gavel_auction_overhead_seconds: no such metric",
        ]
    );
}

#[test]
fn every_file_parses_and_names_metrics_that_there_are() {
    let deploy = root().join("deploy");
    let mut wrong = Vec::new();
    for path in files(&deploy, &[YAML, JSON].concat()) {
        let text = fs::read_to_string(&path).unwrap();
        let parsed = match path.extension().is_some_and(|it| it == "json") {
            true => serde_json::from_str::<serde_json::Value>(&text)
                .map(drop)
                .map_err(|error| error.to_string()),
            false => Yaml::load_from_str(&text)
                .map(drop)
                .map_err(|error| error.to_string()),
        };
        // Quotes inside a JSON text are escaped.
        let mut found = problems(&text.replace("\\\"", "\""));
        found.extend(parsed.err());
        let path = path.strip_prefix(&deploy).unwrap_or(&path).display();
        wrong.extend(found.into_iter().map(|what| format!("{path}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The alerts by name, each with the section of the runbook that it names.
fn alerts() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    let mut alerts = BTreeMap::new();
    for group in documents[0]["groups"].as_vec().unwrap() {
        for rule in group["rules"].as_vec().unwrap() {
            let text = |node: &Yaml<'_>| node.as_str().map(str::to_owned);
            let name = text(&rule["alert"]).expect("an alert has a name");
            assert!(text(&rule["expr"]).is_some(), "{name}: no expr");
            let severity = text(&rule["labels"]["severity"]);
            assert!(
                matches!(severity.as_deref(), Some("page" | "ticket")),
                "{name}: {severity:?}"
            );
            let annotations = &rule["annotations"];
            assert!(
                text(&annotations["summary"]).is_some(),
                "{name}: no summary"
            );
            let runbook = text(&annotations["runbook"]).unwrap_or_default();
            assert_eq!(alerts.insert(name.clone(), runbook), None, "{name} twice");
        }
    }
    alerts
}

#[test]
fn the_runbook_has_a_section_for_each_alert_and_no_other() {
    let page = fs::read_to_string(root().join("docs/guides/runbook.md")).unwrap();
    let sections = page.lines().filter_map(|line| line.strip_prefix("## "));
    let sections: BTreeSet<String> = sections.map(str::to_owned).collect();
    let alerts = alerts();
    assert_eq!(sections, alerts.keys().cloned().collect());
    for (alert, runbook) in alerts {
        let section = format!("docs/guides/runbook.md#{}", alert.to_lowercase());
        assert_eq!(runbook, section, "{alert}");
    }
    for part in ["**Means.**", "**Look at.**", "**Do.**"] {
        assert_eq!(page.matches(part).count(), sections.len(), "{part}");
    }
}
