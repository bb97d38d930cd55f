//! Quotes, leads, sales and money.

use std::collections::{BTreeSet, HashMap};

use domain::Micros;

use super::{Books, Run};
use crate::book::Asked;
use crate::compare::Check;
use crate::ledger::amount;

impl Books<'_> {
    pub(super) fn quotes(&self) -> Vec<Check> {
        let told = self.clients.quotes.iter().map(|quote| {
            let payout = quote.payout.as_deref().map_or(Micros::ZERO, amount);
            (quote.auction.as_str(), quote.status.as_str(), payout)
        });
        let held = self
            .held
            .auctions
            .iter()
            .filter(|auction| auction.kind == "ping")
            .map(|auction| {
                (
                    auction.auction_id.as_str(),
                    auction.status.as_str(),
                    auction.payout,
                )
            });
        match self.run {
            Run::Undisturbed => {
                vec![Check::same(
                    "quotes: told = held",
                    ("told", told),
                    ("held", held),
                )]
            }
            Run::WithCrashes => {
                let (told_count, held_count) = (self.clients.quotes.len(), held.clone().count());
                let spare = self.unanswered(Asked::Ping).count();
                vec![
                    Check::within("quotes: told are held", ("told", told), ("held", held)),
                    Check::that(
                        "quotes: no more untold than unanswered",
                        held_count <= told_count + spare,
                        format!("{held_count} held, {told_count} told, {spare} left unanswered"),
                    ),
                ]
            }
        }
    }

    /// Refused pings and posts, by request. Who was asked to come later (429) came again, and was told
    /// nothing of it.
    pub(super) fn refusals(&self) -> Vec<Check> {
        let counts = |status: u16| (400..500).contains(&status) && status != 429;
        let told = self.clients.refused.iter().filter_map(|refused| {
            let ping = match refused.asked {
                Asked::Ping => true,
                Asked::Post => false,
                Asked::Click | Asked::Postback => return None,
            };
            let line = (refused.request_id.as_str(), ping, refused.code.as_str());
            counts(refused.status).then_some(line)
        });
        let held = self.held.refusals.iter().filter_map(|refused| {
            let ping = refused.kind == "ping";
            let line = (refused.request_id.as_str(), ping, refused.code.as_str());
            counts(refused.status).then_some(line)
        });
        match self.run {
            Run::Undisturbed => vec![Check::same(
                "refusals: told = held, by request and code",
                ("told", told),
                ("held", held),
            )],
            Run::WithCrashes => {
                let (told_count, held_count) = (told.clone().count(), held.clone().count());
                let spare =
                    self.unanswered(Asked::Ping).count() + self.unanswered(Asked::Post).count();
                vec![
                    Check::within("refusals: told are held", ("told", told), ("held", held)),
                    Check::that(
                        "refusals: no more untold than unanswered",
                        held_count <= told_count + spare,
                        format!("{held_count} held, {told_count} told, {spare} left unanswered"),
                    ),
                ]
            }
        }
    }

    pub(super) fn leads(&self) -> Check {
        let told = self.clients.leads.values().map(|lead| {
            (
                lead.lead.as_str(),
                lead.publisher.as_str(),
                lead.status.as_str(),
                amount(&lead.payout),
            )
        });
        let held = self.held.leads.iter().map(|lead| {
            (
                lead.lead_id.as_str(),
                lead.publisher.as_str(),
                lead.status.as_str(),
                lead.payout,
            )
        });
        Check::same(
            "leads: told = held, by id, status and payout",
            ("told", told),
            ("held", held),
        )
    }

    pub(super) fn one_outcome_a_lead(&self) -> Check {
        let rows = self.held.leads.len();
        let ids: BTreeSet<&str> = self
            .held
            .leads
            .iter()
            .map(|lead| lead.lead_id.as_str())
            .collect();
        let open = self
            .held
            .leads
            .iter()
            .filter(|lead| lead.status == "pending")
            .count();
        let strange = self
            .held
            .leads
            .iter()
            .filter(|lead| {
                !matches!(
                    lead.status.as_str(),
                    "sold" | "unsold" | "rejected" | "duplicate" | "pending"
                )
            })
            .count();
        let detail = format!(
            "{rows} rows, {} leads, {open} open, {strange} strange",
            ids.len()
        );
        let ok = rows == ids.len() && open == 0 && strange == 0;
        Check::that("every lead has one outcome", ok, detail)
    }

    pub(super) fn sales(&self) -> Check {
        let bought = self.buyers.bought();
        let bought = bought
            .iter()
            .map(|sale| (sale.sale.as_str(), sale.lead.as_str(), sale.price));
        let held = self
            .held
            .posts
            .iter()
            .filter(|post| post.state == "accepted")
            .map(|post| (post.sale_id.as_str(), post.lead_id.as_str(), post.price));
        Check::same(
            "sales: buyers' journals = held, by id and price",
            ("journals", bought),
            ("held", held),
        )
    }

    pub(super) fn one_billed_sale_a_lead(&self) -> Check {
        let bought = self.buyers.bought();
        let accepted = self
            .held
            .posts
            .iter()
            .filter(|post| post.state == "accepted");
        let mut sales: HashMap<&str, (u32, u32)> = HashMap::new();
        for sale in &bought {
            sales.entry(&sale.lead).or_default().0 += 1;
        }
        for post in accepted {
            sales.entry(&post.lead_id).or_default().1 += 1;
        }
        let twice: Vec<_> = sales
            .iter()
            .filter(|(_, (journals, held))| *journals > 1 || *held > 1)
            .collect();
        let detail = match twice.first() {
            None => format!("{} leads sold once", sales.len()),
            Some((lead, (journals, held))) => format!(
                "{} leads sold twice: {lead} {journals} times by journals, {held} times held",
                twice.len()
            ),
        };
        Check::that("no exclusive lead is sold twice", twice.is_empty(), detail)
    }

    pub(super) fn money(&self) -> Vec<Check> {
        let sum = |amounts: &mut dyn Iterator<Item = Micros>| {
            amounts.map(|amount| i128::from(amount.get())).sum::<i128>()
        };
        let journals = sum(&mut self.buyers.bought().into_iter().map(|sale| sale.price));
        let told = sum(&mut self.clients.leads.values().map(|lead| amount(&lead.payout)));
        let revenue = sum(&mut self.held.leads.iter().map(|lead| lead.revenue));
        let payout = sum(&mut self.held.leads.iter().map(|lead| lead.payout));
        let unbalanced = self
            .held
            .leads
            .iter()
            .filter(|lead| lead.payout.plus(lead.margin) != Ok(lead.revenue))
            .count();
        vec![
            Check::that(
                "revenue: buyers' journals = held",
                journals == revenue,
                format!("{journals} and {revenue} micros"),
            ),
            Check::that(
                "payout: told = held",
                told == payout,
                format!("{told} and {payout} micros"),
            ),
            Check::that(
                "revenue = payout + margin, lead by lead",
                unbalanced == 0,
                format!("{unbalanced} leads unbalanced"),
            ),
        ]
    }
}
