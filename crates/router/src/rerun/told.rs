//! What the machines were told, as far as the records say it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use auction::{LadderInput, LadderRecord, PingReply, PostReply, Screened, Shut, Slot, Unsent};
use domain::{ContractReason, LegState, Micros, Mono, Reservation, ReservationId, Timestamp};
use proto::{LeadBody, LeadRecord, LegReply, Outcome, PingRow, Posting};

use super::machines::{Answers, Start, Told};
use super::span;
use crate::records::Statuses;

/// Answers the machines as they were answered.
pub(super) struct AsRecorded<'r> {
    start: &'r Start,
    screened: Screened,
    /// The router's own numbers of the records that the log has.
    known: BTreeSet<u32>,
    postings: BTreeMap<u32, &'r Posting>,
    /// How legs ended.
    ended: BTreeMap<u32, &'r LegReply>,
    pings: BTreeMap<&'r str, &'r PingRow>,
    /// Why the ping, and why the post of a contract ended as it did.
    reasons: BTreeMap<&'r str, (&'r str, &'r str)>,
}

impl<'r> AsRecorded<'r> {
    pub(super) fn new(start: &'r Start, records: &'r [LeadRecord], outcome: &'r Outcome) -> Self {
        let mut told = Self {
            start,
            screened: start.screened(),
            known: BTreeSet::new(),
            postings: BTreeMap::new(),
            ended: BTreeMap::new(),
            pings: BTreeMap::new(),
            reasons: BTreeMap::new(),
        };
        for record in records {
            let replies = match &record.body {
                Some(LeadBody::Posting(posting)) => {
                    told.postings.insert(posting.leg, posting);
                    &posting.replies
                }
                Some(LeadBody::Outcome(outcome)) => &outcome.replies,
                _ => continue,
            };
            told.known.insert(record.n);
            let replies = replies.iter().map(|reply| (reply.leg, reply));
            told.ended.extend(replies);
        }
        let waterfall = outcome.waterfall.iter();
        for ping in waterfall.clone().flat_map(|waterfall| &waterfall.pings) {
            told.pings.insert(&ping.contract, ping);
        }
        for row in waterfall.flat_map(|waterfall| &waterfall.contracts) {
            let reasons = (row.ping_reason.as_str(), row.post_reason.as_str());
            told.reasons.insert(&row.contract, reasons);
        }
        told
    }

    /// The HTTP statuses of buyers' answers, which no machine knows of.
    pub(super) fn statuses(&self) -> Statuses {
        let status = |status: u32| u16::try_from(status).ok().filter(|status| *status != 0);
        let pings = self.pings.values();
        let pings = pings.filter_map(|row| {
            let contract = row.contract.parse().ok()?;
            Some((contract, status(row.http_status)?))
        });
        let posts = self.ended.values();
        let posts = posts.filter_map(|reply| {
            let leg = u16::try_from(reply.leg).ok()?;
            Some((leg, status(reply.http_status)?))
        });
        Statuses {
            pings: pings.collect(),
            posts: posts.collect(),
        }
    }

    fn contract(&self, slot: Slot) -> Option<&str> {
        Some(self.start.book.get(slot)?.contract.as_str())
    }

    /// How a leg ended, and when the router knew.
    fn ended(&self, now: Mono, leg: u16) -> Option<(Mono, &'r LegReply)> {
        let reply = *self.ended.get(&leg.into())?;
        let at = Timestamp::from_micros(reply.at_us);
        Some((self.start.mono(at).max(now), reply))
    }

    /// The price that the buyer of an accepted leg named: nothing and zero differ by what was booked.
    fn said(&self, told: &LegReply) -> Option<Micros> {
        let posted = self.postings.get(&told.leg)?.price_micros;
        let changed = told.booked.as_ref().is_some_and(|booked| {
            booked.price_micros != posted || booked.flags.iter().any(|flag| flag == "price_changed")
        });
        (told.answered_micros != 0 || changed).then(|| Micros::new(told.answered_micros))
    }
}

impl Answers for AsRecorded<'_> {
    fn ping(&mut self, slot: Slot) -> Option<(Duration, PingReply)> {
        let contract = self.contract(slot)?;
        let row = *self.pings.get(contract)?;
        let (reason, _) = *self.reasons.get(contract)?;
        let took = span(row.took_us);
        let bid_id = (!row.bid_id.is_empty()).then(|| row.bid_id.clone());
        let answered = Timestamp::from_micros(row.started_at_us).plus(took);
        let expires_in = (row.bid_expires_at_us != 0)
            .then(|| Timestamp::from_micros(row.bid_expires_at_us).since(answered));
        let mut passed = self.screened.passed.iter();
        let names = passed.any(|passed| passed.slot == slot && passed.named.is_some());
        let reply = match (row.result.as_str(), reason) {
            // Who was asked yes or no may have named a price all the same.
            ("bid", _) if names && row.bid_micros == 0 => PingReply::Accept { bid_id, expires_in },
            ("bid", _) => PingReply::Bid {
                price: Micros::new(row.bid_micros),
                bid_id,
                expires_in,
            },
            ("no_bid", _) => PingReply::NoBid,
            ("failed", "throttled") => PingReply::Throttled,
            ("failed", "ping_error") => PingReply::Error,
            ("failed", _) if names => PingReply::Bad,
            // Who said yes and was to name a price has said nothing that can be read.
            ("failed", _) => PingReply::Accept { bid_id, expires_in },
            _ => return None,
        };
        Some((took, reply))
    }

    fn wake(&mut self, opened: Mono, at: Mono) -> Mono {
        let late = self.pings.values().filter(|row| row.result == "timeout");
        let woken = late.map(|row| opened.plus(span(row.took_us))).max();
        woken.unwrap_or(at)
    }

    fn hold(&mut self, now: Mono, slot: Slot, of: &Reservation) -> Told<LadderInput> {
        let (id, leg) = (of.id, u32::from(of.id.leg));
        let contract = self.contract(slot)?;
        if let Some(posting) = self.postings.get(&leg) {
            return (posting.contract == contract).then_some((now, LadderInput::Held(id)));
        }
        if self.ended.contains_key(&leg) {
            return Some((now, LadderInput::Held(id)));
        }
        let (_, reason) = *self.reasons.get(contract)?;
        let shut = |shut: &Shut| shut.reason().to_string() == reason;
        let mut limits = of.counters.iter().map(|taken| taken.key.limit());
        let input = if let Some(shut) = [Shut::Breaker, Shut::Rate].into_iter().find(shut) {
            LadderInput::Shut(id, shut)
        } else if let Some(limit) =
            limits.find(|limit| ContractReason::from(*limit).to_string() == reason)
        {
            LadderInput::HoldFull(id, limit)
        } else if reason == ContractReason::PostError.code() {
            LadderInput::HoldFailed(id)
        } else if reason == ContractReason::NoTime.code() {
            LadderInput::Held(id)
        } else {
            return None;
        };
        Some((now, input))
    }

    fn pin(&mut self, now: Mono, id: ReservationId) -> Told<LadderInput> {
        let leg = u32::from(id.leg);
        Some(match self.postings.get(&leg) {
            Some(posting) => {
                let at = Timestamp::from_micros(posting.started_at_us);
                (self.start.mono(at), LadderInput::Pinned(id))
            }
            None if self.ended.contains_key(&leg) => (now, LadderInput::Pinned(id)),
            None => (now, LadderInput::PinExpired(id)),
        })
    }

    fn record(&mut self, now: Mono, n: u32, record: &LadderRecord) -> Told<LadderInput> {
        let known = self.known.contains(&n);
        match record {
            LadderRecord::Posting { leg, .. } if known => {
                let (at, reply) = self.ended(now, *leg)?;
                let left = at.minus(span(reply.took_us)).max(now);
                Some((left, LadderInput::Recorded(n)))
            }
            LadderRecord::Outcome { .. } if known => Some((now, LadderInput::Recorded(n))),
            LadderRecord::Posting { leg, .. } => {
                let (at, _) = self.ended(now, *leg)?;
                Some((at, LadderInput::RecordFailed(n)))
            }
            LadderRecord::Outcome { .. } => None,
        }
    }

    fn post(&mut self, now: Mono, leg: u16, _: Mono) -> Told<LadderInput> {
        let (at, told) = self.ended(now, leg)?;
        let state = LegState::from_number(u8::try_from(told.state).ok()?)?;
        let reply = match (state, &told.unsettled) {
            (LegState::Accepted, _) => PostReply::Accepted {
                reference: (!told.reference.is_empty()).then(|| told.reference.clone()),
                price: self.said(told),
                redirect_url: None,
            },
            (LegState::InDoubt, Some(unsettled)) => PostReply::Pending {
                settle_by: Some(Timestamp::from_micros(unsettled.by_us)),
            },
            (LegState::InDoubt, None) => PostReply::Unclear,
            (LegState::Rejected, _) => match told.reason.as_str() {
                "buyer_rejected" => PostReply::Rejected,
                "buyer_says_duplicate" => PostReply::Duplicate,
                "throttled" => PostReply::Throttled,
                "abandoned" => PostReply::Unclear,
                _ => PostReply::NotSent(is_unsent(told)?),
            },
            (LegState::Posting, _) => return None,
        };
        Some((at, LadderInput::Reply { leg, reply }))
    }
}

fn is_unsent(reply: &LegReply) -> Option<Unsent> {
    match reply.reason.as_str() {
        "post_timeout" => Some(Unsent::TimedOut),
        "post_error" => Some(Unsent::Failed),
        _ => None,
    }
}
