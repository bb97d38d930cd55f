//! `gavel serve`: the roles of a process, on the embedded backend or on what nodes share.
//!
//! The only place that names a backend. Starts from the bottom up (secrets, stores, roles,
//! listeners) and ends from the top down: readiness fails, the listeners drain, leads in progress
//! end, the worker finishes its batch, the stores close, the engine stops.

mod access;
mod behind;
mod cluster;
mod disk;
mod doubt;
mod engine;
mod finder;
mod first;
mod front;
mod generations;
mod identity;
mod later;
mod parts;
mod pulse;
mod reread;
mod restored;
mod roles;
mod rules;
mod runtimes;
mod secrets;
mod stores;
mod tables;
mod whole;
mod works;

use std::fs;
use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use catalog::{Config, Snapshot};
use domain::Entropy;
use httpd::{Host, Operator, Readiness, Server, Standing};
use serde::Serialize;
use store::fold::LAPSE_GRACE;
use store::{Sealer, Span};
use telemetry::Metrics;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warehouse::{Address, Warehouse};

use crate::cmd::Failure;
use crate::ending::{self, Asked, Stdin};
use crate::os::{OsClock, OsEntropy};
use cluster::Shared;
use engine::{Order, Supervisor};
use front::Front;
use generations::Known;
use runtimes::Runtimes;
use stores::Stores;
use works::Works;

pub(crate) use roles::{Role, Roles};

/// The embedded engine's directory in the data directory.
const ENGINE_DIR: &str = "clickhouse";

/// Operators' requests are few and small.
const OPERATOR_CONNECTIONS: usize = 64;

/// What is printed on standard output, as one line of JSON, once requests are answered.
#[derive(Serialize)]
struct Ready {
    public: SocketAddr,
    operator: SocketAddr,
    clickhouse: String,
}

/// Serves until it is asked to end.
pub(crate) fn run(
    config_file: PathBuf,
    config: Config,
    snapshot: Snapshot,
    roles: &Roles,
    stdin: Stdin,
) -> Result<(), Failure> {
    if !roles.all() && config.cluster.is_none() {
        let why = "roles apart share Kafka and Redis: `[kafka]` and `[redis]` are missing";
        return Err(Failure::Usage(anyhow::anyhow!(why)));
    }
    if !roles.has(Role::Worker) && config.clickhouse.is_none() {
        let why =
            "the embedded ClickHouse is the worker's: without that role `[clickhouse]` is needed";
        return Err(Failure::Usage(anyhow::anyhow!(why)));
    }
    let runtimes = Runtimes::start().map_err(Failure::Work)?;
    let served = runtimes.front.block_on(open(
        (config_file, config),
        Arc::new(snapshot),
        roles,
        stdin,
        &runtimes,
    ));
    runtimes.stop();
    served
}

/// Times that the catalog gives.
#[derive(Clone, Default)]
struct Spans {
    /// How long journeys are kept.
    journeys: Span,
    /// After it no router writes any more what it did before; never shorter than it was.
    quiet: Span,
}

impl Spans {
    fn set(&self, snapshot: &Snapshot, retention: Duration) {
        self.journeys.set(rules::journeys_kept(snapshot, retention));
        let quiet = snapshot.longest_ladder() + LAPSE_GRACE;
        self.quiet.set(quiet.max(self.quiet.get()));
    }

    fn obey<S: Stores>(&self, known: &Known<S>, retention: Duration) {
        self.set(&known.current().snapshot, retention);
        let spans = self.clone();
        known.obeyed_by(move |current| {
            let (spans, next) = (spans.clone(), Arc::clone(&current.snapshot));
            Ok(Box::new(move || spans.set(&next, retention)))
        });
    }
}

/// What every role needs.
struct Ground<'a> {
    config: Config,
    config_file: PathBuf,
    /// The catalog of its file, which may not be the one in force.
    file: Arc<Snapshot>,
    roles: &'a Roles,
    runtimes: &'a Runtimes,
    secrets: catalog::Secrets,
    sealer: Arc<Sealer>,
    warehouse: Warehouse,
    engine: Option<Supervisor>,
    end_engine: CancellationToken,
    host: Host,
    instance: u64,
    spans: Spans,
}

async fn open(
    (config_file, config): (PathBuf, Config),
    file: Arc<Snapshot>,
    roles: &Roles,
    stdin: Stdin,
    runtimes: &Runtimes,
) -> Result<(), Failure> {
    let asked = ending::asked_to_end(stdin)?;
    let host = Host {
        clock: Arc::new(OsClock::start()),
        entropy: Arc::new(OsEntropy),
        metrics: Metrics::new(),
    };
    fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("cannot make {}", config.data_dir.display()))
        .map_err(Failure::Usage)?;
    let entropy = host.entropy.as_ref();
    let secrets =
        secrets::load(config.secrets.clone(), &config.data_dir, entropy).map_err(Failure::Usage)?;
    let end_engine = CancellationToken::new();
    let (warehouse, engine) = analytics(&config, entropy, runtimes, end_engine.clone())?;
    let instance = entropy.next_u64();
    let ground = Ground {
        config,
        config_file,
        file,
        roles,
        runtimes,
        sealer: Arc::new(Sealer::new(secrets.sealing.0, secrets.hashing.0)),
        secrets,
        warehouse,
        engine,
        end_engine,
        host,
        instance,
        spans: Spans::default(),
    };
    let retention = ground.config.log.retention;
    ground.spans.set(&ground.file, retention);
    match ground.config.cluster.clone() {
        None => {
            let stores = stores::local(&ground)?;
            restored::read_again(&ground.config, &stores).map_err(Failure::Work)?;
            serve(ground, stores, asked).await
        }
        Some(cluster) => {
            if let Some(mark) = restored::mark(&ground.config) {
                tracing::warn!(
                    mark = %mark.display(),
                    "the tables were restored from a backup: have Kafka's groups forgotten as the runbook says, and remove the mark"
                );
            }
            let stores = Shared::open(&ground, &cluster).await?;
            serve(ground, stores, asked).await
        }
    }
}

async fn serve<S: Stores>(
    ground: Ground<'_>,
    stores: S,
    asked: impl Future<Output = Asked>,
) -> Result<(), Failure> {
    let Ground {
        config,
        runtimes,
        host,
        ..
    } = &ground;
    let readiness = Readiness::default();
    stores.tell(&readiness);
    let hangups = reread::hear().map_err(Failure::Work)?;
    let end_work = CancellationToken::new();
    let front = Front::new(&ground, &stores);
    let begun = Works::begin(&ground, &stores, &front, &readiness, &end_work);
    let begun = match tokio::time::timeout(S::PATIENCE, begun).await {
        Ok(begun) => Some(begun?),
        Err(_) => {
            tracing::error!(
                "the log cannot be read: clicks and pixels are taken, all else waits for it"
            );
            front.go_ahead(&ground);
            unread(&ground, &readiness);
            None
        }
    };
    let pulse = pulse(&ground, &readiness, end_work.clone());
    let disk = runtimes.work.spawn(disk::watch(
        config.data_dir.clone(),
        config.log.reserve_bytes,
        host.metrics.clone(),
        end_work.clone(),
    ));

    let limits = httpd::Limits {
        body_bytes: config.limits.body_bytes,
        connections: config.limits.connections,
        read_timeout: config.limits.read_timeout,
        drain_timeout: config.limits.drain_timeout,
        ..httpd::Limits::default()
    };
    let few = httpd::Limits {
        connections: OPERATOR_CONNECTIONS,
        ..limits
    };
    let bind = |name, address, limits| {
        Server::bind(name, address, limits, host.clone())
            .with_context(|| format!("cannot listen on {address}"))
            .map_err(Failure::Usage)
    };
    let mut public = bind("public", config.listen.public, limits)?;
    if ground.roles.has(Role::Router) {
        public = public.elsewhere(router::AUCTIONS, runtimes.leads.handle().clone());
    }
    let operator = bind("operator", config.listen.operator, few)?;
    let ready = Ready {
        public: public.local_addr().map_err(Failure::work)?,
        operator: operator.local_addr().map_err(Failure::work)?,
        clickhouse: clickhouse_url(config),
    };
    let end_public = CancellationToken::new();
    let end_operator = CancellationToken::new();
    let public = runtimes
        .front
        .spawn(public.serve(front.service(), end_public.clone()));
    let health = Operator::new(host.metrics.clone(), readiness.clone());
    let operator = runtimes
        .front
        .spawn(operator.serve(health, end_operator.clone()));
    announce(&ready);

    let mut asked = pin!(asked);
    let begun = match begun {
        Some(begun) => Ok(Some(begun)),
        None => tokio::select! {
            _ = &mut asked => Ok(None),
            begun = Works::begin_at_last(&ground, &stores, &front, &readiness, &end_work) => begun.map(Some),
        },
    };
    let (works, ended) = match begun {
        Ok(works) => (works, Ok(())),
        Err(failure) => (None, Err(failure)),
    };
    let rereading = works.as_ref().map(|works| {
        let file = ground.config_file.clone();
        let rereading = reread::watch(hangups, works.known(), file, end_work.clone());
        runtimes.work.spawn(rereading)
    });
    if works.is_some() {
        asked.await;
        tracing::info!("asked to end: draining");
    }
    readiness.drain();
    end_public.cancel();
    joined("listener", public.await);
    if let Some(works) = works {
        works.ended(config.limits.drain_timeout, &end_work).await;
    }
    end_work.cancel();
    if let Some(rereading) = rereading {
        joined("catalog file", rereading.await);
    }
    joined("pulse", pulse.await);
    joined("disk", disk.await);
    end_operator.cancel();
    joined("operator listener", operator.await);
    stores.close().await;
    let Ground {
        engine, end_engine, ..
    } = ground;
    end_engine.cancel();
    if let Some(engine) = engine {
        engine.stopped().await;
    }
    tracing::info!("ended");
    ended
}

/// Says that the log was not read. To who needs no more than the catalog it is no reason to stay away.
fn unread(ground: &Ground<'_>, readiness: &Readiness) {
    let waits = ground.roles.has(Role::Router) || ground.roles.has(Role::Worker);
    let since = ground.host.clock.wall();
    readiness.register("catalog", move || match waits {
        true => Standing::missing(format!("the log was not read since the start at {since}")),
        false => Standing::Away {
            what: "the log was not read: what was in force here last is obeyed".to_owned(),
            since,
        },
    });
}

/// Asks ClickHouse every now and then how it is.
fn pulse(ground: &Ground<'_>, readiness: &Readiness, end: CancellationToken) -> JoinHandle<()> {
    let (standing, stands) = watch::channel(Standing::missing("ClickHouse has not answered yet"));
    let clock = Arc::clone(&ground.host.clock);
    readiness.register("clickhouse", move || stands.borrow().clone());
    let watched = pulse::watch(ground.warehouse.clone(), clock, standing, end);
    ground.runtimes.work.spawn(watched)
}

/// ClickHouse: the configured server, or the embedded engine, started and watched.
fn analytics(
    config: &Config,
    entropy: &dyn Entropy,
    runtimes: &Runtimes,
    end: CancellationToken,
) -> Result<(Warehouse, Option<Supervisor>), Failure> {
    if let Some(server) = &config.clickhouse {
        let warehouse = Warehouse::connect(Address {
            user: &server.user,
            password: &server.password.0,
            authorities: server.authorities.as_deref(),
            quorum: server.quorum,
            ..Address::new(server.url.as_str(), &server.database)
        });
        return Ok((warehouse.map_err(Failure::usage)?, None));
    }
    let library = match &config.engine.lib {
        Some(library) => library.clone(),
        None => crate::cmd::engine::locate()?,
    };
    let data = config.data_dir.join(ENGINE_DIR);
    let (users, pass) = access::list(&config.data_dir, entropy)
        .context("cannot list who may ask the engine")
        .map_err(Failure::Work)?;
    let order = Order {
        listen: config.engine.listen,
        data,
        users,
        library,
    };
    let engine = Supervisor::start(order, &runtimes.work, end).map_err(Failure::Work)?;
    let warehouse = Warehouse::connect(Address {
        user: pass.user,
        password: &pass.password,
        ..Address::new(&clickhouse_url(config), "default")
    });
    Ok((warehouse.map_err(Failure::work)?, Some(engine)))
}

fn clickhouse_url(config: &Config) -> String {
    match &config.clickhouse {
        Some(server) => server.url.to_string(),
        None => format!("http://{}", config.engine.listen),
    }
}

fn announce(ready: &Ready) {
    tracing::info!(public = %ready.public, operator = %ready.operator, "ready");
    let line = serde_json::to_string(ready).unwrap_or_default();
    let mut out = std::io::stdout();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        tracing::warn!("nobody reads standard output");
    }
}

fn joined<T>(name: &'static str, end: Result<T, tokio::task::JoinError>) {
    if let Err(error) = end {
        tracing::error!(name, %error, "ended badly");
    }
}
