//! A click, every one of them in the journal, against a hyper that answers a fixed 302.
//!
//! Both run on the same core, the load on another one; each round measures both in random order. The
//! service's processor time is counted until its tables have every click of the window.

use std::time::Duration;

use anyhow::{Result, ensure};
use loadtest::announce::Bare;
use loadtest::closed::{self, User};
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

#[derive(Debug, Serialize)]
struct Round {
    bare: Window,
    gavel: Window,
}

pub(crate) async fn run(args: Args, setting: &Setting) -> Result<Verdict> {
    let Setting { cores, .. } = *setting;
    cores.drive()?;
    let bare = Bare::start(&setting.programs.join("bare-redirect"), &[], cores).await?;
    let stage = Stage::set(&setting.gavel, cores, &[]).await?;
    let length = Duration::try_from_secs_f64(args.seconds)?;
    let sides = Sides {
        bare,
        stage,
        connections: args.connections,
    };
    sides.bare(WARM_UP).await?;
    sides.gavel(WARM_UP).await?;
    let mut dice = Dice::new(setting.seed);
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        let round = if dice.happens(0.5) {
            let bare = sides.bare(length).await?;
            let gavel = sides.gavel(length).await?;
            Round { bare, gavel }
        } else {
            let gavel = sides.gavel(length).await?;
            let bare = sides.bare(length).await?;
            Round { bare, gavel }
        };
        eprintln!(
            "round {number}: bare {:.0}/s {:.1} us; gavel {:.0}/s {:.1} us, with engine {:.1} us{}",
            round.bare.per_s,
            round.bare.cpu_us,
            round.gavel.per_s,
            round.gavel.cpu_us,
            round.gavel.cpu_with_engine_us,
            if round.quiet() {
                ""
            } else {
                " (dropped: steal)"
            },
        );
        rounds.push(round);
    }
    sides.stage.clear().await?;
    let figures = figures(&rounds)?;
    conclude(&figures, &rounds, setting.out.as_deref())
}

impl Round {
    fn quiet(&self) -> bool {
        self.bare.noise.quiet() && self.gavel.noise.quiet()
    }
}

fn figures(rounds: &[Round]) -> Result<Vec<Figure>> {
    let quiet: Vec<&Round> = rounds.iter().filter(|round| round.quiet()).collect();
    ensure!(
        quiet.len() >= FEWEST,
        "only {} rounds were quiet",
        quiet.len()
    );
    let middle = |of: fn(&Round) -> f64| median(quiet.iter().map(|round| of(round)));
    Ok(vec![
        Figure::told("rounds that count", Some(quiet.len() as f64)),
        Figure::told("bare: requests/s", middle(|round| round.bare.per_s)),
        Figure::told("gavel: requests/s", middle(|round| round.gavel.per_s)),
        Figure::told(
            "bare: us of CPU per request",
            middle(|round| round.bare.cpu_us),
        ),
        Figure::told(
            "gavel, all roles: us of CPU per request",
            middle(|round| round.gavel.cpu_us),
        ),
        Figure::held_to(
            Bar::AtLeast(0.5),
            "requests/s, of bare's",
            middle(|round| round.gavel.per_s / round.bare.per_s),
        ),
        Figure::held_to(
            Bar::AtMost(2.0),
            "CPU per request until the lag is 0, of bare's",
            middle(|round| round.gavel.cpu_us / round.bare.cpu_us),
        ),
        Figure::told(
            "the same with the ClickHouse process",
            middle(|round| round.gavel.cpu_with_engine_us / round.bare.cpu_us),
        ),
    ])
}

struct Sides {
    bare: Bare,
    stage: Stage,
    connections: u32,
}

impl Sides {
    fn visitors(&self) -> Vec<Visitor> {
        (0..self.connections).map(Visitor::new).collect()
    }

    async fn bare(&self, length: Duration) -> Result<Window> {
        self.stage.at_rest().await?;
        let id = self.bare.id()?;
        let (machine, before) = (Machine::now()?, process::cpu(id)?);
        let clock = self.stage.clock();
        let done = closed::run(self.bare.address, self.visitors(), length, clock).await?;
        let spent = process::cpu(id)?.saturating_sub(before);
        Ok(Window::of(
            done,
            Machine::now()?.since(machine),
            spent,
            spent,
        ))
    }

    async fn gavel(&self, length: Duration) -> Result<Window> {
        self.stage.at_rest().await?;
        let (machine, before) = (Machine::now()?, self.stage.spent()?);
        let clock = self.stage.clock();
        let done = closed::run(self.stage.address(), self.visitors(), length, clock).await?;
        let noise = Machine::now()?.since(machine);
        self.stage.caught_up().await?;
        let spent = self.stage.spent()? - before;
        Ok(Window::of(done, noise, spent.service, spent.all()))
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
