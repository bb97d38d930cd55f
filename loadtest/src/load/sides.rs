//! A bare program and the service under the same load, one after the other.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use loadtest::announce::Bare;
use loadtest::closed::{self, Pace, User};
use loadtest::process;
use loadtest::window::{Machine, Noise, micros};
use serde::Serialize;
use traffic::Dice;

use crate::stage::{Spent, Stage};

/// Requests on each side before anything is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// Fewer rounds that are quiet on both sides are no measurement.
const FEWEST: usize = 5;
/// A side that answers less than this share of the stated rate was not measured at it.
const REACHED: f64 = 0.95;

/// How both sides are loaded.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Rounds; each measures both sides.
    #[arg(long, default_value_t = 10)]
    pub(crate) rounds: u32,
    /// How long each side is loaded in a round.
    #[arg(long, default_value_t = 2.5)]
    pub(crate) seconds: f64,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: u32,
}

/// Until when the service's processor time counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// Until its tables have everything.
    InTables,
    /// Until Kafka has everything.
    InKafka,
    /// Until everything is answered.
    Answered,
}

/// One side of a round.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Window {
    answers: u64,
    pub(crate) per_s: f64,
    pub(crate) cpu_us: f64,
    pub(crate) cpu_with_engine_us: f64,
    noise: Noise,
}

/// Both sides under one load.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Pair {
    pub(crate) bare: Window,
    pub(crate) gavel: Window,
}

/// Both under both loads.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Round {
    /// As fast as they are.
    pub(crate) most: Pair,
    /// At the stated rate.
    pub(crate) rate: Pair,
}

impl Pair {
    /// The service's figure, as so many of bare's.
    pub(crate) fn ratio(&self, of: fn(Window) -> f64) -> f64 {
        of(self.gavel) / of(self.bare)
    }
}

/// What is loaded.
pub(crate) struct Sides<'a> {
    pub(crate) bare: &'a Bare,
    pub(crate) stage: &'a Stage,
    pub(crate) until: Until,
    pub(crate) dice: Dice,
}

impl Sides<'_> {
    /// Warms both up, and measures them in rounds; gives all of them, and those that count.
    pub(crate) async fn rounds<U: User + 'static>(
        &mut self,
        args: &Args,
        rate: f64,
        user: impl Fn(u32) -> U,
    ) -> Result<(Vec<Round>, Vec<Round>)> {
        ensure!(rate > 0.0, "a rate is above 0");
        let load = |length, rate| Load {
            users: args.connections,
            user: &user,
            length,
            rate,
        };
        let length = Duration::try_from_secs_f64(args.seconds)?;
        self.pair(&load(WARM_UP, None)).await?;
        let (mut all, mut counted) = (Vec::new(), Vec::new());
        for number in 1..=args.rounds {
            let round = Round {
                most: self.pair(&load(length, None)).await?,
                rate: self.pair(&load(length, Some(rate))).await?,
            };
            let left_out = round.left_out(rate);
            eprintln!(
                "round {number}: bare {}; gavel {}{}",
                round.told(|pair| pair.bare),
                round.told(|pair| pair.gavel),
                left_out.map_or(String::new(), |why| format!(" (left out: {why})")),
            );
            all.push(round);
            if left_out.is_none() {
                counted.push(round);
            }
        }
        ensure!(
            counted.len() >= FEWEST,
            "only {} rounds count",
            counted.len()
        );
        Ok((all, counted))
    }

    async fn pair<U: User + 'static>(&mut self, load: &Load<'_, U>) -> Result<Pair> {
        if self.dice.happens(0.5) {
            let bare = self.bare(load).await?;
            let gavel = self.gavel(load).await?;
            return Ok(Pair { bare, gavel });
        }
        let gavel = self.gavel(load).await?;
        let bare = self.bare(load).await?;
        Ok(Pair { bare, gavel })
    }

    async fn bare<U: User + 'static>(&mut self, load: &Load<'_, U>) -> Result<Window> {
        self.stage.at_rest().await?;
        let id = self.bare.id()?;
        let (machine, before) = (Machine::now()?, process::cpu(id)?);
        let done = self.load(self.bare.address, load).await?;
        let service = process::cpu(id)?.saturating_sub(before);
        let spent = Spent {
            service,
            engine: Duration::ZERO,
        };
        Ok(Window::of(done, Machine::now()?.since(machine), spent))
    }

    async fn gavel<U: User + 'static>(&mut self, load: &Load<'_, U>) -> Result<Window> {
        self.stage.at_rest().await?;
        let (machine, before) = (Machine::now()?, self.stage.spent()?);
        let done = self.load(self.stage.address(), load).await?;
        let noise = Machine::now()?.since(machine);
        let after = match self.until {
            Until::InTables => {
                self.stage.caught_up().await?;
                self.stage.spent()?
            }
            Until::InKafka => self.stage.shipped().await?,
            Until::Answered => self.stage.spent()?,
        };
        Ok(Window::of(done, noise, after - before))
    }

    async fn load<U: User + 'static>(
        &mut self,
        address: SocketAddr,
        load: &Load<'_, U>,
    ) -> Result<closed::Done> {
        let users = (0..load.users).map(load.user).collect();
        let rate = load.rate;
        let pace = rate.map_or(Pace::Flat, |rate| Pace::Rate(rate, self.dice.fork()));
        closed::run(address, users, pace, load.length, self.stage.clock()).await
    }
}

/// Who calls, how long and how often.
struct Load<'a, U> {
    users: u32,
    user: &'a dyn Fn(u32) -> U,
    length: Duration,
    /// None: as often as they are answered.
    rate: Option<f64>,
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

impl Window {
    fn of(done: closed::Done, noise: Noise, spent: Spent) -> Self {
        let answers = done.answers.max(1) as f64;
        Self {
            answers: done.answers,
            per_s: answers / done.took.as_secs_f64(),
            cpu_us: micros(spent.service) / answers,
            cpu_with_engine_us: micros(spent.all()) / answers,
            noise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(per_s: f64, cpu_us: f64, steal: f64) -> Window {
        Window {
            answers: 1,
            per_s,
            cpu_us,
            cpu_with_engine_us: cpu_us,
            noise: Noise { steal, busy: 1.0 },
        }
    }

    #[test]
    fn a_round_counts_if_it_was_quiet_and_at_its_rate() {
        let round = |slowest, steal| Round {
            most: Pair {
                bare: window(9.0, 1.0, 0.0),
                gavel: window(3.0, 2.0, 0.0),
            },
            rate: Pair {
                bare: window(100.0, 4.0, 0.0),
                gavel: window(slowest, 10.0, steal),
            },
        };
        assert_eq!(round(95.0, 0.0).left_out(100.0), None);
        assert_eq!(round(95.0, 0.0).rate.ratio(|window| window.cpu_us), 2.5);
        assert!(round(94.0, 0.0).left_out(100.0).is_some());
        assert!(round(100.0, 0.2).left_out(100.0).is_some());
    }

    #[test]
    fn a_request_costs_its_share_of_what_was_spent() {
        let done = closed::Done {
            answers: 1000,
            took: Duration::from_millis(500),
        };
        let spent = Spent {
            service: Duration::from_millis(20),
            engine: Duration::from_millis(5),
        };
        let noise = Noise {
            steal: 0.0,
            busy: 1.0,
        };
        let window = Window::of(done, noise, spent);
        assert_eq!(
            (window.per_s, window.cpu_us, window.cpu_with_engine_us),
            (2000.0, 20.0, 25.0)
        );
    }
}
