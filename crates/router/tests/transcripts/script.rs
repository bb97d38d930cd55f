//! What a buyer answers, read from a scenario.

use std::time::Duration;

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) after: Duration,
    /// Until the scenario releases it.
    pub(crate) held: bool,
    pub(crate) does: Does,
}

/// What is done in the end.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Status and body.
    Says(u16, String),
    /// Nothing, and the connection stays open.
    Never,
    /// Closes the connection without a byte.
    HangsUp,
    /// Promises more than it sends, then closes.
    CutShort,
    /// Sends more than anybody wants to read.
    Endless,
}

impl Answer {
    pub(crate) fn read(text: &str) -> Self {
        let mut answer = Self {
            after: Duration::ZERO,
            held: false,
            does: Does::Never,
        };
        let mut text = text.trim();
        loop {
            if let Some(rest) = text.strip_prefix("after ") {
                let (time, rest) = rest.split_once(' ').expect("an answer after the time");
                answer.after = duration(time);
                text = rest.trim();
            } else if let Some(rest) = text.strip_prefix("held ") {
                answer.held = true;
                text = rest.trim();
            } else {
                answer.does = does(text);
                return answer;
            }
        }
    }
}

fn does(text: &str) -> Does {
    let words: Vec<&str> = text.split(' ').collect();
    let says = |body: serde_json::Value| Does::Says(200, body.to_string());
    match &words[..] {
        ["bids", price] => {
            says(serde_json::json!({ "bid": price, "bid_id": format!("bid-{price}") }))
        }
        ["bids", price, "for", time] => says(serde_json::json!({
            "bid": price, "bid_id": format!("bid-{price}"), "expires_in_s": duration(time).as_secs(),
        })),
        ["no", "bid"] => Does::Says(204, String::new()),
        ["accepts"] => says(serde_json::json!({ "status": "accepted", "reference": "r-1" })),
        ["accepts", "at", price] => {
            says(serde_json::json!({ "status": "accepted", "price": price }))
        }
        ["rejects"] => says(serde_json::json!({ "status": "rejected", "reason": "other" })),
        ["duplicate"] => says(serde_json::json!({ "status": "duplicate" })),
        ["pending"] => says(serde_json::json!({ "status": "pending", "reference": "r-1" })),
        ["pending", "until", time] => {
            says(serde_json::json!({ "status": "pending", "settle_by": format!("in {time}") }))
        }
        ["never"] => Does::Never,
        ["hangs", "up"] => Does::HangsUp,
        ["cut", "short"] => Does::CutShort,
        ["endless"] => Does::Endless,
        _ => {
            let (status, body) = text.split_once(' ').unwrap_or((text, ""));
            let status = status.parse();
            Does::Says(
                status.unwrap_or_else(|_| panic!("no answer of a buyer: {text}")),
                body.to_owned(),
            )
        }
    }
}

/// `120ms`, `30s`, `5m`, `2h`, `1d`.
pub(crate) fn duration(text: &str) -> Duration {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().unwrap_or_else(|_| panic!("no time: {text}"));
    match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number * 60),
        "h" => Duration::from_secs(number * 3600),
        "d" => Duration::from_secs(number * 86_400),
        _ => panic!("no time: {text}"),
    }
}
