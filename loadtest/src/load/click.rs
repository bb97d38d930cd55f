//! A click, every one of them in the journal, against a hyper that answers a fixed 302.
//!
//! Both run on the same core, the load on another one; each round measures both in random order: first as
//! fast as they are, which shows the requests/s, then at one stated rate, which shows what a request
//! costs. The service's processor time is counted until its tables have every click of the window.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use loadtest::announce::Bare;
use loadtest::closed::{self, Pace, User};
use loadtest::process;
use loadtest::ratio::{Bar, median};
use loadtest::window::{Machine, Noise, micros};
use loadtest::wire::{self, Message};
use serde::Serialize;
use traffic::Dice;

use crate::Setting;
use crate::report::{Figure, Verdict, conclude};
use crate::stage::Stage;

/// Requests on each side before anything is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// A visitor clicks so often; the first time without a cookie.
const CLICKS: u32 = 4;
/// Fewer rounds that are quiet on both sides are no measurement.
const FEWEST: usize = 5;
/// A side that answers less than this share of the stated rate was not measured at it.
const REACHED: f64 = 0.95;

/// Click redirects beside a bare hyper redirect: requests/s and processor time of each request
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds; each measures both sides.
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// How long each side is loaded in a round.
    #[arg(long, default_value_t = 2.5)]
    seconds: f64,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Clicks/s at which processor time is compared.
    #[arg(long, default_value_t = 20_000.0, value_name = "CLICKS_PER_S")]
    rate: f64,
}

/// One side of a round.
#[derive(Debug, Clone, Copy, Serialize)]
struct Window {
    answers: u64,
    per_s: f64,
    cpu_us: f64,
    cpu_with_engine_us: f64,
    noise: Noise,
}

/// Both sides under one load.
#[derive(Debug, Clone, Copy, Serialize)]
struct Pair {
    bare: Window,
    gavel: Window,
}

#[derive(Debug, Serialize)]
struct Round {
    /// As fast as they are.
    most: Pair,
    /// At the stated rate.
    rate: Pair,
}

pub(crate) async fn run(args: Args, setting: &Setting) -> Result<Verdict> {
    let Setting { cores, .. } = *setting;
    cores.drive()?;
    ensure!(args.rate > 0.0, "a rate is above 0");
    let bare = Bare::start(&setting.programs.join("bare-redirect"), &[], cores).await?;
    let stage = Stage::set(&setting.gavel, cores, &[]).await?;
    let mut sides = Sides {
        bare,
        stage,
        connections: args.connections,
        length: Duration::try_from_secs_f64(args.seconds)?,
        dice: Dice::new(setting.seed),
    };
    sides.warm_up().await?;
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        let round = Round {
            most: sides.pair(None).await?,
            rate: sides.pair(Some(args.rate)).await?,
        };
        let left_out = round.left_out(args.rate);
        eprintln!(
            "round {number}: bare {}; gavel {}{}",
            round.told(|pair| pair.bare),
            round.told(|pair| pair.gavel),
            left_out.map_or(String::new(), |why| format!(" (left out: {why})")),
        );
        rounds.push((round, left_out.is_none()));
    }
    sides.stage.clear().await?;
    let counted = rounds.iter().filter(|(_, counts)| *counts);
    let figures = figures(&counted.map(|(round, _)| round).collect::<Vec<_>>())?;
    let rounds: Vec<&Round> = rounds.iter().map(|(round, _)| round).collect();
    conclude(&figures, &rounds, setting.out.as_deref())
}

impl Round {
    /// Why it does not count.
    fn left_out(&self, rate: f64) -> Option<&'static str> {
        let windows = [
            self.most.bare,
            self.most.gavel,
            self.rate.bare,
            self.rate.gavel,
        ];
        if !windows.iter().all(|window| window.noise.quiet()) {
            return Some("steal");
        }
        let [.., bare, gavel] = windows;
        let slowest = bare.per_s.min(gavel.per_s);
        (slowest < REACHED * rate).then_some("the rate was not reached")
    }

    fn told(&self, side: fn(&Pair) -> Window) -> String {
        let (most, rate) = (side(&self.most), side(&self.rate));
        format!(
            "{:.0}/s {:.1} us, at the rate {:.1} us, with engine {:.1} us",
            most.per_s, most.cpu_us, rate.cpu_us, rate.cpu_with_engine_us
        )
    }
}

fn figures(rounds: &[&Round]) -> Result<Vec<Figure>> {
    ensure!(rounds.len() >= FEWEST, "only {} rounds count", rounds.len());
    let middle = |of: fn(&Round) -> f64| median(rounds.iter().map(|round| of(round)));
    Ok(vec![
        Figure::told("rounds that count", Some(rounds.len() as f64)),
        Figure::told("bare: requests/s", middle(|round| round.most.bare.per_s)),
        Figure::told("gavel: requests/s", middle(|round| round.most.gavel.per_s)),
        Figure::held_to(
            Bar::AtLeast(0.5),
            "requests/s, of bare's",
            middle(|round| round.most.ratio(|window| window.per_s)),
        ),
        Figure::told(
            "at its most: CPU per request, of bare's",
            middle(|round| round.most.ratio(|window| window.cpu_us)),
        ),
        Figure::told(
            "bare: us of CPU per request at the rate",
            middle(|round| round.rate.bare.cpu_us),
        ),
        Figure::told(
            "gavel, all roles: us of CPU per request at the rate",
            middle(|round| round.rate.gavel.cpu_us),
        ),
        Figure::held_to(
            Bar::AtMost(2.0),
            "CPU per request at the rate until the lag is 0, of bare's",
            middle(|round| round.rate.ratio(|window| window.cpu_us)),
        ),
        Figure::told(
            "the same with the ClickHouse process",
            middle(|round| round.rate.ratio(|window| window.cpu_with_engine_us)),
        ),
    ])
}

impl Pair {
    /// The service's figure, as so many of bare's.
    fn ratio(&self, of: fn(Window) -> f64) -> f64 {
        of(self.gavel) / of(self.bare)
    }
}

struct Sides {
    bare: Bare,
    stage: Stage,
    connections: u32,
    length: Duration,
    dice: Dice,
}

impl Sides {
    fn visitors(&self) -> Vec<Visitor> {
        (0..self.connections).map(Visitor::new).collect()
    }

    fn pace(&mut self, rate: Option<f64>) -> Pace {
        rate.map_or(Pace::Flat, |rate| Pace::Rate(rate, self.dice.fork()))
    }

    async fn warm_up(&mut self) -> Result<()> {
        let length = std::mem::replace(&mut self.length, WARM_UP);
        self.pair(None).await?;
        self.length = length;
        Ok(())
    }

    async fn pair(&mut self, rate: Option<f64>) -> Result<Pair> {
        if self.dice.happens(0.5) {
            let bare = self.bare(rate).await?;
            let gavel = self.gavel(rate).await?;
            return Ok(Pair { bare, gavel });
        }
        let gavel = self.gavel(rate).await?;
        let bare = self.bare(rate).await?;
        Ok(Pair { bare, gavel })
    }

    async fn bare(&mut self, rate: Option<f64>) -> Result<Window> {
        self.stage.at_rest().await?;
        let id = self.bare.id()?;
        let (machine, before) = (Machine::now()?, process::cpu(id)?);
        let done = self.load(self.bare.address, rate).await?;
        let spent = process::cpu(id)?.saturating_sub(before);
        Ok(Window::of(
            done,
            Machine::now()?.since(machine),
            spent,
            spent,
        ))
    }

    async fn gavel(&mut self, rate: Option<f64>) -> Result<Window> {
        self.stage.at_rest().await?;
        let (machine, before) = (Machine::now()?, self.stage.spent()?);
        let done = self.load(self.stage.address(), rate).await?;
        let noise = Machine::now()?.since(machine);
        self.stage.caught_up().await?;
        let spent = self.stage.spent()? - before;
        Ok(Window::of(done, noise, spent.service, spent.all()))
    }

    async fn load(&mut self, address: SocketAddr, rate: Option<f64>) -> Result<closed::Done> {
        let (visitors, pace) = (self.visitors(), self.pace(rate));
        closed::run(address, visitors, pace, self.length, self.stage.clock()).await
    }
}

impl Window {
    fn of(done: closed::Done, noise: Noise, spent: Duration, with_engine: Duration) -> Self {
        let answers = done.answers.max(1) as f64;
        Self {
            answers: done.answers,
            per_s: answers / done.took.as_secs_f64(),
            cpu_us: micros(spent) / answers,
            cpu_with_engine_us: micros(with_engine) / answers,
            noise,
        }
    }
}

/// Somebody who clicks a few times and is then somebody else.
struct Visitor {
    path: String,
    cookie: Option<String>,
    clicks: u32,
}

impl Visitor {
    fn new(number: u32) -> Self {
        let link = match number % 3 {
            0 => "north-a",
            1 => "north-b",
            _ => "south-a",
        };
        Self {
            path: format!(
                "/c/{link}?s1=google&s2=adset-{}&gclid=g-{number}",
                number % 10
            ),
            cookie: None,
            clicks: 0,
        }
    }
}

/// What a browser sends.
const BROWSER: &str = "user-agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n";
/// As long as a cookie of the service, for a server that sets none.
const NO_COOKIE: &str = "gvid=v_00000000000000000000000000000000000000";

impl User for Visitor {
    fn next(&mut self) -> Vec<u8> {
        if self.clicks.is_multiple_of(CLICKS) {
            self.cookie = None;
            return wire::get(&self.path, BROWSER);
        }
        let cookie = self.cookie.as_deref().unwrap_or(NO_COOKIE);
        wire::get(&self.path, &format!("{BROWSER}cookie: {cookie}\r\n"))
    }

    fn heard(&mut self, answer: Message<'_>) -> Result<()> {
        ensure!(
            answer.status() == Some(302),
            "a click was answered {:?}",
            answer.head
        );
        self.clicks += 1;
        if let Some(cookie) = answer.header("set-cookie") {
            let name_and_value = cookie.split(';').next().unwrap_or_default();
            self.cookie = Some(name_and_value.to_owned());
        }
        Ok(())
    }
}
