//! The config file with what the environment and flags put over it -> [`Config`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::analytics::{clickhouse, keep};
use crate::cluster::cluster;
use crate::config::{CatalogSource, Config, Engine, Limits, Listen, LogConfig, Secret, Secrets};
use crate::key::KeyDigest;
use crate::reader::{Cursor, Sink, Table};
use crate::suggest::closest;
use crate::tree::{Members, Node, Place, Value};
use crate::{Overrides, Problem, units};

/// Every scalar of a configuration: what environment and flags may set.
pub(crate) const KEYS: [&str; 44] = [
    "data_dir",
    "fallback_url",
    "listen.public",
    "listen.operator",
    "catalog.file",
    "engine.listen",
    "engine.lib",
    "clickhouse.url",
    "clickhouse.database",
    "clickhouse.user",
    "clickhouse.password",
    "clickhouse.password_file",
    "clickhouse.authorities",
    "clickhouse.quorum",
    "kafka.brokers",
    "kafka.prefix",
    "kafka.partitions",
    "kafka.replicas",
    "kafka.session",
    "kafka.tls",
    "kafka.authorities",
    "kafka.user",
    "kafka.password",
    "kafka.mechanism",
    "redis.url",
    "redis.authorities",
    "redis.prefix",
    "secrets.file",
    "secrets.key_id",
    "secrets.sealing",
    "secrets.hashing",
    "secrets.quotes",
    "secrets.tracking",
    "log.retention",
    "log.reserve",
    "tables.events",
    "tables.auctions",
    "limits.body",
    "limits.connections",
    "limits.requests",
    "limits.read_timeout",
    "limits.drain_timeout",
    "limits.lease",
    "admin.key",
];

/// Variables of the catalog have names of the operator's choice.
const VARS: &str = "catalog.vars.";

/// Puts the environment, then the flags, over the file.
pub(crate) fn overlay(root: &mut Node, overrides: &Overrides) -> Vec<Problem> {
    let variables: BTreeMap<String, &str> = KEYS.iter().map(|key| (variable(key), *key)).collect();
    for (name, value) in &overrides.env {
        let prefix = variable(VARS);
        if let Some(key) = variables.get(name) {
            set(root, key, value, &Place::Variable(name.clone()));
        } else if let Some(var) = name.strip_prefix(&prefix) {
            let key = format!("{VARS}{}", var.to_ascii_lowercase());
            set(root, &key, value, &Place::Variable(name.clone()));
        }
    }
    let mut problems = Vec::new();
    for (key, value) in &overrides.flags {
        if KEYS.contains(&key.as_str()) || key.starts_with(VARS) {
            set(root, key, value, &Place::Flag);
        } else {
            let hint = closest(key, KEYS)
                .map(|known| format!(": did you mean `{known}`?"))
                .unwrap_or_default();
            problems.push(Problem {
                file: "flags".to_owned(),
                line: None,
                path: key.clone(),
                message: format!("no such setting{hint}"),
            });
        }
    }
    problems
}

/// `listen.public` -> `GAVEL_LISTEN_PUBLIC`.
fn variable(key: &str) -> String {
    format!("GAVEL_{}", key.replace('.', "_").to_ascii_uppercase())
}

/// Sets a scalar, making the tables above it. A table that the file has as something else stays:
/// it is a problem of its own.
fn set(node: &mut Node, key: &str, value: &str, place: &Place) {
    let Value::Table(members) = &mut node.value else {
        return;
    };
    match key.split_once('.') {
        Some((name, rest)) => {
            let inner = members
                .entry(name.to_owned())
                .or_insert_with(|| Node::new(Value::Table(Members::new()), place.clone()));
            set(inner, rest, value, place);
        }
        None => {
            let text = Node::new(Value::Text(value.to_owned()), place.clone());
            members.insert(key.to_owned(), text);
        }
    }
}

/// Reads a configuration. None only after a complaint; `folder` is where its relative paths begin.
pub(crate) fn config(root: &Node, folder: &Path, sink: &Sink) -> Option<Config> {
    Cursor::root(root, sink).read_table(|table| {
        let data_dir = table.or("data_dir", "gavel-data".into(), |c| c.path(folder));
        let fallback_url = table.optional("fallback_url", |c| c.with(units::web_url));
        let listen = table.section("listen", listen);
        let catalog = table
            .need("catalog")
            .and_then(|c| c.read_table(|table| catalog_source(table, folder)));
        let engine = table.section("engine", |table| engine(table, folder));
        let clickhouse = table.optional("clickhouse", |c| c.read_table(|t| clickhouse(t, folder)));
        let cluster = cluster(table, folder);
        let secrets = table.optional("secrets", |c| secrets(&c, folder));
        let log = table.section("log", log);
        let keep = table.section("tables", |table| keep(table, log.as_ref()));
        let limits = table.section("limits", limits);
        let admin_keys = table.section("admin", admin_keys);
        if matches!((&cluster, &secrets), (Some(Some(_)), Some(None))) {
            table.complain::<()>(
                "nodes that share Kafka and Redis share their keys: `[secrets]` is missing",
            );
        }
        Some(Config {
            listen: listen?,
            data_dir: data_dir?,
            catalog: catalog?,
            engine: engine?,
            clickhouse: clickhouse?,
            keep: keep?,
            cluster: cluster?,
            secrets: secrets?,
            log: log?,
            limits: limits?,
            fallback_url: fallback_url?,
            admin_keys: admin_keys?,
        })
    })
}

/// The catalog of a configuration that is not good otherwise; its own problems are known already.
pub(crate) fn catalog_only(root: &Node, folder: &Path) -> Option<CatalogSource> {
    let ignored = Sink::new("");
    Cursor::root(root, &ignored)
        .read_table(|table| table.section("catalog", |table| catalog_source(table, folder)))
}

fn listen(table: &mut Table<'_>) -> Option<Listen> {
    let public = address(table, "public", 8080);
    let operator = address(table, "operator", 9090);
    Some(Listen {
        public: public?,
        operator: operator?,
    })
}

/// A socket address; the default is a port of this machine's loopback.
fn address(table: &mut Table<'_>, name: &'static str, port: u16) -> Option<SocketAddr> {
    let default = SocketAddr::from(([127, 0, 0, 1], port));
    table.or(name, default, |c| {
        c.parse("an address and port like \"127.0.0.1:8080\"")
    })
}

fn catalog_source(table: &mut Table<'_>, folder: &Path) -> Option<CatalogSource> {
    let file = table.need("file").and_then(|c| c.path(folder));
    let vars = table.get("vars").map_or_else(Vec::new, |c| c.entries());
    let vars = vars
        .into_iter()
        .filter_map(|(name, c)| Some((name.to_owned(), c.text()?.to_owned())))
        .collect();
    Some(CatalogSource { file: file?, vars })
}

fn engine(table: &mut Table<'_>, folder: &Path) -> Option<Engine> {
    let listen = address(table, "listen", 8123);
    let lib = table.optional("lib", |c| c.path(folder));
    Some(Engine {
        listen: listen?,
        lib: lib?,
    })
}

/// Keys in place, or in a file of their own.
fn secrets(cursor: &Cursor<'_>, folder: &Path) -> Option<Secrets> {
    cursor.read_table(|table| {
        let Some(file) = table.get("file") else {
            return keys(table);
        };
        let path = file.path(folder)?;
        let name = path.display().to_string();
        // Neither the reader nor the parser may quote what is in this file.
        let Ok(text) = std::fs::read_to_string(&path) else {
            return file.complain(format!("cannot read {name}"));
        };
        let Ok(root) = Node::read(&name, &text) else {
            return file.complain(format!("{name} is no TOML document"));
        };
        let inner = Sink::new(name);
        let secrets = Cursor::root(&root, &inner).read_table(keys);
        for problem in inner.into_problems() {
            file.complain::<()>(problem.to_string());
        }
        secrets
    })
}

fn keys(table: &mut Table<'_>) -> Option<Secrets> {
    let key_id = table.or("key_id", 1, |c| c.int(1, i64::from(u32::MAX)));
    let mut key = |name| {
        table.need(name).and_then(|c| {
            c.with(|hex| {
                let bytes = HEXLOWER.decode(hex.as_bytes()).ok();
                let key = bytes.and_then(|bytes| bytes.try_into().ok());
                key.map(Secret)
                    .ok_or_else(|| "expected 64 lower-case hex digits".to_owned())
            })
        })
    };
    let (sealing, hashing) = (key("sealing"), key("hashing"));
    let (quotes, tracking) = (key("quotes"), key("tracking"));
    Some(Secrets {
        key_id: u32::try_from(key_id?).ok()?,
        sealing: sealing?,
        hashing: hashing?,
        quotes: quotes?,
        tracking: tracking?,
    })
}

fn log(table: &mut Table<'_>) -> Option<LogConfig> {
    let week = Duration::from_secs(7 * 86_400);
    let retention = table.or("retention", week, |c| c.with(units::duration));
    let reserve = table.or("reserve", 256 << 20, |c| c.with(units::size));
    Some(LogConfig {
        retention: retention?,
        reserve_bytes: reserve?,
    })
}

fn limits(table: &mut Table<'_>) -> Option<Limits> {
    let body = table.or("body", 64 << 10, |c| c.with(units::size));
    let connections = table.or("connections", 10_000, |c| c.int(1, 1_000_000));
    let requests = table.or("requests", 2_000, |c| c.int(1, 1_000_000));
    let ten = Duration::from_secs(10);
    let read_timeout = table.or("read_timeout", ten, |c| c.with(units::duration));
    let forty = Duration::from_secs(40);
    let drain_timeout = table.or("drain_timeout", forty, |c| c.with(units::duration));
    let thirty = Duration::from_secs(30);
    let lease = table.or("lease", thirty, |c| {
        c.with(|text| units::duration_between(text, "1s", "10m"))
    });
    Some(Limits {
        body_bytes: usize::try_from(body?).ok()?,
        connections: usize::try_from(connections?).ok()?,
        requests: usize::try_from(requests?).ok()?,
        read_timeout: read_timeout?,
        drain_timeout: drain_timeout?,
        lease: lease?,
    })
}

/// `keys` is a list; `key` is one more, so that the environment can give it.
fn admin_keys(table: &mut Table<'_>) -> Option<Vec<KeyDigest>> {
    let one = table.get("key");
    let more = table.get("keys").map_or_else(Vec::new, |c| c.items());
    let read = more.iter().chain(&one).map(|c| c.with(KeyDigest::read));
    // All are looked at before a bad one ends it.
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every setting that environment and flags may name is one that is read.
    #[test]
    fn every_key_is_read() {
        for key in KEYS {
            let mut root = Node::new(Value::Table(Members::new()), Place::Line(1));
            let overrides = Overrides {
                env: BTreeMap::from([(variable(key), "?".to_owned())]),
                flags: BTreeMap::new(),
            };
            assert_eq!(overlay(&mut root, &overrides), [], "{key}");
            let sink = Sink::new("config");
            config(&root, Path::new(""), &sink);
            for problem in sink.into_problems() {
                assert!(!problem.message.contains("unknown"), "{key}: {problem}");
            }
        }
    }
}
