//! What nodes share: a Kafka, a Redis and a ClickHouse, on the core of those who measure.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use servers::{KAFKA, Kafka, Port, REDIS, Redis};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use traffic::{Dice, Shared};

/// Running servers with files of their own; they end with it.
pub(crate) struct Town {
    kafka: Kafka,
    redis: Redis,
    home: TempDir,
}

impl Town {
    /// Starts a Kafka, in this way, and a Redis.
    pub(crate) fn found(kafka: impl FnOnce(&Path, &Path) -> io::Result<Kafka>) -> Result<Self> {
        let jars = KAFKA.find().context("there is no broker to start")?;
        let redis = REDIS.find().context("there is no Redis to start")?;
        let home = tempfile::Builder::new().prefix("gavel-load-").tempdir()?;
        Ok(Self {
            kafka: kafka(&jars, &home.path().join("kafka")).context("Kafka")?,
            redis: Redis::start(&redis, &home.path().join("redis")).context("Redis")?,
            home,
        })
    }

    /// Where the broker listens.
    pub(crate) fn brokers(&self) -> String {
        self.kafka.addr().to_string()
    }

    /// A cluster of its own on them, whose nodes have an engine each.
    pub(crate) fn cluster(&self, dice: &mut Dice) -> Shared {
        Shared::new(self.brokers(), self.redis.url(), dice)
    }

    /// A ClickHouse for all nodes.
    pub(crate) async fn engine(&self, gavel: &Path) -> Result<Engine> {
        Engine::start(gavel, &self.home.path().join("clickhouse")).await
    }
}

/// A ClickHouse, as `gavel clickhouse`.
pub(crate) struct Engine {
    port: Port,
    child: Child,
}

impl Engine {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Starts one on its files.
    pub(crate) async fn start(gavel: &Path, data: &Path) -> Result<Self> {
        let port = Port::hold()?;
        let mut command = Command::new(gavel);
        command
            .args(["clickhouse", "--listen", &port.addr().to_string(), "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().context("ClickHouse")?;
        let stdout = child.stdout.take().context("its output is not ours")?;
        let mut ready = String::new();
        BufReader::new(stdout).read_line(&mut ready).await?;
        ensure!(ready.starts_with("ready"), "ClickHouse said {ready:?}");
        Ok(Engine { port, child })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> Result<u32> {
        self.child.id().context("the engine has ended by itself")
    }
}
