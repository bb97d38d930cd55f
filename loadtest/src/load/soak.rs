//! An hour of everything at half load: does memory stay flat, and what is open?
//!
//! Visitors, publishers and an advertiser call the service as in the demo, sandbox buyers behind it.
//! Every ten seconds one line is written of what the processes hold and how fast they are; at the end
//! a line is laid through the second half of memory and open files, and its slope is held to a bar.
//!
//! How many sockets there are is decided by the others: their number follows each stall of the machine up and
//! down, so that no slope means anything. What counts is that none is left once the others are gone.

mod cast;
mod chart;
mod probe;
mod sample;
mod trend;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use domain::Clock;
use loadtest::clock::OsClock;
use loadtest::process;
use loadtest::ratio::Bar;
use sandbox::{Listen, Options, Sandbox};
use tokio_util::sync::CancellationToken;
use traffic::{Book, Dice, Driver, Gate, Live, MARKER_FIELD, Patience, Pool};

use crate::Setting;
use crate::report::{Figure, Verdict, conclude};
use crate::stage::{Order, Stage};
use probe::Probe;
use sample::{Sample, Sampler};
use trend::per_hour;

const PATIENCE: Patience = Patience {
    pause: Duration::from_millis(200),
    limit: Duration::from_secs(30),
};
const CLIENT_LIMIT: Duration = Duration::from_secs(15);
const CONNECTIONS: usize = 256;
/// Memory may grow by so much an hour whatever happens: allocators and histograms settle slowly.
const SLACK_KIB: f64 = 32.0 * 1024.0;
/// And by so much for each visitor and lead: the service has to know them for days, but on disk; memory
/// has the filters by which it finds them there (`store-local/tests/memory.rs`).
const KNOWN_BYTES: f64 = 64.0;
/// How often it is looked whether all sockets are closed, and how many times: longer than an idle one is kept.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: u32 = 90;

/// An hour of traffic at half load: memory, handles, lag, freshness, overhead, as CSV and a chart
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long.
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Leads per second; several clicks for each.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Between two samples.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    every: u64,
}

pub(crate) async fn run(args: Args, setting: &Setting) -> Result<Verdict> {
    ensure!(
        args.minutes > 0.0 && args.rate > 0.0,
        "minutes and rate are above 0"
    );
    setting.cores.drive()?;
    let length = Duration::try_from_secs_f64(args.minutes * 60.0)?;
    let clock: Arc<dyn Clock> = Arc::new(OsClock::start());
    let home = tempfile::Builder::new().prefix("gavel-soak-").tempdir()?;
    let sandbox = buyers(home.path(), setting.seed, Arc::clone(&clock)).await?;
    let addresses: Vec<_> = sandbox.buyers().iter().map(|buyer| buyer.addr).collect();
    let order = Order {
        buyers: &addresses,
        ..Order::default()
    };
    let mut stage = Stage::set(&setting.gavel, setting.cores, order).await?;
    let before = process::usage(stage.id()?)?.sockets;
    let public = stage.address();
    let pool = || Pool::new(public, CONNECTIONS, CLIENT_LIMIT, Arc::clone(&clock));
    let driver = Arc::new(Driver {
        browsers: pool(),
        publishers: pool(),
        world: cast::world(),
        mix: cast::mix(args.rate),
        patience: PATIENCE,
        book: Book::create(&home.path().join("clients.jsonl"))?,
        gate: Arc::new(Gate::default()),
        live: Live::default(),
        control: None,
        clock: Arc::clone(&clock),
        visitors: AtomicU64::new(0),
    });
    let out = Files::of(setting.out.as_deref());
    let sampler = Sampler::new(&stage, &driver, &out.csv)?;
    let probe = Probe::new(&stage, Arc::clone(&clock));
    let stop = CancellationToken::new();
    let samples = {
        let traffic = driver.run(Dice::new(setting.seed), length, &stop);
        let watch = sampler.watch(&probe, Duration::from_secs(args.every), &stop);
        let probing = probe.run(&stop);
        let traffic = async {
            let stretch = traffic.await;
            stop.cancel();
            stretch
        };
        tokio::select! {
            (stretch, samples, ()) = async { tokio::join!(traffic, watch, probing) } => {
                ensure!(stretch.not_started == 0, "{} visitors were not started", stretch.not_started);
                samples?
            }
            ended = stage.ended() => anyhow::bail!("the service ended: {ended:?}"),
        }
    };
    stage.caught_up().await?;
    let counts = driver.live.counts();
    drop((driver, sampler, probe));
    sandbox.stop().await;
    let left = left_open(&stage, before).await?;
    stage.clear().await?;
    chart::draw(&samples, &out.svg)?;
    println!("{} and {}", out.csv.display(), out.svg.display());
    ensure!(
        counts.leads > 0 && counts.clicks > 0,
        "nothing was answered: {counts:?}"
    );
    let figures = figures(&samples, counts, left, length)?;
    conclude(&figures, &samples, setting.out.as_deref())
}

/// Sockets that are open beyond those before, once no more of them close.
async fn left_open(stage: &Stage, before: u64) -> Result<u64> {
    let mut left = 0;
    for _ in 0..LOOKS {
        left = process::usage(stage.id()?)?.sockets.saturating_sub(before);
        if left == 0 {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(left)
}

async fn buyers(home: &Path, seed: u64, clock: Arc<dyn Clock>) -> Result<Sandbox> {
    let options = Options {
        listen: Listen::Any,
        profiles: sandbox::Profile::standard(10),
        seed,
        journal: home.join("buyers"),
        marker: MARKER_FIELD.to_owned(),
        tap: None,
    };
    Sandbox::start(options, clock).await.context("buyers")
}

/// Where samples and chart go: beside the raw figures.
struct Files {
    csv: PathBuf,
    svg: PathBuf,
}

impl Files {
    fn of(out: Option<&Path>) -> Self {
        let out = out.unwrap_or(Path::new("soak.json"));
        Self {
            csv: out.with_extension("csv"),
            svg: out.with_extension("svg"),
        }
    }
}

fn figures(
    samples: &[Sample],
    counts: traffic::Counts,
    left: u64,
    length: Duration,
) -> Result<Vec<Figure>> {
    let (_, second) = samples.split_at(samples.len() / 2);
    ensure!(second.len() >= 3, "too few samples for a slope");
    let slope = |of: fn(&Sample) -> f64| per_hour(second.iter().map(|s| (s.seconds, of(s))));
    let last = samples
        .last()
        .map(|sample| sample.visitors)
        .unwrap_or_default();
    let known_per_h = (last as f64 + counts.leads as f64) / length.as_secs_f64() * 3600.0;
    let allowed_kib = SLACK_KIB + known_per_h * KNOWN_BYTES / 1024.0;
    let worst =
        |of: fn(&Sample) -> Option<f64>| samples.iter().filter_map(of).max_by(f64::total_cmp);
    let middle =
        |of: fn(&Sample) -> Option<f64>| loadtest::ratio::median(samples.iter().filter_map(of));
    Ok(vec![
        Figure::told("clicks answered", Some(counts.clicks as f64)),
        Figure::told("leads answered", Some(counts.leads as f64)),
        Figure::held_to(
            Bar::AtMost(0.0),
            "requests never answered or refused",
            Some((counts.unanswered + counts.refused) as f64),
        ),
        Figure::told(
            "highest resident memory, MiB",
            worst(|s| Some(s.service.peak_kib as f64 / 1024.0)),
        ),
        Figure::held_to(
            Bar::AtMost(allowed_kib.round() / 1024.0),
            "memory of the second half, MiB/h",
            slope(|s| s.service.rss_kib as f64 / 1024.0),
        ),
        Figure::told(
            "open handles of the second half, more each hour",
            slope(|s| s.service.handles as f64),
        ),
        Figure::held_to(
            Bar::AtMost(30.0),
            "open files of the second half, more each hour",
            slope(|s| s.service.files() as f64),
        ),
        Figure::told("sockets, most", worst(|s| Some(s.service.sockets as f64))),
        Figure::held_to(
            Bar::AtMost(10.0),
            "sockets left once all others are gone",
            Some(left as f64),
        ),
        Figure::held_to(
            Bar::AtMost(5.0),
            "threads of the second half, more each hour",
            slope(|s| s.service.threads as f64),
        ),
        Figure::told(
            "engine: memory of the second half, MiB/h",
            slope(|s| s.engine.rss_kib as f64 / 1024.0),
        ),
        Figure::told(
            "engine: handles of the second half, more each hour",
            slope(|s| s.engine.handles as f64),
        ),
        Figure::told("disk, MiB/h", slope(|s| s.disk_mib)),
        Figure::told("lag, median of samples, records", middle(|s| s.lag)),
        Figure::told(
            "freshness p99 of a sample, median, ms",
            middle(|s| s.freshness_ms),
        ),
        Figure::told(
            "freshness p99 of a sample, worst, ms",
            worst(|s| s.freshness_ms),
        ),
        Figure::told(
            "overhead p99 of a sample, median, ms",
            middle(|s| s.overhead_ms),
        ),
        Figure::told(
            "overhead p99 of a sample, worst, ms",
            worst(|s| s.overhead_ms),
        ),
    ])
}
