//! The members of a configuration: path, what it holds, its default (or `required`), what it means.

use super::{Member, members};

/// Every member of a configuration.
pub static CONFIG: &[Member] = members! {
    "data_dir": "path", "gavel-data", "journal, state, vault, made secrets, and the embedded ClickHouse";
    "fallback_url": "web URL", "", "where clicks go whose link is unknown or paused and whose campaign has no fallback either";
    "listen.public": "address and port", "127.0.0.1:8080", "publishers, buyers, clicks, postbacks";
    "listen.operator": "address and port", "127.0.0.1:9090", "health and metrics";
    "catalog.file": "path", "required", "the catalog";
    "catalog.vars": "table of texts", "", "values of the catalog's `${..}` variables";
    "engine.listen": "address and port", "127.0.0.1:8123", "where the embedded ClickHouse answers HTTP";
    "engine.lib": "path", "", "the engine's library; without it: where `gavel engine fetch` put it";
    "clickhouse.url": "web URL", "required", "a ClickHouse server to use instead of the embedded one";
    "clickhouse.database": "text", "gavel", "its database, made if absent";
    "clickhouse.user": "text", "default", "its user";
    "clickhouse.password": "text", "", "that user's password";
    "clickhouse.password_file": "path", "", "a file that holds the password instead";
    "clickhouse.authorities": "path", "", "the authorities that an `https://` address is trusted by, as PEM; without it: the public ones";
    "clickhouse.quorum": "whole number, 1 to 9", "", "on how many replicas rows have to be before they count as written, where tables are replicated; without it: on most of them";
    "kafka.brokers": "`host:port,..`", "required", "some of the brokers; with `[redis]` the node is one of a cluster";
    "kafka.prefix": "text", "gavel.", "what names of topics and groups begin with";
    "kafka.partitions": "whole number, 1 to 1024", "12", "partitions of topics `events` and `leads`, fixed when they are made; the same on every node";
    "kafka.replicas": "whole number, 1 to 7", "3", "copies of each partition, where the service makes the topics";
    "kafka.session": "time, `1s` to `5m`", "10s", "after how long without a sign of life a node's partitions are given to other workers; one that comes back earlier has its own again; brokers take at least 6 s if they are not told otherwise (`group.min.session.timeout.ms`)";
    "kafka.tls": "true or false", "false", "whether connections are encrypted; takes a build with feature `kafka-tls`";
    "kafka.authorities": "path", "", "the authorities to trust; without it: the system's";
    "kafka.user": "text", "", "the user to come in as";
    "kafka.password": "text", "", "that user's password";
    "kafka.mechanism": "`plain`, `scram-sha-256` or `scram-sha-512`", "plain", "how the password is proven";
    "redis.url": "`redis://` or `rediss://` address", "required", "the state that nodes share; a user and a password may be in it; `rediss` is encrypted";
    "redis.authorities": "path", "", "the authorities to trust where it is encrypted; without it: the system's";
    "redis.prefix": "text", "gavel", "what every key begins with";
    "secrets.file": "path", "", "a file that holds the members below instead";
    "secrets.key_id": "whole number from 1", "1", "the number of this set of master keys";
    "secrets.sealing": "64 hex digits", "required", "seals personal data; without `[secrets]` all keys are made in `data_dir` on the first start";
    "secrets.hashing": "64 hex digits", "required", "hashes personal data";
    "secrets.quotes": "64 hex digits", "required", "seals quotes";
    "secrets.tracking": "64 hex digits", "required", "signs click and visitor ids";
    "log.retention": "time", "7d", "records that every consumer has passed are kept this long";
    "log.reserve": "size", "256MiB", "admission stops when less than this is free on the disk";
    "tables.events": "time, from 30d", "", "rows of table `events` are kept this long, by whole months; without it: for ever";
    "tables.auctions": "time, from 30d", "", "the same for tables `auctions`, `pings` and `refusals`; what money depends on is kept for ever";
    "limits.body": "size", "64KiB", "the largest request body";
    "limits.connections": "whole number, 1 to 1000000", "10000", "open connections; more are turned away";
    "limits.requests": "whole number, 1 to 1000000", "2000", "requests worked on at the same time; more are refused with 503";
    "limits.read_timeout": "time", "10s", "a request's head and body have to arrive within this";
    "limits.drain_timeout": "time", "40s", "after SIGTERM, work in progress gets this long";
    "limits.lease": "time, 1s to 10m", "30s", "so long after its deadline a lead is still the router's that took it, without a sign of life; then it may come again, and ends";
    "admin.key": "key", "", "one more operator's key, so that the environment can give it";
    "admin.keys": "list of keys", "", "operators' keys: `sha256:` and 64 hex digits, or in clear";
};
