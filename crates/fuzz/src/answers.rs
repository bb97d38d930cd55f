//! Buyers' answers to pings and posts: two bytes of status, then the body.

use buyer::{NotTaken, PingAnswer, PostAnswer, parse_ping, parse_post};
use domain::Micros;

pub(crate) fn run(data: &[u8]) {
    let Some((status, body)) = data.split_first_chunk() else {
        return;
    };
    let status = u16::from_be_bytes(*status) % 700;
    if let PingAnswer::Bid(bid) = parse_ping(status, body) {
        assert!((200..300).contains(&status));
        assert!(bid.price > Micros::ZERO);
        assert!(bid.terms.bid_id.is_none_or(|id| id.chars().count() <= 256));
    }
    match parse_post(status, body, &NotTaken::default()) {
        PostAnswer::Accepted { redirect_url, .. } => {
            assert!((200..300).contains(&status), "{status} is no sale");
            let web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
            assert!(redirect_url.is_none_or(|url| web(&url) && url.len() <= 2_000));
        }
        PostAnswer::Rejected { .. } | PostAnswer::Duplicate | PostAnswer::Throttled => {
            // Whatever else a status says, the lead may have been taken.
            let refused = matches!(status, 200..=299 | 400..=407 | 410..=499);
            assert!(refused, "{status} does not say that it was not taken");
        }
        PostAnswer::Pending { .. } => assert!((200..300).contains(&status)),
        PostAnswer::Unclear(_) => {}
    }
}
