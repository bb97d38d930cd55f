//! What a node shares with others: Kafka is their log, Redis the state that they all see. One without the
//! other is no cluster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::config::Secret;
use crate::reader::{Cursor, Table};
use crate::units;

/// Where the other nodes are met.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The log.
    pub kafka: Kafka,
    /// The state.
    pub redis: Redis,
}

const SESSION: Duration = Duration::from_secs(10);

/// Kafka.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// Some of the brokers: `host:port,host:port`.
    pub brokers: String,
    /// What names of topics and groups begin with.
    pub prefix: String,
    /// Partitions of topics `events` and `leads`.
    pub partitions: u16,
    /// Copies of every partition, where topics are made by the service.
    pub replicas: u16,
    /// After how long without a sign of life a node's partitions are given to others.
    pub session: Duration,
    /// Encryption; none goes in clear.
    pub tls: Option<Tls>,
    /// Who comes in; none says nothing.
    pub user: Option<KafkaUser>,
}

/// Encryption to the brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// File with the authorities to trust; none trusts the system's.
    pub authorities: Option<PathBuf>,
}

/// A user of the brokers.
#[derive(Debug, Clone)]
pub struct KafkaUser {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: Secret<String>,
    /// How it is proven.
    pub mechanism: Mechanism,
}

/// How a password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// It is sent.
    Plain,
    /// By a challenge.
    ScramSha256,
    /// By a challenge.
    ScramSha512,
}

/// Redis.
#[derive(Debug, Clone)]
pub struct Redis {
    /// Its address, which may hold a user and a password; `rediss` is encrypted.
    pub url: Secret<Url>,
    /// File with the authorities to trust where it is encrypted; none trusts the system's.
    pub authorities: Option<PathBuf>,
    /// What every key begins with.
    pub prefix: String,
}

/// The words of [`Mechanism`].
const MECHANISMS: [(&str, Mechanism); 3] = [
    ("plain", Mechanism::Plain),
    ("scram-sha-256", Mechanism::ScramSha256),
    ("scram-sha-512", Mechanism::ScramSha512),
];

/// Reads tables `kafka` and `redis`: both or neither.
pub(crate) fn cluster(table: &mut Table<'_>, folder: &Path) -> Option<Option<Cluster>> {
    let (kafka_at, redis_at) = (table.get("kafka"), table.get("redis"));
    let kafka = kafka_at
        .as_ref()
        .map(|c| c.read_table(|table| kafka(table, folder)));
    let redis = redis_at
        .as_ref()
        .map(|c| c.read_table(|table| redis(table, folder)));
    match (kafka, redis) {
        (None, None) => Some(None),
        (Some(kafka), Some(redis)) => Some(Some(Cluster {
            kafka: kafka?,
            redis: redis?,
        })),
        (Some(_), None) => {
            kafka_at?.complain("Kafka and Redis come together: `[redis]` is missing")
        }
        (None, Some(_)) => {
            redis_at?.complain("Kafka and Redis come together: `[kafka]` is missing")
        }
    }
}

fn text(c: &Cursor<'_>) -> Option<String> {
    c.text().map(str::to_owned)
}

fn kafka(table: &mut Table<'_>, folder: &Path) -> Option<Kafka> {
    let brokers = table.need("brokers").and_then(|c| c.with(brokers));
    let prefix = table.or("prefix", "gavel.".to_owned(), |c| c.with(prefix));
    let partitions = table.or("partitions", 12, |c| c.int(1, 1024));
    let replicas = table.or("replicas", 3, |c| c.int(1, 7));
    let session = table.or("session", SESSION, |c| c.with(session));
    let encrypted = table.or("tls", false, |c| c.flag());
    let authorities = table.optional("authorities", |c| c.path(folder));
    let user = table.optional("user", |c| text(&c));
    let password = table.optional("password", |c| text(&c));
    let mechanism = table.optional("mechanism", |c| c.word(&MECHANISMS));
    let tls = match (encrypted?, authorities?) {
        (true, authorities) => Some(Tls { authorities }),
        (false, None) => None,
        (false, Some(_)) => return table.complain("`authorities` are for `tls = true`"),
    };
    let user = match (user?, password?, mechanism?) {
        (Some(name), password, mechanism) => Some(KafkaUser {
            name,
            password: Secret(password.unwrap_or_default()),
            mechanism: mechanism.unwrap_or(Mechanism::Plain),
        }),
        (None, None, None) => None,
        (None, ..) => return table.complain("`password` and `mechanism` are a `user`'s"),
    };
    Some(Kafka {
        brokers: brokers?,
        prefix: prefix?,
        partitions: u16::try_from(partitions?).ok()?,
        replicas: u16::try_from(replicas?).ok()?,
        session: session?,
        tls,
        user,
    })
}

fn redis(table: &mut Table<'_>, folder: &Path) -> Option<Redis> {
    let url = table.need("url").and_then(|c| c.with(address));
    let authorities = table.optional("authorities", |c| c.path(folder));
    let prefix = table.or("prefix", "gavel".to_owned(), |c| c.with(prefix));
    let (url, authorities) = (url?, authorities?);
    if authorities.is_some() && url.scheme() != "rediss" {
        return table.complain("`authorities` are for an address that begins with `rediss://`");
    }
    Some(Redis {
        url: Secret(url),
        authorities,
        prefix: prefix?,
    })
}

/// `host:port` of one or more, with commas between.
fn brokers(text: &str) -> Result<String, String> {
    let good = |broker: &str| {
        let port = broker.rsplit_once(':');
        port.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    match text.split(',').all(good) {
        true => Ok(text.to_owned()),
        false => Err("expected brokers like \"kafka-1:9092,kafka-2:9092\"".to_owned()),
    }
}

/// What brokers take, if they were told to: of themselves they take no less than 6 s.
fn session(text: &str) -> Result<Duration, String> {
    units::duration_between(text, "1s", "5m")
}

/// What every broker and every server takes as part of a name.
fn prefix(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match text.len() <= 64 && text.bytes().all(good) {
        true => Ok(text.to_owned()),
        false => Err("expected at most 64 letters, digits, `.`, `_` and `-`".to_owned()),
    }
}

/// It is not quoted: a password may be in it.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok();
    let good = url.filter(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host());
    good.ok_or_else(|| "expected an address like \"redis://127.0.0.1:6379\"".to_owned())
}
