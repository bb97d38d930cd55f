//! What happens, in words.

use std::time::Duration;

use auction::{
    Ended, LadderInput, LadderRecord, LegReply, PingReply, PostReply, Rung, Shut, Slot, Unsent,
    Waterfall,
};
use domain::{
    CapUnit, ContractName, ContractReason, LegState, Meter, Micros, Mono, Reservation, Timestamp,
};

const START: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

/// A span as one would say it: `2 s`, `350 ms`.
pub(crate) fn span(span: Duration) -> String {
    match span.as_millis() {
        millis if millis % 1000 == 0 => format!("{} s", millis / 1000),
        millis => format!("{millis} ms"),
    }
}

pub(crate) fn at(at: Mono) -> String {
    format!("{} ms", at.as_micros() / 1000)
}

pub(crate) fn ping_reply(reply: &PingReply) -> String {
    match reply {
        PingReply::Bid {
            price, expires_in, ..
        } => match expires_in {
            None => format!("bids {price}"),
            Some(stands) => format!("bids {price} for {}", span(*stands)),
        },
        PingReply::Accept { expires_in, .. } => match expires_in {
            None => "says yes".to_owned(),
            Some(stands) => format!("says yes for {}", span(*stands)),
        },
        PingReply::NoBid => "does not bid".to_owned(),
        PingReply::Throttled => "asks for fewer pings".to_owned(),
        PingReply::Bad => "answers with garbage".to_owned(),
        PingReply::Error => "refuses the connection".to_owned(),
    }
}

pub(crate) fn rung(rung: &Rung) -> String {
    format!("{} at {} pays {}", rung.contract, rung.price, rung.payout)
}

pub(crate) fn units(reservation: &Reservation) -> String {
    let units = reservation.counters.iter();
    let units: Vec<String> = units
        .map(|unit| match unit.key.meter.unit() {
            CapUnit::Leads => format!("{} (at most {})", unit.key, unit.limit),
            CapUnit::Money => {
                let [amount, limit] = [unit.amount, unit.limit].map(Micros::new);
                format!("{amount} of {} (at most {limit})", unit.key)
            }
        })
        .collect();
    if units.is_empty() {
        "no caps".to_owned()
    } else {
        units.join(", ")
    }
}

/// What the ladder is told, where it is not the plain success that the next effect shows.
pub(crate) fn told(input: &LadderInput) -> Option<String> {
    let told = match input {
        LadderInput::HoldFull(id, limit) if limit.meter == Meter::Balance => {
            format!("leg {}: the balance is spent", id.leg)
        }
        LadderInput::HoldFull(id, limit) => format!("leg {}: the {limit} cap is full", id.leg),
        LadderInput::Shut(id, Shut::Breaker) => format!("leg {}: the breaker is open", id.leg),
        LadderInput::Shut(id, Shut::Rate) => format!("leg {}: over its rate", id.leg),
        LadderInput::HoldFailed(id) => format!("leg {}: the store cannot hold", id.leg),
        LadderInput::PinExpired(id) => format!("leg {}: the hold had expired", id.leg),
        LadderInput::PinFailed(id) => format!("leg {}: the store cannot pin", id.leg),
        LadderInput::ClaimLost => "somebody else has the lead".to_owned(),
        LadderInput::RecordFailed(n) => format!("record {n}: the log did not take it"),
        LadderInput::Reply { .. }
        | LadderInput::Held(_)
        | LadderInput::Pinned(_)
        | LadderInput::Recorded(_)
        | LadderInput::Joined { .. }
        | LadderInput::Tick => return None,
    };
    Some(told)
}

pub(crate) fn post_reply(reply: &PostReply) -> String {
    match reply {
        PostReply::Accepted { price: None, .. } => "accepts".to_owned(),
        PostReply::Accepted {
            price: Some(price), ..
        } => format!("accepts, and says it pays {price}"),
        PostReply::Rejected => "rejects".to_owned(),
        PostReply::Duplicate => "had it before".to_owned(),
        PostReply::Throttled => "asks for fewer posts".to_owned(),
        PostReply::Unclear => "breaks off after the post has left".to_owned(),
        PostReply::Pending { .. } => "will say later".to_owned(),
        PostReply::NotSent(Unsent::Failed) => "cannot be reached, nothing was sent".to_owned(),
        PostReply::NotSent(Unsent::TimedOut) => {
            "is not reached in time, nothing was sent".to_owned()
        }
    }
}

/// A record, and the ends of legs that ride on it.
pub(crate) fn record(
    record: &LadderRecord,
    name: impl Fn(Slot) -> ContractName,
) -> (String, Vec<String>) {
    match record {
        LadderRecord::Posting {
            leg,
            slot,
            price,
            payout,
            started_at,
            reply_by,
            replies,
            ..
        } => {
            let contract = name(*slot);
            let within = span(reply_by.since(*started_at));
            let posting = format!(
                "posting leg {leg} to {contract} at {price}, publisher gets {payout}, answer within {within}"
            );
            (posting, replies.iter().map(end).collect())
        }
        LadderRecord::Outcome { ended: is, replies } => {
            let late = if is.told_pending {
                " (the publisher heard pending)"
            } else {
                ""
            };
            let outcome = format!("outcome {}{late}", ended(is));
            (outcome, replies.iter().map(end).collect())
        }
    }
}

fn end(reply: &LegReply) -> String {
    let LegReply { leg, state, .. } = reply;
    if let Some(unsettled) = reply.unsettled {
        let by = unsettled.by.since(START);
        let then = unsettled.then.as_str();
        return format!(
            "leg {leg} {}, {then} at {} ms",
            state.as_str(),
            by.as_millis()
        );
    }
    let booked = reply.booked.iter().map(|booked| {
        let flags = booked.flags.iter().map(|flag| flag.as_str());
        let flags: Vec<&str> = flags.collect();
        match flags.is_empty() {
            true => String::new(),
            false => format!(", booked at {}: {}", booked.price, flags.join(", ")),
        }
    });
    let booked: String = booked.collect();
    let price = reply.answered.map(|price| format!(", said {price}"));
    let price = price.unwrap_or_default();
    match state {
        LegState::Rejected => format!("leg {leg} {}: {}", state.as_str(), reply.reason),
        _ => format!("leg {leg} {}{price}{booked}", state.as_str()),
    }
}

pub(crate) fn ended(ended: &Ended) -> String {
    let status = ended.status;
    match (&ended.sold, ended.reason) {
        (Some(sold), _) => {
            let margin = sold.price.minus(sold.payout).unwrap();
            format!("{status}, paid {}, margin {margin}", sold.payout)
        }
        (None, Some(reason)) => format!("{status}, {}", reason.as_str()),
        (None, None) => status.to_string(),
    }
}

/// A table of reasons, one contract a line.
pub(crate) fn waterfall(waterfall: &Waterfall) -> Vec<String> {
    let line = |contract: &str, price: &str, ping: &str, post: &str, deferred: &str| {
        let line = format!("  {contract:<10}{price:>7}  {ping:<18}{post:<20}{deferred}");
        line.trim_end().to_owned()
    };
    let mut lines = vec![String::new(), line("", "price", "ping", "post", "")];
    for row in &waterfall.rows {
        let price = row.price.map_or("-".to_owned(), |price| price.to_string());
        let reason = |reason: &Option<ContractReason>| {
            reason.as_ref().map_or("-".to_owned(), ToString::to_string)
        };
        lines.push(line(
            row.contract.as_str(),
            &price,
            &reason(&row.ping_reason),
            &reason(&row.post_reason),
            if row.deferred { "deferred" } else { "" },
        ));
    }
    for (reason, count) in &waterfall.excluded {
        lines.push(format!("  {count} excluded: {reason}"));
    }
    lines
}
