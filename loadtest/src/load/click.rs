//! A click, every one of them in the journal, against a hyper that answers a fixed 302.
//!
//! Both run on the same core, the load on another one; each round measures both in random order: first as
//! fast as they are, which shows the requests/s, then at one stated rate, which shows what a request
//! costs. The service's processor time is counted until its tables have every click of the window.

use anyhow::Result;
use loadtest::announce::Bare;
use loadtest::ratio::{Bar, median};
use traffic::Dice;

use crate::Setting;
use crate::report::{Figure, Verdict, conclude};
use crate::sides::{self, Round, Sides, Until};
use crate::stage::{Order, Stage};
use crate::visitor::Visitor;

/// Click redirects beside a bare hyper redirect: requests/s and processor time of each request
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sides: sides::Args,
    /// Clicks/s at which processor time is compared.
    #[arg(long, default_value_t = 20_000.0, value_name = "CLICKS_PER_S")]
    rate: f64,
}

pub(crate) async fn run(args: Args, setting: &Setting) -> Result<Verdict> {
    let Setting { cores, .. } = *setting;
    cores.drive()?;
    let bare = Bare::start(&setting.programs.join("bare-redirect"), &[], cores).await?;
    let stage = Stage::set(&setting.gavel, cores, Order::default()).await?;
    let mut sides = Sides {
        bare: &bare,
        stage: &stage,
        until: Until::InTables,
        dice: Dice::new(setting.seed),
    };
    let (all, counted) = sides.rounds(&args.sides, args.rate, Visitor::new).await?;
    stage.clear().await?;
    conclude(&figures(&counted), &all, setting.out.as_deref())
}

fn figures(rounds: &[Round]) -> Vec<Figure> {
    let middle = |of: fn(&Round) -> f64| median(rounds.iter().map(of));
    vec![
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
    ]
}
