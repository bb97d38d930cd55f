//! A small world whose books agree, and every way to make them differ.

use std::collections::{BTreeMap, BTreeSet};

use domain::Micros;

use super::*;
use crate::book::LeadTold;
use crate::book::{ClickTold, ConversionTold, QuoteTold, RefusedTold, Told, UnansweredTold, Way};
use crate::held::{
    HeldAuction, HeldClick, HeldConversion, HeldCredit, HeldLead, HeldPing, HeldPost, HeldRefusal,
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
        Told::Refused(RefusedTold {
            asked: Asked::Ping,
            key: "mistake-m".into(),
            status: 422,
            code: "invalid_lead".into(),
            request_id: "rq_1".into(),
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
    let credit = |id: &str, goal: &str, model: &str, value| HeldCredit {
        conversion_id: id.into(),
        model: model.into(),
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
        credits: ["last_click", "first_click", "linear"]
            .into_iter()
            .flat_map(|model| {
                [
                    credit("cv_1", "lead_sold", model, micros(10)),
                    credit("cv_2", "policy_bound", model, micros(50)),
                ]
            })
            .collect(),
        refusals: vec![HeldRefusal {
            request_id: "rq_1".into(),
            kind: "ping".into(),
            status: 422,
            code: "invalid_lead".into(),
        }],
    };
    (told, vec![entry(Kind::Ping), entry(Kind::Post)], held)
}

fn names(
    (told, journals, held): &(Vec<Told>, Vec<Entry>, Held),
    run: Run,
    of: fn(&Check) -> bool,
) -> BTreeSet<String> {
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
        .filter(of)
        .map(|check| check.name)
        .collect()
}

fn failed(world: &(Vec<Told>, Vec<Entry>, Held), run: Run) -> Vec<String> {
    names(world, run, |check| !check.ok).into_iter().collect()
}

#[test]
fn books_that_agree_pass() {
    assert_eq!(failed(&world(), Run::Undisturbed), Vec::<String>::new());
    assert_eq!(failed(&world(), Run::WithCrashes), Vec::<String>::new());
}

type Change = fn(&mut (Vec<Told>, Vec<Entry>, Held));

/// Every way to make the books differ, and a check that has to see it.
const CHANGES: [(&str, Change); 35] = [
    ("every request was answered", |world| {
        world.0.push(Told::GivenUp(UnansweredTold {
            asked: Asked::Post,
            key: "post-x".into(),
            why: "no answer".into(),
        }));
    }),
    ("a final answer never changes", |world| {
        let mut lead = lead(world);
        lead.status = "unsold".into();
        world.0.push(Told::LookedUp(lead));
    }),
    ("one lead for each idempotency key", |world| {
        let mut lead = lead(world);
        lead.lead = "ld_2".into();
        world.0.push(Told::Lead(lead));
    }),
    ("clicks", |world| world.2.clicks.clear()),
    ("clicks", |world| world.2.clicks[0].click_id = "ck_2".into()),
    ("clicks: what nobody was told", |world| {
        let mut click = world.2.clicks[0].clone();
        click.click_id = "ck_2".into();
        click.marker = "k2".into();
        world.2.clicks.push(click);
    }),
    ("clicks: none held twice", |world| {
        let click = world.2.clicks[0].clone();
        world.2.clicks.push(click);
    }),
    ("clicks", |world| drop(world.0.remove(0))),
    ("quotes: told", |world| {
        world.2.auctions[0].payout = micros(9)
    }),
    ("quotes: no more untold", |world| {
        let mut auction = world.2.auctions[0].clone();
        auction.auction_id = "au_2".into();
        world.2.auctions.push(auction);
    }),
    ("refusals: told", |world| world.2.refusals.clear()),
    ("refusals: told", |world| {
        world.2.refusals[0].kind = "post".into()
    }),
    ("refusals: no more untold", |world| {
        let mut refusal = world.2.refusals[0].clone();
        refusal.request_id = "rq_2".into();
        world.2.refusals.push(refusal);
    }),
    ("leads: told", |world| {
        world.2.leads[0].status = "unsold".into()
    }),
    ("leads: told", |world| world.2.leads.clear()),
    ("leads: told", |world| drop(world.0.remove(2))),
    ("every lead has one outcome", |world| {
        world.2.leads[0].status = "pending".into()
    }),
    ("every lead has one outcome", |world| {
        let lead = world.2.leads[0].clone();
        world.2.leads.push(lead);
    }),
    ("sales", |world| world.1.truncate(1)),
    ("sales", |world| world.2.posts[0].state = "in_doubt".into()),
    ("sales", |world| world.2.posts[0].price = micros(11)),
    ("no exclusive lead is sold twice", |world| {
        let mut second = world.1[1].clone();
        second.idempotency_key = Some("bk_10002".into());
        world.1.push(second);
    }),
    ("conversions: told", |world| drop(world.0.remove(3))),
    ("conversions: told", |world| {
        world.2.conversions[1].amount = micros(51)
    }),
    ("each sold lead is one conversion", |world| {
        drop(world.2.conversions.remove(0))
    }),
    ("last click", |world| {
        world.2.credits[0].touch = "ck_9".into()
    }),
    ("first click", |world| {
        world.2.credits[2].touch = "ck_9".into()
    }),
    ("linear", |world| world.2.credits[4].touch = "ck_9".into()),
    ("credits sum to one", |world| world.2.credits[1].share -= 1),
    ("revenue: buyers' journals", |world| {
        world.2.leads[0].revenue = micros(11)
    }),
    ("payout: told", |world| world.2.leads[0].payout = micros(9)),
    ("revenue = payout + margin", |world| {
        world.2.leads[0].margin = micros(3)
    }),
    ("every contract of the book", |world| {
        world.2.auctions[0].excluded = 2
    }),
    ("pings sent", |world| {
        world.2.pings[0].result = "lost".into()
    }),
    ("pings: every bid", |world| {
        world.2.pings[0].bid = micros(11)
    }),
];

/// The post's answer of [`world`].
fn lead(world: &(Vec<Told>, Vec<Entry>, Held)) -> LeadTold {
    let lead = world.0.iter().find_map(|told| match told {
        Told::Lead(lead) => Some(lead.clone()),
        _ => None,
    });
    lead.unwrap()
}

#[test]
fn each_difference_is_found_in_one_kind_of_run_at_least() {
    for (index, (part, change)) in CHANGES.into_iter().enumerate() {
        let failed = [Run::Undisturbed, Run::WithCrashes].map(|run| {
            let mut world = world();
            change(&mut world);
            failed(&world, run)
        });
        for names in &failed {
            assert!(!names.is_empty(), "{index} {part}: nothing failed");
        }
        let seen = failed.iter().flatten().any(|name| name.starts_with(part));
        assert!(seen, "{index} {part}: {failed:?}");
    }
}

#[test]
fn every_check_can_fail() {
    for run in [Run::Undisturbed, Run::WithCrashes] {
        let mut never: BTreeSet<String> = names(&world(), run, |_| true);
        for (_, change) in CHANGES {
            let mut world = world();
            change(&mut world);
            for name in names(&world, run, |check| !check.ok) {
                never.remove(&name);
            }
        }
        // A ping that no buyer saw needs a journal that is longer than what is held.
        never.remove("pings: every journalled ping is held");
        assert_eq!(never, BTreeSet::new(), "{run:?}");
    }
}

#[test]
fn a_ping_that_is_held_nowhere_is_found() {
    let mut world = world();
    world.2.pings.clear();
    let failed = failed(&world, Run::Undisturbed);
    assert_eq!(failed, ["pings: every journalled ping is held"]);
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
