//! From what the auction says to records of the log.

use std::collections::BTreeMap;

use auction::{Book, Consumer, Context, Ended, Facts, LadderRecord, LegReply, Rung, Waterfall};
use domain::{ContractName, Currency, Micros, Timestamp};
use proto::{LeadBody, Outcome, Posting, QuoteRung};

fn micros(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// HTTP statuses of buyers' answers: the auction does not know of them.
#[derive(Debug, Default)]
pub(crate) struct Statuses {
    /// Of pings, by contract.
    pub(crate) pings: BTreeMap<ContractName, u16>,
    /// Of posts, by leg.
    pub(crate) posts: BTreeMap<u16, u16>,
}

/// The dynamic values that an auction used, with the names of the book for its slots.
pub(crate) fn facts(facts: &Facts, book: &Book) -> proto::Facts {
    let caps = facts.used.iter().map(|(counter, used)| proto::CapFact {
        counter: counter.to_string(),
        used: *used,
    });
    let histories = facts.histories.iter().filter_map(|(slot, history)| {
        Some(proto::HistoryFact {
            contract: book.get(*slot)?.contract.to_string(),
            posts: history.acceptance.posts,
            rejected: history.acceptance.rejected,
            turn: history.turn,
        })
    });
    let shut = facts.shut.iter().filter_map(|(slot, shut)| {
        let contract = book.get(*slot)?.contract.to_string();
        Some((contract, shut.reason().to_string()))
    });
    proto::Facts {
        caps: caps.collect(),
        histories: histories.collect(),
        shut: shut.collect(),
    }
}

/// What contracts are asked with beside the lead's fields and the facts.
pub(crate) fn judged(context: &Context, min_payout: Micros) -> proto::Judged {
    proto::Judged {
        exclude: context.exclude.iter().map(ToString::to_string).collect(),
        already_sold: context.already_sold.into(),
        min_payout_micros: min_payout.get(),
        consented: context.consumer.consented,
        as_of_us: context.wall.as_micros(),
    }
}

/// What a quote says to the ladder of its post.
pub(crate) fn promised(quote: &auction::Quote, rungs: &[Rung]) -> proto::Promised {
    proto::Promised {
        rungs: rungs.iter().map(rung).collect(),
        payout_micros: quote.payout.get(),
        promise: quote.promise.number().into(),
        min_margin_micros: quote.min_margin.get(),
    }
}

/// A rung as quotes and records hold it.
pub(crate) fn rung(rung: &Rung) -> QuoteRung {
    QuoteRung {
        contract: rung.contract.to_string(),
        price_micros: rung.price.get(),
        payout_micros: rung.payout.get(),
        bid_id: rung.bid_id.clone().unwrap_or_default(),
        expires_at_us: rung.expires.map_or(0, Timestamp::as_micros),
    }
}

/// The contracts that do not take a consumer, with the reason.
pub(crate) fn barred(consumer: &Consumer) -> BTreeMap<String, String> {
    let barred = consumer.barred.iter();
    barred
        .map(|(contract, bar)| (contract.to_string(), bar.reason().to_string()))
        .collect()
}

/// A waterfall as it is stored; a ping without an answer has status 0.
pub(crate) fn waterfall(
    waterfall: &Waterfall,
    statuses: &BTreeMap<ContractName, u16>,
) -> proto::Waterfall {
    let reason = |reason: &Option<domain::ContractReason>| {
        reason.as_ref().map_or(String::new(), ToString::to_string)
    };
    let contracts = waterfall.rows.iter().map(|row| proto::ContractRow {
        contract: row.contract.to_string(),
        buyer: row
            .buyer
            .as_ref()
            .map_or(String::new(), ToString::to_string),
        ping_reason: reason(&row.ping_reason),
        post_reason: reason(&row.post_reason),
        price_micros: row.price.map_or(0, Micros::get),
    });
    let pings = waterfall.pings.iter().map(|ping| proto::PingRow {
        contract: ping.contract.to_string(),
        buyer: ping.buyer.to_string(),
        result: ping.result.as_str().to_owned(),
        started_at_us: ping.started_at.as_micros(),
        took_us: micros(ping.took),
        bid_micros: ping.bid.map_or(0, Micros::get),
        http_status: statuses
            .get(&ping.contract)
            .map_or(0, |status| (*status).into()),
        bid_id: ping.bid_id.clone().unwrap_or_default(),
        bid_expires_at_us: ping.expires.map_or(0, Timestamp::as_micros),
    });
    let mut excluded = BTreeMap::new();
    for (reason, count) in &waterfall.excluded {
        excluded.insert(reason.to_string(), *count);
    }
    proto::Waterfall {
        contracts: contracts.collect(),
        pings: pings.collect(),
        excluded,
    }
}

fn replies(replies: &[LegReply], statuses: &Statuses) -> Vec<proto::LegReply> {
    let one = |reply: &LegReply| proto::LegReply {
        leg: reply.leg.into(),
        state: reply.state.number().into(),
        reason: reply.reason.to_string(),
        took_us: micros(reply.took),
        http_status: statuses
            .posts
            .get(&reply.leg)
            .map_or(0, |status| (*status).into()),
        reference: reply.reference.clone().unwrap_or_default(),
        answered_micros: reply.answered.map_or(0, Micros::get),
        at_us: reply.at.as_micros(),
        unsent: reply.usage == Some(domain::Usage::Nothing),
        booked: reply.booked.as_ref().map(|booked| proto::Booked {
            price_micros: booked.price.get(),
            payout_micros: booked.payout.get(),
            flags: booked
                .flags
                .iter()
                .map(|flag| flag.as_str().to_owned())
                .collect(),
        }),
        unsettled: reply.unsettled.map(|unsettled| proto::Unsettled {
            by_us: unsettled.by.as_micros(),
            accepted: unsettled.then == domain::Settlement::Accepted,
        }),
    };
    replies.iter().map(one).collect()
}

/// What an outcome's record needs beside what the ladder knows.
pub(crate) struct OutcomeFacts {
    /// The exact answer, sealed; empty unless the outcome is final.
    pub(crate) sealed_answer: Vec<u8>,
    /// From the request to the outcome.
    pub(crate) took: std::time::Duration,
}

/// The body of a ladder's outcome.
pub(crate) fn outcome(
    ended: &Ended,
    legs: &[LegReply],
    facts: OutcomeFacts,
    statuses: &Statuses,
) -> LeadBody {
    LeadBody::Outcome(Outcome {
        status: ended.status.number().into(),
        reason: ended.reason.map_or(0, |reason| reason.number().into()),
        replies: replies(legs, statuses),
        waterfall: Some(waterfall(&ended.waterfall, &statuses.pings)),
        sealed_answer: facts.sealed_answer,
        took_us: micros(facts.took),
        told_pending: ended.told_pending,
    })
}

/// The body of a record that precedes a post; none for an outcome.
pub(crate) fn posting(
    record: &LadderRecord,
    book: &Book,
    currency: Currency,
    statuses: &Statuses,
) -> Option<LeadBody> {
    let LadderRecord::Posting {
        leg,
        slot,
        price,
        payout,
        reservation,
        started_at,
        reply_by,
        replies: ended,
    } = record
    else {
        return None;
    };
    let terms = book.get(*slot)?;
    Some(LeadBody::Posting(Posting {
        leg: (*leg).into(),
        contract: terms.contract.to_string(),
        buyer: terms.buyer.to_string(),
        price_micros: price.get(),
        payout_micros: payout.get(),
        currency: currency.to_string(),
        counters: reservation
            .counters
            .iter()
            .map(proto::Counter::from)
            .collect(),
        reply_by_us: reply_by.as_micros(),
        started_at_us: started_at.as_micros(),
        replies: replies(ended, statuses),
    }))
}
