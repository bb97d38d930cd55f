//! The worker on Kafka and Redis, beside a consumer that decodes the same records and inserts the same rows
//! with the credits known; and the worker alone with live input at half of its rate.
//!
//! The worker, or the bare consumer, has a core; Kafka, Redis and ClickHouse have the other one. In a round
//! the worker works off what waits in the log, ends, and the bare consumer reads exactly what it has read.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use domain::{Clock as _, Mono};
use loadtest::clock::OsClock;
use loadtest::feed::{Fed, Feed};
use loadtest::process;
use loadtest::ratio::{Bar, median};
use loadtest::window::{Machine, Noise, micros};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use servers::Kafka;
use tokio::process::Command;
use traffic::{Dice, Shared};

use crate::Setting;
use crate::report::{Figure, Verdict, conclude};
use crate::stage::{Order, Stage};
use crate::town::{Engine, Town};

/// What the worker has read and inserted, and what it has not.
const RECORDS: &str = "gavel_worker_records_total";
const LAG: &str = "gavel_worker_lag_records";
const LOOK: Duration = Duration::from_millis(50);
/// Live input is sent so far apart.
const TICK: Duration = Duration::from_millis(10);
/// The end of live input, in which lag is looked at.
const LAST: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);

/// The worker on Kafka beside a bare consumer that inserts the same rows; its memory and lag under live input
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds; each measures both sides.
    #[arg(long, default_value_t = 4)]
    rounds: u32,
    /// How long the worker works in a round.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Events that wait in the log at the beginning of a round, for each of its seconds.
    #[arg(long, default_value_t = 30_000.0)]
    waiting: f64,
    /// How long there is live input; 0 leaves it out.
    #[arg(long, default_value_t = 120.0)]
    live: f64,
}

/// What one side did.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Done {
    records: u64,
    #[serde(default)]
    rows: u64,
    seconds: f64,
    cpu_us: u64,
}

impl Done {
    fn per_s(self) -> f64 {
        self.records as f64 / self.seconds
    }

    fn cpu_each_us(self) -> f64 {
        self.cpu_us as f64 / self.records.max(1) as f64
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Round {
    worker: Done,
    bare: Done,
    noise: Noise,
}

/// A look at the worker under live input.
#[derive(Debug, Clone, Copy, Serialize)]
struct Sample {
    seconds: f64,
    rss_kib: u64,
    lag: f64,
}

#[derive(Debug, Default, Serialize)]
struct Raw {
    rounds: Vec<Round>,
    live_per_s: f64,
    live: Vec<Sample>,
}

pub(crate) async fn run(args: Args, setting: &Setting) -> Result<Verdict> {
    setting.cores.drive()?;
    let mut dice = Dice::new(setting.seed);
    // It runs for minutes, beside a load that leaves its core little.
    let town = Town::found(Kafka::start_to_stay)?;
    let engine = town.engine(&setting.gavel).await?;
    let shared = town.cluster(&mut dice).with_clickhouse(engine.address());
    let bench = Bench {
        topic: format!("{}events", shared.prefix()),
        group: format!("{}worker-tables", shared.prefix()),
        brokers: town.brokers(),
        clickhouse: engine.address(),
        setting,
        shared,
        clock: OsClock::start(),
        _engine: engine,
    };
    // It makes topics and tables.
    bench.worker().await?.clear().await?;
    let mut log = Log::open(&bench.brokers, &bench.topic)?;
    let length = Duration::try_from_secs_f64(args.seconds)?;
    let mut raw = Raw::default();
    for number in 1..=args.rounds {
        let waiting = (args.waiting * args.seconds) as u64;
        log.fill(waiting.saturating_sub(bench.left()?), bench.clock)?;
        let round = bench.round(length).await?;
        eprintln!(
            "round {number}: bare {:.0}/s {:.1} us; worker {:.0}/s {:.1} us",
            round.bare.per_s(),
            round.bare.cpu_each_us(),
            round.worker.per_s(),
            round.worker.cpu_each_us(),
        );
        raw.rounds.push(round);
    }
    let mut figures = of_rounds(&raw.rounds)?;
    if args.live > 0.0 {
        let middle = median(raw.rounds.iter().map(|round| round.worker.per_s()));
        raw.live_per_s = middle.unwrap_or_default() / 2.0;
        let length = Duration::try_from_secs_f64(args.live)?;
        raw.live = bench.live(&mut log, raw.live_per_s, length).await?;
        figures.extend(of_live(&raw, args.live));
    }
    conclude(&figures, &raw, setting.out.as_deref())
}

fn of_rounds(rounds: &[Round]) -> Result<Vec<Figure>> {
    let counted: Vec<&Round> = rounds.iter().filter(|it| it.noise.quiet()).collect();
    ensure!(!counted.is_empty(), "no round was quiet");
    let middle = |of: fn(&Round) -> f64| median(counted.iter().map(|round| of(round)));
    Ok(vec![
        Figure::told("rounds that count", Some(counted.len() as f64)),
        Figure::told("bare consumer: events/s", middle(|it| it.bare.per_s())),
        Figure::told("worker: events/s", middle(|it| it.worker.per_s())),
        Figure::told(
            "bare consumer: us of CPU per event",
            middle(|it| it.bare.cpu_each_us()),
        ),
        Figure::told(
            "worker: us of CPU per event",
            middle(|it| it.worker.cpu_each_us()),
        ),
        Figure::held_to(
            Bar::AtLeast(0.25),
            "worker's events/s, of the bare consumer's",
            middle(|it| it.worker.per_s() / it.bare.per_s()),
        ),
    ])
}

fn of_live(raw: &Raw, length: f64) -> Vec<Figure> {
    let mean = |of: Vec<f64>| (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64);
    let half = |second: bool| {
        let of = raw.live.iter();
        let of = of.filter(|it| (it.seconds >= length / 2.0) == second);
        mean(of.map(|it| it.rss_kib as f64).collect())
    };
    let (first, last) = (half(false), half(true));
    let end = length - LAST.as_secs_f64();
    let lags = raw.live.iter().filter(|it| it.seconds >= end);
    let lag = median(lags.map(|it| it.lag)).map(|lag| lag / raw.live_per_s);
    vec![
        Figure::told("live input: events/s", Some(raw.live_per_s)),
        Figure::told(
            "resident memory of its second half, MiB",
            last.map(|kib| kib / 1024.0),
        ),
        Figure::held_to(
            Bar::AtMost(1.1),
            "resident memory of its second half, of the first's",
            last.zip(first).map(|(last, first)| last / first),
        ),
        Figure::held_to(
            Bar::AtMost(1.0),
            "lag of its last ten seconds (median), in seconds of input",
            lag,
        ),
    ]
}

/// What is measured, and where.
struct Bench<'a> {
    setting: &'a Setting,
    shared: Shared,
    brokers: String,
    topic: String,
    group: String,
    clickhouse: SocketAddr,
    clock: OsClock,
    _engine: Engine,
}

impl Bench<'_> {
    async fn worker(&self) -> Result<Stage> {
        let order = Order {
            shared: Some(self.shared.clone()),
            roles: &["worker"],
            ..Order::default()
        };
        Stage::set(&self.setting.gavel, self.setting.cores, order).await
    }

    async fn round(&self, length: Duration) -> Result<Round> {
        let from = self.committed()?;
        let machine = Machine::now()?;
        let worker = self.work_off(length).await?;
        let to = self.committed()?;
        let bare = self.bare(&from, &to).await?;
        let noise = Machine::now()?.since(machine);
        Ok(Round {
            worker,
            bare,
            noise,
        })
    }

    /// The worker, from the first batch that is in to the last within the time.
    async fn work_off(&self, length: Duration) -> Result<Done> {
        let stage = self.worker().await?;
        let before = stage.metric(RECORDS).await?.unwrap_or(0.0);
        let until = self.clock.mono().plus(PATIENCE);
        let mut first: Option<Seen> = None;
        let mut last: Option<Seen> = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let records = stage.metric(RECORDS).await?.unwrap_or(0.0);
            let seen = Seen {
                records,
                at: self.clock.mono(),
                cpu: stage.spent()?.service,
            };
            let moved = records > last.map_or(before, |last| last.records);
            if moved {
                first = first.or(Some(seen));
                last = Some(seen);
            }
            match first {
                None => ensure!(seen.at < until, "the worker does not begin"),
                Some(first) if seen.at >= first.at.plus(length) => break,
                // It has worked off everything before the time.
                Some(_) if stage.metric(LAG).await? == Some(0.0) => break,
                Some(_) => {}
            }
        }
        stage.clear().await?;
        let (Some(first), Some(last)) = (first, last) else {
            bail!("the worker did nothing");
        };
        ensure!(
            last.at > first.at,
            "the worker did one batch: let more wait"
        );
        Ok(Done {
            records: (last.records - first.records) as u64,
            rows: 0,
            seconds: last.at.since(first.at).as_secs_f64(),
            cpu_us: micros(last.cpu.saturating_sub(first.cpu)) as u64,
        })
    }

    async fn bare(&self, from: &[i64], to: &[i64]) -> Result<Done> {
        let Self {
            setting,
            brokers,
            topic,
            clickhouse,
            ..
        } = self;
        let list = |offsets: &[i64]| {
            let offsets: Vec<String> = offsets.iter().map(i64::to_string).collect();
            offsets.join(",")
        };
        let program = setting.programs.join("bare-consumer");
        let mut command = Command::new(&program);
        command
            .args([brokers, topic, &format!("http://{clickhouse}"), "bare"])
            .args([list(from), list(to)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let child = setting.cores.as_subject(|| command.spawn())?;
        let child = child.with_context(|| program.display().to_string())?;
        let output = child.wait_with_output().await?;
        ensure!(output.status.success(), "the bare consumer failed");
        serde_json::from_slice(&output.stdout).context("what the bare consumer says")
    }

    /// Up to where the worker's rows are in, by partition.
    fn committed(&self) -> Result<Vec<i64>> {
        let asking: BaseConsumer = self.client().create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..Shared::PARTITIONS {
            list.add_partition(&self.topic, partition.into());
        }
        let committed = asking.committed_offsets(list, PATIENCE)?;
        let offsets = committed
            .elements()
            .into_iter()
            .map(|it| match it.offset() {
                Offset::Offset(next) => next,
                _ => 0,
            });
        Ok(offsets.collect())
    }

    /// Records that wait for the worker's rows.
    fn left(&self) -> Result<u64> {
        let asking: BaseConsumer = self.client().create()?;
        let mut left = 0;
        for (partition, next) in (0..).zip(self.committed()?) {
            let (oldest, end) = asking.fetch_watermarks(&self.topic, partition, PATIENCE)?;
            left += u64::try_from(end - next.max(oldest)).unwrap_or(0);
        }
        Ok(left)
    }

    /// Somebody who asks, in the worker's name.
    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &self.group);
        config
    }

    /// Memory and lag while events come at a rate.
    async fn live(&self, log: &mut Log, per_s: f64, length: Duration) -> Result<Vec<Sample>> {
        let stage = self.worker().await?;
        stage.caught_up().await?;
        let id = stage.id()?;
        let began = self.clock.mono();
        let (mut sent, mut samples) = (0, Vec::new());
        loop {
            let passed = self.clock.mono().since(began);
            if passed >= length {
                break;
            }
            let due = (passed.as_secs_f64() * per_s) as u64;
            log.send(due - sent, self.clock)?;
            sent = due;
            if passed.as_millis() / 500 >= samples.len() as u128 {
                samples.push(Sample {
                    seconds: passed.as_secs_f64(),
                    rss_kib: process::usage(id)?.rss_kib,
                    lag: stage.metric(LAG).await?.unwrap_or(0.0),
                });
            }
            tokio::time::sleep(TICK).await;
        }
        log.flush()?;
        stage.caught_up().await?;
        stage.clear().await?;
        Ok(samples)
    }
}

/// How far the worker was.
#[derive(Debug, Clone, Copy)]
struct Seen {
    records: f64,
    at: Mono,
    cpu: Duration,
}

/// The log of events, to write into.
struct Log {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
    feed: Feed,
}

impl Log {
    fn open(brokers: &str, topic: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("compression.type", "lz4");
        Ok(Self {
            producer: config.create()?,
            topic: topic.to_owned(),
            feed: Feed::new([5; 32]),
        })
    }

    /// So many more events, that are there when this returns.
    fn fill(&mut self, events: u64, clock: OsClock) -> Result<()> {
        self.send(events, clock)?;
        self.flush()
    }

    fn flush(&self) -> Result<()> {
        Ok(self.producer.flush(PATIENCE)?)
    }

    fn send(&mut self, events: u64, clock: OsClock) -> Result<()> {
        let now = clock.wall();
        for _ in 0..events {
            let Fed { record, partition } = self.feed.next(now, Shared::PARTITIONS);
            loop {
                let record = BaseRecord::<(), _>::to(&self.topic)
                    .partition(partition)
                    .payload(&record);
                match self.producer.send(record) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                        std::thread::sleep(TICK);
                    }
                    Err((error, _)) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(records: u64, seconds: f64) -> Done {
        Done {
            records,
            rows: 0,
            seconds,
            cpu_us: 3 * records,
        }
    }

    #[test]
    fn the_worker_is_held_to_a_quarter_of_the_bare_consumer() {
        let round = |worker, steal| Round {
            worker: done(worker, 1.0),
            bare: done(1000, 0.5),
            noise: Noise { steal, busy: 1.0 },
        };
        let holds = |rounds: &[Round]| {
            let figures = of_rounds(rounds).unwrap();
            figures.iter().all(Figure::holds)
        };
        assert!(holds(&[round(500, 0.0), round(10, 0.5)]));
        assert!(!holds(&[round(499, 0.0)]));
        assert!(of_rounds(&[round(500, 0.5)]).is_err());
    }

    #[test]
    fn memory_is_compared_by_halves_and_lag_at_the_end() {
        let live = |late: u64, lag: f64| Raw {
            live_per_s: 100.0,
            live: (0..120)
                .map(|second| Sample {
                    seconds: f64::from(second),
                    rss_kib: if second < 60 { 1000 } else { late },
                    lag: if second < 110 { 9_999.0 } else { lag },
                })
                .collect(),
            ..Raw::default()
        };
        let holds = |raw: &Raw| of_live(raw, 120.0).iter().all(Figure::holds);
        assert!(holds(&live(1100, 100.0)));
        assert!(!holds(&live(1101, 100.0)));
        assert!(!holds(&live(1000, 101.0)));
    }
}
