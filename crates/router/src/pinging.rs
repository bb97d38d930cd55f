//! A round that is being run: calls to buyers that are out, and what they have come to so far. A direct
//! post goes on with the ladder while some are still out.

use std::collections::BTreeMap;
use std::time::Duration;

use auction::{LadderInput, PingEffect, PingInput, PingReply, PingRound, Slot};
use domain::{Clock, ContractName, Mono};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::round::{RoundOrder, RoundResult};

/// Who answered a ping, how, and with which HTTP status.
pub(crate) type Answered = (Slot, PingReply, Option<u16>);

/// Makes the call to one contract; its answer counts until then.
type Call<'c, 'a> = &'c mut dyn FnMut(Slot, Mono) -> BoxFuture<'a, Answered>;

/// How far a round has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its publisher waits for it.
    Awaited,
    /// The ladder is climbed, and bids may join.
    Ready,
    Over,
}

/// See the module's head. Dropping it calls off whoever is still asked.
pub(crate) struct Pinging<'a> {
    clock: &'a dyn Clock,
    order: &'a RoundOrder<'a>,
    round: PingRound,
    calls: FuturesUnordered<BoxFuture<'a, Answered>>,
    statuses: BTreeMap<ContractName, u16>,
    asked: Mono,
    awaited: Duration,
    wake: Mono,
    stage: Stage,
    news: bool,
}

impl<'a> Pinging<'a> {
    pub(crate) fn new(
        clock: &'a dyn Clock,
        order: &'a RoundOrder<'a>,
        round: PingRound,
        call: Call<'_, 'a>,
    ) -> Self {
        let mut pinging = Self {
            clock,
            order,
            round,
            calls: FuturesUnordered::new(),
            statuses: BTreeMap::new(),
            asked: clock.mono(),
            awaited: Duration::ZERO,
            wake: order.deadline,
            stage: Stage::Awaited,
            news: false,
        };
        pinging.perform(Some(call));
        pinging
    }

    /// Everybody who is asked at all is asked when the round opens: later there is no `call`.
    fn perform(&mut self, mut call: Option<Call<'_, 'a>>) {
        while let Some(effect) = self.round.poll() {
            match effect {
                PingEffect::Ping { slot, until } => {
                    self.calls
                        .extend(call.as_mut().map(|call| call(slot, until)));
                }
                // Calls that nobody waits for are dropped at the end, and their connections with them.
                PingEffect::Cancel { .. } => {}
                PingEffect::WakeAt(at) => self.wake = at,
                PingEffect::Joined => self.news = true,
                PingEffect::Ready => self.come_to(Stage::Ready),
                PingEffect::Done => {
                    self.news = self.stage == Stage::Ready;
                    self.come_to(Stage::Over);
                    self.calls.clear();
                }
            }
        }
    }

    fn come_to(&mut self, stage: Stage) {
        if self.stage == Stage::Awaited {
            self.awaited = self.clock.mono().since(self.asked);
        }
        self.stage = stage;
    }

    /// Whether nobody waits for the rest.
    pub(crate) fn is_ready(&self) -> bool {
        self.stage != Stage::Awaited
    }

    /// Whether nobody is asked any more.
    fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Waits for the next answer, or for the end of the window; may be dropped at any point.
    pub(crate) async fn step(&mut self) {
        let left = self.wake.since(self.clock.mono());
        let input = tokio::select! {
            Some((slot, reply, status)) = self.calls.next() => {
                let terms = self.order.stall.campaign.book.get(slot);
                if let (Some(terms), Some(status)) = (terms, status) {
                    self.statuses.insert(terms.contract.clone(), status);
                }
                PingInput::Reply { slot, reply }
            }
            () = tokio::time::sleep(left) => PingInput::Tick,
        };
        self.round.on(self.clock.mono(), input);
        self.perform(None);
    }

    /// What it has come to when nobody waits for the rest; with the rest, if some are still asked.
    pub(crate) fn split(self) -> (RoundResult, Option<Self>) {
        let mut result = RoundResult {
            round: auction::Round::default(),
            statuses: self.statuses.clone(),
            awaited: self.awaited,
        };
        let order = self.order;
        let rest = if self.is_over() {
            result.round = self.round.finish();
            None
        } else {
            result.round = self.round.so_far();
            Some(self)
        };
        if let Some(first) = result.round.rungs.first() {
            let (stall, wall) = (order.stall, order.context.wall);
            let book = &stall.campaign.book;
            stall.histories.came_first(book, &first.contract, wall);
        }
        (result, rest)
    }

    /// What the ladder has not heard of yet; with the statuses so far.
    pub(crate) fn news(&mut self) -> Option<(LadderInput, BTreeMap<ContractName, u16>)> {
        let news = std::mem::take(&mut self.news);
        let more = !self.is_over();
        news.then(|| {
            let round = self.round.so_far();
            (LadderInput::Joined { round, more }, self.statuses.clone())
        })
    }
}

/// Does this work, and lets answers to pings come meanwhile.
pub(crate) async fn beside<T>(
    pinging: &mut Option<Pinging<'_>>,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    while let Some(rest) = pinging.as_mut().filter(|rest| !rest.is_over()) {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = rest.step() => {}
        }
    }
    work.await
}
