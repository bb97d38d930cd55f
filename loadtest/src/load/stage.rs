//! The service under test: started on its core, asked what it spent, left to come to rest.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Clock;
use loadtest::clock::OsClock;
use loadtest::core::Cores;
use loadtest::{engine, metrics, process};
use tempfile::TempDir;
use traffic::{Call, Plan, Pool, Ports, Service, Shared, Warehouse, caught_up};

/// The catalog of all load tests.
const CATALOG: &str = include_str!("../../catalog/load.toml");
/// How long the service may take to be ready, and to end.
const READY: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(30);
/// How long its tables may take to have everything.
const CATCH_UP: Duration = Duration::from_secs(120);
/// How long Kafka may take to have everything, and how far apart the looks are.
const SHIP: Duration = Duration::from_secs(60);
const SHIP_LOOK: Duration = Duration::from_millis(20);
/// Records that a node's journals hold for Kafka.
const UNSHIPPED: &str = "gavel_journal_backlog_records";
/// The largest result of a query.
const ANSWER: usize = 1 << 20;
/// A process that uses less than this much of a look's time is at rest.
const LOOK: Duration = Duration::from_millis(250);
const REST: Duration = Duration::from_millis(15);
/// Rest is waited for so long; merges of the engine may go on.
const LONGEST_REST: Duration = Duration::from_secs(20);

/// Processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Of the service's process: all roles.
    pub(crate) service: Duration,
    /// Of its ClickHouse.
    pub(crate) engine: Duration,
}

/// Process ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    pub(crate) service: u32,
    pub(crate) engine: u32,
}

/// What is started. By default one process with everything of its own, and no buyers.
#[derive(Debug, Default)]
pub(crate) struct Order<'a> {
    /// Where its buyers are.
    pub(crate) buyers: &'a [SocketAddr],
    /// What it shares with other nodes.
    pub(crate) shared: Option<Shared>,
    /// What its catalog has beside that of all load tests.
    pub(crate) more: String,
    /// What it does; nothing named is everything.
    pub(crate) roles: &'static [&'static str],
}

/// A running service with data of its own.
pub(crate) struct Stage {
    service: Service,
    plan: Plan,
    operator: Pool,
    /// Its ClickHouse, if it has one of its own.
    engine: Option<u32>,
    clock: Arc<OsClock>,
    /// Held: it goes with its data.
    home: TempDir,
}

impl Stage {
    /// Starts it on the core of what is measured.
    pub(crate) async fn set(gavel: &Path, cores: Cores, order: Order<'_>) -> Result<Self> {
        let clock = Arc::new(OsClock::start());
        let home = tempfile::Builder::new().prefix("gavel-load-").tempdir()?;
        let catalog = home.path().join("load.toml");
        let text = format!("{CATALOG}{}", order.more);
        std::fs::write(&catalog, text).with_context(|| catalog.display().to_string())?;
        let vars: BTreeMap<String, String> = (1..)
            .zip(order.buyers)
            .map(|(number, addr)| (format!("buyer_{number:02}"), format!("http://{addr}")))
            .collect();
        let plan = Plan {
            gavel: gavel.to_owned(),
            dir: home.path().to_owned(),
            catalog,
            vars,
            admin_key: "load-key-of-operator".to_owned(),
            ports: Ports::hold()?,
            shared: order.shared,
            roles: order.roles,
        };
        let mut service = cores.as_subject(|| plan.start())??;
        let operator = plan.operator_pool(Arc::clone(&clock) as Arc<dyn Clock>);
        service.ready(&operator, READY, clock.as_ref()).await?;
        let id = service.id().context("the service has ended")?;
        Ok(Self {
            engine: engine::of(id)?,
            service,
            plan,
            operator,
            clock,
            home,
        })
    }

    /// Where requests go.
    pub(crate) fn address(&self) -> SocketAddr {
        self.plan.ports.public.addr()
    }

    /// The driver's clock.
    pub(crate) fn clock(&self) -> Rc<dyn Clock> {
        Rc::new(*self.clock)
    }

    /// Which process it is.
    pub(crate) fn id(&self) -> Result<u32> {
        self.service.id().context("the service has ended")
    }

    /// Which processes it is, with its ClickHouse.
    pub(crate) fn ids(&self) -> Result<Ids> {
        Ok(Ids {
            service: self.id()?,
            engine: self.engine.context("the service has no engine")?,
        })
    }

    /// Where its files are.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// A way to its health and metrics.
    pub(crate) fn operator_pool(&self) -> Pool {
        self.plan
            .operator_pool(Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    /// A way to ask its ClickHouse.
    pub(crate) fn warehouse(&self, limit: Duration) -> Warehouse {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        self.plan.warehouse(limit, ANSWER, clock)
    }

    /// Waits for its end, which is too early.
    pub(crate) async fn ended(&mut self) -> std::io::Result<std::process::ExitStatus> {
        self.service.ended().await
    }

    /// What it has used until now.
    pub(crate) fn spent(&self) -> Result<Spent> {
        Ok(Spent {
            service: process::cpu(self.id()?)?,
            engine: self.engine.map_or(Ok(Duration::ZERO), process::cpu)?,
        })
    }

    /// Waits until its tables have everything.
    pub(crate) async fn caught_up(&self) -> Result<()> {
        Ok(caught_up(&self.operator, CATCH_UP, self.clock.as_ref()).await?)
    }

    /// Waits until Kafka has everything that it has acknowledged; gives what it had used by then.
    pub(crate) async fn shipped(&self) -> Result<Spent> {
        let until = self.clock.mono().plus(SHIP);
        // It says how much is left whenever some of it was shipped: twice nothing is nothing.
        let mut first = None;
        while self.clock.mono() < until {
            let spent = self.spent()?;
            first = match (self.metric(UNSHIPPED).await?, first) {
                (Some(0.0), Some(first)) => return Ok(first),
                (Some(0.0), None) => Some(spent),
                _ => None,
            };
            tokio::time::sleep(SHIP_LOOK).await;
        }
        anyhow::bail!("records still wait for Kafka after {SHIP:?}")
    }

    /// The sum of a metric's values.
    pub(crate) async fn metric(&self, name: &str) -> Result<Option<f64>> {
        let answered = self.operator.call(Call::get("/metrics")).await?;
        Ok(metrics::sum(&String::from_utf8_lossy(&answered.body), name))
    }

    /// Waits until neither it nor its ClickHouse works any more.
    pub(crate) async fn at_rest(&self) -> Result<()> {
        let until = self.clock.mono().plus(LONGEST_REST);
        let mut before = self.spent()?;
        while self.clock.mono() < until {
            tokio::time::sleep(LOOK).await;
            let now = self.spent()?;
            if (now - before).all() < REST {
                return Ok(());
            }
            before = now;
        }
        eprintln!("it does not come to rest: going on");
        Ok(())
    }

    /// Ends it in order.
    pub(crate) async fn clear(self) -> Result<()> {
        let ended = self.service.stop(STOP).await?;
        if !ended.success() {
            eprintln!("its files are kept in {}", self.home.keep().display());
            anyhow::bail!("the service ended with {ended}");
        }
        Ok(())
    }
}

impl Spent {
    /// Both.
    pub(crate) fn all(self) -> Duration {
        self.service + self.engine
    }
}

impl std::ops::Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            service: self.service.saturating_sub(before.service),
            engine: self.engine.saturating_sub(before.engine),
        }
    }
}
