//! What is said of a conversion, checked: all issues at once, and what is odd but kept as flags.

use std::borrow::Cow;

use catalog::{Campaign, Goal, PixelTrust, Repeat, TxidScope};
use domain::{CampaignName, ConversionStatus, Currency, EventId, GoalName, Micros};
use httpd::Issue;
use proto::{Conversion, EventBody, EventRecord};
use store::Sealer;

use crate::fields::Fields;
use crate::head::{Desk, Head, hash};
use crate::last::Last;
use crate::scrub::scrub;

/// Longest order id.
const TXID_BYTES: usize = 256;
/// The goal that the service itself reports for each sold lead.
const OWN_GOAL: &str = "lead_sold";

/// By which door it was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// An advertiser's server.
    Postback,
    /// A browser: anybody can say anything.
    Pixel,
    /// The events API.
    Api,
    /// The events API, taking one back.
    Reversal,
}

impl Door {
    /// As it is recorded.
    const fn source(self) -> &'static str {
        match self {
            Self::Postback => "postback",
            Self::Pixel => "pixel",
            Self::Api | Self::Reversal => "api",
        }
    }
}

/// Why a conversion is kept but not matched, or not payable, or not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    /// The sender's system left a macro unexpanded: its configuration is wrong.
    InvalidMacro,
    /// The click id is not one of ours.
    InvalidClick,
    /// It names nothing that tells it from another.
    Unkeyed,
    /// A pixel's word for a goal that does not trust pixels: it changes nothing that a server said.
    Unverified,
}

impl Flag {
    /// Its stable name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidMacro => "invalid_macro",
            Self::InvalidClick => "invalid_click",
            Self::Unkeyed => "unkeyed",
            Self::Unverified => "unverified",
        }
    }
}

/// What is said of a conversion.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    campaign: CampaignName,
    goal: GoalName,
    repeat: Repeat,
    scope: TxidScope,
    door: Door,
    pub(crate) head: Head,
    txid: String,
    parent: String,
    /// Of what `parent` is an order; empty where there is none.
    parent_goal: String,
    amount: Option<Micros>,
    currency: Currency,
    status: ConversionStatus,
    pub(crate) flags: Vec<Flag>,
}

impl Said {
    /// Reads what was said about `campaign`.
    pub(crate) fn read(
        mut fields: Fields<'_>,
        campaign: &Campaign,
        door: Door,
        desk: &Desk<'_>,
    ) -> Result<Self, Vec<Issue>> {
        let mut head = Head::read(&mut fields, desk, &mut Last::default());
        let goal = goal(&mut fields, campaign);
        let txid = fields.text("txid", TXID_BYTES).unwrap_or_default();
        let parent = fields.text("parent", TXID_BYTES).unwrap_or_default();
        let parent_goal = parent_goal(&mut fields, campaign, parent);
        let amount = amount(&mut fields);
        let currency = currency(&mut fields, campaign);
        let status = status(&mut fields, campaign, door, goal);
        let unexpanded = fields.unexpanded();
        fields.finish()?;
        let Some(goal) = goal else {
            return Err(Vec::new());
        };

        let mut flags = Vec::new();
        if unexpanded {
            flags.push(Flag::InvalidMacro);
            head.unmatched = head
                .click
                .map(|click| click.to_string())
                .unwrap_or(head.unmatched);
            head.forget();
        } else if !head.unmatched.is_empty() {
            flags.push(Flag::InvalidClick);
        }
        let keyed =
            !parent.is_empty() || head.click.is_some() || head.visitor.is_some() || head.is_named();
        if txid.is_empty() && !keyed {
            flags.push(Flag::Unkeyed);
        }
        if door == Door::Pixel && goal.pixel == PixelTrust::Untrusted {
            flags.push(Flag::Unverified);
        }
        let opaque = |text: &str| scrub(text, TXID_BYTES, desk.sealer).into_owned();
        Ok(Self {
            campaign: campaign.name.clone(),
            goal: goal.name.clone(),
            repeat: goal.repeat,
            scope: goal.txid_scope,
            door,
            head,
            txid: opaque(txid),
            parent: opaque(parent),
            parent_goal: parent_goal.to_owned(),
            amount,
            currency,
            status,
            flags,
        })
    }

    /// What makes two reports the same conversion, hashed; none if nothing does.
    pub(crate) fn key(&self, sealer: &Sealer) -> Option<[u8; 16]> {
        if self.flags.contains(&Flag::Unkeyed) {
            return None;
        }
        let [click, _, visitor, ..] = match self.parent.is_empty() {
            true => self.head.parts(),
            // What follows from a conversion has that one's.
            false => Default::default(),
        };
        let (click, visitor) = match (self.txid.is_empty(), self.scope) {
            (true, _) if click.is_empty() => (click, visitor),
            (false, TxidScope::Campaign) => ("".into(), "".into()),
            _ => (click, "".into()),
        };
        let (campaign, goal) = (self.campaign.as_str().into(), self.goal.as_str().into());
        let (parent, of) = (
            self.parent.as_str().into(),
            self.parent_goal.as_str().into(),
        );
        let txid = self.txid.as_str().into();
        let parts = [campaign, goal, click, visitor, txid, of, parent];
        Some(hash(sealer, "conversion", &parts))
    }

    /// What is said of the conversion, hashed.
    pub(crate) fn content(&self, sealer: &Sealer) -> [u8; 16] {
        hash(sealer, "said", &self.value())
    }

    /// The event's id: from the sender's id for it, else a keyed hash of all that was said; none if
    /// nothing tells it from another.
    pub(crate) fn event_id(&self, sealer: &Sealer) -> Option<EventId> {
        if self.head.is_named() || self.flags.contains(&Flag::Unkeyed) {
            return None;
        }
        let mut parts = vec![
            self.door.source().into(),
            self.campaign.as_str().into(),
            self.goal.as_str().into(),
            self.txid.as_str().into(),
            self.parent.as_str().into(),
            self.parent_goal.as_str().into(),
        ];
        parts.extend(self.head.parts());
        parts.extend(self.value());
        Some(EventId::from_bytes(hash(sealer, "postback", &parts)))
    }

    fn value(&self) -> [Cow<'_, str>; 3] {
        let amount = self.amount.map(|amount| amount.to_string());
        [
            self.status.as_str().into(),
            amount.unwrap_or_default().into(),
            self.currency.as_str().into(),
        ]
    }

    /// The record of the event; `more` are flags that do not come from what was said.
    pub(crate) fn record(
        &self,
        id: EventId,
        desk: &Desk<'_>,
        more: impl IntoIterator<Item = String>,
    ) -> EventRecord {
        let flags = self.flags.iter().map(|flag| flag.as_str().to_owned());
        let conversion = Conversion {
            campaign: self.campaign.as_str().to_owned(),
            goal: self.goal.as_str().to_owned(),
            txid: self.txid.clone(),
            amount_micros: self.amount.map(Micros::get),
            currency: self.currency.as_str().to_owned(),
            status: self.status.as_str().to_owned(),
            source: self.door.source().to_owned(),
            flags: flags.chain(more).collect(),
            parent: self.parent.clone(),
            parent_goal: self.parent_goal.clone(),
            once: self.repeat == Repeat::No,
            campaign_txid: self.scope == TxidScope::Campaign,
            ..Conversion::default()
        };
        EventRecord {
            body: Some(EventBody::Conversion(conversion)),
            ..self.head.record(id, desk.received)
        }
    }
}

fn goal<'c>(fields: &mut Fields<'_>, campaign: &'c Campaign) -> Option<&'c Goal> {
    let Some(name) = fields.raw("goal") else {
        fields.required("goal");
        return None;
    };
    match campaign.goals.get(name) {
        _ if name == OWN_GOAL => {
            fields.issue("goal", "reserved", "is reported by the service itself");
            None
        }
        None => {
            fields.issue("goal", "unknown", "is no goal of this campaign");
            None
        }
        found => found,
    }
}

/// The goal of the conversion that another one follows from: a lead's sale, unless it is said.
fn parent_goal<'f>(fields: &mut Fields<'f>, campaign: &Campaign, parent: &str) -> &'f str {
    match fields.readable("parent_goal") {
        None if parent.is_empty() => "",
        None => OWN_GOAL,
        Some(_) if parent.is_empty() => {
            fields.issue(
                "parent_goal",
                "conflict",
                "is of a `parent`, and there is none",
            );
            ""
        }
        Some(name) => {
            if name != OWN_GOAL && !campaign.goals.contains_key(name) {
                fields.issue("parent_goal", "unknown", "is no goal of this campaign");
            }
            name
        }
    }
}

fn amount(fields: &mut Fields<'_>) -> Option<Micros> {
    let text = fields.readable("amount")?;
    match text.parse::<Micros>() {
        Ok(amount) if amount >= Micros::ZERO => Some(amount),
        Ok(_) => {
            fields.issue(
                "amount",
                "negative",
                "is negative: send status=reversed instead",
            );
            None
        }
        Err(error) => {
            fields.issue("amount", "not_an_amount", format!("is {error}"));
            None
        }
    }
}

/// All amounts of a campaign are in its currency.
fn currency(fields: &mut Fields<'_>, campaign: &Campaign) -> Currency {
    let own = campaign.currency;
    match fields.readable("currency") {
        Some(text) if !text.eq_ignore_ascii_case(own.as_str()) => {
            fields.issue(
                "currency",
                "wrong_currency",
                format!("is not the campaign's, {own}"),
            );
        }
        Some(_) | None => {}
    }
    own
}

/// What was said, else how conversions of the goal begin. An untrusted pixel says nothing.
fn status(
    fields: &mut Fields<'_>,
    campaign: &Campaign,
    door: Door,
    goal: Option<&Goal>,
) -> ConversionStatus {
    let said = fields.readable("status").and_then(|text| {
        let found = campaign.postback.status(text);
        if found.is_none() {
            let known = ConversionStatus::ALL.map(ConversionStatus::as_str);
            fields.issue(
                "status",
                "unknown",
                format!("is none of {}", known.join(", ")),
            );
        }
        found
    });
    let begins = goal.map_or(ConversionStatus::Approved, |goal| goal.approval.status());
    let untrusted = goal.is_some_and(|goal| goal.pixel == PixelTrust::Untrusted);
    match door {
        Door::Reversal => {
            if said.is_some_and(|status| status != ConversionStatus::Reversed) {
                fields.issue("status", "contradiction", "a reversal has no other status");
            }
            ConversionStatus::Reversed
        }
        Door::Pixel if untrusted => ConversionStatus::Pending,
        Door::Pixel | Door::Postback | Door::Api => said.unwrap_or(begins),
    }
}
