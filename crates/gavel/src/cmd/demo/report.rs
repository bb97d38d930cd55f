//! What the demo prints: a table for a person, or one JSON object (`api.md` of the design describes it).

use std::collections::BTreeMap;

use anyhow::Result;
use domain::Micros;
use sandbox::Entry;
use serde::{Deserialize, Serialize};
use traffic::{
    Check, Clients, Held, Percentiles, Sample, Told, Warehouse, Way, control_samples,
    overhead_samples,
};

use super::Gathered;
use super::cast::MEASURED;

/// Sums that only ClickHouse knows.
pub(super) struct Totals {
    version: String,
    rows: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct TableRows {
    name: String,
    rows: u64,
}

impl Totals {
    /// Reads them.
    pub(super) async fn read(warehouse: &Warehouse) -> Result<Self> {
        let version = warehouse
            .value::<String>("SELECT version() AS value")
            .await?;
        let tables: Vec<TableRows> = warehouse
            .rows(
                "SELECT name, toUInt64(ifNull(total_rows, 0)) AS rows FROM system.tables \
                 WHERE database = currentDatabase() AND engine LIKE '%MergeTree'",
            )
            .await?;
        Ok(Self {
            version: version.unwrap_or_default(),
            rows: tables
                .into_iter()
                .map(|table| (table.name, table.rows))
                .collect(),
        })
    }
}

/// The object of `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    clicks: usize,
    conversions: usize,
    quotes: Quotes,
    leads: Leads,
    auction: Auction,
    money: Money,
    attribution: BTreeMap<&'static str, Credit>,
    clickhouse: Clickhouse,
    freshness_ms: Option<Freshness>,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Quotes {
    pings: usize,
    quoted: usize,
    no_bid: usize,
    refused: usize,
    posted: usize,
    expired: usize,
    open: usize,
}

#[derive(Debug, Serialize)]
struct Leads {
    received: usize,
    sold: usize,
    unsold: usize,
    rejected: usize,
    duplicate: usize,
    pending: usize,
    lost: i64,
}

#[derive(Debug, Serialize)]
struct Auction {
    pings: usize,
    overhead_ms: Option<Percentiles>,
    control_ms: Option<Percentiles>,
    /// Seconds watched, and those without a busy host beside us: both figures are of these.
    seconds: Watched,
}

#[derive(Debug, Serialize)]
struct Watched {
    watched: usize,
    kept: usize,
}

#[derive(Debug, Serialize)]
struct Money {
    revenue: String,
    payout: String,
    margin: String,
}

#[derive(Debug, Serialize)]
struct Credit {
    conversions: String,
    value: String,
}

#[derive(Debug, Serialize)]
struct Clickhouse {
    version: String,
    rows: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct Freshness {
    p50: f64,
    p99: f64,
}

impl Report {
    pub(super) fn of(gathered: &Gathered, entries: &[Entry], mut checks: Vec<Check>) -> Self {
        let Gathered {
            told,
            held,
            postbacks: _,
            totals,
            control,
            seconds,
            freshness,
        } = gathered;
        let clients = Clients::of(told);
        let quotes = Quotes::of(&clients, told);
        let leads = Leads::of(&clients);
        checks.push(Check::that(
            "pings = quoted + no_bid + refused, quoted = posted + expired + open",
            quotes.add_up(),
            format!("{quotes:?}"),
        ));
        checks.push(Check::that(
            "received = sold + unsold + rejected + duplicate + pending, none lost",
            leads.lost == 0,
            format!("{leads:?}"),
        ));
        // With less than two thirds of the time left nothing can be said about milliseconds.
        let enough = seconds.kept() * 3 >= seconds.watched() * 2;
        let percentiles = |samples: Vec<Sample>| {
            let quiet = samples
                .into_iter()
                .filter(|sample| enough && sample.quiet(seconds));
            Percentiles::of(quiet.map(|sample| sample.over_us))
        };
        Self {
            clicks: clients.clicks.len(),
            conversions: held.conversions.len(),
            quotes,
            leads,
            auction: Auction {
                pings: held.pings.len(),
                overhead_ms: percentiles(overhead_samples(told, entries, MEASURED)),
                control_ms: percentiles(control_samples(control, entries)),
                seconds: Watched {
                    watched: seconds.watched(),
                    kept: seconds.kept(),
                },
            },
            money: Money::of(held),
            attribution: ["last_click", "first_click", "linear"]
                .map(|model| (model, Credit::of(held, model)))
                .into(),
            clickhouse: Clickhouse {
                version: totals.version.clone(),
                rows: totals.rows.clone(),
            },
            freshness_ms: Percentiles::of(freshness.iter().copied()).map(|all| Freshness {
                p50: all.p50,
                p99: all.p99,
            }),
            checks,
        }
    }

    /// Whether every check holds.
    pub(super) fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// Prints it on standard output.
    pub(super) fn print(&self, json: bool) {
        if json {
            // These types have string keys only, so serialising them cannot fail.
            println!("{}", serde_json::to_string(self).unwrap_or_default());
            for check in self.checks.iter().filter(|check| !check.ok) {
                eprintln!("{check}");
            }
        } else {
            println!("{}", self.table());
        }
    }

    fn table(&self) -> String {
        let Quotes {
            pings,
            quoted,
            no_bid,
            refused,
            posted,
            ..
        } = &self.quotes;
        let Leads {
            received,
            sold,
            unsold,
            rejected,
            duplicate,
            pending,
            lost,
        } = &self.leads;
        let mut lines = vec![
            String::new(),
            format!("clicks       {}", self.clicks),
            format!(
                "quotes       {pings} pings: {quoted} quoted ({posted} posted), {no_bid} without a bid, {refused} refused"
            ),
            format!(
                "leads        {received} received: {sold} sold, {unsold} unsold, {rejected} rejected, \
                 {duplicate} duplicate, {pending} pending, {lost} lost"
            ),
            format!("conversions  {}", self.conversions),
            format!(
                "money        revenue {} = payout {} + margin {} USD",
                self.money.revenue, self.money.payout, self.money.margin
            ),
        ];
        for (model, credit) in &self.attribution {
            lines.push(format!(
                "{model:<12} {} conversions, {} USD credited",
                credit.conversions, credit.value
            ));
        }
        let rows: Vec<String> = self
            .clickhouse
            .rows
            .iter()
            .map(|(table, rows)| format!("{table} {rows}"))
            .collect();
        lines.push(format!(
            "ClickHouse   {}: {}",
            self.clickhouse.version,
            rows.join(", ")
        ));
        if let Some(Freshness { p50, p99 }) = self.freshness_ms {
            lines.push(format!(
                "freshness    p50 {p50:.0} ms, p99 {p99:.0} ms from click to row"
            ));
        }
        lines.push(format!("pings        {} to buyers", self.auction.pings));
        for (name, figure) in [
            ("overhead", &self.auction.overhead_ms),
            ("control", &self.auction.control_ms),
        ] {
            lines.push(match figure {
                Some(Percentiles { p50, p99, p999 }) => {
                    format!("{name:<12} p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms")
                }
                None => format!("{name:<12} not measured"),
            });
        }
        let Watched { watched, kept } = &self.auction.seconds;
        lines.push(format!(
            "             of {kept} quiet seconds out of {watched}"
        ));
        lines.push(String::new());
        lines.extend(self.checks.iter().map(ToString::to_string));
        let failed = self.checks.iter().filter(|check| !check.ok).count();
        lines.push(match failed {
            0 => format!("\nall {} checks hold", self.checks.len()),
            _ => format!("\n{failed} of {} checks FAILED", self.checks.len()),
        });
        lines.join("\n")
    }
}

impl Quotes {
    fn of(clients: &Clients<'_>, told: &[Told]) -> Self {
        let with = |status: &str| {
            clients
                .quotes
                .iter()
                .filter(|quote| quote.status == status)
                .count()
        };
        let refused = clients
            .refused
            .iter()
            .filter(|refused| refused.asked == traffic::Asked::Ping)
            .count();
        let refused_as = |code: &str| {
            let of_post = |refused: &&&traffic::RefusedTold| refused.asked == traffic::Asked::Post;
            clients
                .refused
                .iter()
                .filter(of_post)
                .filter(|refused| refused.code == code)
                .count()
        };
        let posted = told
            .iter()
            .filter(|told| matches!(told, Told::Lead(lead) if lead.way == Way::TwoPhase))
            .count();
        let (quoted, no_bid) = (with("quoted"), with("no_bid"));
        let expired = refused_as("ping_expired");
        Self {
            pings: clients.quotes.len() + refused,
            quoted,
            no_bid,
            refused,
            posted,
            expired,
            open: quoted.saturating_sub(posted + expired),
        }
    }

    fn add_up(&self) -> bool {
        self.pings == self.quoted + self.no_bid + self.refused
            && self.quoted == self.posted + self.expired + self.open
    }
}

impl Leads {
    fn of(clients: &Clients<'_>) -> Self {
        let [sold, unsold, rejected, duplicate, pending] =
            ["sold", "unsold", "rejected", "duplicate", "pending"]
                .map(|status| clients.leads_with(status));
        let received = clients.leads.len();
        let ended = sold + unsold + rejected + duplicate + pending;
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        let lost = signed(received) - signed(ended);
        Self {
            received,
            sold,
            unsold,
            rejected,
            duplicate,
            pending,
            lost,
        }
    }
}

impl Money {
    fn of(held: &Held) -> Self {
        let sum = |amounts: &mut dyn Iterator<Item = Micros>| {
            Micros::new(amounts.map(Micros::get).fold(0, i64::saturating_add)).to_string()
        };
        Self {
            revenue: sum(&mut held.leads.iter().map(|lead| lead.revenue)),
            payout: sum(&mut held.leads.iter().map(|lead| lead.payout)),
            margin: sum(&mut held.leads.iter().map(|lead| lead.margin)),
        }
    }
}

impl Credit {
    fn of(held: &Held, model: &str) -> Self {
        let credits = || held.credits.iter().filter(|credit| credit.model == model);
        // Shares are in units of 1e-9.
        let shares: u64 = credits().map(|credit| credit.share).sum();
        let value = credits()
            .map(|credit| credit.value.get())
            .fold(0, i64::saturating_add);
        let micros = i64::try_from(shares / 1000).unwrap_or(i64::MAX);
        Self {
            conversions: Micros::new(micros).to_string(),
            value: Micros::new(value).to_string(),
        }
    }
}
