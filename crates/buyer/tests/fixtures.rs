//! Runs every file under `fixtures/`: messages we build against their bytes, answers of buyers
//! against what they mean. `exemplary` is the contract, `supplemental` what goes wrong.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use buyer::{
    BidTerms, NotTaken, PingAnswer, PingHead, PostAnswer, PostHead, SourceView, UnclearWhy,
    build_ping, build_post, parse_ping, parse_post,
};
use domain::{
    BuyerKey, BuyerPingId, Consent, Currency, FieldClass, FieldName, FieldValue, FullLead, LeadId,
    Timestamp,
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    about: String,
    build_ping: Option<Message>,
    build_post: Option<Message>,
    bytes: Option<Value>,
    #[serde(default)]
    ping_answers: Vec<(u16, Value, Value)>,
    #[serde(default)]
    post_answers: Vec<(u16, Value, Value)>,
    #[serde(default)]
    not_taken: BTreeSet<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    test: bool,
    tmax_ms: u64,
    #[serde(default)]
    already_sold: u8,
    sub: BTreeMap<String, String>,
    ping: BTreeMap<String, (String, Value)>,
    #[serde(default)]
    contact: BTreeMap<String, Value>,
    #[serde(default)]
    sensitive: BTreeSet<String>,
    bid_id: Option<String>,
    price: Option<String>,
    #[serde(default)]
    consent: bool,
}

fn value(json: &Value) -> FieldValue {
    match json {
        Value::Bool(yes) => FieldValue::Bool(*yes),
        Value::Number(number) => FieldValue::Int(number.as_i64().unwrap()),
        other => FieldValue::Text(other.as_str().unwrap().to_owned()),
    }
}

impl Message {
    fn lead(&self) -> FullLead {
        let mut lead = FullLead::default();
        for (name, (class, json)) in &self.ping {
            let class = match class.as_str() {
                "open" => FieldClass::Open,
                _ => FieldClass::Sensitive,
            };
            lead.ping
                .insert(name.parse().unwrap(), class, value(json))
                .unwrap();
        }
        for (name, json) in &self.contact {
            lead.contact.insert(name.parse().unwrap(), value(json));
        }
        lead
    }

    fn built(&self, post: bool) -> Value {
        let number = |last: u8| {
            let mut bytes = [0; 16];
            bytes[15] = last;
            bytes
        };
        let (campaign, contract) = ("auto-us".parse().unwrap(), "north-auto".parse().unwrap());
        let head = PingHead {
            ping_id: BuyerPingId::from_bytes(number(1)),
            campaign: &campaign,
            contract: &contract,
            tmax: Duration::from_millis(self.tmax_ms),
            currency: Currency::USD,
            test: self.test,
            already_sold: self.already_sold,
            source: SourceView {
                publisher: "pub-1",
                sub: &self.sub,
            },
        };
        let consent = self.consent.then(|| Consent {
            text: Some("I agree".to_owned()),
            at: Timestamp::parse("2026-11-25T16:00:00Z").ok(),
            ip: Some("192.0.2.1".to_owned()),
            url: Some("https://form.example/".to_owned()),
            sellers: vec!["North".to_owned()],
            trustedform_url: Some("https://cert.trustedform.com/t".to_owned()),
            ..Consent::default()
        });
        let lead = LeadId::from_bytes(number(2));
        let bytes = if post {
            let head = PostHead {
                ping: head,
                lead_id: lead,
                bid_id: self.bid_id.as_deref(),
                idempotency_key: BuyerKey { lead, leg: 1 },
                price: self.price.as_deref().unwrap().parse().unwrap(),
                consent: consent.as_ref(),
            };
            build_post(&head, &self.lead())
        } else {
            let sensitive: BTreeSet<FieldName> = self
                .sensitive
                .iter()
                .map(|name| name.parse().unwrap())
                .collect();
            build_ping(&head, &self.lead().ping, &sensitive)
        };
        serde_json::from_slice(&bytes).unwrap()
    }
}

/// A body as it is sent: text as it is, anything else as JSON.
fn body(json: &Value) -> Vec<u8> {
    match json {
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

/// `name`, or `{name: detail}` if there is a detail.
fn named(name: &str, detail: Option<impl Into<Value>>) -> Value {
    match detail {
        Some(detail) => json!({ name: detail.into() }),
        None => json!(name),
    }
}

fn yes(how: &str, what: Value, terms: BidTerms) -> Value {
    let mut shown = Map::from_iter([(how.to_owned(), what)]);
    if let Some(id) = terms.bid_id {
        shown.insert("bid_id".to_owned(), json!(id));
    }
    if let Some(span) = terms.expires_in {
        shown.insert("expires_in_s".to_owned(), json!(span.as_secs()));
    }
    Value::Object(shown)
}

fn ping_meaning(answer: PingAnswer) -> Value {
    match answer {
        PingAnswer::Bid(bid) => yes("bid", json!(bid.price.to_string()), bid.terms),
        PingAnswer::Accept(terms) => yes("accept", json!(true), terms),
        PingAnswer::NoBid { reason } => named("no_bid", reason),
        PingAnswer::Bad(why) => named("bad", Some(why)),
        PingAnswer::Throttled => json!("throttled"),
        PingAnswer::Error(status) => named("error", Some(status)),
    }
}

fn post_meaning(answer: PostAnswer) -> Value {
    match answer {
        PostAnswer::Accepted {
            reference,
            price,
            redirect_url,
        } => {
            let price = price.map(|price| price.to_string());
            let members = [
                ("reference", reference),
                ("price", price),
                ("redirect_url", redirect_url),
            ];
            let shown: Map<String, Value> = members
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
                .collect();
            named("accepted", Some(shown))
        }
        PostAnswer::Rejected { reason } => named("rejected", reason),
        PostAnswer::Throttled => json!("throttled"),
        PostAnswer::Duplicate => json!("duplicate"),
        PostAnswer::Pending { settle_by } => named("pending", settle_by.map(|at| at.to_string())),
        PostAnswer::Unclear(why) => {
            let why = match why {
                UnclearWhy::Status(status) => format!("status {status}"),
                UnclearWhy::Unreadable => "unreadable".to_owned(),
                UnclearWhy::NoRule => "no rule".to_owned(),
            };
            named("unclear", Some(why))
        }
    }
}

fn run(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let fixture =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()));
    let fixture: Fixture = fixture.unwrap();
    let context = format!("{}: {}", path.display(), fixture.about);
    let mut cases = 0;
    for (message, post) in [(&fixture.build_ping, false), (&fixture.build_post, true)] {
        if let Some(message) = message {
            assert_eq!(Some(message.built(post)), fixture.bytes, "{context}");
            cases += 1;
        }
    }
    for (status, sent, means) in &fixture.ping_answers {
        let answer = ping_meaning(parse_ping(*status, &body(sent)));
        assert_eq!(answer, *means, "{context}: {status} {sent}");
        cases += 1;
    }
    let not_taken = NotTaken(fixture.not_taken);
    for (status, sent, means) in &fixture.post_answers {
        let answer = post_meaning(parse_post(*status, &body(sent), &not_taken));
        assert_eq!(answer, *means, "{context}: {status} {sent}");
        cases += 1;
    }
    assert!(cases > 0, "{context}: no case");
    cases
}

#[test]
fn fixtures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut files = 0;
    for folder in ["exemplary", "supplemental"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            run(&entry.unwrap().path());
            files += 1;
        }
    }
    assert!(files >= 6, "{files} files");
}

proptest! {
    #[test]
    fn no_answer_panics(status in any::<u16>(), bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse_ping(status, &bytes);
        let _ = parse_post(status, &bytes, &NotTaken::default());
    }

    /// Only a readable 2xx that says so is a sale; only a status that the rule names is a refusal.
    #[test]
    fn a_status_outside_the_rule_is_unclear(
        status in any::<u16>(),
        said in "accepted|rejected|duplicate|pending|other",
    ) {
        let body = json!({ "status": said }).to_string();
        let answer = parse_post(status, body.as_bytes(), &NotTaken::default());
        let unclear = matches!(answer, PostAnswer::Unclear(_));
        let refusal = (400..500).contains(&status) && status != 408 && status != 409;
        let readable = (200..300).contains(&status) && said != "other";
        prop_assert_eq!(unclear, !refusal && !readable, "{} {:?}", status, answer);
        if matches!(answer, PostAnswer::Accepted { .. }) {
            prop_assert!((200..300).contains(&status));
        }
    }
}
