//! A node of a cluster, on Kafka: clicks beside a bare redirect, and batches of events beside a hyper that
//! parses them with serde_json and produces with the same settings.
//!
//! Both sides run on the same core; load, Kafka and Redis have the other one. A click's processor time is
//! that of all roles of the process, counted until Kafka has every click of the window. Batches go to a node
//! that is an edge and nothing else; they are answered once Kafka has them.

use anyhow::Result;
use loadtest::announce::Bare;
use loadtest::ratio::{Bar, median};
use serde::Serialize;
use servers::Kafka;
use traffic::Dice;

use crate::Setting;
use crate::report::{Figure, Verdict, conclude};
use crate::sender::{BATCH, Sender};
use crate::sides::{self, Round, Sides, Until};
use crate::stage::{Order, Stage};
use crate::town::Town;
use crate::visitor::Visitor;

/// Clicks and batches of events on Kafka: processor time of each beside the least there is to do
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sides: sides::Args,
    /// Clicks/s at which processor time is compared.
    #[arg(long, default_value_t = 20_000.0, value_name = "CLICKS_PER_S")]
    clicks: f64,
    /// Batches/s, of 100 events each, at which it is.
    #[arg(long, default_value_t = 200.0, value_name = "BATCHES_PER_S")]
    batches: f64,
    /// Connections that send batches, each one at a time.
    #[arg(long, default_value_t = 12)]
    senders: u32,
    /// Only one of the two.
    #[arg(long)]
    only: Option<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Clicks,
    Batches,
}

#[derive(Debug, Default, Serialize)]
struct Raw {
    clicks: Vec<Round>,
    batches: Vec<Round>,
}

pub(crate) async fn run(args: Args, setting: &Setting) -> Result<Verdict> {
    setting.cores.drive()?;
    let mut dice = Dice::new(setting.seed);
    // What a broker learns while it runs would take from the first rounds the rate that is asked for.
    let town = Town::found(Kafka::start)?;
    let (mut figures, mut raw) = (Vec::new(), Raw::default());
    if args.only != Some(Part::Batches) {
        let (all, counted) = clicks(&args, setting, &town, &mut dice).await?;
        figures.extend(of_clicks(&counted));
        raw.clicks = all;
    }
    if args.only != Some(Part::Clicks) {
        let (all, counted) = batches(&args, setting, &town, &mut dice).await?;
        figures.extend(of_batches(&counted));
        raw.batches = all;
    }
    conclude(&figures, &raw, setting.out.as_deref())
}

type Rounds = Result<(Vec<Round>, Vec<Round>)>;

async fn clicks(args: &Args, setting: &Setting, town: &Town, dice: &mut Dice) -> Rounds {
    let Setting { cores, .. } = *setting;
    let bare = Bare::start(&setting.programs.join("bare-redirect"), &[], cores).await?;
    let order = Order {
        shared: Some(town.cluster(dice)),
        ..Order::default()
    };
    let stage = Stage::set(&setting.gavel, cores, order).await?;
    let mut sides = Sides {
        bare: &bare,
        stage: &stage,
        until: Until::InKafka,
        dice: dice.fork(),
    };
    let rounds = sides.rounds(&args.sides, args.clicks, Visitor::new).await?;
    stage.clear().await?;
    Ok(rounds)
}

async fn batches(args: &Args, setting: &Setting, town: &Town, dice: &mut Dice) -> Rounds {
    let Setting { cores, .. } = *setting;
    let program = setting.programs.join("bare-ingest");
    let bare = Bare::start(&program, &[town.brokers()], cores).await?;
    let engine = town.engine(&setting.gavel).await?;
    let shared = town.cluster(dice).with_clickhouse(engine.address());
    let order = |roles| Order {
        shared: Some(shared.clone()),
        roles,
        ..Order::default()
    };
    // A worker makes the tables; without them nobody is ready.
    let worker = Stage::set(&setting.gavel, cores, order(&["worker"])).await?;
    worker.clear().await?;
    let stage = Stage::set(&setting.gavel, cores, order(&["edge"])).await?;
    let mut sides = Sides {
        bare: &bare,
        stage: &stage,
        until: Until::Answered,
        dice: dice.fork(),
    };
    let at = stage.clock().wall();
    let sender = |number| Sender::new(number, at);
    let load = sides::Args {
        connections: args.senders,
        ..args.sides
    };
    let rounds = sides.rounds(&load, args.batches, sender).await?;
    stage.clear().await?;
    Ok(rounds)
}

fn of_clicks(rounds: &[Round]) -> Vec<Figure> {
    let middle = |of: fn(&Round) -> f64| median(rounds.iter().map(of));
    vec![
        Figure::told("clicks: rounds that count", Some(rounds.len() as f64)),
        Figure::told(
            "bare redirect: requests/s",
            middle(|round| round.most.bare.per_s),
        ),
        Figure::told("gavel: clicks/s", middle(|round| round.most.gavel.per_s)),
        Figure::told(
            "clicks/s, of bare's requests/s",
            middle(|round| round.most.ratio(|window| window.per_s)),
        ),
        Figure::told(
            "bare redirect: us of CPU per request at the rate",
            middle(|round| round.rate.bare.cpu_us),
        ),
        Figure::told(
            "gavel, all roles: us of CPU per click at the rate",
            middle(|round| round.rate.gavel.cpu_us),
        ),
        Figure::held_to(
            Bar::AtMost(2.5),
            "CPU per click until it is in Kafka, of bare's",
            middle(|round| round.rate.ratio(|window| window.cpu_us)),
        ),
    ]
}

fn of_batches(rounds: &[Round]) -> Vec<Figure> {
    let middle = |of: fn(&Round) -> f64| median(rounds.iter().map(of));
    vec![
        Figure::told("batches: rounds that count", Some(rounds.len() as f64)),
        Figure::told(
            "bare ingest: events/s",
            middle(|round| round.most.bare.per_s * BATCH as f64),
        ),
        Figure::told(
            "gavel: events/s",
            middle(|round| round.most.gavel.per_s * BATCH as f64),
        ),
        Figure::told(
            "events/s, of bare's",
            middle(|round| round.most.ratio(|window| window.per_s)),
        ),
        Figure::told(
            "at its most: CPU per event, of bare's",
            middle(|round| round.most.ratio(|window| window.cpu_us)),
        ),
        Figure::told(
            "bare ingest: us of CPU per event at the rate",
            middle(|round| round.rate.bare.cpu_us / BATCH as f64),
        ),
        Figure::told(
            "gavel, edge: us of CPU per event at the rate",
            middle(|round| round.rate.gavel.cpu_us / BATCH as f64),
        ),
        Figure::held_to(
            Bar::AtMost(1.45),
            "CPU per event until it is in Kafka, of bare's",
            middle(|round| round.rate.ratio(|window| window.cpu_us)),
        ),
    ]
}
