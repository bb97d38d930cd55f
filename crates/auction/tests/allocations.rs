//! How often an auction asks the allocator: a count, the same on every machine, for one round of ten
//! contracts and one ladder with one sale. More than this is a regression; less deserves a new figure.
#![expect(clippy::unwrap_used, reason = "helpers of a test")]
#![expect(
    unsafe_code,
    reason = "counting allocations is being an allocator; each call goes straight to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use auction::{
    Book, Cap, Climb, Context, Facts, Fate, Kind, LadderEffect, LadderInput, LeadView, PingEffect,
    PingInput, PingMode, PingReply, PingRound, PostLadder, PostReply, Price, Round, RoundOpening,
    Rules, Terms, screen,
};
use domain::{
    CapWindow, Currency, FieldClass, FieldValue, FullLead, LeadId, Micros, Mono, Payout, Ppm,
    Timestamp, Zone,
};
use filter::{FieldType, FieldTypes};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract, and it is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = COUNT.with(Cell::get);
    let done = work();
    (COUNT.with(Cell::get) - before, done)
}

fn ms(millis: u64) -> Mono {
    Mono::from_micros(millis * 1000)
}

/// Ten contracts that bid, each with a filter, a day cap and a total cap.
fn book() -> Arc<Book> {
    let types: FieldTypes = [("state".parse().unwrap(), FieldType::Text)].into();
    let filter = filter::compile("state in (TX, OK, CA)", &types).unwrap();
    let cap = |window| Cap::leads(window, 100);
    let terms = (0..10).map(|number| Terms {
        ping: PingMode::Bid,
        price: Price::Bid {
            min: Micros::ZERO,
            max: Micros::new(50_000_000),
        },
        filter: filter.clone(),
        caps: vec![cap(CapWindow::Day), cap(CapWindow::Total)],
        zone: Zone::parse("America/Chicago").unwrap(),
        ..Terms::new(
            format!("contract-{number}").parse().unwrap(),
            format!("buyer-{number}").parse().unwrap(),
        )
    });
    Arc::new(Book::new(terms.collect()))
}

fn rules() -> Rules {
    Rules {
        max_posts: 5,
        ..Rules::new(Currency::USD, Payout::Margin(Ppm::new(200_000).unwrap()))
    }
}

fn context() -> Context {
    Context::new(
        "acme".parse().unwrap(),
        Timestamp::from_micros(1_790_000_000_000_000),
    )
}

fn round(book: &Arc<Book>, lead: &FullLead, context: &Context) -> Round {
    let context = context.clone();
    let screened = screen(book, &context, LeadView::Full(lead));
    let counters = screened.counters(book, &rules(), &context);
    let mut round = PingRound::open(RoundOpening {
        book: Arc::clone(book),
        rules: rules(),
        context,
        screened,
        facts: Facts {
            used: counters.into_iter().map(|counter| (counter, 3)).collect(),
            ..Facts::default()
        },
        kind: Kind::Direct,
        min_payout: Micros::ZERO,
        now: ms(0),
        deadline: ms(10_000),
    });
    let mut asked = Vec::with_capacity(10);
    while let Some(effect) = round.poll() {
        if let PingEffect::Ping { slot, .. } = effect {
            asked.push(slot);
        }
    }
    for (at, slot) in (1..).zip(asked) {
        let reply = PingReply::Bid {
            price: Micros::new(i64::try_from(at).unwrap() * 1_000_000),
            bid_id: None,
            expires_in: None,
        };
        round.on(ms(at), PingInput::Reply { slot, reply });
    }
    round.finish()
}

/// The first contract buys.
fn ladder(book: &Arc<Book>, lead: &Arc<FullLead>, round: Round, context: &Context) -> Option<Fate> {
    let mut ladder = PostLadder::open(Climb {
        lead: LeadId::from_bytes([7; 16]),
        fields: Arc::clone(lead),
        book: Arc::clone(book),
        rules: rules(),
        context: context.clone(),
        rungs: round.rungs,
        quote: None,
        min_payout: Micros::ZERO,
        waterfall: round.waterfall,
        more: false,
        now: ms(20),
        deadline: ms(10_000),
        last_post: ms(10_000),
    });
    while let Some(effect) = ladder.poll() {
        let input = match effect {
            LadderEffect::Hold { reservation, .. } => LadderInput::Held(reservation.id),
            LadderEffect::Pin { id, .. } => LadderInput::Pinned(id),
            LadderEffect::Record { n, .. } => LadderInput::Recorded(n),
            LadderEffect::Post { leg, .. } => LadderInput::Reply {
                leg,
                reply: PostReply::Accepted {
                    reference: None,
                    price: None,
                    redirect_url: None,
                },
            },
            LadderEffect::Commit(_) | LadderEffect::Release(..) | LadderEffect::WakeAt(_) => {
                continue;
            }
            LadderEffect::Done(fate) => return Some(fate),
        };
        ladder.on(ms(30), input);
    }
    None
}

#[test]
fn an_auction_asks_the_allocator_so_often_and_no_more() {
    let book = book();
    let mut lead = FullLead::default();
    let state = FieldValue::Text("TX".to_owned());
    lead.ping
        .insert("state".parse().unwrap(), FieldClass::Open, state)
        .unwrap();
    let lead = Arc::new(lead);
    let context = context();
    // The first time fills what is kept, as the zone's rules.
    round(&book, &lead, &context);

    let (of_round, round) = counted(|| round(&book, &lead, &context));
    assert_eq!(round.rungs.len(), 10);
    let (of_ladder, fate) = counted(|| ladder(&book, &lead, round, &context));
    assert_eq!(fate, Some(Fate::Recorded));
    assert!(of_round <= 26, "a round of ten contracts: {of_round}");
    assert!(of_ladder <= 9, "a ladder with one sale: {of_ladder}");
}
