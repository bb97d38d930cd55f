//! What a buyer does with a request: a pure function of its profile, the request and its draws.

use std::time::Duration;

use domain::Micros;

use crate::draw::Draw;
use crate::wire::{PingAnswer, PostAnswer, Request};
use crate::{Answer, Delivery, Magic, Profile};

/// What is decided, and how and when the caller hears of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) answer: Answer,
    pub(crate) delivery: Delivery,
    /// How long the answer takes; without meaning if it never leaves.
    pub(crate) delay: Duration,
    /// The bid, or the price at which the lead was posted.
    pub(crate) price: Option<Micros>,
    /// Another price that a post's answer names.
    pub(crate) repriced: Option<Micros>,
    pub(crate) reason: Option<&'static str>,
}

/// How much later than the caller's time a late answer comes, at most.
const LATENESS: Duration = Duration::from_secs(1);

/// The plan for a ping.
pub(crate) fn ping(profile: &Profile, seed: u64, request: &Request, magic: Option<Magic>) -> Plan {
    let mut draw = Draw::new(seed, &profile.name, "ping", &request.ping_id);
    let delay = latency(profile, &mut draw);
    let price = draw.price(profile.bid.min, profile.bid.max);
    let bids = draw.happens(profile.bid.share);
    let stalls = draw.happens(profile.ping.stall);
    let breaks = draw.happens(profile.ping.broken);
    let no_bid = NO_BID_REASONS[draw.one_of(NO_BID_REASONS.len() as u32) as usize];
    let plan = if bids {
        Plan::new(Answer::Bid, delay, Some(price))
    } else {
        Plan {
            reason: no_bid,
            ..Plan::new(Answer::NoBid, delay, None)
        }
    };
    let best = Plan::new(Answer::Bid, delay, Some(profile.bid.max));
    match magic {
        Some(Magic::Decline) => Plan {
            reason: Some("filter"),
            ..Plan::new(Answer::NoBid, delay, None)
        },
        Some(Magic::StallPing) => Plan {
            delivery: Delivery::Never,
            ..best
        },
        Some(Magic::BreakPing) => Plan {
            delivery: Delivery::Garbage,
            ..best
        },
        Some(_) => best,
        None if stalls => plan.stalled(request, &mut draw),
        None if breaks => plan.broken(&mut draw),
        None => plan,
    }
}

/// The plan for a post; `key` is its idempotency key.
pub(crate) fn post(
    profile: &Profile,
    seed: u64,
    request: &Request,
    key: &str,
    magic: Option<Magic>,
) -> Plan {
    let mut draw = Draw::new(seed, &profile.name, "post", key);
    let delay = latency(profile, &mut draw);
    let price = request.price.as_deref().and_then(|text| text.parse().ok());
    let manners = &profile.post;
    // One draw decides among exclusive answers: each takes what the ones before have left.
    let mut left = 1.0;
    let mut takes = |share: f64, draw: &mut Draw| {
        let taken = left > 0.0 && draw.happens(share / left);
        left -= share;
        taken
    };
    let (reject, duplicate, pending) = (
        takes(manners.reject, &mut draw),
        takes(manners.duplicate, &mut draw),
        takes(manners.pending, &mut draw),
    );
    let stalls = draw.happens(manners.stall);
    let breaks = draw.happens(manners.broken);
    let with = |answer| Plan::new(answer, delay, price);
    let refused = || Plan {
        reason: Some("not wanted"),
        ..with(Answer::Rejected)
    };
    let plan = match (reject, duplicate, pending) {
        (true, _, _) => refused(),
        (_, true, _) => with(Answer::Duplicate),
        (_, _, true) => with(Answer::Pending),
        _ => with(Answer::Accepted),
    };
    let bought = with(Answer::Accepted);
    match magic {
        Some(Magic::Decline | Magic::Reject) => refused(),
        Some(Magic::Pending) => with(Answer::Pending),
        Some(Magic::StallPost) => Plan {
            delivery: Delivery::Never,
            ..bought
        },
        Some(Magic::BreakPost) => Plan {
            delivery: Delivery::Reset,
            ..bought
        },
        Some(Magic::Reprice) => Plan {
            repriced: price.map(|price| Micros::new(price.get() / 2)),
            ..bought
        },
        Some(_) => bought,
        None if stalls => plan.stalled(request, &mut draw),
        None if breaks => plan.broken(&mut draw),
        None => plan,
    }
}

/// Without a reason the answer is a bare 204.
const NO_BID_REASONS: [Option<&str>; 4] = [None, Some("cap"), Some("schedule"), Some("filter")];

const BREAKS: [Delivery; 4] = [
    Delivery::Reset,
    Delivery::ServerError,
    Delivery::Garbage,
    Delivery::Truncated,
];

fn latency(profile: &Profile, draw: &mut Draw) -> Duration {
    let ours = &profile.latency;
    if draw.happens(ours.tail_share) {
        draw.span(ours.typical, ours.tail)
    } else {
        draw.span(ours.min, ours.typical)
    }
}

impl Plan {
    fn new(answer: Answer, delay: Duration, price: Option<Micros>) -> Self {
        Self {
            answer,
            delivery: Delivery::Answered,
            delay,
            price,
            repriced: None,
            reason: None,
        }
    }

    fn stalled(self, request: &Request, draw: &mut Draw) -> Self {
        let told = Duration::from_millis(u64::from(request.tmax_ms));
        let delay = told + draw.span(LATENESS / 5, LATENESS);
        let delivery = if draw.happens(0.5) {
            Delivery::Late
        } else {
            Delivery::Never
        };
        Self {
            delivery,
            delay,
            ..self
        }
    }

    fn broken(self, draw: &mut Draw) -> Self {
        let which = draw.one_of(BREAKS.len() as u32) as usize;
        Self {
            delivery: BREAKS.get(which).copied().unwrap_or(Delivery::Reset),
            ..self
        }
    }

    /// The bytes of an answer; none for a bare 204.
    pub(crate) fn body(&self, id: &str) -> Option<Vec<u8>> {
        let decimal = |price: Option<Micros>| price.map(|price| price.to_string());
        let status = match self.answer {
            Answer::Bid => {
                return json(&PingAnswer {
                    bid: decimal(self.price),
                    bid_id: Some(format!("b-{id}")),
                    expires_in_s: Some(60),
                    reason: None,
                });
            }
            Answer::NoBid => {
                let reason = self.reason?;
                return json(&PingAnswer {
                    bid: None,
                    bid_id: None,
                    expires_in_s: None,
                    reason: Some(reason),
                });
            }
            Answer::Accepted => "accepted",
            Answer::Rejected => "rejected",
            Answer::Duplicate => "duplicate",
            Answer::Pending => "pending",
        };
        let accepted = self.answer == Answer::Accepted;
        json(&PostAnswer {
            status,
            reference: Some(format!("r-{id}")),
            price: if accepted {
                decimal(self.repriced.or(self.price))
            } else {
                None
            },
            reason: self.reason,
        })
    }
}

fn json<T: serde::Serialize>(answer: &T) -> Option<Vec<u8>> {
    serde_json::to_vec(answer).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        serde_json::from_str(
            r#"{"ping_id":"bp_1","tmax_ms":200,"price":"14.00","lead":{"zip":"78701"}}"#,
        )
        .unwrap()
    }

    fn profile() -> Profile {
        Profile::standard(1).remove(0)
    }

    #[test]
    fn the_same_key_is_answered_the_same() {
        let mut profile = profile();
        profile.post.reject = 0.5;
        let plan = |key: &str| post(&profile, 3, &request(), key, None);
        let answers: Vec<_> = (0..64).map(|n| plan(&format!("bk_{n}"))).collect();
        assert!(answers.iter().any(|plan| plan.answer == Answer::Rejected));
        assert!(answers.iter().any(|plan| plan.answer == Answer::Accepted));
        for (n, first) in answers.iter().enumerate() {
            assert_eq!(*first, plan(&format!("bk_{n}")));
        }
    }

    #[test]
    fn shares_come_out_as_asked() {
        let mut profile = profile();
        profile.bid.share = 0.8;
        profile.post.reject = 0.3;
        profile.post.duplicate = 0.2;
        let (mut bids, mut rejects, mut duplicates) = (0, 0, 0);
        for n in 0..2000 {
            let mut request = request();
            request.ping_id = format!("bp_{n}");
            bids += u32::from(ping(&profile, 1, &request, None).answer == Answer::Bid);
            let answer = post(&profile, 1, &request, &format!("bk_{n}"), None).answer;
            rejects += u32::from(answer == Answer::Rejected);
            duplicates += u32::from(answer == Answer::Duplicate);
        }
        for (what, count, want) in [
            ("bids", bids, 1600),
            ("rejects", rejects, 600),
            ("duplicates", duplicates, 400),
        ] {
            assert!(
                u32::abs_diff(count, want) < 100,
                "{what}: {count} of 2000, want about {want}"
            );
        }
    }

    #[test]
    fn magic_decides_whatever_was_drawn() {
        let ping_of = |magic| ping(&profile(), 1, &request(), Some(magic));
        let post_of = |magic| post(&profile(), 1, &request(), "bk_1", Some(magic));
        assert_eq!(ping_of(Magic::Decline).answer, Answer::NoBid);
        assert_eq!(ping_of(Magic::StallPing).delivery, Delivery::Never);
        assert_eq!(ping_of(Magic::BreakPing).delivery, Delivery::Garbage);
        assert_eq!(ping_of(Magic::Reject).price, Some(profile().bid.max));
        assert_eq!(post_of(Magic::Reject).answer, Answer::Rejected);
        assert_eq!(post_of(Magic::Pending).answer, Answer::Pending);
        assert_eq!(post_of(Magic::StallPost).delivery, Delivery::Never);
        assert_eq!(post_of(Magic::BreakPost).delivery, Delivery::Reset);
        assert_eq!(
            post_of(Magic::Reprice).repriced,
            Some(Micros::new(7_000_000))
        );
        assert_eq!(post_of(Magic::Buy).answer, Answer::Accepted);
    }

    #[test]
    fn answers_read_like_the_native_format() {
        let price = Some(Micros::new(14_000_000));
        let show = |plan: Plan| plan.body("1").map(|body| String::from_utf8(body).unwrap());
        let plan = |answer| Plan::new(answer, Duration::ZERO, price);
        assert_eq!(
            show(plan(Answer::Bid)).as_deref(),
            Some(r#"{"bid":"14.00","bid_id":"b-1","expires_in_s":60}"#)
        );
        assert_eq!(show(plan(Answer::NoBid)), None);
        assert_eq!(
            show(Plan {
                reason: Some("cap"),
                ..plan(Answer::NoBid)
            })
            .as_deref(),
            Some(r#"{"bid":null,"reason":"cap"}"#)
        );
        assert_eq!(
            show(plan(Answer::Accepted)).as_deref(),
            Some(r#"{"status":"accepted","reference":"r-1","price":"14.00"}"#)
        );
    }
}
