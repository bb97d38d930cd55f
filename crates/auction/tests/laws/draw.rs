//! Everything a seed decides about a world before it runs: its book, its rules, its leads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use auction::{
    Acceptance, Account, AfterTmax, Book, Cap, CapSize, Caps, History, Kind, PingMode, Policy,
    PostPrice, Price, PriceRules, Promise, PublisherLimits, RankBy, Rules, Schedule, ScheduleRow,
    Screened, Shut, Slot, SourceList, Sources, States, Subs, Terms, Zips,
};
use domain::{
    BuyerName, CalendarDate, CapWindow, ContractName, Counts, Currency, FieldClass, FieldName,
    FieldValue, FullLead, Micros, Payout, Ppm, PublisherName, Settlement, Weekday,
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

/// What a contract asks of a lead by its filter. `state` comes with the ping, `owner` only with the
/// post.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    Anybody,
    Texan,
    Owner,
    TexanOwner,
    TexanOrOwner,
}

/// Whose leads a contract takes. Acme's traffic has sub ids `s1` of `a` and `b`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From {
    Everybody,
    OnlyAcme,
    AllButAcme,
    OnlyAcmesA,
    AllButAcmesA,
}

/// When a contract takes leads: a world runs over a full minute of a Monday.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    Always,
    /// Until the minute is full.
    Before,
    /// Once it is.
    After,
    /// Not on this date.
    NotToday,
}

/// Everything a contract asks, in words of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wants {
    pub(crate) filter: Wish,
    pub(crate) from: From,
    pub(crate) when: When,
    pub(crate) texas_only: bool,
    pub(crate) zips_below: Option<u32>,
    pub(crate) already_sold: u8,
    /// Prices for owners, for other Texans, and for everybody else.
    pub(crate) rules: Option<[Micros; 3]>,
}

/// The minute of the day that becomes full.
pub(crate) const FULL_MINUTE: u16 = 14 * 60 + 14;

impl From {
    const ALL: [Self; 5] = [
        Self::Everybody,
        Self::OnlyAcme,
        Self::AllButAcme,
        Self::OnlyAcmesA,
        Self::AllButAcmesA,
    ];

    fn sources(self) -> Sources {
        let acme = |subs| {
            let mut list = SourceList::default();
            list.add("acme".parse().unwrap(), subs);
            list
        };
        let a = Subs([("s1".to_owned(), ["a".to_owned()].into())].into());
        match self {
            Self::Everybody => Sources::default(),
            Self::OnlyAcme => Sources::new(Some(acme(Subs::default())), SourceList::default()),
            Self::AllButAcme => Sources::new(None, acme(Subs::default())),
            Self::OnlyAcmesA => Sources::new(Some(acme(a)), SourceList::default()),
            Self::AllButAcmesA => Sources::new(None, acme(a)),
        }
    }
}

impl When {
    const ALL: [Self; 4] = [Self::Always, Self::Before, Self::After, Self::NotToday];

    fn schedule(self) -> Schedule {
        let row = |from, to| ScheduleRow {
            days: [Weekday::Mon].into(),
            from,
            to,
        };
        let (rows, blackout) = match self {
            Self::Always => (Vec::new(), None),
            Self::Before => (vec![row(0, FULL_MINUTE)], None),
            Self::After => (vec![row(FULL_MINUTE, 1440)], None),
            Self::NotToday => (Vec::new(), CalendarDate::parse("2026-09-21")),
        };
        Schedule::new(rows, blackout.into_iter().collect())
    }
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
        match self {
            Self::Anybody => Filter::default(),
            Self::Texan => filter("state = TX"),
            Self::Owner => filter("owner = true"),
            Self::TexanOwner => filter("state = TX and owner = true"),
            Self::TexanOrOwner => filter("state = TX or owner = true"),
        }
    }
}

fn filter(text: &str) -> Filter {
    let types: FieldTypes = BTreeMap::from([
        (name("state"), FieldType::Text),
        (name("owner"), FieldType::Bool),
    ]);
    filter::compile(text, &types).unwrap()
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
    /// Sub id `s1`.
    pub(crate) sub: Option<&'static str>,
    pub(crate) exclude: BTreeSet<BuyerName>,
    pub(crate) already_sold: u8,
    /// Its ZIP, if it has one, and whether the ping carries it.
    pub(crate) zip: Option<(u32, bool)>,
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
            sub: draw.pick(&[None, Some("a"), Some("b")]),
            exclude: (0..5)
                .filter(|_| draw.chance(2))
                .map(|number| format!("b{number}").parse().unwrap())
                .collect(),
            already_sold: draw.pick(&[0, 0, 0, 0, 0, 0, 1, 2]),
            zip: {
                let zip = u32::try_from(draw.below(100_000)).unwrap();
                draw.chance(90).then(|| (zip, draw.chance(50)))
            },
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
        if let Some((zip, in_ping)) = self.zip {
            let zip = FieldValue::Text(format!("{zip:05}"));
            if in_ping {
                lead.ping
                    .insert(name("zip"), FieldClass::Open, zip)
                    .unwrap();
            } else {
                lead.contact.insert(name("zip"), zip);
            }
        }
        Arc::new(lead)
    }
}

const PROMISES: [Promise; 3] = [Promise::BreakEven, Promise::KeepMargin, Promise::Reprice];

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
        min_ladder: 1 + u16::try_from(draw.below(3)).unwrap(),
        max_posts: 1 + u16::try_from(draw.below(5)).unwrap(),
        after_tmax: match draw.chance(30) {
            true => AfterTmax::Continue {
                ladder_deadline: draw.millis(12_000),
            },
            false => AfterTmax::Settle,
        },
        quote_promise: draw.pick(&PROMISES),
        direct_promise: draw.pick(&PROMISES),
        limits: draw.chance(30).then(|| {
            Arc::new(PublisherLimits {
                campaign: "auto".parse().unwrap(),
                caps: Caps {
                    caps: caps(draw, 40),
                    ..Caps::default()
                },
            })
        }),
        ..Rules::new(Currency::USD, payout)
    }
}

/// What is remembered of some of the contracts.
pub(crate) fn histories(draw: &mut Draw, screened: &Screened) -> Vec<(Slot, History)> {
    let mut count = |below| u32::try_from(draw.below(below)).unwrap();
    let passed = screened.passed.iter();
    let histories = passed.filter_map(|passed| {
        let posts = count(30) * 512;
        let history = History {
            acceptance: Acceptance {
                posts,
                rejected: posts / 512 * count(512),
            },
            turn: u64::from(count(4)),
        };
        (count(3) > 0).then_some((passed.slot, history))
    });
    histories.collect()
}

/// Contracts that are shut as a round opens.
pub(crate) fn shut(draw: &mut Draw, screened: &Screened) -> Vec<(Slot, Shut)> {
    let passed = screened.passed.iter();
    let shut = passed.filter_map(|passed| Some((passed.slot, shut_now(draw)?)));
    shut.collect()
}

/// Whether a contract is shut at this moment.
pub(crate) fn shut_now(draw: &mut Draw) -> Option<Shut> {
    match draw.below(30) {
        0 => Some(Shut::Breaker),
        1 => Some(Shut::Rate),
        _ => None,
    }
}

/// A book, what each of its contracts wishes, and the book that replaces it later.
pub(crate) fn books(draw: &mut Draw) -> (Arc<Book>, Arc<Book>, BTreeMap<ContractName, Wants>) {
    let size = 1 + draw.below(9);
    let mut wishes = BTreeMap::new();
    let mut before = Vec::new();
    let mut buyer = Arc::default();
    for number in 0..size {
        if number % 2 == 0 {
            buyer = account(draw);
        }
        let (terms, wants) = contract(draw, number, &buyer);
        wishes.insert(terms.contract.clone(), wants);
        before.push(terms);
    }
    let mut after = before.clone();
    after.retain(|_| draw.chance(85));
    for terms in &mut after {
        terms.on &= draw.chance(85);
    }
    (
        Arc::new(Book::new(before)),
        Arc::new(Book::new(after)),
        wishes,
    )
}

/// Most contracts are not choosy, so that many leads get far.
fn wants(draw: &mut Draw) -> Wants {
    let filter = draw.pick(&Wish::ALL);
    if draw.chance(70) {
        return Wants {
            filter,
            from: From::Everybody,
            when: When::Always,
            texas_only: false,
            zips_below: None,
            already_sold: 2,
            rules: None,
        };
    }
    Wants {
        filter,
        from: draw.pick(&From::ALL),
        when: draw.pick(&When::ALL),
        texas_only: draw.chance(25),
        zips_below: draw.chance(30).then_some(50_000),
        already_sold: draw.pick(&[0, 1, 2]),
        rules: draw
            .chance(40)
            .then(|| [draw.amount(12), draw.amount(12), draw.amount(12)]),
    }
}

/// A few caps, each different from the others.
fn caps(draw: &mut Draw, percent: u64) -> Vec<Cap> {
    let mut caps: Vec<Cap> = Vec::new();
    for _ in 0..3 {
        let leads = i64::try_from(draw.below(4)).unwrap();
        let size = if draw.chance(60) {
            CapSize::Leads(leads)
        } else {
            CapSize::Money(draw.amount(30))
        };
        let cap = Cap {
            window: draw.pick(&CapWindow::ALL),
            counts: draw.pick(&[Counts::Sold, Counts::Sold, Counts::Sent]),
            size,
        };
        if draw.chance(percent) && caps.iter().all(|known| known.meter() != cap.meter()) {
            caps.push(cap);
        }
    }
    caps
}

fn account(draw: &mut Draw) -> Arc<Account> {
    Arc::new(Account {
        caps: Caps {
            caps: caps(draw, 12),
            ..Caps::default()
        },
        balance: draw.chance(25).then(|| draw.amount(40)),
        ..Account::default()
    })
}

fn contract(draw: &mut Draw, number: u64, account: &Arc<Account>) -> (Terms, Wants) {
    let wants = wants(draw);
    let pinged = draw.chance(75);
    let (ping, price) = match wants.rules {
        Some([owners, texans, others]) => {
            let price = Price::Rules(Arc::new(PriceRules {
                rules: vec![
                    (filter("owner = true"), owners),
                    (filter("state = TX"), texans),
                ],
                otherwise: others,
            }));
            (draw.pick(&[PingMode::None, PingMode::Check]), price)
        }
        None if pinged && draw.chance(85) => {
            let max = Micros::new(draw.pick(&[8_000_000, 15_000_000]));
            let min = draw.amount(6);
            (PingMode::Bid, Price::Bid { min, max })
        }
        None if pinged => (PingMode::Check, Price::Fixed(draw.amount(12))),
        None => (PingMode::None, Price::Fixed(draw.amount(12))),
    };
    let mut texas = States::default();
    texas.add("TX");
    let terms = Terms {
        on: draw.chance(93),
        testing: draw.chance(15),
        tier: u16::try_from(draw.below(4) / 3).unwrap(),
        priority: i32::try_from(draw.below(3)).unwrap(),
        margin: draw
            .chance(30)
            .then(|| Ppm::new(u32::try_from(draw.below(600_000)).unwrap()).unwrap()),
        ping,
        price,
        filter: wants.filter.filter(),
        sources: wants.from.sources(),
        schedule: wants.when.schedule(),
        states: wants.texas_only.then_some(texas),
        zips: wants.zips_below.map(|end| Zips::new(vec![(0, end - 1)])),
        max_already_sold: wants.already_sold,
        caps: caps(draw, 35),
        publisher_caps: caps(draw, 10),
        account: Arc::clone(account),
        min_post_time: draw.millis(700),
        post_timeout: Duration::from_millis(100) + draw.millis(2_500),
        post_price: draw.pick(&[PostPrice::Bid, PostPrice::Bid, PostPrice::Answer]),
        resell_in_doubt: draw.chance(40),
        settle_within: draw.millis(5_000),
        on_unsettled: draw.pick(&[Settlement::Rejected, Settlement::Accepted]),
        ..Terms::new(
            format!("c{number}").parse().unwrap(),
            format!("b{}", number / 2).parse().unwrap(),
        )
    };
    (terms, wants)
}
