//! Everything a seed decides about a world before it runs: its book, its rules, its leads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use auction::{
    Acceptance, Book, Cap, History, Kind, PingMode, Policy, Price, Promise, RankBy, Rules,
    Screened, Slot, Sources, Terms,
};
use domain::{
    CapWindow, ContractName, Currency, FieldClass, FieldName, FieldValue, FullLead, Micros, Payout,
    Ppm, PublisherName,
};
use filter::{FieldType, FieldTypes, Filter};

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn millis(&mut self, below: u64) -> Duration {
        Duration::from_micros(self.below(below * 1000))
    }

    /// Amounts in steps of a half, so that ties happen.
    pub(crate) fn amount(&mut self, below: u64) -> Micros {
        Micros::new(i64::try_from(self.below(below * 2)).unwrap() * 500_000)
    }

    fn pick<T: Clone>(&mut self, these: &[T]) -> T {
        these[usize::try_from(self.below(these.len() as u64)).unwrap()].clone()
    }
}

/// What a contract asks of a lead. `state` comes with the ping, `owner` only with the post.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    Anybody,
    Texan,
    Owner,
    TexanOwner,
    TexanOrOwner,
}

impl Wish {
    const ALL: [Self; 5] = [
        Self::Anybody,
        Self::Texan,
        Self::Owner,
        Self::TexanOwner,
        Self::TexanOrOwner,
    ];

    fn filter(self) -> Filter {
        let text = match self {
            Self::Anybody => return Filter::default(),
            Self::Texan => "state = TX",
            Self::Owner => "owner = true",
            Self::TexanOwner => "state = TX and owner = true",
            Self::TexanOrOwner => "state = TX or owner = true",
        };
        let types: FieldTypes = BTreeMap::from([
            (name("state"), FieldType::Text),
            (name("owner"), FieldType::Bool),
        ]);
        filter::compile(text, &types).unwrap()
    }
}

fn name(text: &str) -> FieldName {
    text.parse().unwrap()
}

/// What a publisher sends.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) publisher: PublisherName,
    pub(crate) test: bool,
    pub(crate) min_payout: Micros,
    pub(crate) texan: bool,
    pub(crate) owner: bool,
    pub(crate) starts: Duration,
    pub(crate) tmax: Duration,
    /// A quote is posted after this time with this `tmax`; or never.
    pub(crate) posts: Option<(Duration, Duration)>,
}

impl Order {
    pub(crate) fn draw(draw: &mut Draw) -> Self {
        let tmax = |draw: &mut Draw| draw.millis(6_000);
        Self {
            kind: draw.pick(&[Kind::Ping, Kind::Direct]),
            publisher: draw.pick(&["acme", "zeta"]).parse().unwrap(),
            test: draw.chance(10),
            min_payout: draw.amount(7),
            texan: draw.chance(60),
            owner: draw.chance(60),
            starts: draw.millis(2_000),
            tmax: tmax(draw),
            posts: draw.chance(90).then(|| (draw.millis(800), tmax(draw))),
        }
    }

    pub(crate) fn fields(&self) -> Arc<FullLead> {
        let mut lead = FullLead::default();
        let state = FieldValue::Text(if self.texan { "TX" } else { "OK" }.to_owned());
        lead.ping
            .insert(name("state"), FieldClass::Open, state)
            .unwrap();
        lead.contact
            .insert(name("owner"), FieldValue::Bool(self.owner));
        Arc::new(lead)
    }
}

pub(crate) fn rules(draw: &mut Draw) -> Rules {
    let payout = if draw.chance(70) {
        Payout::Margin(Ppm::new(u32::try_from(draw.below(500_000)).unwrap()).unwrap())
    } else {
        Payout::Fixed(draw.amount(6))
    };
    Rules {
        min_margin: draw.amount(2),
        policy: draw.pick(&[
            Policy::Highest,
            Policy::Highest,
            Policy::Priority,
            Policy::RoundRobin,
        ]),
        rank_by: draw.pick(&[RankBy::Revenue, RankBy::Payout, RankBy::Margin]),
        penalty: draw.chance(60),
        ping_timeout: Duration::from_millis(50) + draw.millis(2_000),
        answer_reserve: draw.millis(60),
        quote_ttl: Duration::from_secs(60),
        max_posts: 1 + u16::try_from(draw.below(5)).unwrap(),
        quote_promise: draw.pick(&[Promise::BreakEven, Promise::Reprice]),
        direct_promise: draw.pick(&[Promise::BreakEven, Promise::Reprice]),
        ..Rules::new(Currency::USD, payout)
    }
}

/// What is remembered of some of the contracts.
pub(crate) fn histories(draw: &mut Draw, screened: &Screened) -> Vec<(Slot, History)> {
    let mut count = |below| u32::try_from(draw.below(below)).unwrap();
    let passed = screened.passed.iter();
    let histories = passed.filter_map(|(slot, _)| {
        let posts = count(30) * 512;
        let history = History {
            acceptance: Acceptance {
                posts,
                rejected: posts / 512 * count(512),
            },
            turn: u64::from(count(4)),
        };
        (count(3) > 0).then_some((*slot, history))
    });
    histories.collect()
}

/// A book, what each of its contracts wishes, and the book that replaces it later.
pub(crate) fn books(draw: &mut Draw) -> (Arc<Book>, Arc<Book>, BTreeMap<ContractName, Wish>) {
    let size = 1 + draw.below(9);
    let mut wishes = BTreeMap::new();
    let mut before = Book::default();
    for number in 0..size {
        let wish = draw.pick(&Wish::ALL);
        let terms = contract(draw, number, wish);
        wishes.insert(terms.contract.clone(), wish);
        before.terms.push(terms);
    }
    let mut after = before.clone();
    after.terms.retain(|_| draw.chance(85));
    for terms in &mut after.terms {
        terms.on &= draw.chance(85);
    }
    (Arc::new(before), Arc::new(after), wishes)
}

fn contract(draw: &mut Draw, number: u64, wish: Wish) -> Terms {
    let pinged = draw.chance(75);
    let price = if pinged && draw.chance(85) {
        Price::Bid {
            min: draw.amount(6),
            max: Micros::new(15_000_000),
        }
    } else {
        Price::Fixed(draw.amount(12))
    };
    let acme = || BTreeSet::from(["acme".parse().unwrap()]);
    let caps = [CapWindow::Day, CapWindow::Total].map(|window| {
        let leads = i64::try_from(draw.below(4)).unwrap();
        draw.chance(35).then_some(Cap { window, leads })
    });
    Terms {
        on: draw.chance(93),
        testing: draw.chance(15),
        tier: u16::try_from(draw.below(4) / 3).unwrap(),
        priority: i32::try_from(draw.below(3)).unwrap(),
        margin: draw
            .chance(30)
            .then(|| Ppm::new(u32::try_from(draw.below(600_000)).unwrap()).unwrap()),
        ping: if pinged {
            PingMode::Bid
        } else {
            PingMode::None
        },
        price,
        filter: wish.filter(),
        sources: match draw.below(6) {
            0 => Sources::Only(acme()),
            1 => Sources::Except(acme()),
            _ => Sources::All,
        },
        caps: caps.into_iter().flatten().collect(),
        min_post_time: draw.millis(700),
        post_timeout: Duration::from_millis(100) + draw.millis(2_500),
        ..Terms::new(
            format!("c{number}").parse().unwrap(),
            format!("b{}", number / 2).parse().unwrap(),
        )
    }
}
