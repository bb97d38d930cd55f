//! `gavel demo`: the main job on this machine. Buyers and the service run as child processes, visitors,
//! publishers and an advertiser call its public HTTP interface, one publisher takes postbacks, and at
//! the end the books are held against each other: what clients were told, what buyers journalled, what
//! the publisher's endpoint heard, what ClickHouse holds.

mod cast;
mod freshness;
mod progress;
mod report;
mod stage;

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use domain::{Clock, Entropy};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use traffic::{
    Book, Books, Buyers, Clients, Control, ControlCall, Dice, Driver, Gate, Held, LeadTold, Live,
    Patience, Pool, Postbacks, Run, Seconds, Shared, Steal, Told,
};

use super::Failure;
use crate::ending::{self, Asked, Stdin};
use crate::os::{OsClock, OsEntropy};
use freshness::Freshness;
use report::Report;
use stage::Stage;

/// A request is repeated this often and this long.
const PATIENCE: Patience = Patience {
    pause: Duration::from_millis(200),
    limit: Duration::from_secs(30),
};
/// A client waits this long for an answer: longer than any deadline it names.
const CLIENT_LIMIT: Duration = Duration::from_secs(15);
/// Connections of all clients together.
const CONNECTIONS: usize = 256;
/// How long ClickHouse may take to catch up at the end.
const CATCH_UP: Duration = Duration::from_secs(60);
/// How long the publisher may not have been told everything at the end.
const TELL: Duration = Duration::from_secs(30);
/// How often a lead that was `pending` is looked up at the end.
const LOOK_UPS: u32 = 50;
const LOOK_UP_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long visitors come.
    #[arg(long, value_name = "N", default_value_t = 20)]
    seconds: u64,
    /// Leads per second; several clicks for each.
    #[arg(long, value_name = "LEADS_PER_S", default_value_t = 20.0)]
    rate: f64,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Keep everything in this directory, which must be empty or new. Without it a temporary one is
    /// used and removed.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Share Kafka and Redis as a node of a cluster does, instead of keeping all on this machine's disk.
    #[arg(long, requires_all = ["kafka", "redis"])]
    cluster: bool,
    /// The brokers of `--cluster`.
    #[arg(long, value_name = "HOST:PORT", requires = "cluster")]
    kafka: Option<String>,
    /// The Redis of `--cluster`.
    #[arg(long, value_name = "URL", requires = "cluster")]
    redis: Option<String>,
    /// What all draws begin with: the same seed brings the same visitors.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Args {
    /// A cluster of its own, whatever else is on these servers.
    fn shared(&self) -> Option<Shared> {
        let (kafka, redis) = (self.kafka.clone()?, self.redis.clone()?);
        let run = <dyn Entropy>::next_u64(&OsEntropy);
        Some(Shared::new(kafka, redis, &mut Dice::new(run)))
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    if !(args.rate > 0.0 && args.rate <= 10_000.0) {
        return Err(Failure::Usage(anyhow!(
            "--rate must be above 0 and at most 10000"
        )));
    }
    super::engine::ensure()?;
    let home = stage::Home::of(args.data.as_deref())?;
    // One thread: the clients must not take a second core from what they measure.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::Work)?;
    let report = runtime.block_on(async {
        let asked = ending::asked_to_end(Stdin::Ignored)?;
        play(&args, &home, asked).await.map_err(|error| {
            if !error.is::<Interrupted>() {
                home.show_logs();
            }
            Failure::Work(error)
        })
    })?;
    report.print(args.json);
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// Somebody did not want to see the end.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

/// Everything the report needs of the children while they run.
struct Gathered {
    told: Vec<Told>,
    held: Held,
    postbacks: Postbacks,
    totals: report::Totals,
    control: Vec<ControlCall>,
    seconds: Seconds,
    freshness: Vec<i64>,
}

/// Starts the children, plays, and ends them in order, also when it is interrupted.
async fn play(
    args: &Args,
    home: &stage::Home,
    asked_to_end: impl Future<Output = Asked>,
) -> Result<Report> {
    let clock: Arc<dyn Clock> = Arc::new(OsClock::start());
    let mut asked_to_end = pin!(asked_to_end);
    eprintln!(
        "starting ten buyers, the service and its ClickHouse in {}",
        home.dir().display()
    );
    let mut stage = tokio::select! {
        stage = Stage::set(home, args.shared(), Arc::clone(&clock)) => stage?,
        _ = &mut asked_to_end => return Err(Interrupted.into()),
    };
    let gathered = tokio::select! {
        gathered = perform(args, home, &mut stage, clock) => gathered,
        _ = &mut asked_to_end => Err(Interrupted.into()),
    };
    let cleared = stage.clear().await;
    let gathered = gathered?;
    cleared?;

    let entries = sandbox::read_journals(&home.journals())?;
    let mut checks = Books {
        clients: Clients::of(&gathered.told),
        buyers: Buyers::of(&entries),
        held: &gathered.held,
        book_sizes: cast::book_sizes(),
        run: Run::Undisturbed,
    }
    .checks();
    checks.extend(gathered.postbacks.checks());
    Ok(Report::of(&gathered, &entries, checks))
}

/// Sends the traffic, waits until all of it has come to its end, and reads what ClickHouse holds.
async fn perform(
    args: &Args,
    home: &stage::Home,
    stage: &mut Stage,
    clock: Arc<dyn Clock>,
) -> Result<Gathered> {
    let mut dice = Dice::new(args.seed);
    let control = Arc::new(Control::new(
        &stage.buyers(),
        dice.fork(),
        Arc::clone(&clock),
    ));
    let public = stage.public();
    let pool = || Pool::new(public, CONNECTIONS, CLIENT_LIMIT, Arc::clone(&clock));
    let driver = Arc::new(Driver {
        browsers: pool(),
        publishers: pool(),
        world: cast::world(),
        mix: cast::mix(args.rate),
        patience: PATIENCE,
        book: Book::create(&home.dir().join("clients.jsonl")).context("clients.jsonl")?,
        gate: Arc::new(Gate::default()),
        live: Live::default(),
        control: Some(Arc::clone(&control)),
        clock: Arc::clone(&clock),
        visitors: AtomicU64::new(0),
    });

    let stop = CancellationToken::new();
    let (steal, freshness) = (Arc::new(Steal::default()), Arc::new(Freshness::default()));
    let mut watchers = JoinSet::new();
    watchers.spawn(Arc::clone(&steal).watch(Arc::clone(&clock), stop.clone()));
    watchers.spawn(Arc::clone(&freshness).watch(stage.warehouse(), clock, stop.clone()));
    watchers.spawn(progress::show(
        Arc::clone(&driver),
        args.seconds,
        stop.clone(),
    ));

    let length = Duration::from_secs(args.seconds);
    let never = CancellationToken::new();
    let stretch = tokio::select! {
        stretch = driver.run(dice, length, &never) => stretch,
        gone = stage.somebody_ended() => return Err(gone),
    };
    stop.cancel();
    while watchers.join_next().await.is_some() {}
    if stretch.not_started > 0 {
        eprintln!(
            "{} visitors could not be started: too many were under way",
            stretch.not_started
        );
    }

    eprintln!("waiting for the last leads to end and for ClickHouse to catch up");
    end_pending(&driver).await?;
    stage.caught_up(CATCH_UP).await?;
    let postbacks = stage.postbacks(TELL).await?;
    let warehouse = stage.warehouse();
    let told = driver.book.read().context("clients.jsonl")?;
    Ok(Gathered {
        held: Held::read(&warehouse).await?,
        postbacks,
        totals: report::Totals::read(&warehouse).await?,
        control: control.calls(),
        seconds: steal.seconds(),
        freshness: freshness.delays_us(&told),
        told,
    })
}

/// Looks leads up that were told `pending`, until they have ended or the limit is reached; one that
/// stays open fails its check.
async fn end_pending(driver: &Driver) -> Result<()> {
    let told = driver.book.read().context("clients.jsonl")?;
    let mut last: HashMap<&str, &LeadTold> = HashMap::new();
    for told in &told {
        if let Told::Lead(lead) | Told::LookedUp(lead) = told {
            last.insert(&lead.lead, lead);
        }
    }
    let mut open: Vec<&LeadTold> = last
        .into_values()
        .filter(|lead| lead.status == "pending")
        .collect();
    for _ in 0..LOOK_UPS {
        let mut still = Vec::new();
        for lead in open {
            if !driver.look_up(lead).await {
                still.push(lead);
            }
        }
        open = still;
        if open.is_empty() {
            break;
        }
        tokio::time::sleep(LOOK_UP_PAUSE).await;
    }
    Ok(())
}
