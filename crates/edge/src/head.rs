//! What every event has: whose it is, when it happened, and what its sender calls it.

use std::borrow::Cow;
use std::time::Duration;

use data_encoding::HEXLOWER;
use domain::{ClickId, Entropy, EventId, Timestamp, TrackKey, VisitorId};
use intake::contact::{Country, Email, Phone};
use proto::EventRecord;
use store::Sealer;

use crate::fields::Fields;
use crate::last::Last;

/// Longest id that a client gives an event, or a visitor.
const ID_BYTES: usize = 256;
/// The oldest event that is taken.
const OLDEST: Duration = Duration::from_secs(90 * 86_400);
/// How far a sender's clock may be ahead.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// What it takes to read an event.
#[derive(Clone, Copy)]
pub(crate) struct Desk<'a> {
    pub(crate) key: &'a TrackKey,
    pub(crate) sealer: &'a Sealer,
    pub(crate) received: Timestamp,
    /// Who sent it, apart from every other sender: ids of clients are their own.
    pub(crate) source: &'a str,
    /// Of phone numbers without a country code.
    pub(crate) country: Option<Country>,
}

/// Whose event it is, when it happened, and what its sender calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The sender's id for it, hashed.
    client: Option<EventId>,
    /// As sent; none: when it was received.
    pub(crate) ts: Option<Timestamp>,
    pub(crate) skew_us: Option<i64>,
    pub(crate) visitor: Option<VisitorId>,
    /// The click of ours that it names.
    pub(crate) click: Option<ClickId>,
    /// The click id as sent, where it is none of ours.
    pub(crate) unmatched: String,
    /// Keyed hashes of e-mail address and phone number.
    pub(crate) person: Vec<[u8; 16]>,
}

impl Head {
    /// Reads it; who was named before may be the same.
    pub(crate) fn read(
        fields: &mut Fields<'_>,
        desk: &Desk<'_>,
        last: &mut Last<VisitorId>,
    ) -> Self {
        let ts = fields.time("ts");
        let given = ts.is_some() || fields.raw("ts").is_some();
        if let Some(ts) = ts {
            if ts < desk.received.minus(OLDEST) {
                fields.issue("ts", "too_old", "is more than 90 days ago");
            } else if ts > desk.received.plus(AHEAD) {
                fields.issue("ts", "in_future", "is more than 5 minutes ahead");
            }
        }
        let id = fields.text("id", ID_BYTES);
        if id.is_some() && !given {
            let message = "is missing: an event with an id of its own has the time it happened";
            fields.issue("ts", "missing_ts", message);
        }
        let client = id.zip(ts).map(|(id, ts)| {
            let parts = [desk.source.into(), id.into(), micros(ts)];
            EventId::from_bytes(hash(desk.sealer, "event", &parts))
        });
        let sent_at = fields.time("sent_at");
        let visitor = fields.text("visitor", ID_BYTES);
        let sent = fields.text("click_id", ID_BYTES).unwrap_or_default();
        let click = ClickId::parse(sent, desk.key).ok();
        Self {
            client,
            ts,
            skew_us: sent_at.map(|at| {
                let received = desk.received.as_micros();
                received.saturating_sub(at.as_micros())
            }),
            visitor: visitor.map(|text| last.or(text, |text| visitor_of(text, desk))),
            click,
            unmatched: if click.is_none() { sent } else { "" }.to_owned(),
            person: person(fields, desk),
        }
    }

    /// Matched with nothing: what it names cannot be believed.
    pub(crate) fn forget(&mut self) {
        self.visitor = None;
        self.click = None;
        self.person.clear();
    }

    /// Whether the sender gave it an id.
    pub(crate) fn is_named(&self) -> bool {
        self.client.is_some()
    }

    /// Its id: from the sender's, else a new one.
    pub(crate) fn id(&self, received: Timestamp, entropy: &dyn Entropy) -> EventId {
        self.client
            .unwrap_or_else(|| EventId::mint(received, entropy))
    }

    /// The record of the event, still without a body.
    pub(crate) fn record(&self, id: EventId, received: Timestamp) -> EventRecord {
        EventRecord {
            id: id.as_bytes().to_vec(),
            ts_us: self.ts.unwrap_or(received).as_micros(),
            received_us: received.as_micros(),
            visitor: self
                .visitor
                .map(|visitor| visitor.as_bytes().to_vec())
                .unwrap_or_default(),
            click_id: self
                .click
                .map(|click| click.as_bytes().to_vec())
                .unwrap_or_default(),
            person: self.person.iter().map(|hash| hash.to_vec()).collect(),
            skew_us: self.skew_us,
            named: self.is_named(),
            body: None,
        }
    }

    /// What it says, to be hashed.
    pub(crate) fn parts(&self) -> [Cow<'static, str>; 5] {
        let person: String = self
            .person
            .iter()
            .map(|hash| HEXLOWER.encode(hash))
            .collect();
        let text = |id: Option<String>| Cow::Owned(id.unwrap_or_default());
        [
            text(self.click.map(|click| click.to_string())),
            self.unmatched.clone().into(),
            text(self.visitor.map(|visitor| visitor.to_string())),
            person.into(),
            self.ts.map(micros).unwrap_or_default(),
        ]
    }
}

fn micros(at: Timestamp) -> Cow<'static, str> {
    at.as_micros().to_string().into()
}

/// A visitor of ours, or whoever a sender calls by a name of its own.
fn visitor_of(text: &str, desk: &Desk<'_>) -> VisitorId {
    VisitorId::parse(text, desk.key).unwrap_or_else(|_| {
        let parts = [desk.source.into(), text.into()];
        VisitorId::derive(hash(desk.sealer, "visitor", &parts), desk.key)
    })
}

/// E-mail address and phone number, as nothing but hashes.
fn person(fields: &mut Fields<'_>, desk: &Desk<'_>) -> Vec<[u8; 16]> {
    let mut person = Vec::new();
    if let Some(text) = fields.readable("email") {
        match Email::parse(text) {
            Some(email) => person.push(desk.sealer.consumer("email", email.as_str())),
            None => fields.issue("email", "not_an_email", "is no e-mail address"),
        }
    }
    if let Some(text) = fields.readable("phone") {
        match desk.country.and_then(|country| Phone::parse(text, country)) {
            Some(phone) => person.push(desk.sealer.consumer("phone", phone.e164())),
            None => fields.issue("phone", "not_a_phone", "is no phone number"),
        }
    }
    person.sort_unstable();
    person.dedup();
    person
}

/// Each part behind its length, so that no two lists run into each other.
pub(crate) fn hash(sealer: &Sealer, domain: &str, parts: &[Cow<'_, str>]) -> [u8; 16] {
    let mut bytes = Vec::with_capacity(256);
    for part in parts {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    sealer.hash(domain, &bytes)
}
