//! The demo's directory, its child processes - buyers and the service - and a publisher's endpoint, on
//! ports that were free.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use domain::Clock;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use traffic::{Endpoint, Plan, Pool, Ports, Postbacks, Service, Shared, Warehouse, caught_up};

use super::cast::{self, OPERATOR_KEY};
use crate::cmd::Failure;

/// How long buyers may take to listen, and the service to be ready, its ClickHouse included.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a child may take to end in order.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How long a query may take.
const QUERY_LIMIT: Duration = Duration::from_secs(60);
/// The largest result that is read: every row of a long run.
const RESULT_BYTES: usize = 1 << 30;

/// Where the demo lives.
pub(super) enum Home {
    /// Removed at the end.
    Temporary(TempDir),
    /// The caller's.
    Kept(PathBuf),
}

impl Home {
    /// A directory of its own, or an empty one of the caller's.
    pub(super) fn of(data: Option<&Path>) -> Result<Self, Failure> {
        let Some(dir) = data else {
            let dir = tempfile::Builder::new()
                .prefix("gavel-demo-")
                .tempdir()
                .context("cannot make a temporary directory")
                .map_err(Failure::Work)?;
            return Ok(Self::Temporary(dir));
        };
        let used = std::fs::create_dir_all(dir)
            .and_then(|()| std::fs::read_dir(dir))
            .with_context(|| dir.display().to_string())
            .map_err(Failure::Usage)?
            .next()
            .is_some();
        if used {
            let error = anyhow!(
                "{} is not empty: the demo compares whole books",
                dir.display()
            );
            return Err(Failure::Usage(error));
        }
        // Children run where they like: their paths must not depend on it.
        std::path::absolute(dir)
            .map(Self::Kept)
            .map_err(Failure::work)
    }

    pub(super) fn dir(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }

    /// Where the buyers write.
    pub(super) fn journals(&self) -> PathBuf {
        self.dir().join("buyers")
    }

    /// The end of the service's log, which goes with a temporary directory.
    pub(super) fn show_logs(&self) {
        const LINES: usize = 20;
        if let Ok(log) = std::fs::read_to_string(self.dir().join("serve.log")) {
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of the service's log:");
            for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
                eprintln!("  {line}");
            }
        }
    }
}

/// What `gavel sandbox` prints.
#[derive(Deserialize)]
struct Announcement {
    buyers: Vec<Announced>,
}

#[derive(Deserialize)]
struct Announced {
    addr: SocketAddr,
}

/// The buyers' process.
struct Sandbox {
    child: Child,
    /// Its life line. Not left in `child`, which closes it as soon as its end is awaited.
    stdin: Option<ChildStdin>,
    buyers: Vec<SocketAddr>,
}

/// The running children, and whom they tell.
pub(super) struct Stage {
    plan: Plan,
    endpoint: Endpoint,
    service: Service,
    sandbox: Sandbox,
    operator: Pool,
    clock: Arc<dyn Clock>,
}

impl Stage {
    /// Starts buyers, then the service, and waits until both work.
    pub(super) async fn set(
        home: &Home,
        shared: Option<Shared>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let gavel = std::env::current_exe().context("cannot find this program's own file")?;
        let sandbox = start_buyers(&gavel, &home.journals()).await?;
        let catalog = home.dir().join("auto-us.toml");
        let endpoint = Endpoint::start(cast::SECRET)
            .await
            .context("cannot listen for postbacks")?;
        std::fs::write(&catalog, cast::catalog(&endpoint.url()))
            .with_context(|| catalog.display().to_string())?;
        let vars: BTreeMap<String, String> = (1..)
            .zip(&sandbox.buyers)
            .map(|(number, addr)| (format!("sandbox_{number:02}"), format!("http://{addr}")))
            .collect();
        let dir = home.dir().to_owned();
        let admin_key = OPERATOR_KEY.to_owned();
        let plan = Plan {
            gavel,
            dir,
            catalog,
            vars,
            admin_key,
            ports: Ports::hold().context("no free ports")?,
            shared,
            roles: &[],
        };
        let mut service = plan.start()?;
        let operator = plan.operator_pool(Arc::clone(&clock));
        service
            .ready(&operator, READY_LIMIT, clock.as_ref())
            .await?;
        Ok(Self {
            plan,
            endpoint,
            service,
            sandbox,
            operator,
            clock,
        })
    }

    pub(super) fn public(&self) -> SocketAddr {
        self.plan.ports.public.addr()
    }

    pub(super) fn buyers(&self) -> Vec<SocketAddr> {
        self.sandbox.buyers.clone()
    }

    /// A way to ask ClickHouse.
    pub(super) fn warehouse(&self) -> Warehouse {
        self.plan
            .warehouse(QUERY_LIMIT, RESULT_BYTES, Arc::clone(&self.clock))
    }

    pub(super) async fn caught_up(&self, limit: Duration) -> Result<()> {
        Ok(caught_up(&self.operator, limit, self.clock.as_ref()).await?)
    }

    /// What the publisher was told, once nothing waits to be told or the limit is reached.
    pub(super) async fn postbacks(&self, limit: Duration) -> Result<Postbacks> {
        let (warehouse, clock) = (self.warehouse(), self.clock.as_ref());
        Ok(Postbacks::read(&self.endpoint, cast::TOLD, &warehouse, limit, clock).await?)
    }

    /// Becomes ready if a child ends before its time.
    pub(super) async fn somebody_ended(&mut self) -> anyhow::Error {
        tokio::select! {
            ended = self.service.ended() => anyhow!("the service ended: {ended:?}"),
            ended = self.sandbox.child.wait() => anyhow!("the buyers ended: {ended:?}"),
        }
    }

    /// Ends the children in order: the service first, which still talks to the buyers.
    pub(super) async fn clear(mut self) -> Result<()> {
        let served = self
            .service
            .stop(STOP_LIMIT)
            .await
            .context("cannot end the service")?;
        drop(self.sandbox.stdin.take());
        if tokio::time::timeout(STOP_LIMIT, self.sandbox.child.wait())
            .await
            .is_err()
        {
            self.sandbox
                .child
                .kill()
                .await
                .context("cannot end the buyers")?;
        }
        if !served.success() {
            bail!("the service ended with {served}");
        }
        Ok(())
    }
}

async fn start_buyers(gavel: &Path, journals: &Path) -> Result<Sandbox> {
    let mut child = Command::new(gavel)
        .arg("sandbox")
        .arg("--journal")
        .arg(journals)
        .arg("--exit-with-stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .context("cannot start the buyers")?;
    let stdout = child
        .stdout
        .take()
        .context("the buyers' output is not ours")?;
    let mut line = String::new();
    tokio::time::timeout(READY_LIMIT, BufReader::new(stdout).read_line(&mut line))
        .await
        .context("the buyers did not start in time")?
        .context("the buyers' output")?;
    let announced: Announcement =
        serde_json::from_str(&line).with_context(|| format!("the buyers said {line:?}"))?;
    let stdin = child.stdin.take();
    let buyers = announced
        .buyers
        .into_iter()
        .map(|buyer| buyer.addr)
        .collect();
    Ok(Sandbox {
        child,
        stdin,
        buyers,
    })
}
