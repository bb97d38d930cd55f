//! Records of topic `leads` as a router writes them, with what a test does not care about filled in.

use bytes::Bytes;
use domain::{CounterUse, LeadId, LeadReason, LeadStatus, LegState, Timestamp};
use proto::{
    Claim, Counter, Interrupted, Lapsed, LeadBody, LeadRecord, LegReply, Message, Outcome, Posting,
    Received, Settled, Unsettled,
};
use store::{ClaimKey, Digest};

/// A record of a lead.
pub fn record(lead: LeadId, n: u32, at: Timestamp, body: LeadBody) -> LeadRecord {
    LeadRecord {
        subject: lead.as_bytes().to_vec(),
        n,
        at_us: at.as_micros(),
        instance: 1,
        body: Some(body),
    }
}

/// As it is appended.
pub fn bytes(record: &LeadRecord) -> Bytes {
    record.encode_to_vec().into()
}

/// `received` under a key.
pub fn received(key: &ClaimKey, digest: &Digest) -> LeadBody {
    LeadBody::Received(Received {
        campaign: "solar".to_owned(),
        publisher: "pub".to_owned(),
        claim: Some(Claim {
            key: key.0.clone(),
            digest: digest.to_vec(),
        }),
        sealed: vec![7; 40],
        ..Received::default()
    })
}

/// `posting` of a leg that takes from these counters.
pub fn posting(leg: u16, counters: &[CounterUse], reply_by: Timestamp) -> Posting {
    Posting {
        leg: leg.into(),
        contract: format!("contract-{leg}"),
        buyer: format!("buyer-{leg}"),
        price_micros: 30_000_000,
        payout_micros: 20_000_000,
        currency: "USD".to_owned(),
        counters: counters.iter().map(Counter::from).collect(),
        reply_by_us: reply_by.as_micros(),
        ..Posting::default()
    }
}

/// How a leg ended on its ladder.
pub fn reply(leg: u16, state: LegState) -> LegReply {
    LegReply {
        leg: leg.into(),
        state: state.number().into(),
        ..LegReply::default()
    }
}

/// The buyer of a leg will say later; its silence means this.
pub fn pending(leg: u16, by: Timestamp, accepted: bool) -> LegReply {
    LegReply {
        unsettled: Some(Unsettled {
            by_us: by.as_micros(),
            accepted,
        }),
        ..reply(leg, LegState::InDoubt)
    }
}

/// `outcome` with the bytes of its answer.
pub fn outcome(
    status: LeadStatus,
    reason: Option<LeadReason>,
    replies: Vec<LegReply>,
    answer: &[u8],
) -> LeadBody {
    LeadBody::Outcome(Outcome {
        status: status.number().into(),
        reason: reason.map_or(0, LeadReason::number).into(),
        replies,
        sealed_answer: answer.to_vec(),
        ..Outcome::default()
    })
}

/// A proposal to settle a leg.
pub fn settled(leg: u16, accepted: bool, proposal: u64) -> LeadBody {
    LeadBody::Settled(Settled {
        leg: leg.into(),
        accepted,
        by: "operator".to_owned(),
        proposal: proposal.to_be_bytes().repeat(2),
        ..Settled::default()
    })
}

/// A leg is given up.
pub fn lapsed(leg: u16) -> LeadBody {
    LeadBody::Lapsed(Lapsed { leg: leg.into() })
}

/// A lead without a post is given up.
pub fn interrupted() -> LeadBody {
    LeadBody::Interrupted(Interrupted {})
}

/// One lead of a counter, by the counter's name.
///
/// # Panics
/// No counter has this name.
pub fn unit(counter: &str, limit: i64) -> CounterUse {
    taking(counter, 1, limit)
}

/// So much of a counter, by the counter's name.
///
/// # Panics
/// No counter has this name.
#[expect(clippy::panic, reason = "a test names its own counters")]
pub fn taking(counter: &str, amount: i64, limit: i64) -> CounterUse {
    let Ok(key) = counter.parse() else {
        panic!("no counter is called {counter:?}");
    };
    CounterUse { key, amount, limit }
}
