//! `gavel serve`: all roles in one process, on the embedded backend.
//!
//! The only place that names a backend. Starts from the bottom up (secrets, stores, roles,
//! listeners) and ends from the top down: readiness fails, the listeners drain, leads in progress
//! end, the worker finishes its batch, the stores close, the engine stops.

mod engine;
mod finder;
mod generation;
mod pulse;
mod rules;
mod runtimes;
mod secrets;
mod tables;

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use catalog::{Config, Snapshot};
use domain::{Clock, Entropy, TrackKey};
use edge::Edge;
use httpd::{Fork, Host, Operator, Readiness, Server, Standing};
use notifier::Notifier;
use router::{Keys, Parts, QuoteKey, Router, RouterService};
use serde::Serialize;
use store::{Backend, Sealer};
use store_local::{Local, LocalOptions};
use telemetry::Metrics;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use warehouse::Warehouse;
use worker::Worker;

use crate::cmd::Failure;
use crate::ending::{self, Stdin};
use crate::os::{OsClock, OsEntropy};
use engine::{Order, Supervisor};
use finder::Leads;
use runtimes::Runtimes;
use tables::Tables;

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
pub(crate) fn run(config: Config, snapshot: Snapshot, stdin: Stdin) -> Result<(), Failure> {
    let runtimes = Runtimes::start().map_err(Failure::Work)?;
    let front = runtimes.front.handle().clone();
    let served = front.block_on(serve(config, Arc::new(snapshot), stdin, &runtimes));
    runtimes.stop();
    served
}

async fn serve(
    config: Config,
    snapshot: Arc<Snapshot>,
    stdin: Stdin,
    runtimes: &Runtimes,
) -> Result<(), Failure> {
    let asked = ending::asked_to_end(stdin)?;
    let clock: Arc<dyn Clock> = Arc::new(OsClock::start());
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let metrics = Metrics::new();
    let readiness = Readiness::default();
    fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("cannot make {}", config.data_dir.display()))
        .map_err(Failure::Usage)?;
    let secrets = secrets::load(config.secrets.clone(), &config.data_dir, entropy.as_ref())
        .map_err(Failure::Usage)?;

    let end_engine = CancellationToken::new();
    let (warehouse, engine) = analytics(&config, end_engine.clone())?;

    let options = LocalOptions {
        retention: config.log.retention,
        reserve_bytes: config.log.reserve_bytes,
        journeys_kept: rules::journeys_kept(&snapshot, config.log.retention),
        ..LocalOptions::in_dir(config.data_dir.join("store"))
    };
    let backend = Local::open(options, Arc::clone(&clock)).map_err(Failure::work)?;
    generation::record(&backend, &snapshot)
        .await
        .map_err(Failure::Work)?;
    let instance = entropy.next_u64();

    let own = engine.as_ref().map(|engine| tables::Engine {
        up: engine.up.clone(),
        dir: config.data_dir.join(ENGINE_DIR),
    });
    let (handoff, inbox) = notifier::handoff();
    let tables = Tables::new(warehouse.clone(), own, handoff);
    let end_worker = CancellationToken::new();
    let worker = Worker::new(
        backend.clone(),
        tables.clone(),
        Arc::clone(&clock),
        metrics.clone(),
        worker::Options {
            rules: rules::of(&snapshot, &backend),
            settle_every: match &engine {
                Some(_) => tables::SETTLE_EVERY,
                None => Duration::ZERO,
            },
            told: rules::told(&snapshot),
            ..worker::Options::new(instance)
        },
    );
    let progress = worker.progress();
    let worker = runtimes.work.spawn(worker.run(end_worker.clone()));
    let notifier = Notifier::new(notifier::Parts {
        outbox: tables,
        carrier: notifier::Http::new(&snapshot, Arc::clone(&clock)).map_err(Failure::usage)?,
        inbox,
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        metrics: metrics.clone(),
        options: notifier::Options::default(),
    });
    let notifier = runtimes.work.spawn(notifier.run(end_worker.clone()));
    let log = backend.clone();
    readiness.register("worker", move || match progress.lag(log.log()) {
        Some(_) => Standing::Ok,
        None => Standing::missing("no partitions assigned yet"),
    });

    let (standing, stands) = watch::channel(Standing::missing("ClickHouse has not answered yet"));
    let pulse = pulse::watch(
        warehouse.clone(),
        Arc::clone(&clock),
        standing,
        end_worker.clone(),
    );
    let pulse = runtimes.work.spawn(pulse);
    readiness.register("clickhouse", move || stands.borrow().clone());

    let sealer = Arc::new(Sealer::new(secrets.sealing.0, secrets.hashing.0));
    let router = Router::new(Parts {
        backend: backend.clone(),
        snapshot: Arc::clone(&snapshot),
        keys: Keys {
            sealer: Arc::clone(&sealer),
            quotes: QuoteKey::new(secrets.quotes.0, secrets.key_id),
            tracking: TrackKey::new(secrets.tracking.0),
        },
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        finder: Arc::new(Leads(warehouse)),
        metrics: metrics.clone(),
        instance,
        runtime: runtimes.leads.handle().clone(),
        leads: config.limits.requests,
    })
    .map_err(Failure::usage)?;
    let edge = Edge::new(edge::Parts {
        backend: backend.clone(),
        snapshot: Arc::new(ArcSwap::new(snapshot)),
        tracking: TrackKey::new(secrets.tracking.0),
        sealer: Arc::clone(&sealer),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        metrics: metrics.clone(),
        fallback_url: config.fallback_url.clone(),
        country_header: None,
    });

    let host = Host {
        clock,
        entropy,
        metrics: metrics.clone(),
    };
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
    let public = bind("public", config.listen.public, limits)?;
    let operator = bind("operator", config.listen.operator, few)?;
    let ready = Ready {
        public: public.local_addr().map_err(Failure::work)?,
        operator: operator.local_addr().map_err(Failure::work)?,
        clickhouse: clickhouse_url(&config),
    };
    let end_public = CancellationToken::new();
    let end_operator = CancellationToken::new();
    let service = Fork::new(edge::claims, edge, RouterService(Arc::clone(&router)));
    let public = runtimes
        .front
        .spawn(public.serve(service, end_public.clone()));
    let health = Operator::new(metrics, readiness.clone());
    let operator = runtimes
        .front
        .spawn(operator.serve(health, end_operator.clone()));
    announce(&ready);

    asked.await;
    tracing::info!("asked to end: draining");
    readiness.drain();
    end_public.cancel();
    joined("listener", public.await);
    let left = router.drain(config.limits.drain_timeout).await;
    if left > 0 {
        tracing::warn!(left, "leads in progress were left: their records end them");
    }
    end_worker.cancel();
    joined("worker", worker.await);
    joined("notifier", notifier.await);
    joined("pulse", pulse.await);
    end_operator.cancel();
    joined("operator listener", operator.await);
    backend.close().await;
    end_engine.cancel();
    if let Some(engine) = engine {
        engine.stopped().await;
    }
    tracing::info!("ended");
    Ok(())
}

/// ClickHouse: the configured server, or the embedded engine, started and watched.
fn analytics(
    config: &Config,
    end: CancellationToken,
) -> Result<(Warehouse, Option<Supervisor>), Failure> {
    if let Some(server) = &config.clickhouse {
        let warehouse = Warehouse::connect(
            server.url.as_str(),
            &server.user,
            &server.password.0,
            &server.database,
        );
        return Ok((warehouse, None));
    }
    let library = match &config.engine.lib {
        Some(library) => library.clone(),
        None => crate::cmd::engine::locate()?,
    };
    let data = config.data_dir.join(ENGINE_DIR);
    let order = Order {
        listen: config.engine.listen,
        data,
        library,
    };
    let engine = Supervisor::start(order, end).map_err(Failure::Work)?;
    let warehouse = Warehouse::connect(&clickhouse_url(config), "default", "", "default");
    Ok((warehouse, Some(engine)))
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
