//! The checks: clients, buyers and ClickHouse tell the same, line by line, id by id, to the micro.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use domain::Micros;

use crate::book::{Asked, LeadTold};
use crate::compare::Check;
use crate::held::{Held, HeldConversion};
use crate::ledger::{Buyers, Clients, amount};

/// What a whole credit share is, in units of 1e-9.
const WHOLE: u64 = 1_000_000_000;

/// What happened while the books were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Nothing was killed: the books agree line by line.
    Undisturbed,
    /// Attempts were left unanswered: the service may hold what no client was told, but only that.
    WithCrashes,
}

/// Three books, side by side.
pub struct Books<'a> {
    /// What clients were told.
    pub clients: Clients<'a>,
    /// What buyers journalled.
    pub buyers: Buyers<'a>,
    /// What ClickHouse holds.
    pub held: &'a Held,
    /// How many contracts each campaign has.
    pub book_sizes: BTreeMap<String, u32>,
    /// What happened.
    pub run: Run,
}

impl Books<'_> {
    /// All checks.
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = vec![
            self.everybody_was_answered(),
            self.final_answers_stay(),
            self.one_lead_a_key(),
        ];
        checks.extend(self.clicks());
        checks.extend(self.quotes());
        checks.push(self.leads());
        checks.push(self.one_outcome_a_lead());
        checks.push(self.sales());
        checks.push(self.one_billed_sale_a_lead());
        checks.push(self.postback_conversions());
        checks.push(self.lead_conversions());
        checks.extend(self.credits());
        checks.extend(self.money());
        checks.push(self.waterfalls());
        checks.extend(self.pings());
        checks
    }

    fn everybody_was_answered(&self) -> Check {
        let given_up = &self.clients.given_up;
        let shown: Vec<String> = given_up
            .iter()
            .take(3)
            .map(|told| format!("{:?} {}", told.asked, told.why))
            .collect();
        let detail = format!("{} given up {}", given_up.len(), shown.join(", "));
        Check::that(
            "every request was answered in the end",
            given_up.is_empty(),
            detail,
        )
    }

    fn final_answers_stay(&self) -> Check {
        let changed = &self.clients.changed;
        let detail = changed.first().map_or_else(
            || "none changed".to_owned(),
            |(lead, before, after)| {
                format!("{} changed, {lead}: {before} -> {after}", changed.len())
            },
        );
        Check::that("a final answer never changes", changed.is_empty(), detail)
    }

    fn one_lead_a_key(&self) -> Check {
        let twice = &self.clients.keys_of_two;
        let detail = format!("{} keys with two leads", twice.len());
        Check::that(
            "one lead for each idempotency key",
            twice.is_empty(),
            detail,
        )
    }

    fn clicks(&self) -> Vec<Check> {
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

    fn quotes(&self) -> Vec<Check> {
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

    fn leads(&self) -> Check {
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

    fn one_outcome_a_lead(&self) -> Check {
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

    fn sales(&self) -> Check {
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

    fn one_billed_sale_a_lead(&self) -> Check {
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
        let detail = format!("{} leads with two sales {:?}", twice.len(), twice.first());
        Check::that("no exclusive lead is sold twice", twice.is_empty(), detail)
    }

    fn postback_conversions(&self) -> Check {
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

    fn lead_conversions(&self) -> Check {
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

    fn credits(&self) -> Vec<Check> {
        let conversions: HashMap<&str, &HeldConversion> = self
            .held
            .conversions
            .iter()
            .map(|conversion| (conversion.conversion_id.as_str(), conversion))
            .collect();
        let expected = self.last_clicks();
        let surely: HashSet<(&str, &str)> = expected
            .iter()
            .map(|(goal, txid, _)| (*goal, *txid))
            .collect();
        let held = self.held.credits.iter().filter_map(|credit| {
            let conversion = conversions.get(credit.conversion_id.as_str())?;
            let key = (conversion.goal.as_str(), conversion.txid.as_str());
            surely
                .contains(&key)
                .then_some((key.0, key.1, credit.touch.as_str()))
        });
        let mut shares: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
        for credit in &self.held.credits {
            let sum = shares.entry(&credit.conversion_id).or_default();
            sum.0 += credit.share;
            sum.1 += credit.value.get();
        }
        let whole = self
            .held
            .conversions
            .iter()
            .filter(|conversion| !conversion.click_id.is_empty())
            .map(|conversion| {
                (
                    conversion.conversion_id.as_str(),
                    (WHOLE, conversion.amount.get()),
                )
            });
        vec![
            Check::same(
                "last click: the driver's own = held",
                ("driver", expected.iter().copied()),
                ("held", held),
            ),
            Check::same(
                "credits sum to one and to the conversion's value",
                ("conversions", whole),
                ("credits", shares),
            ),
        ]
    }

    /// Goal, order and last click of each conversion of which the driver can know it: not of visitors
    /// with a click that was left unanswered.
    fn last_clicks(&self) -> Vec<(&str, &str, &str)> {
        let journeys = self.clients.journeys();
        let last =
            |visitor: u64, clicks: usize| journeys.get(&visitor)?.get(..clicks)?.last().copied();
        let unsure: HashSet<u64> = match self.run {
            Run::Undisturbed => HashSet::new(),
            Run::WithCrashes => self.unsure_visitors(),
        };
        let sold = |lead: &&&LeadTold| lead.status == "sold" && !unsure.contains(&lead.visitor);
        let from_leads = self.clients.leads.values().filter(sold).filter_map(|lead| {
            Some((
                "lead_sold",
                lead.lead.as_str(),
                last(lead.visitor, lead.clicks_before)?,
            ))
        });
        let from_postbacks = self
            .clients
            .conversions
            .iter()
            .filter(|told| !unsure.contains(&told.visitor))
            .filter_map(|told| {
                Some((
                    told.goal.as_str(),
                    told.txid.as_str(),
                    last(told.visitor, told.clicks_before)?,
                ))
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

    fn money(&self) -> Vec<Check> {
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

    fn waterfalls(&self) -> Check {
        let bad: Vec<String> = self
            .held
            .auctions
            .iter()
            .filter(|auction| auction.kind != "post")
            .filter(|auction| {
                let size = self.book_sizes.get(&auction.campaign).copied().unwrap_or(0);
                auction.rows + auction.excluded != size
                    || auction.rows_without_reason > 0
                    || auction.contracts_twice > 0
            })
            .map(|auction| {
                format!(
                    "{} has {} + {}",
                    auction.auction_id, auction.rows, auction.excluded
                )
            })
            .collect();
        let detail = match bad.first() {
            None => format!("{} auctions", self.held.auctions.len()),
            Some(first) => format!("{} auctions are not whole: {first}", bad.len()),
        };
        Check::that(
            "every contract of the book has one reason",
            bad.is_empty(),
            detail,
        )
    }

    fn pings(&self) -> Vec<Check> {
        let owner = |auction: &str, lead: &str| {
            if lead.is_empty() {
                auction.to_owned()
            } else {
                lead.to_owned()
            }
        };
        let held_all = self.held.pings.iter().map(|ping| {
            (
                owner(&ping.auction_id, &ping.lead_id),
                ping.contract.as_str(),
            )
        });
        let held_bids = self
            .held
            .pings
            .iter()
            .filter(|ping| ping.result == "bid")
            .map(|ping| {
                (
                    owner(&ping.auction_id, &ping.lead_id),
                    ping.contract.as_str(),
                    ping.bid,
                )
            });
        let pinged = self.buyers.pinged(&self.clients);
        let sent = pinged
            .iter()
            .map(|ping| (ping.owner.clone(), ping.contract.as_str()));
        let bids = pinged
            .iter()
            .filter_map(|ping| Some((ping.owner.clone(), ping.contract.as_str(), ping.bid?)));
        let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
        for ping in &self.held.pings {
            *ends.entry(&ping.result).or_default() += 1;
        }
        let known = ["bid", "no_bid", "timeout", "failed", "cancelled"];
        let mut checks = vec![Check::that(
            "pings sent = bids + no-bids + time-outs + failures + cancelled",
            ends.keys().all(|end| known.contains(end)),
            format!("{} = {ends:?}", self.held.pings.len()),
        )];
        match self.run {
            Run::Undisturbed => checks.extend([
                Check::within(
                    "pings: every bid held was journalled",
                    ("held", held_bids),
                    ("journals", bids),
                ),
                Check::within(
                    "pings: every journalled ping is held",
                    ("journals", sent),
                    ("held", held_all),
                ),
            ]),
            // A killed auction's pings are in no record: only what is held has a counterpart. Its
            // client may never have been told the auction's name.
            Run::WithCrashes => {
                let told: HashSet<&str> = self
                    .clients
                    .quotes
                    .iter()
                    .map(|quote| quote.auction.as_str())
                    .collect();
                let held = held_bids.filter(|(owner, _, _)| told.contains(owner.as_str()));
                checks.push(Check::within(
                    "pings: every bid of a told quote was journalled",
                    ("held", held),
                    ("journals", bids),
                ));
            }
        }
        checks
    }

    fn unanswered(&self, asked: Asked) -> impl Iterator<Item = &str> {
        self.clients
            .unanswered
            .iter()
            .filter(move |(what, _)| *what == asked)
            .map(|(_, key)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::{ClickTold, ConversionTold, QuoteTold, Told, UnansweredTold, Way};
    use crate::held::{
        HeldAuction, HeldClick, HeldConversion, HeldCredit, HeldLead, HeldPing, HeldPost,
    };
    use sandbox::{Answer, Delivery, Entry, Kind};

    const DOLLAR: Micros = Micros::new(1_000_000);

    fn micros(dollars: i64) -> Micros {
        Micros::new(dollars * DOLLAR.get())
    }

    fn entry(kind: Kind) -> Entry {
        let post = kind == Kind::Post;
        Entry {
            received_us: 1,
            service_us: Some(1),
            buyer: "b".into(),
            kind,
            campaign: "c".into(),
            contract: "ct".into(),
            test: false,
            ping_id: "bp".into(),
            tmax_ms: 100,
            lead_id: post.then(|| "ld_1".into()),
            idempotency_key: post.then(|| "bk_10001".into()),
            marker: "m".into(),
            answer: if post { Answer::Accepted } else { Answer::Bid },
            delivery: Delivery::Answered,
            price: Some("10.00".into()),
            repeat: false,
        }
    }

    /// One visitor, one click, one lead sold at 10 of which 8 go to the publisher, one policy.
    fn world() -> (Vec<Told>, Vec<Entry>, Held) {
        let told = vec![
            Told::Click(ClickTold {
                marker: "k".into(),
                visitor: 1,
                link: "l".into(),
                publisher: "p".into(),
                click_id: Some("ck_1".into()),
                at_us: 1,
            }),
            Told::Quote(QuoteTold {
                marker: "m".into(),
                publisher: "p".into(),
                campaign: "c".into(),
                auction: "au_1".into(),
                status: "quoted".into(),
                payout: Some("8.00".into()),
                took_us: 1,
                attempts: 1,
                at_us: 2,
                tmax_ms: 100,
            }),
            Told::Lead(LeadTold {
                marker: "m".into(),
                publisher: "p".into(),
                campaign: "c".into(),
                key: "post-m".into(),
                way: Way::TwoPhase,
                lead: "ld_1".into(),
                status: "sold".into(),
                reason: None,
                payout: "8.00".into(),
                visitor: 1,
                clicks_before: 1,
                took_us: 1,
                attempts: 1,
                at_us: 3,
                tmax_ms: 100,
            }),
            Told::Conversion(ConversionTold {
                click_id: "ck_1".into(),
                goal: "policy_bound".into(),
                txid: "pol".into(),
                amount: "50.00".into(),
                visitor: 1,
                clicks_before: 1,
                at_us: 4,
            }),
        ];
        let conversion = |id: &str, goal: &str, txid: &str, source: &str, amount| HeldConversion {
            conversion_id: id.into(),
            goal: goal.into(),
            txid: txid.into(),
            click_id: "ck_1".into(),
            lead_id: String::new(),
            source: source.into(),
            amount,
        };
        let credit = |id: &str, goal: &str, value| HeldCredit {
            conversion_id: id.into(),
            goal: goal.into(),
            touch: "ck_1".into(),
            share: WHOLE,
            value,
        };
        let held = Held {
            clicks: vec![HeldClick {
                event_id: "ev".into(),
                click_id: "ck_1".into(),
                visitor: "vs".into(),
                link: "l".into(),
                publisher: "p".into(),
                marker: "k".into(),
            }],
            auctions: vec![HeldAuction {
                auction_id: "au_1".into(),
                kind: "ping".into(),
                lead_id: String::new(),
                campaign: "c".into(),
                status: "quoted".into(),
                payout: micros(8),
                rows: 1,
                rows_without_reason: 0,
                contracts_twice: 0,
                excluded: 1,
            }],
            pings: vec![HeldPing {
                auction_id: "au_1".into(),
                lead_id: String::new(),
                contract: "ct".into(),
                result: "bid".into(),
                bid: micros(10),
            }],
            leads: vec![HeldLead {
                lead_id: "ld_1".into(),
                campaign: "c".into(),
                publisher: "p".into(),
                status: "sold".into(),
                reason: String::new(),
                payout: micros(8),
                revenue: micros(10),
                margin: micros(2),
                sale_id: "sl_10001".into(),
            }],
            posts: vec![HeldPost {
                sale_id: "sl_10001".into(),
                lead_id: "ld_1".into(),
                leg: 1,
                contract: "ct".into(),
                buyer: "b".into(),
                state: "accepted".into(),
                settled_by: String::new(),
                price: micros(10),
                payout: micros(8),
                margin: micros(2),
            }],
            conversions: vec![
                conversion("cv_1", "lead_sold", "ld_1", "lead", micros(10)),
                conversion("cv_2", "policy_bound", "pol", "postback", micros(50)),
            ],
            credits: vec![
                credit("cv_1", "lead_sold", micros(10)),
                credit("cv_2", "policy_bound", micros(50)),
            ],
        };
        (told, vec![entry(Kind::Ping), entry(Kind::Post)], held)
    }

    fn failed((told, journals, held): &(Vec<Told>, Vec<Entry>, Held), run: Run) -> Vec<String> {
        let books = Books {
            clients: Clients::of(told),
            buyers: Buyers::of(journals),
            held,
            book_sizes: BTreeMap::from([("c".to_owned(), 2)]),
            run,
        };
        books
            .checks()
            .into_iter()
            .filter(|check| !check.ok)
            .map(|check| check.name)
            .collect()
    }

    #[test]
    fn books_that_agree_pass() {
        assert_eq!(failed(&world(), Run::Undisturbed), Vec::<String>::new());
        assert_eq!(failed(&world(), Run::WithCrashes), Vec::<String>::new());
    }

    type Change = fn(&mut (Vec<Told>, Vec<Entry>, Held));

    #[test]
    fn each_difference_is_found_in_either_kind_of_run() {
        let changes: [(&str, Change); 18] = [
            ("clicks", |world| world.2.clicks.clear()),
            ("clicks", |world| world.2.clicks[0].click_id = "ck_2".into()),
            ("clicks", |world| drop(world.0.remove(0))),
            ("quotes", |world| world.2.auctions[0].payout = micros(9)),
            ("leads", |world| world.2.leads[0].status = "unsold".into()),
            ("leads", |world| world.2.leads.clear()),
            ("leads", |world| drop(world.0.remove(2))),
            ("one outcome", |world| {
                world.2.leads[0].status = "pending".into()
            }),
            ("sales", |world| world.1.truncate(1)),
            ("sales", |world| world.2.posts[0].state = "in_doubt".into()),
            ("sales", |world| world.2.posts[0].price = micros(11)),
            ("sold twice", |world| {
                let mut second = world.1[1].clone();
                second.idempotency_key = Some("bk_10002".into());
                world.1.push(second);
            }),
            ("conversions", |world| drop(world.0.remove(3))),
            ("conversions", |world| {
                world.2.conversions[1].amount = micros(51)
            }),
            ("sold lead", |world| drop(world.2.conversions.remove(0))),
            ("last click", |world| {
                world.2.credits[0].touch = "ck_9".into()
            }),
            ("sum to one", |world| world.2.credits[1].share -= 1),
            ("one reason", |world| world.2.auctions[0].excluded = 2),
        ];
        for (index, (part, change)) in changes.into_iter().enumerate() {
            for run in [Run::Undisturbed, Run::WithCrashes] {
                let mut world = world();
                change(&mut world);
                let failed = failed(&world, run);
                assert!(
                    failed.iter().any(|name| name.contains(part)),
                    "{index} {part}: {failed:?}"
                );
            }
        }
    }

    #[test]
    fn what_was_left_unanswered_may_be_held_after_a_crash_only() {
        let mut world = world();
        let Told::Click(click) = world.0.remove(0) else {
            panic!("the first line is a click")
        };
        world.0.push(Told::Unanswered(UnansweredTold {
            asked: Asked::Click,
            key: click.marker,
            why: "connection broke".into(),
        }));
        let clicks = |run| {
            failed(&world, run)
                .iter()
                .any(|name| name.starts_with("clicks"))
        };
        assert!(clicks(Run::Undisturbed));
        assert!(!clicks(Run::WithCrashes));
    }
}
