//! `gavel serve` as a child process: on ports that are kept for it, with a config file of its own, and gone
//! when its parent is gone.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use servers::Port;
use tokio::process::{Child, ChildStdin, Command};

use crate::{Call, Pool, Shared, Warehouse};

/// The database of an embedded ClickHouse.
pub(crate) const DATABASE: &str = "default";
/// How often readiness and lag are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// The worker's gauge of records not yet in ClickHouse.
const LAG: &str = "gavel_worker_lag_records";
/// How often in a row the lag has to be zero: the gauge is as old as the worker's last look.
const SETTLED: u32 = 5;

/// Why the service is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Files or processes.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// It ended.
    #[error("the service ended with {status}; its log is {log}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// Where it says why.
        log: PathBuf,
    },
    /// It was not ready in time.
    #[error("the service was not ready within {limit:?}: {last}; its log is {log}")]
    NotReady {
        /// How long it had.
        limit: Duration,
        /// The last answer.
        last: String,
        /// Where it says why.
        log: PathBuf,
    },
    /// ClickHouse did not catch up in time.
    #[error("records still wait for ClickHouse after {limit:?}: {last}")]
    Lagging {
        /// How long it had.
        limit: Duration,
        /// The last value.
        last: String,
    },
}

/// A service that can be started again and again on the same ports and data.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The executable.
    pub gavel: PathBuf,
    /// Config, log and data go here.
    pub dir: PathBuf,
    /// The catalog file.
    pub catalog: PathBuf,
    /// Values of the catalog's variables.
    pub vars: BTreeMap<String, String>,
    /// The operator's key.
    pub admin_key: String,
    /// Where it listens.
    pub ports: Ports,
    /// What it shares with other nodes.
    pub shared: Option<Shared>,
    /// What it does; nothing named is everything.
    pub roles: &'static [&'static str],
}

/// Where a service listens, as long as it is started again and again.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Publishers, buyers, clicks.
    pub public: Port,
    /// Health and metrics.
    pub operator: Port,
    /// Its own ClickHouse, unless nodes share one.
    pub engine: Port,
}

impl Ports {
    /// Finds them.
    pub fn hold() -> io::Result<Self> {
        Ok(Self {
            public: Port::hold()?,
            operator: Port::hold()?,
            engine: Port::hold()?,
        })
    }
}

/// The running child.
pub struct Service {
    child: Child,
    /// Its life line. Not left in `child`, which closes it as soon as its end is awaited.
    stdin: Option<ChildStdin>,
    log: PathBuf,
}

impl Plan {
    /// The config file's text.
    fn config(&self) -> String {
        // A JSON string is a TOML string as well.
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let path = |path: &Path| text(&path.display().to_string());
        let mut config = format!(
            "data_dir = {}\n\n[listen]\npublic = \"{}\"\noperator = \"{}\"\n\n[engine]\nlisten = \"{}\"\n\n\
             {}[admin]\nkey = {}\n\n[catalog]\nfile = {}\n\n[catalog.vars]\n",
            path(&self.dir.join("data")),
            self.ports.public.addr(),
            self.ports.operator.addr(),
            self.ports.engine.addr(),
            self.shared.as_ref().map(Shared::config).unwrap_or_default(),
            text(&self.admin_key),
            path(&self.catalog),
        );
        for (name, value) in &self.vars {
            config.push_str(&format!("{name} = {}\n", text(value)));
        }
        config
    }

    /// Writes the config file; returns its path.
    pub fn write_config(&self) -> Result<PathBuf, ServiceError> {
        let path = self.dir.join("gavel.toml");
        let io = |source| ServiceError::Io {
            what: path.display().to_string(),
            source,
        };
        std::fs::create_dir_all(&self.dir).map_err(io)?;
        let mut file = std::fs::File::create(&path).map_err(io)?;
        file.write_all(self.config().as_bytes()).map_err(io)?;
        Ok(path)
    }

    /// Starts it; its log is appended to `serve.log`.
    pub fn start(&self) -> Result<Service, ServiceError> {
        let config = self.write_config()?;
        let log = self.dir.join("serve.log");
        let io = |what: &Path| {
            let what = what.display().to_string();
            move |source| ServiceError::Io { what, source }
        };
        let stderr = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(io(&log))?;
        let mut child = Command::new(&self.gavel)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .arg("--exit-with-stdin")
            .args(self.roles.iter().flat_map(|role| ["--roles", role]))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(stderr)
            .kill_on_drop(true)
            // A Ctrl-C is for us: we end our children in order.
            .process_group(0)
            .spawn()
            .map_err(io(&self.gavel))?;
        let stdin = child.stdin.take();
        Ok(Service { child, stdin, log })
    }

    /// Where its ClickHouse listens for HTTP.
    fn clickhouse(&self) -> SocketAddr {
        let shared = self.shared.as_ref().and_then(Shared::clickhouse);
        shared.unwrap_or_else(|| self.ports.engine.addr())
    }

    /// A way to ask its ClickHouse: a query may take `limit`, its result up to `bytes`.
    pub fn warehouse(&self, limit: Duration, bytes: usize, clock: Arc<dyn Clock>) -> Warehouse {
        let pool = Pool::new(self.clickhouse(), 4, limit, clock).answers_up_to(bytes);
        Warehouse::new(pool, DATABASE)
    }

    /// A pool for health and metrics.
    pub fn operator_pool(&self, clock: Arc<dyn Clock>) -> Pool {
        Pool::new(self.ports.operator.addr(), 2, Duration::from_secs(2), clock)
    }
}

impl Service {
    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it says that it is ready.
    pub async fn ready(
        &mut self,
        operator: &Pool,
        limit: Duration,
        clock: &dyn Clock,
    ) -> Result<(), ServiceError> {
        let until = clock.mono().plus(limit);
        loop {
            let last = match operator.call(Call::get("/readyz")).await {
                Ok(answered) if answered.status.is_success() => return Ok(()),
                Ok(answered) => format!(
                    "{} {}",
                    answered.status,
                    String::from_utf8_lossy(&answered.body).trim()
                ),
                Err(unanswered) => unanswered.to_string(),
            };
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(ServiceError::Ended {
                    status,
                    log: self.log.clone(),
                });
            }
            if clock.mono() >= until {
                return Err(ServiceError::NotReady {
                    limit,
                    last,
                    log: self.log.clone(),
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends it the hard way and waits for its end.
    pub async fn kill(&mut self) -> io::Result<ExitStatus> {
        // SIGKILL; an error means that it has ended already.
        let _ = self.child.start_kill();
        self.child.wait().await
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Closes its standard input, on which it ends in order; after `limit` it is killed.
    pub async fn stop(mut self, limit: Duration) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        match tokio::time::timeout(limit, self.child.wait()).await {
            Ok(ended) => ended,
            Err(_) => self.kill().await,
        }
    }
}

/// Waits until every record is in ClickHouse, by the worker's own gauge.
pub async fn caught_up(
    operator: &Pool,
    limit: Duration,
    clock: &dyn Clock,
) -> Result<(), ServiceError> {
    let until = clock.mono().plus(limit);
    let mut settled = 0;
    loop {
        let lag = match operator.call(Call::get("/metrics")).await {
            Ok(answered) => lag_in(&String::from_utf8_lossy(&answered.body)),
            Err(_) => None,
        };
        settled = if lag == Some(0.0) { settled + 1 } else { 0 };
        if settled == SETTLED {
            return Ok(());
        }
        if clock.mono() >= until {
            let last = lag.map_or_else(|| "unknown".to_owned(), |lag| lag.to_string());
            return Err(ServiceError::Lagging { limit, last });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The sum of the gauge's values.
fn lag_in(metrics: &str) -> Option<f64> {
    let values: Vec<f64> = metrics
        .lines()
        .filter(|line| line.starts_with(LAG))
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_read_from_the_metrics() {
        let metrics = "# HELP gavel_worker_lag_records x\n# TYPE gavel_worker_lag_records gauge\n\
                       gavel_worker_lag_records 12\ngavel_worker_rows_total 9\n";
        assert_eq!(lag_in(metrics), Some(12.0));
        assert_eq!(lag_in("gavel_worker_rows_total 9\n"), None);
    }

    #[test]
    fn the_config_quotes_what_it_names() {
        let plan = Plan {
            gavel: "gavel".into(),
            dir: "/tmp/a \"b\"".into(),
            catalog: "c.toml".into(),
            vars: BTreeMap::from([("buyer_01".to_owned(), "127.0.0.1:1".to_owned())]),
            ports: Ports::hold().unwrap(),
            admin_key: "key".into(),
            shared: None,
            roles: &[],
        };
        let config = plan.config();
        assert!(
            config.contains(r#"data_dir = "/tmp/a \"b\"/data""#),
            "{config}"
        );
        assert!(config.contains("buyer_01 = \"127.0.0.1:1\""), "{config}");
    }
}
