//! Clicks, conversions and credit.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Books, Run, WHOLE};
use crate::book::{Asked, LeadTold};
use crate::compare::Check;
use crate::held::HeldConversion;
use crate::ledger::amount;

/// Which of a visitor's clicks before a conversion a model credits.
type Credited = for<'c, 'i> fn(&'c [&'i str]) -> &'c [&'i str];

/// The models, and what the driver itself says of them.
const MODELS: [(&str, &str, Credited); 3] = [
    (
        "last_click",
        "last click: the driver's own = held",
        |clicks| {
            clicks
                .get(clicks.len().saturating_sub(1)..)
                .unwrap_or_default()
        },
    ),
    (
        "first_click",
        "first click: the driver's own = held",
        |clicks| clicks.get(..clicks.len().min(1)).unwrap_or_default(),
    ),
    ("linear", "linear: the driver's own = held", |clicks| clicks),
];

impl Books<'_> {
    pub(super) fn clicks(&self) -> Vec<Check> {
        let told = || {
            self.clients.clicks.iter().map(|click| {
                (
                    click.click_id.as_deref().unwrap_or("unlogged"),
                    click.link.as_str(),
                    click.publisher.as_str(),
                )
            })
        };
        let held = || {
            self.held.clicks.iter().map(|click| {
                (
                    click.click_id.as_str(),
                    click.link.as_str(),
                    click.publisher.as_str(),
                )
            })
        };
        match self.run {
            Run::Undisturbed => {
                vec![Check::same(
                    "clicks: told = held",
                    ("told", told()),
                    ("held", held()),
                )]
            }
            Run::WithCrashes => {
                let told_ids: HashSet<&str> = self
                    .clients
                    .clicks
                    .iter()
                    .filter_map(|click| click.click_id.as_deref())
                    .collect();
                let untold = self
                    .held
                    .clicks
                    .iter()
                    .filter(|click| !told_ids.contains(click.click_id.as_str()));
                vec![
                    Check::within("clicks: told are held", ("told", told()), ("held", held())),
                    Check::within(
                        "clicks: what nobody was told was left unanswered",
                        (
                            "held",
                            untold
                                .map(|click| click.marker.as_str())
                                .collect::<BTreeSet<_>>(),
                        ),
                        ("unanswered", self.unanswered(Asked::Click)),
                    ),
                    Check::same(
                        "clicks: none held twice",
                        ("rows", self.held.clicks.iter().map(|click| &click.click_id)),
                        (
                            "ids",
                            self.held
                                .clicks
                                .iter()
                                .map(|click| &click.click_id)
                                .collect::<BTreeSet<_>>(),
                        ),
                    ),
                ]
            }
        }
    }

    pub(super) fn postback_conversions(&self) -> Check {
        let told = self.clients.conversions.iter().map(|told| {
            (
                told.goal.as_str(),
                told.txid.as_str(),
                told.click_id.as_str(),
                amount(&told.amount),
            )
        });
        let held = self
            .held
            .conversions
            .iter()
            .filter(|held| held.source == "postback")
            .map(|held| {
                (
                    held.goal.as_str(),
                    held.txid.as_str(),
                    held.click_id.as_str(),
                    held.amount,
                )
            });
        Check::same(
            "conversions: told = held, by order and amount",
            ("told", told),
            ("held", held),
        )
    }

    pub(super) fn lead_conversions(&self) -> Check {
        let bought = self.buyers.bought();
        let sold = bought.iter().map(|sale| (sale.lead.as_str(), sale.price));
        let held = self
            .held
            .conversions
            .iter()
            .filter(|held| held.source == "lead")
            .map(|held| (held.txid.as_str(), held.amount));
        Check::same(
            "each sold lead is one conversion",
            ("sold", sold),
            ("held", held),
        )
    }

    pub(super) fn credits(&self) -> Vec<Check> {
        let conversions: HashMap<&str, &HeldConversion> = self
            .held
            .conversions
            .iter()
            .map(|conversion| (conversion.conversion_id.as_str(), conversion))
            .collect();
        let mut checks: Vec<Check> = MODELS
            .into_iter()
            .map(|(model, name, credited)| {
                let expected = self.credited(credited);
                let surely: HashSet<(&str, &str)> = expected
                    .iter()
                    .map(|(goal, txid, _)| (*goal, *txid))
                    .collect();
                let of_model = self.held.credits.iter().filter(|held| held.model == model);
                let held = of_model.filter_map(|credit| {
                    let conversion = conversions.get(credit.conversion_id.as_str())?;
                    let key = (conversion.goal.as_str(), conversion.txid.as_str());
                    surely
                        .contains(&key)
                        .then_some((key.0, key.1, credit.touch.as_str()))
                });
                Check::same(name, ("driver", expected.iter().copied()), ("held", held))
            })
            .collect();
        let mut shares: BTreeMap<(&str, &str), (u64, i64)> = BTreeMap::new();
        for credit in &self.held.credits {
            let key = (credit.conversion_id.as_str(), credit.model.as_str());
            let sum = shares.entry(key).or_default();
            sum.0 += credit.share;
            sum.1 += credit.value.get();
        }
        let clicked = self
            .held
            .conversions
            .iter()
            .filter(|conversion| !conversion.click_id.is_empty());
        let whole = clicked.flat_map(|conversion| {
            MODELS.map(|(model, ..)| {
                let key = (conversion.conversion_id.as_str(), model);
                (key, (WHOLE, conversion.amount.get()))
            })
        });
        checks.push(Check::same(
            "credits sum to one and to the conversion's value",
            ("conversions", whole),
            ("credits", shares),
        ));
        checks
    }

    /// Goal, order and each credited click of the conversions of which the driver can know it: not of
    /// visitors with a click that was left unanswered.
    fn credited(&self, credited: Credited) -> Vec<(&str, &str, &str)> {
        let journeys = self.clients.journeys();
        let clicks = |visitor: u64, clicks: usize| {
            let before = journeys.get(&visitor).and_then(|all| all.get(..clicks));
            credited(before.unwrap_or_default()).to_vec()
        };
        let unsure: HashSet<u64> = match self.run {
            Run::Undisturbed => HashSet::new(),
            Run::WithCrashes => self.unsure_visitors(),
        };
        let sold = |lead: &&&LeadTold| lead.status == "sold" && !unsure.contains(&lead.visitor);
        let leads = self.clients.leads.values().filter(sold);
        let from_leads = leads.flat_map(|lead| {
            let clicks = clicks(lead.visitor, lead.clicks_before).into_iter();
            clicks.map(|click| ("lead_sold", lead.lead.as_str(), click))
        });
        let told = self.clients.conversions.iter();
        let sure = told.filter(|told| !unsure.contains(&told.visitor));
        let from_postbacks = sure.flat_map(|told| {
            let clicks = clicks(told.visitor, told.clicks_before).into_iter();
            clicks.map(|click| (told.goal.as_str(), told.txid.as_str(), click))
        });
        from_leads.chain(from_postbacks).collect()
    }

    /// Visitors of whom the service may hold a click that they were not told of.
    fn unsure_visitors(&self) -> HashSet<u64> {
        let visitor_of: HashMap<&str, u64> = self
            .clients
            .clicks
            .iter()
            .map(|click| (click.marker.as_str(), click.visitor))
            .collect();
        self.unanswered(Asked::Click)
            .filter_map(|marker| visitor_of.get(marker).copied())
            .collect()
    }
}
