//! An auction among ten buyers who take 20 ms each, against a program that only fans out.
//!
//! Both run on one core and call the same buyers; load and buyers have the other core. The load is open
//! loop, and latency counts from the moment a request was due. Overhead is latency less the 20 ms.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use loadtest::announce::Bare;
use loadtest::open::{self, Load};
use loadtest::ratio::median;
use loadtest::stub::Stub;
use loadtest::window::{Machine, Noise, micros};
use loadtest::{process, wire};
use serde::Serialize;
use traffic::{Dice, Percentiles};

use crate::Setting;
use crate::report::{Figure, Verdict, conclude};
use crate::stage::{Order, Stage};

const BUYERS: u32 = 10;
const DELAY: Duration = Duration::from_millis(20);
/// The knee is where the slowest hundredth has more overhead than this.
const KNEE_MS: f64 = 5.0;
/// Connections of the load.
const CONNECTIONS: usize = 1024;
/// Rates that are tried for the knee.
const RATES: [f64; 14] = [
    50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 600.0, 800.0, 1000.0, 1300.0, 1600.0, 2000.0,
    2500.0,
];
/// A rate is given up after so many windows beyond the knee: the host has bad moments.
const TRIES: u32 = 3;

const LEAD: &str = r#"{"zip":"78701","state":"TX","age":34,"home_owner":true,
    "currently_insured":true,"coverage_type":"standard","vehicle_year":2021,
    "vehicle_make":"Toyota","vehicle_model":"Camry","credit_rating":"good"}"#;

/// Auctions of ten buyers beside a bare fan-out program: CPU, added latency, the knee, overload
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds at half of the service's own maximum; each measures both sides.
    #[arg(long, default_value_t = 8)]
    rounds: u32,
    /// How long each window is.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Auctions/s to take for the service's maximum, instead of looking for it.
    #[arg(long, value_name = "AUCTIONS_PER_S")]
    most: Option<f64>,
}

/// One side in one window.
#[derive(Debug, Clone, Copy, Serialize)]
struct Window {
    offered_per_s: f64,
    good_per_s: f64,
    refused: u64,
    failed: u64,
    /// Over the 20 ms, in milliseconds.
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    cpu_us: f64,
    cpu_with_engine_us: f64,
    noise: Noise,
}

impl Window {
    /// Whether the service keeps up.
    fn below_the_knee(&self) -> bool {
        self.p99_ms <= KNEE_MS && self.good_per_s >= 0.9 * self.offered_per_s
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Round {
    bare: Window,
    gavel: Window,
}

#[derive(Debug, Serialize)]
struct Raw {
    bare_climb: Vec<Window>,
    gavel_climb: Vec<Window>,
    half_per_s: f64,
    rounds: Vec<Round>,
    overload: Window,
    at_most: Window,
    most_connections_to_a_buyer: usize,
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Bare,
    Gavel,
}

pub(crate) async fn run(args: Args, setting: &Setting) -> Result<Verdict> {
    let Setting { cores, .. } = *setting;
    cores.drive()?;
    let clock = std::rc::Rc::new(loadtest::clock::OsClock::start());
    let stub = Stub::start(BUYERS, DELAY, clock).await.context("buyers")?;
    let buyers: Vec<String> = stub.addresses.iter().map(SocketAddr::to_string).collect();
    let bare = Bare::start(&setting.programs.join("bare-fanout"), &buyers, cores).await?;
    let order = Order {
        buyers: &stub.addresses,
        ..Order::default()
    };
    let stage = Stage::set(&setting.gavel, setting.cores, order).await?;
    let body = format!(r#"{{"tmax_ms":3000,"lead":{LEAD}}}"#);
    let key = "authorization: Bearer load-key-of-north\r\n";
    let mut sides = Sides {
        bare,
        stage,
        request: wire::post("/v1/campaigns/load/ping", key, body.as_bytes()),
        length: Duration::try_from_secs_f64(args.seconds)?,
        dice: Dice::new(setting.seed),
    };
    // Connections and code paths are warm before anything counts.
    for side in [Side::Bare, Side::Gavel] {
        let warm = sides.window(side, 100.0).await?;
        ensure!(
            warm.good_per_s > 0.0,
            "no auction succeeds on {side:?}: {warm:?}"
        );
    }
    let (bare_climb, gavel_climb, most) = match args.most {
        Some(given) => (Vec::new(), Vec::new(), given),
        None => {
            let bare = sides.climb(Side::Bare).await?;
            let gavel = sides.climb(Side::Gavel).await?;
            let found = most(&gavel);
            let found = found.context("the service is beyond the knee at every rate")?;
            (bare, gavel, found)
        }
    };
    ensure!(most > 0.0, "a maximum is above 0");
    let half_per_s = most / 2.0;
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        let first = sides.dice.happens(0.5);
        let (one, other) = if first {
            (Side::Bare, Side::Gavel)
        } else {
            (Side::Gavel, Side::Bare)
        };
        let one = sides.window(one, half_per_s).await?;
        let other = sides.window(other, half_per_s).await?;
        let (bare, gavel) = if first { (one, other) } else { (other, one) };
        rounds.push(Round { bare, gavel });
    }
    let at_most = sides.window(Side::Gavel, most).await?;
    let overload = sides.window(Side::Gavel, 2.0 * most).await?;
    sides.stage.clear().await?;
    let raw = Raw {
        bare_climb,
        gavel_climb,
        half_per_s,
        rounds,
        overload,
        at_most,
        most_connections_to_a_buyer: stub.most_connections(),
    };
    conclude(&figures(&raw)?, &raw, setting.out.as_deref())
}

fn figures(raw: &Raw) -> Result<Vec<Figure>> {
    let quiet = |window: &Window| window.noise.quiet();
    let rounds = raw.rounds.iter();
    let rounds: Vec<&Round> = rounds
        .filter(|round| quiet(&round.bare) && quiet(&round.gavel))
        .collect();
    ensure!(!rounds.is_empty(), "no round was quiet");
    let middle = |of: fn(&Round) -> f64| median(rounds.iter().map(|round| of(round)));
    let (bare_most, gavel_most) = (most(&raw.bare_climb), most(&raw.gavel_climb));
    let told = Figure::told;
    Ok(vec![
        told("rounds that count", Some(rounds.len() as f64)),
        told(
            "bare: auctions/s with p99 overhead of at most 5 ms",
            bare_most,
        ),
        told("gavel: the same", gavel_most),
        told(
            "gavel's auctions/s, of bare's",
            gavel_most.zip(bare_most).map(|(gavel, bare)| gavel / bare),
        ),
        told("at half of gavel's: auctions/s", Some(raw.half_per_s)),
        told("bare: overhead p50, ms", middle(|round| round.bare.p50_ms)),
        told("bare: overhead p99, ms", middle(|round| round.bare.p99_ms)),
        told(
            "gavel: overhead p50, ms",
            middle(|round| round.gavel.p50_ms),
        ),
        told(
            "gavel: overhead p99, ms",
            middle(|round| round.gavel.p99_ms),
        ),
        told(
            "added p50, ms",
            middle(|round| round.gavel.p50_ms - round.bare.p50_ms),
        ),
        told(
            "added p99, ms",
            middle(|round| round.gavel.p99_ms - round.bare.p99_ms),
        ),
        told(
            "bare: us of CPU per auction",
            middle(|round| round.bare.cpu_us),
        ),
        told(
            "gavel, all roles: us of CPU per auction",
            middle(|round| round.gavel.cpu_us),
        ),
        told(
            "gavel's CPU per auction, of bare's",
            middle(|round| round.gavel.cpu_us / round.bare.cpu_us),
        ),
        told(
            "the same with the ClickHouse process",
            middle(|round| round.gavel.cpu_with_engine_us / round.bare.cpu_us),
        ),
        told(
            "offered twice its maximum: goodput, of that at the maximum",
            Some(raw.overload.good_per_s / raw.at_most.good_per_s),
        ),
        told(
            "most connections to one buyer at once (cap 128, each side)",
            Some(raw.most_connections_to_a_buyer as f64),
        ),
    ])
}

/// The highest rate below the knee.
fn most(climb: &[Window]) -> Option<f64> {
    let below = climb.iter().filter(|window| window.below_the_knee());
    below
        .map(|window| window.offered_per_s)
        .max_by(f64::total_cmp)
}

struct Sides {
    bare: Bare,
    stage: Stage,
    request: Vec<u8>,
    length: Duration,
    dice: Dice,
}

impl Sides {
    /// Higher and higher rates until one is beyond the knee in every try.
    async fn climb(&mut self, side: Side) -> Result<Vec<Window>> {
        let mut windows = Vec::new();
        for rate in RATES {
            let mut tries = 0;
            let below = loop {
                let window = self.window(side, rate).await?;
                windows.push(window);
                tries += 1;
                if window.below_the_knee() || tries == TRIES {
                    break window.below_the_knee();
                }
            };
            if !below {
                break;
            }
        }
        Ok(windows)
    }

    async fn window(&mut self, side: Side, rate: f64) -> Result<Window> {
        self.stage.at_rest().await?;
        let address = match side {
            Side::Bare => self.bare.address,
            Side::Gavel => self.stage.address(),
        };
        let before = self.spent(side)?;
        let machine = Machine::now()?;
        let load = Load {
            address,
            request: &self.request,
            rate,
            length: self.length,
            connections: CONNECTIONS,
        };
        let done = open::run(load, self.dice.fork(), self.stage.clock()).await?;
        let noise = Machine::now()?.since(machine);
        if matches!(side, Side::Gavel) {
            self.stage.caught_up().await?;
        }
        let (service, with_engine) = {
            let now = self.spent(side)?;
            (
                now.0.saturating_sub(before.0),
                now.1.saturating_sub(before.1),
            )
        };
        let delay = i64::try_from(DELAY.as_micros()).unwrap_or(i64::MAX);
        let over = Percentiles::of(done.took_us.iter().map(|took| took - delay));
        let at = |of: fn(Percentiles) -> f64| over.map_or(f64::INFINITY, of);
        let auctions = (done.good + done.refused).max(1) as f64;
        let seconds = self.length.as_secs_f64();
        let window = Window {
            // What was due in fact: arrivals are drawn.
            offered_per_s: done.due as f64 / seconds,
            good_per_s: done.good as f64 / seconds,
            refused: done.refused,
            failed: done.failed,
            p50_ms: at(|over| over.p50),
            p99_ms: at(|over| over.p99),
            p999_ms: at(|over| over.p999),
            cpu_us: micros(service) / auctions,
            cpu_with_engine_us: micros(with_engine) / auctions,
            noise,
        };
        eprintln!(
            "{side:?} {rate:.0}/s: good {:.0}/s, over 20 ms p50 {:.2} p99 {:.2}, {:.0} us CPU{}",
            window.good_per_s,
            window.p50_ms,
            window.p99_ms,
            window.cpu_us,
            if noise.quiet() { "" } else { " (steal)" },
        );
        Ok(window)
    }

    /// Processor time without and with ClickHouse.
    fn spent(&self, side: Side) -> Result<(Duration, Duration)> {
        Ok(match side {
            Side::Bare => {
                let spent = process::cpu(self.bare.id()?)?;
                (spent, spent)
            }
            Side::Gavel => {
                let spent = self.stage.spent()?;
                (spent.service, spent.all())
            }
        })
    }
}
