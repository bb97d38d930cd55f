//! A ping that nobody takes, read, checked, held against a hundred contracts and recorded, beside a hyper that
//! reads the same JSON with serde_json.
//!
//! Both run on the same core, the load on another one; each round measures both in random order: first as
//! fast as they are, then at one stated rate. The service's processor time is counted until its tables have
//! every auction of the window.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use loadtest::announce::Bare;
use loadtest::closed::User;
use loadtest::ratio::{Bar, median};
use loadtest::wire::{self, Message};
use traffic::Dice;

use crate::Setting;
use crate::report::{Figure, Verdict, conclude};
use crate::sides::{self, Round, Sides, Until};
use crate::stage::{Order, Stage};

/// Pings that nobody takes beside a bare hyper that parses them: requests/s and processor time of each
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sides: sides::Args,
    /// Pings/s at which processor time is compared.
    #[arg(long, default_value_t = 4_000.0, value_name = "PINGS_PER_S")]
    rate: f64,
    /// Contracts that each of them is held against.
    #[arg(long, default_value_t = 100)]
    contracts: u32,
}

pub(crate) async fn run(args: Args, setting: &Setting) -> Result<Verdict> {
    let Setting { cores, .. } = *setting;
    cores.drive()?;
    let bare = Bare::start(&setting.programs.join("bare-parse"), &[], cores).await?;
    let order = Order {
        more: crowd(args.contracts),
        ..Order::default()
    };
    let stage = Stage::set(&setting.gavel, cores, order).await?;
    let mut sides = Sides {
        bare: &bare,
        stage: &stage,
        until: Until::InTables,
        dice: Dice::new(setting.seed),
    };
    let (all, counted) = sides.rounds(&args.sides, args.rate, Pinger::new).await?;
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
            Bar::AtLeast(0.6),
            "requests/s, of bare's",
            middle(|round| round.most.ratio(|window| window.per_s)),
        ),
        Figure::told(
            "bare: us of CPU per request at the rate",
            middle(|round| round.rate.bare.cpu_us),
        ),
        Figure::told(
            "gavel, all roles: us of CPU per request at the rate",
            middle(|round| round.rate.gavel.cpu_us),
        ),
        Figure::told(
            "CPU per request at the rate until the lag is 0, of bare's",
            middle(|round| round.rate.ratio(|window| window.cpu_us)),
        ),
        Figure::told(
            "the same with the ClickHouse process",
            middle(|round| round.rate.ratio(|window| window.cpu_with_engine_us)),
        ),
    ]
}

/// A campaign whose contracts all choose, each in one of ten ways, and none of them this lead.
fn crowd(contracts: u32) -> String {
    let mut text = String::from(
        "\n[campaigns.crowd]\nschema = \"load\"\n\n[campaigns.crowd.publishers]\nnorth = { margin = \"20%\" }\n",
    );
    for number in 0..contracts {
        let step = number / 10;
        let wants =
            match number % 10 {
                0 => format!(
                    "filter = \"state in (CA, NY) and age between {} and 70\"",
                    18 + step
                ),
                1 => format!(
                    "filter = \"age >= {} and home_owner = true\"",
                    60 + step % 40
                ),
                2 => "filter = \"vehicle_make in (bmw, audi, tesla) or vehicle_year > 2024\""
                    .to_owned(),
                3 => "filter = \"currently_insured = false and credit_rating != poor\"".to_owned(),
                4 => format!("filter = \"not (age < {} or zip present)\"", 20 + step),
                5 => "states = [\"CA\", \"NY\", \"FL\", \"WA\"]\nfilter = \"age >= 25\"".to_owned(),
                6 => "zips = [\"900*\", \"941*\", \"33000-33999\"]".to_owned(),
                7 => "sources = { except = [\"north\"] }".to_owned(),
                8 => format!(
                    "filter = \"coverage_type = premium and vehicle_year >= {}\"",
                    2000 + step
                ),
                _ => "blackout = [\"2026-12-25\"]\nfilter = \"credit_rating in (excellent)\""
                    .to_owned(),
            };
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n[contracts.crowd-{number:04}]\ncampaign = \"crowd\"\nbuyer = \"buyer-{:02}\"\nping = \"bid\"\n\
             price = {{ min = \"1.00\", max = \"50.00\" }}\nping_url = \"http://127.0.0.1:9/ping\"\n\
             post_url = \"http://127.0.0.1:9/post\"\n{wants}\n",
            number % 10 + 1,
        );
    }
    text
}

const KEY: &str = "authorization: Bearer load-key-of-north\r\n";

/// One of a publisher's connections.
struct Pinger {
    number: u32,
    sent: u64,
}

impl Pinger {
    fn new(number: u32) -> Self {
        Self { number, sent: 0 }
    }

    fn ping(&self) -> String {
        let Self { number, sent } = self;
        format!(
            r#"{{"tmax_ms":3000,"sub":{{"s1":"google","s2":"adset-{}"}},"publisher_lead_id":"north-{number}-{sent}","lead":{{"zip":"78{:03}","state":"TX","age":{},"home_owner":true,"currently_insured":true,"coverage_type":"standard","vehicle_year":2019,"vehicle_make":"ford","vehicle_model":"f-150","credit_rating":"good"}}}}"#,
            sent % 10,
            sent % 800,
            30 + sent % 25,
        )
    }
}

impl User for Pinger {
    fn next(&mut self) -> Vec<u8> {
        wire::post("/v1/campaigns/crowd/ping", KEY, self.ping().as_bytes())
    }

    fn heard(&mut self, answer: Message<'_>) -> Result<()> {
        let body = String::from_utf8_lossy(answer.body);
        ensure!(
            answer.status() == Some(200) && body.contains("\"no_bid\""),
            "a ping was answered {:?} {body:.500}",
            answer.head,
        );
        self.sent += 1;
        Ok(())
    }
}
