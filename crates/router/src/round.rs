//! Opens a round and pings buyers: the only place that does. [`Pinging`] runs it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use auction::{
    CallEnd, Context, Facts, Kind, LeadView, Passed, PingReply, PingRound, Round, RoundOpening,
    Rules, Screened, Slot, may_enter, screen,
};
use buyer::{PingAnswer, PingHead, SourceView};
use callout::{ConnectError, ExchangeError};
use domain::{BuyerPingId, ContractName, Micros, Mono, PingFields};
use futures_util::future::BoxFuture;
use store::{Backend, Caps, StoreError};

use crate::gate::{Pass, Passes};
use crate::market::Stall;
use crate::pinging::{Answered, Pinging};
use crate::{Router, pseudonym};

/// What a round is run for.
pub(crate) struct RoundOrder<'a> {
    pub(crate) stall: &'a Arc<Stall>,
    pub(crate) rules: &'a Rules,
    pub(crate) context: Context,
    pub(crate) lead: LeadView<'a>,
    pub(crate) fields: &'a PingFields,
    pub(crate) sub: &'a BTreeMap<String, String>,
    pub(crate) kind: Kind,
    pub(crate) min_payout: Micros,
    pub(crate) now: Mono,
    pub(crate) deadline: Mono,
}

/// A round's result, the HTTP statuses of the answers, and how long buyers were awaited.
pub(crate) struct RoundResult {
    pub(crate) round: Round,
    pub(crate) statuses: BTreeMap<ContractName, u16>,
    pub(crate) awaited: Duration,
}

impl RoundResult {
    /// Of a ping that the book does not run for.
    pub(crate) fn nothing() -> Self {
        Self {
            round: Round::default(),
            statuses: BTreeMap::new(),
            awaited: Duration::ZERO,
        }
    }
}

impl<B: Backend> Router<B> {
    /// Screens the book and reads the facts for what is left of it in one call.
    pub(crate) async fn screen<'a>(
        &self,
        order: &RoundOrder<'a>,
    ) -> Result<(Screened, Facts, Passes<'a>), StoreError> {
        let book = &order.stall.campaign.book;
        let screened = screen(book, &order.context, order.lead);
        let counters = screened.counters(book, order.rules, &order.context);
        let mut facts = Facts::default();
        if !counters.is_empty() {
            let used = self.backend.caps().used(&counters).await?;
            facts.used = counters.into_iter().zip(used).collect();
        }
        let now = order.context.wall;
        facts.histories = order.stall.histories.of(&screened, now);
        let (rules, context) = (order.rules, &order.context);
        let enters = |passed: &Passed| {
            let terms = book.get(passed.slot);
            terms.is_some_and(|terms| {
                let named = passed.named;
                may_enter(terms, named, rules, order.min_payout, context, &facts).is_ok()
            })
        };
        let stall: &'a Stall = order.stall;
        let (shut, passes) = stall.gates.look(self.clock.mono(), book, &screened, enters);
        facts.shut = shut;
        Ok((screened, facts, passes))
    }

    /// Pings, and waits for the end of it.
    pub(crate) async fn run_round(
        &self,
        order: &RoundOrder<'_>,
        screened: Screened,
        facts: Facts,
        passes: Passes<'_>,
    ) -> RoundResult {
        let source = Source::new(self, order);
        let mut pinging = self.ping_all(order, &source, screened, facts, passes);
        while !pinging.is_ready() {
            pinging.step().await;
        }
        pinging.split().0
    }

    /// Pings everybody who is to be asked.
    pub(crate) fn ping_all<'a>(
        &'a self,
        order: &'a RoundOrder<'a>,
        source: &'a Source,
        screened: Screened,
        facts: Facts,
        mut passes: Passes<'a>,
    ) -> Pinging<'a> {
        // Looking the facts up took its time: nobody is pinged in a window that is over.
        let now = self.clock.mono();
        let round = PingRound::open(RoundOpening {
            book: Arc::clone(&order.stall.campaign.book),
            rules: order.rules.clone(),
            context: Context {
                wall: order.context.wall.plus(now.since(order.now)),
                ..order.context.clone()
            },
            screened,
            facts,
            kind: order.kind,
            min_payout: order.min_payout,
            now,
            deadline: order.deadline,
        });
        let call = &mut |slot, until| -> BoxFuture<'a, Answered> {
            let pass = passes.take(slot);
            Box::pin(self.ping_one(order, source, slot, pass, until))
        };
        Pinging::new(self.clock.as_ref(), order, round, call)
    }

    async fn ping_one(
        &self,
        order: &RoundOrder<'_>,
        source: &Source,
        slot: Slot,
        pass: Option<Pass<'_>>,
        until: Mono,
    ) -> Answered {
        let campaign = &order.stall.campaign;
        let (Some(terms), Some(delivery), Some(callee)) = (
            campaign.book.get(slot),
            order.stall.delivery(slot),
            order
                .stall
                .callees(slot)
                .and_then(|callees| callees.ping.as_ref()),
        ) else {
            return (slot, PingReply::Error, None);
        };
        let head = PingHead {
            ping_id: BuyerPingId::mint(order.context.wall, self.entropy.as_ref()),
            campaign: &campaign.name,
            contract: &terms.contract,
            tmax: until.since(self.clock.mono()),
            currency: order.rules.currency,
            test: order.context.test,
            already_sold: order.context.already_sold,
            source: source.view(),
        };
        let body = buyer::build_ping(&head, order.fields, &delivery.sensitive);
        let now = self.clock.mono();
        let mut pass = pass.or_else(|| order.stall.gates.ping(now, slot));
        let target = callee.target();
        let exchanged = match target.pool.place().await {
            Ok(place) => {
                // A buyer that was left too little time to answer has not failed.
                let time = until.since(self.clock.mono());
                if let Some(pass) = pass
                    .as_mut()
                    .filter(|_| time * 2 >= order.rules.ping_timeout)
                {
                    pass.due(until);
                }
                callout::post(place, &target, body.into()).await
            }
            Err(busy) => Err(busy.into()),
        };
        // All connections are ours: that none is free says nothing of the buyer.
        let called = !matches!(exchanged, Err(ExchangeError::NotSent(ConnectError::Busy)));
        let status = exchanged.as_ref().ok().map(|answer| answer.status.as_u16());
        let reply = match exchanged {
            Ok(answer) => match buyer::parse_ping(answer.status.as_u16(), &answer.body) {
                PingAnswer::Bid(bid) => PingReply::Bid {
                    price: bid.price,
                    bid_id: bid.terms.bid_id,
                    expires_in: bid.terms.expires_in,
                },
                PingAnswer::Accept(terms) => PingReply::Accept {
                    bid_id: terms.bid_id,
                    expires_in: terms.expires_in,
                },
                PingAnswer::NoBid { .. } => PingReply::NoBid,
                PingAnswer::Bad(_) => PingReply::Bad,
                PingAnswer::Throttled => PingReply::Throttled,
                PingAnswer::Error(_) => PingReply::Error,
            },
            Err(ExchangeError::TooLong) => PingReply::Bad,
            Err(error) => {
                tracing::debug!(contract = %terms.contract, %error, "ping failed");
                PingReply::Error
            }
        };
        if let Some(pass) = pass.filter(|_| called) {
            pass.ended(match reply {
                PingReply::Bad | PingReply::Error => CallEnd::Failed,
                PingReply::Bid { .. } | PingReply::Accept { .. } => CallEnd::Answered,
                PingReply::NoBid | PingReply::Throttled => CallEnd::Answered,
            });
        }
        (slot, reply, status)
    }
}

/// Where a lead comes from, as buyers may know it: stable pseudonyms.
pub(crate) struct Source {
    publisher: String,
    sub: BTreeMap<String, String>,
}

impl Source {
    pub(crate) fn new<B: Backend>(router: &Router<B>, order: &RoundOrder<'_>) -> Self {
        Self::of(router, order.context.publisher.as_str(), order.sub)
    }

    pub(crate) fn of<B: Backend>(
        router: &Router<B>,
        publisher: &str,
        sub: &BTreeMap<String, String>,
    ) -> Self {
        let hidden = |(name, value): (&String, &String)| {
            (
                name.clone(),
                pseudonym(&router.sealer, &format!("sub/{publisher}/{name}"), value),
            )
        };
        Self {
            publisher: pseudonym(&router.sealer, "publisher", publisher),
            sub: sub.iter().map(hidden).collect(),
        }
    }

    pub(crate) fn view(&self) -> SourceView<'_> {
        SourceView {
            publisher: &self.publisher,
            sub: &self.sub,
        }
    }
}
