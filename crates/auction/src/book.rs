//! A campaign's book: the standing orders of its contracts, compiled from a catalog generation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::{BuyerName, ContractName, Currency, Micros, Mono, Payout, Ppm, Settlement, Zone};
use filter::Filter;

use crate::questions::Questions;
use crate::{
    Account, Cap, Context, Policy, Price, PublisherLimits, RankBy, Schedule, Sources, States, Zips,
};

/// All contracts of one campaign. A contract is known inside an auction by its [`Slot`].
#[derive(Debug, Clone, Default)]
pub struct Book {
    terms: Vec<Terms>,
    questions: Questions,
    contracts: BTreeMap<ContractName, Slot>,
    buyers: BTreeMap<BuyerName, Vec<Slot>>,
}

/// The place of a contract in its book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub usize);

impl Book {
    /// A book of these contracts, in the catalog's order.
    pub fn new(terms: Vec<Terms>) -> Self {
        let (mut contracts, mut buyers) = (BTreeMap::new(), BTreeMap::<_, Vec<Slot>>::new());
        for (at, terms) in terms.iter().enumerate() {
            contracts.insert(terms.contract.clone(), Slot(at));
            buyers
                .entry(terms.buyer.clone())
                .or_default()
                .push(Slot(at));
        }
        Self {
            questions: Questions::new(&terms),
            terms,
            contracts,
            buyers,
        }
    }

    /// The contracts, in the catalog's order.
    pub fn terms(&self) -> &[Terms] {
        &self.terms
    }

    pub(crate) fn questions(&self) -> &Questions {
        &self.questions
    }

    /// The contract in a slot.
    pub fn get(&self, slot: Slot) -> Option<&Terms> {
        self.terms.get(slot.0)
    }

    /// The slot of a contract, by name.
    pub fn find(&self, contract: &ContractName) -> Option<Slot> {
        self.contracts.get(contract).copied()
    }

    /// The contracts that a lead names by itself: of the buyers that its publisher excludes, and those that
    /// its consumer is barred from.
    pub(crate) fn named_by(&self, context: &Context) -> BTreeSet<Slot> {
        let of = |buyer| self.buyers.get(buyer).into_iter().flatten();
        let excluded = context.exclude.iter().flat_map(of).copied();
        let barred = context.consumer.barred.keys();
        let barred = barred.filter_map(|contract| self.find(contract));
        excluded.chain(barred).collect()
    }

    /// All contracts with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &Terms)> {
        self.terms
            .iter()
            .enumerate()
            .map(|(at, terms)| (Slot(at), terms))
    }
}

/// One buyer's standing order.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The contract.
    pub contract: ContractName,
    /// Who buys.
    pub buyer: BuyerName,
    /// Whether contract and buyer are switched on.
    pub on: bool,
    /// Whether it takes test leads (and only those) instead of live ones.
    pub testing: bool,
    /// All contracts of a lower tier come before it.
    pub tier: u16,
    /// Breaks ties: higher first.
    pub priority: i32,
    /// How it hears of a lead.
    pub ping: PingMode,
    /// What it pays.
    pub price: Price,
    /// The share of its price that the service keeps, where it is not the publisher's.
    pub margin: Option<Ppm>,
    /// Which leads it takes.
    pub filter: Filter,
    /// Whose leads it takes.
    pub sources: Sources,
    /// When it takes leads, in its zone.
    pub schedule: Schedule,
    /// The states it takes leads of, by field `state`; none: of all.
    pub states: Option<States>,
    /// The ZIPs it takes leads of, by field `zip`; none: of all.
    pub zips: Option<Zips>,
    /// It takes leads that the publisher sold elsewhere at most this often.
    pub max_already_sold: u8,
    /// Whether it takes only leads with the consumer's consent.
    pub needs_consent: bool,
    /// How much it takes; at most one cap per window, unit and way to count.
    pub caps: Vec<Cap>,
    /// How much it takes of any one publisher.
    pub publisher_caps: Vec<Cap>,
    /// What limits its buyer, over all of the buyer's contracts.
    pub account: Arc<Account>,
    /// The zone of its schedule and its calendar windows.
    pub zone: Zone,
    /// No post starts with less time than this left.
    pub min_post_time: Duration,
    /// A post is read for this long, whatever the publisher's deadline says.
    pub post_timeout: Duration,
    /// Which price of an accepted post is booked.
    pub post_price: PostPrice,
    /// Whether a lead goes on after a post of it that is in doubt; a sale that shows up later is then
    /// not billed.
    pub resell_in_doubt: bool,
    /// A buyer that will say later has this long, whatever it asks for.
    pub settle_within: Duration,
    /// What its silence means then.
    pub on_unsettled: Settlement,
}

impl Terms {
    /// A contract that takes every live lead without being asked, and pays nothing for it.
    pub fn new(contract: ContractName, buyer: BuyerName) -> Self {
        Self {
            contract,
            buyer,
            on: true,
            testing: false,
            tier: 0,
            priority: 0,
            ping: PingMode::None,
            price: Price::Fixed(Micros::ZERO),
            margin: None,
            filter: Filter::default(),
            sources: Sources::default(),
            schedule: Schedule::default(),
            states: None,
            zips: None,
            max_already_sold: 0,
            needs_consent: false,
            caps: Vec::new(),
            publisher_caps: Vec::new(),
            account: Arc::default(),
            zone: Zone::utc(),
            min_post_time: Duration::from_secs(1),
            post_timeout: Duration::from_secs(30),
            post_price: PostPrice::default(),
            resell_in_doubt: false,
            settle_within: Duration::from_secs(86_400),
            on_unsettled: Settlement::Rejected,
        }
    }

    /// The most that a sale at this bid may be booked at: what has to be held for it.
    pub fn held(&self, bid: Micros) -> Micros {
        match (self.post_price, &self.price) {
            (PostPrice::Answer, Price::Bid { max, .. }) => bid.max(*max),
            (PostPrice::Answer | PostPrice::Bid, _) => bid,
        }
    }
}

/// Which price of an accepted post is booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PostPrice {
    /// The bid, whatever the answer names.
    #[default]
    Bid,
    /// What the answer names, up to what was held; the bid if it names nothing.
    Answer,
}

/// How a contract hears of a lead before the post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingMode {
    /// Not at all: it takes part with the price it names.
    None,
    /// It is asked whether it takes the lead, at the price it names.
    Check,
    /// It is asked for a price.
    Bid,
}

/// What a campaign, for one publisher, lays down for its auctions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// All amounts are in this currency.
    pub currency: Currency,
    /// How the publisher's payout follows from the revenue.
    pub payout: Payout,
    /// The least margin (revenue - payout) of a sale.
    pub min_margin: Micros,
    /// Who comes first inside a tier.
    pub policy: Policy,
    /// What a bid is worth.
    pub rank_by: RankBy,
    /// Whether a bid is worth less where posts are often rejected.
    pub penalty: bool,
    /// How long pings are awaited at most.
    pub ping_timeout: Duration,
    /// Kept free before the publisher's deadline to answer it.
    pub answer_reserve: Duration,
    /// A quote lives at most this long.
    pub quote_ttl: Duration,
    /// A direct post waits for pings no longer than until it holds this many bids and nobody who is still
    /// asked can come first.
    pub min_ladder: u16,
    /// At most this many posts per lead.
    pub max_posts: u16,
    /// Whether the ladder goes on after the publisher's deadline.
    pub after_tmax: AfterTmax,
    /// What a quote promises.
    pub quote_promise: Promise,
    /// What a direct post promises.
    pub direct_promise: Promise,
    /// What limits the publisher here, whoever buys.
    pub limits: Option<Arc<PublisherLimits>>,
}

impl Rules {
    /// The rules of a campaign that lays down nothing but its currency and what it pays.
    pub fn new(currency: Currency, payout: Payout) -> Self {
        Self {
            currency,
            payout,
            min_margin: Micros::ZERO,
            policy: Policy::default(),
            rank_by: RankBy::default(),
            penalty: true,
            ping_timeout: Duration::from_secs(2),
            answer_reserve: Duration::from_millis(50),
            quote_ttl: Duration::from_secs(300),
            min_ladder: 3,
            max_posts: 10,
            after_tmax: AfterTmax::Settle,
            quote_promise: Promise::BreakEven,
            direct_promise: Promise::Reprice,
            limits: None,
        }
    }

    /// No post of a lead that arrived at `started` starts later than its reserve before this.
    pub fn last_post(&self, started: Mono, deadline: Mono) -> Mono {
        match self.after_tmax {
            AfterTmax::Settle => deadline,
            AfterTmax::Continue { ladder_deadline } => started.plus(ladder_deadline).max(deadline),
        }
    }
}

/// What becomes of a lead whose publisher has heard `pending` because its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterTmax {
    /// The post on its way is read; a reject ends the ladder.
    Settle,
    /// The next contract is posted, until this long after the lead arrived.
    Continue {
        /// How long.
        ladder_deadline: Duration,
    },
}

/// When a lead may go on to the next contract after a reject, and what the publisher is then paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// While revenue - `min_margin` >= quote; the quote is paid exactly.
    BreakEven,
    /// While the payout at the normal margin >= quote; the quote is paid exactly.
    KeepMargin,
    /// While the payout is at least the publisher's floor; the acceptor's normal payout is paid.
    Reprice,
}

impl Promise {
    /// The stable number: a sealed quote carries it.
    pub const fn number(self) -> u8 {
        match self {
            Self::BreakEven => 1,
            Self::KeepMargin => 2,
            Self::Reprice => 3,
        }
    }

    /// From the number in a quote.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::BreakEven, Self::KeepMargin, Self::Reprice]
            .into_iter()
            .find(|promise| promise.number() == number)
    }
}
