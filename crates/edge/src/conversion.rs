//! What a postback says, checked: all issues at once, and what is odd but kept as flags.

use std::borrow::Cow;

use catalog::Campaign;
use domain::{CampaignName, ClickId, Currency, EventId, GoalName, Micros, TrackKey};
use httpd::Issue;
use proto::Conversion;
use store::Sealer;

use crate::scrub::scrub;

/// Longest order id.
const TXID_BYTES: usize = 256;
/// The goal that the service itself reports for each sold lead.
const OWN_GOAL: &str = "lead_sold";
const STATUSES: [&str; 5] = ["pending", "approved", "held", "rejected", "reversed"];

type Pairs<'a> = [(Cow<'a, str>, Cow<'a, str>)];

/// Why a conversion is kept but not matched, or not payable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    /// The sender's system left a macro unexpanded: its configuration is wrong.
    InvalidMacro,
    /// The click id is not one of ours.
    InvalidClick,
    /// Neither click id nor order id: nothing tells it from another.
    Unkeyed,
}

impl Flag {
    /// Its stable name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidMacro => "invalid_macro",
            Self::InvalidClick => "invalid_click",
            Self::Unkeyed => "unkeyed",
        }
    }
}

/// What a postback says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    campaign: CampaignName,
    goal: GoalName,
    /// The click it is matched by.
    pub(crate) click: Option<ClickId>,
    /// The click id as sent, where it is matched to nothing: it tells one event from another.
    unmatched: String,
    txid: String,
    amount: Option<Micros>,
    currency: Currency,
    status: &'static str,
    pub(crate) flags: Vec<Flag>,
}

impl Said {
    /// Reads the parameters of a postback about `campaign`. Unknown ones are for the sender's own
    /// use.
    pub(crate) fn read(
        pairs: &Pairs<'_>,
        campaign: &Campaign,
        key: &TrackKey,
        sealer: &Sealer,
    ) -> Result<Self, Vec<Issue>> {
        let mut fields = Fields::of(pairs);
        let goal = goal(&mut fields, campaign);
        let txid = fields.value("txid").unwrap_or_default();
        if txid.len() > TXID_BYTES {
            fields.issue("txid", "too_long", "is longer than 256 bytes");
        }
        let amount = amount(&mut fields);
        let currency = currency(&mut fields, campaign);
        let status = status(&mut fields);
        let sent = fields.value("click_id").unwrap_or_default();
        let goal = match goal {
            Some(goal) if fields.issues.is_empty() => goal,
            _ => return Err(fields.issues),
        };

        let mut flags = Vec::new();
        let mut click = None;
        if fields.unexpanded {
            flags.push(Flag::InvalidMacro);
        } else if !sent.is_empty() {
            click = ClickId::parse(sent, key).ok();
            if click.is_none() {
                flags.push(Flag::InvalidClick);
            }
        }
        if click.is_none() && txid.is_empty() {
            flags.push(Flag::Unkeyed);
        }
        Ok(Self {
            campaign: campaign.name.clone(),
            goal,
            click,
            unmatched: if click.is_none() {
                sent.to_owned()
            } else {
                String::new()
            },
            txid: scrub(txid, TXID_BYTES, sealer).into_owned(),
            amount,
            currency,
            status,
            flags,
        })
    }

    /// What makes two reports the same conversion, hashed; none if nothing does.
    pub(crate) fn key(&self, sealer: &Sealer) -> Option<[u8; 16]> {
        let [campaign, goal, click, txid, ..] = self.parts();
        let keyed = !self.flags.contains(&Flag::Unkeyed);
        keyed.then(|| hash(sealer, "conversion", &[campaign, goal, click, txid]))
    }

    /// The event's id: a keyed hash of all that was said.
    pub(crate) fn event_id(&self, sealer: &Sealer) -> EventId {
        EventId::from_bytes(hash(sealer, "postback", &self.parts()))
    }

    fn parts(&self) -> [Cow<'_, str>; 8] {
        [
            self.campaign.as_str().into(),
            self.goal.as_str().into(),
            self.click
                .map(|click| click.to_string())
                .unwrap_or_default()
                .into(),
            self.txid.as_str().into(),
            self.unmatched.as_str().into(),
            self.status.into(),
            self.amount
                .map(|amount| amount.to_string())
                .unwrap_or_default()
                .into(),
            self.currency.as_str().into(),
        ]
    }

    /// The conversion as it is recorded.
    pub(crate) fn record(&self) -> Conversion {
        Conversion {
            campaign: self.campaign.as_str().to_owned(),
            goal: self.goal.as_str().to_owned(),
            txid: self.txid.clone(),
            amount_micros: self.amount.map(Micros::get),
            currency: self.currency.as_str().to_owned(),
            status: self.status.to_owned(),
            source: "postback".to_owned(),
            flags: self
                .flags
                .iter()
                .map(|flag| flag.as_str().to_owned())
                .collect(),
            ..Conversion::default()
        }
    }
}

/// Each part behind its length, so that no two lists run into each other.
fn hash(sealer: &Sealer, domain: &str, parts: &[Cow<'_, str>]) -> [u8; 16] {
    let mut bytes = Vec::with_capacity(256);
    for part in parts {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    sealer.hash(domain, &bytes)
}

/// The parameters, and what was found wrong with them so far.
struct Fields<'a> {
    pairs: &'a Pairs<'a>,
    unexpanded: bool,
    issues: Vec<Issue>,
}

impl<'a> Fields<'a> {
    fn of(pairs: &'a Pairs<'a>) -> Self {
        Self {
            pairs,
            unexpanded: false,
            issues: Vec::new(),
        }
    }

    fn issue(&mut self, name: &str, code: &'static str, message: impl Into<Cow<'static, str>>) {
        self.issues.push(Issue {
            pointer: format!("/{name}").into(),
            code: code.into(),
            message: message.into(),
        });
    }

    /// A parameter's one value, trimmed. An empty one is none.
    fn raw(&mut self, name: &str) -> Option<&'a str> {
        let pairs = self.pairs;
        let mut values = pairs
            .iter()
            .filter(|(own, _)| own == name)
            .map(|(_, value)| value.trim());
        let value = values.next()?;
        if values.any(|other| other != value) {
            self.issue(
                name,
                "repeated",
                "is there more than once, with different values",
            );
        }
        if value.contains('\u{fffd}') {
            self.issue(name, "not_utf8", "is not UTF-8");
        }
        Some(value).filter(|value| !value.is_empty())
    }

    /// As [`Self::raw`], but an unexpanded macro is noted and none for the values that are parsed.
    fn value(&mut self, name: &str) -> Option<&'a str> {
        let value = self.raw(name)?;
        self.unexpanded |= is_macro(value);
        Some(value)
    }
}

/// `{clickid}`, also escaped once more.
fn is_macro(value: &str) -> bool {
    let escaped = |at: usize| {
        let end = value.get(at..at.saturating_add(3));
        end.is_some_and(|text| text.eq_ignore_ascii_case("%7b") || text.eq_ignore_ascii_case("%7d"))
    };
    value.contains(['{', '}']) || value.match_indices('%').any(|(at, _)| escaped(at))
}

fn goal(fields: &mut Fields<'_>, campaign: &Campaign) -> Option<GoalName> {
    let Some(name) = fields.raw("goal") else {
        fields.issue("goal", "required", "is missing");
        return None;
    };
    match campaign.goals.get_key_value(name) {
        _ if name == OWN_GOAL => {
            fields.issue("goal", "reserved", "is reported by the service itself");
            None
        }
        Some((goal, _)) => Some(goal.clone()),
        None => {
            fields.issue("goal", "unknown", "is no goal of this campaign");
            None
        }
    }
}

fn amount(fields: &mut Fields<'_>) -> Option<Micros> {
    let text = fields.value("amount").filter(|text| !is_macro(text))?;
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
    match fields.value("currency").filter(|text| !is_macro(text)) {
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

/// A conversion that an advertiser's server reports counts, unless it says otherwise.
fn status(fields: &mut Fields<'_>) -> &'static str {
    let Some(text) = fields.value("status").filter(|text| !is_macro(text)) else {
        return "approved";
    };
    let found = STATUSES
        .into_iter()
        .find(|status| status.eq_ignore_ascii_case(text));
    found.unwrap_or_else(|| {
        fields.issue(
            "status",
            "unknown",
            format!("is none of {}", STATUSES.join(", ")),
        );
        "approved"
    })
}
